"""The framework of exercises, on a small exercise of its own and on every kind of awful answer."""

import functools
import re
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from medtutor.exercises import check, exercise, find, framework, grade, hint, names, session, solution
from medtutor.exercises.attempt import alike

SENTINEL = 770  # right answers lie between 770 and 799


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No attempts, no hints given; exercises made in a test are gone after it."""
    names()
    monkeypatch.setattr(framework, "_EXERCISES", dict(framework._EXERCISES))
    monkeypatch.setattr(session, "_tried", set())
    monkeypatch.setattr(session, "_hints_given", {})


@pytest.fixture
def ramp():
    """An exercise whose right answers hold the sentinel, so that one shown in a reply would be seen."""

    @exercise("How high is the ramp?", hints=("nudge", "nearly"), right="On we go.")
    def ramp(x, step=1.0):
        """Sentinel plus x times step.

        x  (n,) or (n, m)
        """
        return SENTINEL + 0.5 + x * step

    @ramp.probes
    def _(rng):
        yield dict(x=rng.integers(1, 9, 3).astype(float))
        yield dict(x=rng.integers(1, 9, (2, 3)).astype(float), step=2.0)

    @ramp.law("Twice the step must be as good as twice the input.")
    def _(f, x, step=1.0):
        return f(x, step=2 * step), f(2 * x, step=step)

    @ramp.mistake("The step is missing.")
    def without_step(x, step=1.0):
        return SENTINEL + 0.5 + x

    return ramp


@pytest.fixture
def whole(ramp):
    @exercise("How many?", hints=("one",), right="Yes.")
    def whole(n):
        """Sentinel plus n."""
        return SENTINEL + n

    @whole.probes
    def _(rng):
        yield dict(n=int(rng.integers(3, 9)))
        yield dict(n=int(rng.integers(13, 19)))

    return whole


def test_right_answer_is_right_and_carries_the_thought_on(ramp):
    verdict = grade(lambda x, step=1.0: SENTINEL + 0.5 + step * x, name="ramp")
    assert (verdict.state, str(verdict)) == ("right", "✓ ramp: right. On we go.")


def test_blank_stub_is_pending_each_time_with_the_same_line(ramp, capsys):
    space = {"np": np}
    exec(ramp.stub, space)
    check(space["ramp"])
    check(space["ramp"])
    assert capsys.readouterr().out == "○ ramp: not tried yet\n" * 2


def test_stub_with_pass_in_place_of_raise_is_asked_for_its_return(ramp):
    space = {}
    exec(ramp.stub.replace("raise NotImplementedError  # your code here", "..."), space)
    assert "Did you forget `return`?" in grade(space["ramp"]).message


def test_stub_is_cut_from_the_solution(ramp):
    head, last = ramp.stub.rstrip().rsplit("\n", 1)
    assert ramp.source.startswith(head)
    assert last == "    raise NotImplementedError  # your code here"
    assert ramp.source.splitlines()[-1].strip() == "return SENTINEL + 0.5 + x * step"


def test_not_implemented_behind_the_first_probe_is_wrong_and_not_pending(ramp):
    def ramp(x, step=1.0):
        if step == 1:
            return SENTINEL + 0.5 + x
        raise NotImplementedError

    assert grade(ramp).state == "wrong"


def test_known_mistake_gets_its_reply_with_call_and_answer(ramp):
    verdict = grade(lambda x, step=1.0: x + SENTINEL + 0.5, name="ramp")
    assert verdict.mistake == "without_step"
    first, *rest = str(verdict).split("\n")
    assert first == "✗ ramp: The step is missing."
    assert rest[0].startswith("    ramp(np.array([[")
    assert rest[2].strip() == "step=2.0)"
    assert rest[3].startswith("    gave array([[")


def test_shown_call_can_be_pasted_and_gives_the_inputs_back(ramp):
    for inputs in ramp.inputs():
        pasted = eval(ramp.written(inputs), {"np": np, "ramp": lambda x, step=1.0: dict(x=x, step=step)})
        assert pasted["x"].dtype == inputs["x"].dtype
        assert (pasted["x"] == inputs["x"]).all()
        assert pasted["step"] == inputs.get("step", 1.0)


def test_shown_array_with_inf_and_nan_can_be_pasted():
    value = np.array([[1.5, np.inf], [-np.inf, np.nan]])
    assert np.array_equal(eval(framework.literal(value), {"np": np}), value, equal_nan=True)


def test_a_mistake_that_explains_everything_goes_before_one_that_explains_a_part():
    @exercise("", hints=("", ""), right="")
    def product(a, b=1):
        """."""
        return a * b

    @product.probes
    def _(rng):
        yield dict(a=3)
        yield dict(a=4, b=2)
        yield dict(a=5, b=3)

    @product.mistake("b ignored")
    def ignored(a, b=1):
        return a

    @product.mistake("b ignored and one added where b is not given")
    def both(a, b=1):
        return a if b != 1 else a + 1

    assert grade(lambda a, b=1: a if b != 1 else a + 1, name="product").mistake == "both"
    assert grade(lambda a, b=1: a, name="product").mistake == "ignored"
    assert grade(lambda a, b=1: a if b != 1 else a + 9, name="product").mistake == "ignored"


def test_a_mistake_is_recognised_where_the_attempt_raises_on_other_probes(ramp):
    @ramp.probes
    def _(rng):
        for rows in (1, 2, 3):
            yield dict(x=rng.integers(1, 9, (rows, 2)).astype(float), step=2.0)

    def attempt(x, step=1.0):
        assert len(x) < 3
        return SENTINEL + 0.5 + x

    assert grade(attempt, name="ramp").mistake == "without_step"


def test_broken_law_is_stated_with_both_calls():
    @exercise("", hints=("", ""), right="")
    def area(side):
        """."""
        return side * side

    @area.probes
    def _(rng):
        yield dict(side=2)
        yield dict(side=5)

    @area.law("Twice the side must give four times the area.")
    def _(f, side):
        return f(2 * side), 4 * f(side)

    memory = {2: 4, 5: 25}
    verdict = grade(lambda side: memory.get(side, 4), name="area")
    assert verdict.state == "wrong"
    assert verdict.message.startswith("Twice the side must give four times the area.")
    assert verdict.message.splitlines()[1:] == ["    area(4)", "    gave 4", "    area(2)", "    gave 4"]


def test_other_seeds_give_other_probes_and_the_same_seed_the_same(ramp):
    first, again, other = (ramp.inputs(seed)[0]["x"] for seed in (0, 0, 1))
    assert (first == again).all() and not (first == other).all()


def test_hard_coded_answers_fail_under_another_seed(whole):
    memory = {inputs["n"]: SENTINEL + inputs["n"] for inputs in whole.inputs(0)}
    fake = memory.get
    assert grade(lambda n: fake(n, 0), name="whole", seed=0).state == "right"
    assert any(grade(lambda n: fake(n, 0), name="whole", seed=seed).state == "wrong" for seed in (1, 2, 3))


# The zoo: what came back, and a few words that the reply must hold


class Evil:
    """An answer that raises at whatever is asked of it."""

    def __getattr__(self, name):
        raise ZeroDivisionError

    def __repr__(self):
        raise ZeroDivisionError

    def __eq__(self, other):
        raise ZeroDivisionError

    __hash__ = None


def _no_return(x, step=1.0):
    x + 1


def _prints(x, step=1.0):
    print(x + step)


def _raises(x, step=1.0):
    return x / no_such_name  # noqa: F821


def _exits(x, step=1.0):
    sys.exit("enough")


def _interrupts(x, step=1.0):
    raise KeyboardInterrupt


def _recurses(x, step):
    return _recurses(x, step)


def _deep(x, step=1.0):
    return _recurses(x, step)


def _changes_input(x, step=1.0):
    x *= step
    x += SENTINEL + 0.5
    return x


def _yields(x, step=1.0):
    yield x


async def _awaits(x, step=1.0):
    return x


def _raises_without_words(x, step=1.0):
    class Silent(Exception):
        def __str__(self):
            raise ValueError

    raise Silent


def _holds_itself(x, step=1.0):
    answer = []
    answer.append(answer)
    return answer


def _solved(x, step=1.0):
    return SENTINEL + 0.5 + x * step


ZOO = {
    "no return": (_no_return, "returned None. Did you forget `return`?"),
    "prints": (_prints, "Write `return` in place of print"),
    "raises": (_raises, "NameError: name 'no_such_name' is not defined\n    line"),
    "exits": (_exits, "SystemExit: enough"),
    "interrupts": (_interrupts, "Interrupted"),
    "recurses": (_deep, "RecursionError"),
    "changes its input": (_changes_input, "changes its input x. Work on a copy, x.copy()"),
    "list": (lambda x, step=1.0: _solved(x, step).tolist(), "The numbers are right: return np.array(...)"),
    "wrong list": (lambda x, step=1.0: [1, 2], "returned a list, not an array. Return np.array(...)"),
    "ragged list": (lambda x, step=1.0: [[1, 2], [3]], "returned a list"),
    "scalar": (lambda x, step=1.0: 7, "returned the number 7. Wanted: an array."),
    "numpy scalar": (lambda x, step=1.0: np.float32(7), "Wanted: an array"),
    "no dimensions": (lambda x, step=1.0: np.array(7), "Wanted: an array"),
    "integers": (lambda x, step=1.0: _solved(x, step).astype(int), "whole numbers only"),
    "nan": (lambda x, step=1.0: _solved(x, step) * np.nan, "3 of 3 values are not finite"),
    "infinite": (lambda x, step=1.0: _solved(x, step) / 0, "not finite"),
    "wrong shape": (lambda x, step=1.0: _solved(x, step)[..., :2], "wrong shape, (2,)"),
    "more axes": (
        lambda x, step=1.0: _solved(x, step)[None],
        "an array with 2 axes, shape (1, 3). Wanted: 1",
    ),
    "empty": (lambda x, step=1.0: np.zeros(0), "wrong shape, (0,)"),
    "complex": (lambda x, step=1.0: _solved(x, step) + 0j, "Take its real part"),
    "words": (lambda x, step=1.0: "right", "returned a str"),
    "array of words": (lambda x, step=1.0: np.array(["a", "b", "c"]), "Wanted: real numbers"),
    "array of objects": (lambda x, step=1.0: np.array([None] * 3), "Wanted: real numbers"),
    "dictionary": (lambda x, step=1.0: {}, "returned a dict"),
    "function": (lambda x, step=1.0: _solved, "a pair of brackets missing"),
    "class": (lambda x, step=1.0: np.ndarray, "returned a"),
    "generator": (_yields, "`yield` in place of `return`"),
    "coroutine": (_awaits, "remove `async`"),
    "not implemented, returned": (lambda x, step=1.0: NotImplemented, "returned a NotImplementedType"),
    "evil": (lambda x, step=1.0: Evil(), "ZeroDivisionError"),
    "silent exception": (_raises_without_words, "stopped with Silent"),
    "holds itself": (_holds_itself, "RecursionError"),
    "too few parameters": (lambda x: x, "def ramp(x, step=1.0):"),
    "too many parameters": (lambda x, y, step=1.0: x, "def ramp(x, step=1.0):"),
    "renamed option": (lambda x, stride=1.0: x, "def ramp(x, step=1.0):"),
    "no parameters": (lambda: 1, "def ramp(x, step=1.0):"),
    "wrong sign": (lambda x, step=1.0: -_solved(x, step), "Every value has the wrong sign"),
    "off by a little": (lambda x, step=1.0: _solved(x, step) * 1.001, "close, but not equal"),
    "off by a lot": (lambda x, step=1.0: _solved(x, step) * 3, "3 of 3 values are wrong, the first at [0]"),
}


@pytest.mark.parametrize("name", ZOO)
def test_awful_answer_is_refused_in_words_and_never_shown_the_right_one(ramp, name, capsys):
    ramp.laws.clear()
    function, words = ZOO[name]
    verdict = grade(function, name="ramp")
    assert verdict.state == "wrong"
    assert words in verdict.message
    shows_own_answer = name in (
        "list",
        "changes its input",
        "integers",
        "complex",
        "wrong shape",
        "more axes",
    )
    if not (shows_own_answer or name.startswith(("wrong sign", "off by"))):
        assert not re.search(r"7[789]\d", str(verdict))
    assert " at 0x" not in str(verdict)
    assert capsys.readouterr() == ("", "")


class Nameless:
    __name__ = property(lambda self: 1 / 0)

    def __call__(self):
        return 1


NO_EXERCISE = {
    "None": lambda: None,
    "number": lambda: 3,
    "word": lambda: "nothing",
    "array": lambda: np.zeros(2),
    "lambda": lambda: lambda x: x,
    "builtin": lambda: print,
    "type": lambda: str,
    "raising name": Nameless,
    "evil": Evil,
    "evil type": lambda: Evil,
    "partial": lambda: functools.partial(print),
    "list": list,
}


@pytest.mark.parametrize("kind", NO_EXERCISE)
def test_check_of_what_is_no_exercise_lists_the_names(kind, capsys):
    check(NO_EXERCISE[kind]())
    out = capsys.readouterr().out
    assert out.startswith("? ")
    assert "output_size" in out
    assert " at 0x" not in out


def test_renamed_function_is_told_the_nearest_name():
    def outputsize(n, k):
        return n

    assert "Did you mean output_size?" in grade(outputsize).message


def test_name_in_quotation_marks_is_told_to_leave_them_out():
    assert "check(output_size)" in grade("output_size").message


def test_exception_shows_the_students_line_even_below_a_helper(ramp):
    space = {}
    lines = "def helper(x):\n    return x['a']\n\n\ndef ramp(x, step=1.0):\n    return helper(x)\n"
    exec(compile(lines, "cell", "exec"), space)
    assert "\n    line 2" in grade(space["ramp"]).message


def test_exception_in_a_library_shows_the_students_line(ramp):
    def ramp(x, step=1.0):
        return np.linalg.inv(np.zeros((2, 2)))  # the student's

    assert "# the student's" in grade(ramp).message


def test_wrapped_function_shows_the_students_line(whole):
    @functools.cache
    def whole(n):
        return n / 0  # the student's

    assert "# the student's" in grade(whole).message


def test_decorated_function_is_called_and_its_line_found(ramp):
    @functools.cache
    def helper(n):
        return 1 / n

    def ramp(x, step=1.0):
        return helper(0)

    assert "return 1 / n" in grade(ramp).message


def test_parameters_may_be_renamed_where_they_are_given_by_position(ramp):
    assert grade(lambda image, step=1.0, more=None: _solved(image, step), name="ramp").state == "right"
    assert grade(lambda *args, **options: _solved(*args, **options), name="ramp").state == "right"


@pytest.mark.parametrize("words", [["B-drug", "O"], [[(0, 2, "drug")], []], [["a", "b"], ["c"]]])
def test_words_and_lists_of_several_lengths_that_stay_as_they_were_are_left_in_peace(words):
    @exercise("", hints=("", ""), right="")
    def entries(given):
        """."""
        return len(given)

    @entries.probes
    def _(rng):
        yield dict(given=words)

    assert grade(lambda given: len(given), name="entries").state == "right"
    verdict = grade(lambda given: given.append("more") or len(given) - 1, name="entries")
    assert "changes its input given" in verdict.message


def test_printing_does_not_reach_the_notebook_but_is_shown_where_it_helps(ramp, capsys):
    def ramp(x, step=1.0):
        print("here")
        print("there", file=sys.stderr)
        return x

    verdict = grade(ramp)
    assert "printed 'here\\nthere" in verdict.message
    assert capsys.readouterr() == ("", "")


def test_warnings_of_an_answer_stay_out_of_the_notebook(ramp):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        grade(lambda x, step=1.0: np.log(-x), name="ramp")
    assert seen == []


def test_float32_passes(ramp):
    assert grade(lambda x, step=1.0: _solved(x.astype("float32"), step), name="ramp").state == "right"


def test_arrays_of_other_libraries_pass(ramp):
    class Tensor:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return self.values

    assert grade(lambda x, step=1.0: Tensor(_solved(x, step)), name="ramp").state == "right"


def test_an_answer_in_a_buffer_used_again_is_judged_as_it_came(ramp):
    buffer = np.zeros(6)

    def reuse(x, step=1.0):
        buffer[: x.size] = _solved(x, step).ravel()
        return buffer[: x.size].reshape(x.shape)

    assert grade(reuse, name="ramp").state == "right"


def test_whole_numbers_are_compared_exactly_and_floats_refused(whole):
    assert grade(lambda n: SENTINEL + n, name="whole").state == "right"
    assert grade(lambda n: np.int64(SENTINEL + n), name="whole").state == "right"
    assert grade(lambda n: np.array(SENTINEL + n), name="whole").state == "right"
    assert grade(lambda n: SENTINEL + n + 1, name="whole").state == "wrong"
    assert "use // or int" in grade(lambda n: float(SENTINEL + n), name="whole").message
    assert "Wanted: one number" in grade(lambda n: [SENTINEL], name="whole").message
    assert "divided by zero" in grade(lambda n: float("nan"), name="whole").message


@pytest.mark.parametrize(
    "a, b, same",
    [
        (1, 1, True),
        (1, 1.0, True),
        (590080, 590081, False),
        ([1.0, 2.0], [1.0, 2.0 + 1e-5], True),
        ([1.0, 2.0], [1.0, 2.01], False),
        ([np.nan], [np.nan], True),
        ([np.inf], [1.0], False),
        ([1.0], [[1.0]], False),
        (None, None, False),
        ("1", "1", False),
        ([[1], [1, 2]], [[1], [1, 2]], False),
    ],
)
def test_alike(a, b, same):
    assert alike(a, b) is same


# Time


def test_endless_answer_is_reported_with_the_line_where_it_was(ramp):
    def ramp(x, step=1.0):
        while True:
            step = -step

    verdict = grade(ramp, seconds=0.2)
    assert "Still running after 0.2 s" in verdict.message
    assert "was stopped in line" in verdict.message
    assert not [thread for thread in threading.enumerate() if "_Runner" in repr(thread)]


def test_endless_answer_that_catches_everything_is_reported(ramp):
    def ramp(x, step=1.0):
        while True:
            try:
                step = -step
            except:  # noqa: E722
                step = 1

    assert "Still running" in grade(ramp, seconds=0.2).message


def test_answer_that_comes_because_it_was_stopped_does_not_count(ramp):
    def ramp(x, step=1.0):
        try:
            while True:
                step = step + 0
        except BaseException:
            return _solved(x, step)

    assert "Still running" in grade(ramp, seconds=0.2).message


def test_slow_import_is_waited_for(ramp, tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.6)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def ramp(x, step=1.0):
        import slow_to_import  # noqa: F401

        return _solved(x, step)

    assert grade(ramp, seconds=0.2).state == "right"


def test_exception_of_input_is_no_blank(ramp):
    class StdinNotImplementedError(NotImplementedError):
        pass

    def ramp(x, step=1.0):
        raise StdinNotImplementedError

    assert grade(ramp).state == "wrong"


def test_answer_that_waits_for_ever_is_left_behind_with_advice(ramp, monkeypatch):
    monkeypatch.setattr("medtutor.exercises.attempt.GRACE", 0.2)
    gate = threading.Event()
    verdict = grade(lambda x, step=1.0: gate.wait(), name="ramp", seconds=0.1)
    gate.set()
    assert "restart the kernel" in verdict.message


def test_endless_only_when_a_law_asks_is_reported(ramp):
    def ramp(x, step=1.0):
        while step > 3:
            pass
        return _solved(x, step)

    assert "Still running" in grade(ramp, seconds=0.2).message


def test_waiting_for_ever_only_when_a_law_asks_is_reported(ramp, monkeypatch):
    monkeypatch.setattr("medtutor.exercises.attempt.GRACE", 0.2)
    gate = threading.Event()

    def ramp(x, step=1.0):
        if step > 3:
            gate.wait()
        return _solved(x, step)

    verdict = grade(ramp, seconds=0.2)
    gate.set()
    assert "Still running" in verdict.message and "restart the kernel" in verdict.message


def test_nothing_strikes_after_the_answer_has_come(ramp):
    def slow(x, step=1.0):
        time.sleep(0.01)
        return _solved(x, step)

    states = {grade(slow, name="ramp", seconds=0.002 * n).state for n in range(1, 20)}
    assert states <= {"right", "wrong"}
    assert sum(range(10000)) == 49995000


def test_an_interrupt_of_the_check_itself_ends_it_with_a_word(ramp, monkeypatch):
    def join(self, timeout=None):
        monkeypatch.undo()
        raise KeyboardInterrupt

    gate = threading.Event()
    monkeypatch.setattr("medtutor.exercises.attempt._Runner.join", join)
    monkeypatch.setattr("medtutor.exercises.attempt.GRACE", 0.1)
    monkeypatch.setattr(framework, "_EXERCISES", {"ramp": ramp})
    verdict = grade(lambda x, step=1.0: gate.wait(0.3) and x, name="ramp")
    assert verdict.message.startswith("Interrupted.")


# Hints and solutions


def test_hints_come_one_by_one_and_end(ramp, capsys):
    for _ in range(2):
        hint("ramp")
    assert capsys.readouterr().out == "ramp, hint 1 of 2: nudge\nramp, hint 2 of 2: nearly\n"
    for _ in range(2):
        hint("ramp")
        out = capsys.readouterr().out
        assert out.startswith("ramp: these are all the hints.")
        assert "1. nudge" in out and "2. nearly" in out


def test_hint_and_solution_take_the_function_too(ramp, capsys):
    hint(ramp)
    solution(ramp)
    assert capsys.readouterr().out.startswith("ramp, hint 1 of 2: nudge\n○ ramp: first an attempt")


def test_solution_comes_only_after_an_attempt(ramp, capsys):
    def blank(x, step=1.0):
        raise NotImplementedError

    blank.__name__ = "ramp"
    check(blank)
    solution("ramp")
    assert "SENTINEL" not in capsys.readouterr().out
    check(functools.update_wrapper(lambda x, step=1.0: x, blank))
    capsys.readouterr()
    solution("ramp")
    assert capsys.readouterr().out == ramp.source


@pytest.mark.parametrize("ask", [hint, solution])
@pytest.mark.parametrize("kind", NO_EXERCISE)
def test_hint_and_solution_of_nothing_list_the_names(ask, kind, capsys):
    ask(NO_EXERCISE[kind]())
    out = capsys.readouterr().out
    assert out.startswith("? ") and "output_size" in out


def test_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(LookupError, match="no exercise is called 'nothing'; there are: .*output_size"):
        find("nothing")


def test_two_exercises_of_one_name_in_two_modules_are_refused():
    def output_size(n):
        """."""

    with pytest.raises(ValueError, match="two exercises are called 'output_size'"):
        exercise("", hints=(), right="")(output_size)


def test_importing_exercises_loads_no_large_library():
    code = (
        "import sys, medtutor.exercises as e; e.names(); "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
