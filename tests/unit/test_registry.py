"""Downloads from a server that misbehaves, on this machine alone: what is kept is right, or nothing is."""

import hashlib
import http.server
import io
import json
import os
import re
import tarfile
import threading
import zipfile
from collections import Counter
from dataclasses import replace

import pytest

from medtutor.data import registry
from medtutor.data.registry import DataNotHere, File, NoChecksum, WrongChecksum

GOOD = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(GOOD).hexdigest()


class Server:
    """A web server by script: `answers[path]` is a function of the request, or a list of them."""

    def __init__(self):
        self.answers, self.asked, self.stop = {}, Counter(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked[self.path] += 1
                answer = outer.answers.get(self.path, refusal(404))
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                try:
                    answer(self)
                except OSError:
                    pass  # the client has gone
                self.close_connection = True

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()


def sends(content, length=None):
    def answer(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        request.wfile.write(content)

    return answer


def refusal(code):
    return lambda request: request.send_error(code)


half = sends(GOOD[:100_000], len(GOOD))


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    yield running
    running.close()


@pytest.fixture
def place(monkeypatch, tmp_path, server):
    """A cache of its own and a registry with the set "tiny", which lies at the server as /tiny.bin."""
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDTUTOR_MIRROR", raising=False)
    monkeypatch.setattr(registry, "WAITS", (0, 0))
    server.answers["/tiny.bin"] = sends(GOOD)
    define(monkeypatch, File("tiny.bin", (server.address + "/tiny.bin",), "a test", SHA256, bytes=len(GOOD)))
    return tmp_path / "cache" / "published" / "tiny"


ANY = registry.sets()["breastmnist"]


def define(monkeypatch, file):
    tiny = replace(ANY, name="tiny", files=(file,), counts={})
    monkeypatch.setattr(registry, "sets", lambda: {"tiny": tiny})
    return file


def of(file=None):
    return registry.sets()["tiny"].files[0]


def left(place):
    return sorted(path.name for path in place.glob("*"))


def test_a_file_is_downloaded_once_and_then_needs_no_server(place, server):
    path = registry.fetch("tiny")["tiny.bin"]
    assert path == place / "tiny.bin" and path.read_bytes() == GOOD
    server.answers.clear()
    assert registry.fetch("tiny") == {"tiny.bin": path}
    assert server.asked == {"/tiny.bin": 1} and left(place) == ["tiny.bin"]


def test_another_file_is_refused_and_the_message_compares_both(place, server):
    server.answers["/tiny.bin"] = sends(b"x" + GOOD[1:])
    with pytest.raises(WrongChecksum) as caught:
        registry.fetch("tiny")
    said = str(caught.value)
    assert f"expected  SHA-256 {SHA256}, 256,000 bytes" in said
    assert f"came      SHA-256 {hashlib.sha256(b'x' + GOOD[1:]).hexdigest()}, 256,000 bytes" in said
    assert "damaged on the way" in said and server.address in said
    assert left(place) == []
    server.answers["/tiny.bin"] = sends(GOOD)
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD


@pytest.mark.parametrize(
    "content, likely",
    [
        (b"\n<!DOCTYPE html><title>Please log in</title>", "a web page came instead"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (GOOD[:-1], "cut short"),
        (GOOD + b"\0", "replaced the file by another version"),
    ],
)
def test_the_likely_cause_of_a_wrong_checksum_is_named(place, server, content, likely):
    server.answers["/tiny.bin"] = sends(content)
    with pytest.raises(WrongChecksum, match=likely):
        registry.fetch("tiny")
    assert left(place) == []


def test_a_server_that_promises_too_little_is_found_out(place, server):
    server.answers["/tiny.bin"] = sends(GOOD, len(GOOD) - 10)
    with pytest.raises(WrongChecksum, match="cut short"):
        registry.fetch("tiny")
    assert left(place) == []


def test_an_md5_is_enough_where_the_publisher_gives_no_more(monkeypatch, place):
    define(monkeypatch, replace(of(), sha256=None, md5=hashlib.md5(GOOD).hexdigest()))
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD
    define(monkeypatch, replace(of(), md5="0" * 32))
    (place / "tiny.bin").unlink()
    with pytest.raises(WrongChecksum, match="expected  MD5 00000000"):
        registry.fetch("tiny")


def test_a_connection_that_breaks_off_is_tried_again(place, server):
    server.answers["/tiny.bin"] = [half, half, sends(GOOD)]
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD
    assert server.asked["/tiny.bin"] == 3 and left(place) == ["tiny.bin"]


def test_an_interrupted_download_leaves_nothing_and_the_next_call_starts_clean(place, server):
    server.answers["/tiny.bin"] = half
    with pytest.raises(DataNotHere, match="broke off half way"):
        registry.fetch("tiny")
    assert left(place) == [] and server.asked["/tiny.bin"] == 3
    server.answers["/tiny.bin"] = sends(GOOD)
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD


def test_ctrl_c_leaves_nothing(monkeypatch, place):
    def interrupt(self, n):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(registry.Bar, "update", interrupt)
        registry.fetch("tiny")
    assert left(place) == []
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD


def test_what_a_killed_process_left_is_swept_but_not_what_another_is_writing(place):
    place.mkdir(parents=True)
    for name in ("tiny.bin.dead.part", "tiny.bin.live.part"):
        (place / name).write_bytes(b"half")
    os.utime(place / "tiny.bin.dead.part", (0, 0))
    registry.fetch("tiny")
    assert left(place) == ["tiny.bin", "tiny.bin.live.part"]


@pytest.mark.parametrize("code, times", [(403, 1), (404, 1), (429, 3), (503, 3)])
def test_a_refusal_is_told_and_only_a_busy_server_is_asked_again(place, server, code, times):
    server.answers["/tiny.bin"] = refusal(code)
    with pytest.raises(DataNotHere, match=f"the server answered {code}"):
        registry.fetch("tiny")
    assert server.asked["/tiny.bin"] == times and left(place) == []


def test_a_silent_server_is_given_up(monkeypatch, place, server):
    monkeypatch.setattr(registry, "TIMEOUT", 0.1)
    monkeypatch.setattr(registry, "WAITS", (0,))
    server.answers["/tiny.bin"] = lambda request: server.stop.wait()
    with pytest.raises(DataNotHere, match=r"silent for 0\.1 seconds"):
        registry.fetch("tiny")
    assert server.asked["/tiny.bin"] == 2


def test_a_server_that_never_ends_is_stopped(monkeypatch, place, server):
    monkeypatch.setattr(File, "limit", property(lambda self: 2**20))
    sent = Counter()

    def endless(request):
        request.send_response(200)
        request.end_headers()
        while not server.stop.is_set():
            sent["bytes"] += request.wfile.write(bytes(2**16))

    server.answers["/tiny.bin"] = endless
    with pytest.raises(DataNotHere, match="more than 1,048,576 bytes came"):
        registry.fetch("tiny")
    assert left(place) == []


def test_the_limit_is_well_above_the_size_of_every_file():
    for each in registry.sets().values():
        for file in each.files:
            assert file.megabytes > 0 and file.limit > 1.5e6 * file.megabytes


def test_without_a_network_the_message_says_what_to_get_from_where_and_where_to_put_it(monkeypatch, place):
    define(monkeypatch, replace(of(), addresses=("https://publisher.invalid/tiny.bin",)))
    with pytest.raises(DataNotHere) as caught:
        registry.fetch("tiny")
    lines = [line.split(maxsplit=1) for line in str(caught.value).splitlines()]
    assert ["from", "https://publisher.invalid/tiny.bin"] in lines
    assert ["check", f"SHA-256 {SHA256}; 256,000 bytes"] in lines
    assert ["put", str(place / "tiny.bin")] in lines
    assert "MEDTUTOR_MIRROR" in str(caught.value) and isinstance(caught.value, OSError)


def test_a_file_that_was_put_there_by_hand_is_used(place, server):
    place.mkdir(parents=True)
    (place / "tiny.bin").write_bytes(GOOD)
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD
    assert not server.asked


def test_a_damaged_file_in_the_cache_is_fetched_again(place, server):
    path = registry.fetch("tiny")["tiny.bin"]
    path.write_bytes(GOOD[:-1] + b"!")
    assert registry.status("tiny")[0][1].startswith("damaged: SHA-256 ")
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD
    assert server.asked["/tiny.bin"] == 2 and registry.status("tiny") == [("tiny.bin", "good")]


def test_a_damaged_file_that_cannot_be_fetched_again_is_named(place, server):
    registry.fetch("tiny")["tiny.bin"].write_bytes(b"!")
    server.answers.clear()
    with pytest.raises(DataNotHere, match=r"was there and is damaged \(SHA-256 \w+, 1 bytes\)"):
        registry.fetch("tiny")


def test_two_at_once_do_no_harm(place):
    done = []
    threads = [threading.Thread(target=lambda: done.append(registry.fetch("tiny"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4 and left(place) == ["tiny.bin"]
    assert (place / "tiny.bin").read_bytes() == GOOD


@pytest.mark.parametrize("written", ["folder", "file address"])
def test_a_mirror_folder_is_asked_before_the_publisher(monkeypatch, place, server, tmp_path, written):
    (tmp_path / "my mirror" / "tiny").mkdir(parents=True)
    (tmp_path / "my mirror" / "tiny" / "tiny.bin").write_bytes(GOOD)
    folder = tmp_path / "my mirror"
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(folder) if written == "folder" else folder.as_uri())
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD
    assert not server.asked and left(place) == ["tiny.bin"]


def test_the_folder_of_a_filled_cache_serves_as_a_mirror(monkeypatch, place, server, tmp_path):
    registry.fetch("tiny")
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(place.parent))
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "another"))
    server.answers.clear()
    assert registry.fetch("tiny")["tiny.bin"].read_bytes() == GOOD
    assert registry.folder("tiny") != place


def test_a_mirror_address_is_asked_before_the_publisher(monkeypatch, place, server):
    monkeypatch.setenv("MEDTUTOR_MIRROR", server.address + "/mirror/")
    server.answers["/mirror/tiny/tiny.bin"] = sends(GOOD)
    registry.fetch("tiny")
    assert server.asked == {"/mirror/tiny/tiny.bin": 1}


def test_a_mirror_that_lacks_the_file_is_passed_over(monkeypatch, place, server, tmp_path):
    for mirror in (str(tmp_path / "nowhere"), server.address + "/mirror"):
        monkeypatch.setenv("MEDTUTOR_MIRROR", mirror)
        registry.fetch("tiny")["tiny.bin"].unlink()
    assert server.asked["/tiny.bin"] == 2


def test_a_wrong_file_from_a_mirror_is_refused_like_any_other(monkeypatch, place, server, tmp_path):
    (tmp_path / "mirror" / "tiny").mkdir(parents=True)
    (tmp_path / "mirror" / "tiny" / "tiny.bin").write_bytes(GOOD[:-1])
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(WrongChecksum, match=re.escape(str(tmp_path / "mirror"))):
        registry.fetch("tiny")
    assert not server.asked and left(place) == []


@pytest.fixture
def unverified(monkeypatch, place):
    define(monkeypatch, replace(of(), sha256=None, bytes=None, about_mb=0.3))
    return place


def test_a_file_without_a_published_checksum_is_not_taken_silently(unverified, server):
    with pytest.raises(NoChecksum, match="medtutor data fetch tiny --accept-unverified"):
        registry.fetch("tiny")
    assert not server.asked


def test_accepting_one_shows_its_checksum_and_pins_it(unverified, server, capsys):
    registry.fetch("tiny", accept_unverified=True)
    assert SHA256 in capsys.readouterr().out
    assert json.loads((unverified / "pinned.json").read_text()) == {"tiny.bin": SHA256}
    assert registry.fetch("tiny") and registry.status("tiny") == [("tiny.bin", "good")]
    (unverified / "tiny.bin").unlink()
    server.answers["/tiny.bin"] = sends(b"another")
    for accept in (False, True):
        with pytest.raises(WrongChecksum, match=f"expected  SHA-256 {SHA256}"):
            registry.fetch("tiny", accept_unverified=accept)
    assert left(unverified) == ["pinned.json"]


def test_accepting_one_keeps_the_pins_of_others(unverified):
    unverified.mkdir(parents=True)
    (unverified / "pinned.json").write_text('{"other.bin": "0"}')
    registry.fetch("tiny", accept_unverified=True)
    assert json.loads((unverified / "pinned.json").read_text()) == {"other.bin": "0", "tiny.bin": SHA256}


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_damaged_pins_accept_nothing(unverified, content):
    registry.fetch("tiny", accept_unverified=True)
    (unverified / "pinned.json").write_text(content)
    with pytest.raises(NoChecksum):
        registry.fetch("tiny")


def test_a_file_put_there_by_hand_without_a_checksum_has_to_be_accepted_too(unverified, server, capsys):
    unverified.mkdir(parents=True)
    (unverified / "tiny.bin").write_bytes(b"by hand")
    assert registry.status("tiny") == [("tiny.bin", "unverified")]
    with pytest.raises(NoChecksum):
        registry.fetch("tiny")
    assert registry.fetch("tiny", accept_unverified=True)["tiny.bin"].read_bytes() == b"by hand"
    assert registry.fetch("tiny") and not server.asked
    assert hashlib.sha256(b"by hand").hexdigest() in capsys.readouterr().out


def test_an_empty_answer_is_never_accepted(unverified, server):
    server.answers["/tiny.bin"] = sends(b"")
    with pytest.raises(DataNotHere, match="it is empty"):
        registry.fetch("tiny", accept_unverified=True)
    assert left(unverified) == []


MEMBERS = {"one.txt": b"first", "two.txt": b"second"}


def zipped(contents):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def archive(monkeypatch, place, server):
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in MEMBERS.items()}
    file = File("a.zip", (server.address + "/a.zip",), "a test", about_mb=0.1, members=sums, inside="folder/")
    define(monkeypatch, file)
    server.answers["/a.zip"] = sends(zipped({f"folder/{name}": content for name, content in MEMBERS.items()}))
    return place


def test_known_members_are_unpacked_and_the_archive_is_not_kept(archive, server):
    paths = registry.fetch("tiny")
    assert {name: path.read_bytes() for name, path in paths.items()} == MEMBERS
    assert left(archive) == ["one.txt", "two.txt"] and server.asked == {"/a.zip": 1}


def test_an_archive_put_there_by_hand_is_unpacked_and_stays(archive, server):
    archive.mkdir(parents=True)
    (archive / "a.zip").write_bytes(zipped({f"folder/{name}": MEMBERS[name] for name in MEMBERS}))
    assert registry.fetch("tiny")["one.txt"].read_bytes() == b"first"
    assert left(archive) == ["a.zip", "one.txt", "two.txt"] and not server.asked


def test_a_mirror_may_hold_the_bare_members(archive, server, monkeypatch, tmp_path):
    (tmp_path / "mirror" / "tiny").mkdir(parents=True)
    for name, content in MEMBERS.items():
        (tmp_path / "mirror" / "tiny" / name).write_bytes(content)
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(tmp_path / "mirror"))
    assert registry.fetch("tiny")["two.txt"].read_bytes() == b"second"
    assert not server.asked


def test_a_mirror_may_hold_the_archive(archive, server, monkeypatch, tmp_path):
    (tmp_path / "mirror" / "tiny").mkdir(parents=True)
    content = zipped({f"folder/{name}": MEMBERS[name] for name in MEMBERS})
    (tmp_path / "mirror" / "tiny" / "a.zip").write_bytes(content)
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(tmp_path / "mirror"))
    assert registry.fetch("tiny")["two.txt"].read_bytes() == b"second"
    assert not server.asked


def test_a_damaged_member_is_unpacked_again(archive):
    registry.fetch("tiny")["one.txt"].write_bytes(b"!")
    assert registry.fetch("tiny", ["one.txt"])["one.txt"].read_bytes() == b"first"


@pytest.mark.parametrize(
    "content, message",
    [
        (zipped({"folder/one.txt": b"first", "folder/two.txt": b"SECOND"}), "two.txt from a.zip from"),
        (zipped({"folder/one.txt": b"first"}), "holds no folder/two.txt"),
        (zipped({"one.txt": b"first", "../two.txt": b"second"}), "holds no folder/one.txt and lacks 1 more"),
        (zipped({"folder/one.txt": b"first"})[:-30], "not a sound zip or tar archive"),
        (b"<html>no zip</html>", "not a sound zip or tar archive"),
    ],
)
def test_an_archive_that_is_not_as_published_is_refused(archive, server, content, message):
    server.answers["/a.zip"] = sends(content)
    with pytest.raises(WrongChecksum, match=re.escape(message)):
        registry.fetch("tiny", ["two.txt"])
    assert set(left(archive)) <= {"one.txt"}


def test_a_name_that_leads_out_of_the_folder_is_never_written(archive, server, tmp_path):
    contents = {f"folder/{name}": content for name, content in MEMBERS.items()}
    server.answers["/a.zip"] = sends(zipped({"../../../evil.txt": b"evil", "/evil.txt": b"evil", **contents}))
    registry.fetch("tiny")
    assert not list(tmp_path.rglob("evil.txt"))


def tarred(tmp_path, *infos):
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in infos:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return path


def test_members_of_a_tar_are_given_by_name_and_nothing_else_is(tmp_path):
    path = tarred(tmp_path, ("./a/one.txt", b"1"), ("a/two.txt", b"2"), ("../a/one.txt", b"evil"))
    assert list(registry.members(path, lambda name: name == "a/one.txt")) == [("a/one.txt", b"1")]


def test_a_link_in_an_archive_is_refused(tmp_path):
    path = tarred(tmp_path, ("a/link", None))
    with pytest.raises(ValueError, match="a/link is a link"):
        list(registry.members(path, lambda name: True))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path, kind):
    bomb = bytes(10**6)
    path = tarred(tmp_path, ("bomb", bomb))
    if kind == "zip":
        path.write_bytes(zipped({"bomb": bomb}))
    with pytest.raises(ValueError, match="more than 1,000"):
        list(registry.members(path, lambda name: True, most=1000))


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path):
    content = zipped({"bomb": bytes(10**6)})
    path = tmp_path / "lie.zip"
    path.write_bytes(content.replace((10**6).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="not a sound zip"):
        list(registry.members(path, lambda name: True, most=1000))


def test_an_unknown_name_is_answered_with_near_ones(place, monkeypatch):
    with pytest.raises(ValueError, match=r"no published set is called 'tinny'; did you mean tiny\?"):
        registry.fetch("tinny")
    with pytest.raises(ValueError, match="tiny has no file 'other.bin'; it has tiny.bin"):
        registry.fetch("tiny", ["other.bin"])


def test_the_bar_writes_where_someone_looks_and_wipes_its_line(monkeypatch, place, capsys):
    monkeypatch.setattr(registry, "someone_looks_on", lambda: True)
    registry.fetch("tiny")
    lines = capsys.readouterr().out.split("\r")
    assert "tiny.bin: 0.3 of 0.3 MB, 100 %" in [line.strip() for line in lines]
    assert lines[-2].strip() == lines[-1] == ""


def test_the_bar_is_silent_where_it_is_not_wanted(monkeypatch, place, capfd):
    monkeypatch.setenv("MEDTUTOR_PROGRESS", "0")
    registry.fetch("tiny")["tiny.bin"].unlink()
    monkeypatch.setattr(registry, "someone_looks_on", lambda: True)
    registry.fetch("tiny", progress=False)
    assert capfd.readouterr() == ("", "")


def test_every_file_is_known_by_a_checksum_or_says_that_none_is_published():
    without = []
    for name, each in registry.sets().items():
        for file in each.files:
            digests = [file.sha256 or file.md5, *file.members.values()]
            for digest in filter(None, digests):
                assert re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", digest), (name, file.name)
            assert len(file.checksum_from) > 10
            assert all(address.startswith("https://") for address in file.addresses)
            if not any(digests):
                without.append(name)
                assert "no published checksum" in file.checksum_from
    assert without == ["bc5cdr"]


def test_no_checksum_is_given_twice():
    digests = Counter(
        digest
        for each in registry.sets().values()
        for file in each.files
        for digest in (file.sha256, file.md5, *file.members.values())
        if digest
    )
    assert len(digests) == 14 + 1 + 3 + 3 + 1 + 132 + 3 and max(digests.values()) == 1


def test_the_table_loads_without_any_heavy_library():
    import subprocess
    import sys

    code = (
        "import sys; from medtutor.data import registry; registry.sets(); "
        "print(sorted({'pooch', 'requests', 'scipy', 'nibabel', 'sklearn'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "[]\n"
