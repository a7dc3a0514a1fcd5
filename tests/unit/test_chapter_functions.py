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
AHEAD = {"05_entity_recognition": "crf"}  # modules that are there before their chapters


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef, ast.ClassDef
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("chapter", REUSED)
def test_package_holds_the_functions_of_the_chapter(chapter):
    shown = functions(ROOT / "notebooks" / "source" / f"{chapter}.py")
    kept = functions(ROOT / "medtutor" / "nn" / f"{REUSED[chapter]}.py")
    assert kept == {name: shown.get(name, "not shown in the chapter") for name in kept}


def test_each_module_of_reused_functions_has_its_chapter():
    modules = {path.stem for path in (ROOT / "medtutor" / "nn").glob("*.py")} - {"__init__"}
    assert modules == {*REUSED.values(), *AHEAD.values()}


@pytest.mark.parametrize("chapter", AHEAD)
def test_a_module_is_ahead_only_until_its_chapter_is_there(chapter):
    assert not (ROOT / "notebooks" / "source" / f"{chapter}.py").exists()
