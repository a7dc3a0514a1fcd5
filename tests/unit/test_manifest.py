"""Each file shipped under data/ is listed with checksum, licence, origin and the command that makes it."""

import hashlib
import tomllib

import pytest

from medtutor.course import data as command
from medtutor.course.build import ROOT


def test_every_shipped_file_is_as_the_manifest_says():
    assert command.faults() == []


def test_the_checksums_are_of_the_files_themselves():
    with open(ROOT / "data" / "manifest.toml", "rb") as file:
        listed = {entry["path"]: entry for entry in tomllib.load(file)["file"]}
    there = {path.relative_to(ROOT / "data").as_posix(): path for path in (ROOT / "data").rglob("*.*")}
    assert set(listed) >= set(there) - {"manifest.toml", ".DS_Store"}
    for path, entry in listed.items():
        content = there[path].read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
        assert all(len(entry[word]) > 3 for word in ("licence", "origin", "command"))


@pytest.fixture
def root(tmp_path):
    """A checkout that ships two files and has a full manifest."""
    (tmp_path / "data" / "maps").mkdir(parents=True)
    (tmp_path / "data" / "one.bin").write_bytes(b"one")
    (tmp_path / "data" / "maps" / "two.txt").write_bytes(b"two")
    command.write(tmp_path)
    manifest = tmp_path / "data" / "manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    for word in ("licence", "origin", "command"):
        text = text.replace(f'{word} = ""', f'{word} = "some \\"{word}\\" — é"')
    manifest.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_full_manifest_has_no_faults_and_writing_again_changes_nothing(root):
    assert command.faults(root) == []
    before = (root / "data" / "manifest.toml").read_bytes()
    command.write(root)
    assert (root / "data" / "manifest.toml").read_bytes() == before
    assert command.read(root)["maps/two.txt"]["origin"] == 'some "origin" — é'


def test_an_unlisted_file_is_a_fault(root):
    (root / "data" / "maps" / "stray.npz").write_bytes(b"?")
    assert command.faults(root) == ["data/maps/stray.npz: not in data/manifest.toml"]


def test_a_changed_file_is_a_fault_in_size_and_checksum(root):
    (root / "data" / "one.bin").write_bytes(b"more")
    sizes, sums = command.faults(root)
    assert sizes == "data/one.bin: bytes is 4; manifest.toml says 3"
    assert hashlib.sha256(b"more").hexdigest() in sums and hashlib.sha256(b"one").hexdigest() in sums


def test_a_missing_file_is_a_fault(root):
    (root / "data" / "one.bin").unlink()
    assert command.faults(root) == ["data/one.bin: listed in data/manifest.toml, but not there"]


def test_a_new_file_is_added_and_its_empty_words_are_faults(root, capsys):
    (root / "data" / "three.bin").write_bytes(b"three")
    assert command.main(["manifest", "--write"], root) == 1
    said = [f"data/three.bin: manifest.toml says nothing under {word}" for word in command.BY_HAND]
    assert command.faults(root) == said == capsys.readouterr().out.splitlines()[:3]
    assert command.read(root)["three.bin"]["sha256"] == hashlib.sha256(b"three").hexdigest()


def test_renewing_keeps_what_was_written_by_hand(root):
    (root / "data" / "one.bin").write_bytes(b"renewed")
    (root / "data" / "maps" / "two.txt").unlink()
    assert command.main(["manifest"], root) == 1
    assert command.main(["manifest", "--write"], root) == 0
    assert list(command.read(root)) == ["one.bin"]
    assert command.read(root)["one.bin"]["licence"] == 'some "licence" — é'


def test_a_checkout_without_shipped_files_has_no_faults(tmp_path):
    assert command.faults(tmp_path) == [] and command.read(tmp_path) == {}
