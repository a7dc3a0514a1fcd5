"""What a chapter shows and what later chapters import are the same functions, word for word."""

import ast
from pathlib import Path

import pytest

import medtutor

ROOT = Path(medtutor.__file__).resolve().parent.parent
REUSED = {
    "01_convolution": "convolution",
    "02_classification": "classification",
    "03_segmentation": "segmentation",
}
MORE = {"05_entity_recognition": ("tagging", "crf")}  # these hold more than their chapter has room for
SHOWN = {
    "05_entity_recognition": "dictionary look_up shape normal vocabulary vectors letter_cnn tagger "
    "train_tagger impossible"
}


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef, ast.ClassDef
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("chapter", REUSED)
def test_package_holds_the_functions_of_the_chapter(chapter):
    shown = functions(ROOT / "notebooks" / "source" / f"{chapter}.py")
    kept = functions(ROOT / "medtutor" / "nn" / f"{REUSED[chapter]}.py")
    assert kept == {name: shown.get(name, "not shown in the chapter") for name in kept}


@pytest.mark.parametrize("chapter", MORE)
def test_what_both_hold_is_the_same_and_the_main_functions_are_shown(chapter):
    shown = functions(ROOT / "notebooks" / "source" / f"{chapter}.py")
    kept = functions(ROOT / "medtutor" / "nn" / f"{MORE[chapter][0]}.py")
    both = sorted({*shown} & {*kept})
    assert {name: shown[name] for name in both} == {name: kept[name] for name in both}
    assert sorted(SHOWN[chapter].split()) == both


def test_each_module_of_reused_functions_has_its_chapter():
    modules = {path.stem for path in (ROOT / "medtutor" / "nn").glob("*.py")} - {"__init__"}
    assert modules == {*REUSED.values(), *(name for names in MORE.values() for name in names)}
