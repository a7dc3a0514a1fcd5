import json
import subprocess
import sys

import pytest

import medtutor

HEAVY = {
    "tensorflow",
    "keras",
    "matplotlib",
    "sklearn",
    "skimage",
    "scipy",
    "numpy",
    "pydicom",
    "nibabel",
    "pooch",
}


def loaded_by(code):
    """The top-level packages that a fresh Python has loaded after `code` and had not before."""
    report = "import json, sys; before = set(sys.modules)\n" + code
    report += "\nprint(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_no_heavy_library():
    loaded = loaded_by("import medtutor")
    assert "medtutor" in loaded and not loaded & HEAVY


def test_importing_the_package_loads_one_module_of_its_own():
    code = "import medtutor, sys; print(sorted(name for name in sys.modules if name.startswith('medtutor')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['medtutor']"


def test_a_heavy_library_would_be_noticed():
    assert "numpy" in loaded_by("import medtutor, numpy")


def test_stating_a_result_loads_no_heavy_library():
    assert not loaded_by("import medtutor; state = medtutor.result") & HEAVY


def test_the_environment_and_the_map_load_no_heavy_library():
    assert not loaded_by("import medtutor; medtutor.environment(); medtutor.course_map()") & HEAVY


def test_exercises_and_explorers_leave_tensorflow_alone():
    loaded = loaded_by("import medtutor; medtutor.check, medtutor.hint, medtutor.explore")
    assert not loaded & {"tensorflow", "keras", "sklearn"}


@pytest.mark.parametrize("name", medtutor.__all__)
def test_every_listed_name_is_there(name):
    assert getattr(medtutor, name).__name__ in (name, f"medtutor.{name}")


def test_an_unknown_name_is_answered_with_those_that_exist():
    with pytest.raises(AttributeError, match="no name 'reslut'; it has .*result"):
        medtutor.reslut  # noqa: B018


def test_dir_lists_every_name():
    assert set(medtutor.__all__) <= set(dir(medtutor))
