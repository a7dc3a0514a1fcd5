"""What the tests of exercises share: answers, among them the solution run from its text, and seeds."""

import numpy as np

from medtutor.exercises import find

SEEDS = range(4)  # of the probes; what holds for one draw must hold for others


def solved(name):
    """The solution as a student would have it: run from its text, with numpy and nothing else."""
    space = {"np": np}
    exec(find(name).source, space)
    return space[name]


def memorised(exercise, elsewhere=lambda first: first):
    """An answer that knows the probes by heart, and gives what `elsewhere` makes of the first to all else."""
    known = {}
    for inputs in exercise.inputs():
        try:
            known[repr(exercise._arranged(inputs))] = exercise.called(exercise.function, inputs)
        except ValueError as error:
            known[repr(exercise._arranged(inputs))] = error
    first = next(iter(known.values()))

    def answer(*args, **options):
        asked = repr((list(args), options))
        right = known[asked] if asked in known else elsewhere(first)
        if isinstance(right, Exception):
            raise right
        return right

    return answer


def split_unseeded(patients, share, seed):
    """Wrong for `split_by_patient`, in a way that one call does not show."""
    everyone = np.random.default_rng().permutation(np.unique(patients))
    return np.isin(patients, everyone[: round(share * len(everyone))])


def right_on(exercise):
    """The probes that have a right answer, each with what is seen of it."""
    for inputs in exercise.inputs():
        try:
            yield inputs, exercise.seen(exercise.called(exercise.function, inputs))
        except ValueError:
            continue


def plain(given):
    """Inputs with arrays as lists and their dtype, and the type of each value, so that == compares them."""
    if isinstance(given, np.ndarray):
        return given.tolist(), given.dtype
    if isinstance(given, dict):
        return {name: plain(value) for name, value in given.items()}
    if isinstance(given, (list, tuple)):
        return isinstance(given, list), [plain(value) for value in given]
    return type(given), given


def sentences(text):
    """How many sentences a text has; code and "e.g." end none."""
    return len([part for part in text.replace("e.g. ", "").split(". ") if part])
