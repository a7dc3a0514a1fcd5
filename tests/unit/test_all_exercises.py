"""What every exercise of every chapter must do; what is special to one stands in its chapter's file."""

import ast
import doctest
import functools
import textwrap

import numpy as np
import pytest
from answers import SEEDS, memorised, plain, right_on, sentences, solved, split_unseeded

from medtutor import guide, metrics, pictures
from medtutor.exercises import find, grade, names, stub
from medtutor.exercises.attempt import alike
from medtutor.exercises.verdict import _shown

COUNTED = {
    "convolution": 12,
    "classification": 10,
    "segmentation": 11,
    "gan_augmentation": 10,
    "entity_recognition": 12,
}
LEAST = {"laws": 2, "mistakes": 6, "probes": 5}  # of each exercise of a chapter that is counted
LEAST_TO_BEGIN_WITH = {"laws": 1, "mistakes": 2, "probes": 3}

CHAPTERS = {}
for each in map(find, names()):
    package, _, chapter = each.__module__.rpartition(".")
    if package == "medtutor.exercises":
        CHAPTERS.setdefault(chapter, []).append(each)
EXERCISES = [(chapter, exercise) for chapter, found in CHAPTERS.items() for exercise in found]

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)
each_exercise = pytest.mark.parametrize(
    "exercise", [pytest.param(exercise, id=f"{chapter}-{exercise.name}") for chapter, exercise in EXERCISES]
)
each_mistake = pytest.mark.parametrize(
    "exercise, mistake",
    [
        pytest.param(exercise, mistake, id=f"{chapter}-{mistake.name}")
        for chapter, exercise in EXERCISES
        for mistake in exercise.mistakes
    ],
)
each_law = pytest.mark.parametrize(
    "exercise, law",
    [
        pytest.param(exercise, law, id=f"{chapter}-{exercise.name}-{law.statement}")
        for chapter, exercise in EXERCISES
        for law in exercise.laws
    ],
)

# What one who knows the probes by heart, and the answer to the first of them, says to all else
ELSEWHERE = {"the first answer": lambda first: first, "nothing": lambda first: first * 0}

# Wrong on one kind of input alone, of which an exercise has one probe, or on inputs that have no right answer
WRONG_ON_ONE_KIND_OF_INPUT = {
    "pad_fails_at_zero": "no padding",
    "sensitivity_specificity_nan": "a class that is missing",
    "sensitivity_specificity_zero": "a class that is missing",
    "sensitivity_specificity_one": "a class that is missing",
    "encoder_shapes_cut_off": "a size that cannot be halved",
    "otsu_threshold_of_nothing": "an image of one grey value",
}

OTHERS = {"split_by_patient": [split_unseeded]}  # no mistake, for one call does not show it


@functools.cache
def verdict_on(exercise, mistake, seed):
    return grade(mistake.function, name=exercise.name, seed=seed)


@pytest.mark.parametrize("chapter, number", COUNTED.items())
def test_a_chapter_has_as_many_exercises_as_are_counted(chapter, number):
    assert len(CHAPTERS[chapter]) == number


def test_every_chapter_that_is_ready_is_counted():
    ready = [chapter.notebook for chapter in guide.chapters() if chapter.notebook]
    assert {name.removesuffix(".ipynb").partition("_")[2] for name in ready} <= set(COUNTED)


@each_exercise
def test_an_exercise_has_questions_hints_laws_mistakes_and_probes(exercise):
    least = LEAST if exercise.__module__.rpartition(".")[2] in COUNTED else LEAST_TO_BEGIN_WITH
    assert exercise.question.endswith((".", "?")) and exercise.right.endswith((".", "?"))
    assert len(exercise.hints) in (2, 3)
    assert len(exercise.laws) >= least["laws"]
    assert len(exercise.mistakes) >= least["mistakes"]
    assert len(exercise.inputs()) >= least["probes"]


@each_exercise
def test_no_exercise_has_the_name_of_a_metric_or_of_a_measure_of_pictures(exercise):
    assert exercise.name not in vars(metrics) and exercise.name not in vars(pictures)


@each_exercise
def test_each_reply_has_one_or_two_sentences(exercise):
    assert {sentences(mistake.reply) for mistake in exercise.mistakes} <= {1, 2}


@pytest.mark.parametrize("seed", SEEDS)
@each_exercise
def test_solution_is_right_from_its_text_alone(exercise, seed):
    verdict = grade(solved(exercise.name), seed=seed)
    assert str(verdict).startswith(f"✓ {exercise.name}: right.")


@pytest.mark.parametrize("seed", SEEDS)
@each_mistake
def test_each_known_mistake_gets_its_own_reply_whatever_the_probes(exercise, mistake, seed):
    verdict = verdict_on(exercise, mistake, seed)
    assert (verdict.state, verdict.mistake) == ("wrong", mistake.name)
    assert verdict.message.startswith(mistake.reply)


@each_chapter
def test_no_two_mistakes_of_a_chapter_share_a_reply(chapter):
    replies = [mistake.reply for exercise in CHAPTERS[chapter] for mistake in exercise.mistakes]
    assert len(set(replies)) == len(replies)


def test_no_two_mistakes_share_a_name():
    functions = [mistake.name for _, exercise in EXERCISES for mistake in exercise.mistakes]
    assert len(set(functions)) == len(functions)


@each_mistake
def test_each_mistake_shows_on_two_probes_unless_it_is_wrong_on_one_kind_of_input_alone(exercise, mistake):
    shows = 0
    with np.errstate(all="ignore"):
        for inputs, right in right_on(exercise):
            try:
                shows += not alike(exercise.seen(exercise.called(mistake.function, inputs)), right)
            except Exception:
                shows += 1
    assert (shows < 2) == (mistake.name in WRONG_ON_ONE_KIND_OF_INPUT)


def test_each_mistake_that_is_excepted_from_two_probes_is_there():
    assert set(WRONG_ON_ONE_KIND_OF_INPUT) <= {m.name for _, exercise in EXERCISES for m in exercise.mistakes}


@each_mistake
def test_no_reply_shows_the_right_answer(exercise, mistake):
    message = verdict_on(exercise, mistake, SEEDS[0]).message
    shown = [i for i in exercise.inputs() if textwrap.indent(exercise.written(i), "    ") in message]
    assert shown
    for inputs in shown:
        try:
            right = _shown(exercise.called(exercise.function, inputs))
        except ValueError as error:
            right = type(error).__name__
        *_, gave = message.replace("raised", "gave").split("\n    gave ")
        assert gave.split() != right.split()


@each_exercise
def test_shown_calls_can_be_pasted(exercise):
    for inputs in exercise.inputs():
        call = exercise.written(inputs)
        assert max(map(len, call.splitlines())) <= 110
        given = eval(call, {"np": np, exercise.name: lambda *args, **options: (list(args), options)})
        assert plain(given) == plain(exercise._arranged(inputs))


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
@each_exercise
def test_answers_learnt_by_heart_break_a_law(exercise, elsewhere):
    verdict = grade(memorised(exercise, elsewhere), name=exercise.name)
    assert verdict.state == "wrong"
    assert verdict.message.startswith(tuple(law.statement for law in exercise.laws))


@each_law
def test_each_law_holds_for_the_solution_and_is_broken_by_someone(exercise, law):
    suspects = [mistake.function for mistake in exercise.mistakes]
    suspects += [memorised(exercise), *OTHERS.get(exercise.name, ())]
    broken = False
    for inputs, _ in right_on(exercise):
        assert alike(*law.function(_seen(exercise, exercise.function), **inputs))
        for suspect in suspects:
            try:
                with np.errstate(all="ignore"):
                    broken = broken or not alike(*law.function(_seen(exercise, suspect), **inputs))
            except Exception:
                broken = True
    assert broken


def _seen(exercise, function):
    return lambda *args, **options: exercise.seen(function(*args, **options))


@each_exercise
def test_blank_stub_compiles_and_is_pending(exercise):
    text, space = stub(exercise.name), {"np": np}
    exec(compile(text, exercise.name, "exec"), space)
    assert str(grade(space[exercise.name])) == f"○ {exercise.name}: not tried yet"
    blank, solution = (ast.parse(source).body[0] for source in (text, exercise.source))
    assert ast.get_docstring(blank) == ast.get_docstring(solution)


@each_exercise
def test_worked_example_in_the_docstring_is_true(exercise):
    space = {"np": np, exercise.name: solved(exercise.name)}
    found = doctest.DocTestParser().get_doctest(exercise.__doc__, space, exercise.name, None, 0)
    assert found.examples
    assert doctest.DocTestRunner(verbose=False).run(found) == (0, len(found.examples))
