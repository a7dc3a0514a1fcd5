"""The lock, environment.yml, pyproject.toml, the Makefile and the README say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import medtutor
from medtutor.course import lock, prepare

ROOT = Path(medtutor.__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
VERSIONS = ("3.11", "3.12", "3.13")
MACHINES = {
    "Linux": {"sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"},
    "Linux on ARM": {"sys_platform": "linux", "os_name": "posix", "platform_machine": "aarch64"},
    "macOS": {"sys_platform": "darwin", "os_name": "posix", "platform_machine": "arm64"},
    "Windows": {"sys_platform": "win32", "os_name": "nt", "platform_machine": "AMD64"},
}


def locked():
    """[(Requirement, its sha256 hashes)] by a reading of the lock that shares no code with the project's."""
    entries = [entry for entry in LOCK.replace("\\\n", " ").splitlines() if re.match(r"[\w]", entry)]
    return [
        (Requirement(entry.split("--hash")[0]), re.findall(r"--hash=sha256:(\S+)", entry))
        for entry in entries
    ]


def direct():
    """What pyproject.toml asks for, the maintainer's side included."""
    return [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["maintain"]]


def on(machine, version):
    """The marker environment of a machine with a Python version."""
    python = {
        "python_version": version,
        "python_full_version": f"{version}.4",
        "implementation_name": "cpython",
    }
    return {**MACHINES[machine], **python}


def test_every_locked_package_has_one_version_and_its_hashes():
    assert len(locked()) > 100
    for pin, hashes in locked():
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
        assert hashes and len(set(hashes)) == len(hashes), pin
        assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in hashes), pin


@pytest.mark.parametrize("name", ["requirements.lock", "environment.yml"])
def test_no_host_stands_in_the_lock(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"://|index-url|find-links|--trusted-host", text)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_each_machine_gets_each_direct_dependency_once_at_a_version_it_accepts(machine, version):
    here = on(machine, version)
    pins = [pin for pin, _ in locked() if not pin.marker or pin.marker.evaluate(here)]
    names = [canonicalize_name(pin.name) for pin in pins]
    assert sorted(set(names)) == sorted(names)
    chosen = dict(zip(names, pins, strict=True))
    for wanted in map(Requirement, direct()):
        if not wanted.marker or wanted.marker.evaluate(here):
            pin = chosen[canonicalize_name(wanted.name)]
            assert wanted.specifier.contains(str(pin.specifier).removeprefix("=="))
    assert ("tensorflow" in names) != ("tensorflow-cpu" in names)


def test_environment_yml_holds_the_same_packages_versions_and_markers():
    *pins, project = CONDA["dependencies"][-1]["pip"]
    assert [str(Requirement(pin)) for pin in pins] == [str(pin) for pin, _ in locked()]
    assert project == "-e ."


def test_environment_yml_is_what_make_lock_would_write():
    pins = lock.read_lock(ROOT / "requirements.lock")
    assert (ROOT / "environment.yml").read_text(encoding="utf-8") == lock.environment_text(pins)


def test_no_parser_of_addresses_is_locked_for_whatever_reads_a_notebook_would_import_it():
    names = {each.name for each, _ in locked()}
    assert "jsonschema" in names and not {"rfc3987-syntax", "lark"} & names


def test_bounds_stand_among_the_dependencies_for_uv_refuses_others_beside_hashes():
    assert not {"constraint-dependencies", "override-dependencies"} & PYPROJECT["tool"].get("uv", {}).keys()


def test_the_python_range_is_the_same_everywhere():
    accepted = SpecifierSet(PYPROJECT["project"]["requires-python"])
    minors = [f"3.{minor}" for minor in range(5, 30) if accepted.contains(f"3.{minor}")]
    assert minors == list(VERSIONS)
    assert [prepare.dotted(prepare.FIRST), prepare.dotted(prepare.LAST)] == [minors[0], minors[-1]]
    assert [part for part in CONDA["dependencies"] if str(part).startswith("python=")] == ["python=3.12"]
    first, last = (version.replace(".", ", ") for version in (minors[0], minors[-1]))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"({first}) <= sys.version_info[:2] <= ({last})" in makefile
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Python {minors[0]} to {minors[-1]}" in readme
    assert set(re.findall(r"python3?[ =.-]?(3\.\d+)", readme, re.IGNORECASE)) <= set(minors)


def test_the_readme_names_only_commands_that_the_makefile_has():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    named |= set(
        re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {"lab", "test"} <= named <= targets


def test_the_readme_gives_gpu_users_the_locked_tensorflow():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"tensorflow\[and-cuda\]==([\d.]+)", readme)
    assert {Version(named)} == {
        Version(str(pin.specifier).removeprefix("=="))
        for pin, _ in locked()
        if pin.name.startswith("tensorflow")
    }


def test_no_chapter_and_no_module_that_it_uses_names_a_device_or_a_number_of_threads():
    """So a GPU, or more cores, are a setting of the machine; validation alone hides the GPU."""
    names = re.compile(r"\bdevice\(|GPU:|CPU:|visible_devices|VISIBLE_DEVICES|_op_parallelism|NUM_THREADS")
    own = [path for path in (ROOT / "medtutor").rglob("*.py") if "course" not in path.parts]
    sources = [*own, *(ROOT / "notebooks" / "source").glob("*.py")]
    assert len(sources) > 60 and not [path.name for path in sources if names.search(path.read_text("utf-8"))]
    assert names.search("with tf.device('x'):") and names.search('os.environ["OMP_NUM_THREADS"] = "1"')
