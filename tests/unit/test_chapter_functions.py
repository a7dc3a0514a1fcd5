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
SHOWN = {  # modules that hold more than their chapter has room for, and what it shows of them
    ("05_entity_recognition", "tagging"): "dictionary look_up shape normal vocabulary met word_vectors "
    "vectors letter_cnn tagger train_tagger impossible",
    ("05_entity_recognition", "crf"): "",  # the chapter has its own, by hand and for one sentence
    ("03_segmentation", "layers"): "",  # Keras's layer, whose arithmetic chapter 2 shows, made faster
    ("04_gan_augmentation", "gan"): "one_each hospital to_tanh from_tanh start enlarge norm_relu generator "
    "Spread discriminator d_loss g_loss class_loss r1 d_step g_step average norms measure_again jitter noise "
    "draw unchanged learn",
    ("04_gan_augmentation", "plane"): "centres ring modes_reached leaky slope forward backward normal",
}
OF_NO_CHAPTER = {"feeding"}  # how Keras hands over its batches, whatever is taught
BY_HAND = {("04_gan_augmentation", "plane"): ["sigma"]}  # shown in one line, and kept without overflow


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef, ast.ClassDef
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("chapter", REUSED)
def test_package_holds_the_functions_of_the_chapter(chapter):
    shown = functions(ROOT / "notebooks" / "source" / f"{chapter}.py")
    kept = functions(ROOT / "medtutor" / "nn" / f"{REUSED[chapter]}.py")
    assert kept == {name: shown.get(name, "not shown in the chapter") for name in kept}


@pytest.mark.parametrize("chapter, module", SHOWN)
def test_the_main_functions_are_shown_word_for_word(chapter, module):
    shown = functions(ROOT / "notebooks" / "source" / f"{chapter}.py")
    kept = functions(ROOT / "medtutor" / "nn" / f"{module}.py")
    names = SHOWN[chapter, module].split()
    assert {name: shown.get(name, "not shown in the chapter") for name in names} == {
        name: kept[name] for name in names
    }


@pytest.mark.parametrize("chapter, module", [key for key, names in SHOWN.items() if names])
def test_no_function_of_a_chapter_has_a_name_of_the_package_and_reads_otherwise(chapter, module):
    shown = functions(ROOT / "notebooks" / "source" / f"{chapter}.py")
    kept = functions(ROOT / "medtutor" / "nn" / f"{module}.py")
    listed = {name for (each, _), names in SHOWN.items() if each == chapter for name in names.split()}
    assert ({*shown} & {*kept}) - listed == set(BY_HAND.get((chapter, module), ()))


def test_each_module_of_reused_functions_has_its_chapter():
    modules = {path.stem for path in (ROOT / "medtutor" / "nn").glob("*.py")} - {"__init__"}
    assert modules == {*REUSED.values(), *(module for _, module in SHOWN), *OF_NO_CHAPTER}
