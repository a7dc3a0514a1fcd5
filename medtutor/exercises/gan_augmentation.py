"""Chapter 4, DCGAN augmentation: ten exercises from the best discriminator to whether drawn pictures help."""

import numpy as np

from medtutor.exercises.framework import exercise


def _tries():
    """Turns of a search for inputs that tell the mistakes apart; one that finds none ends in an error."""
    yield from range(5000)
    raise RuntimeError("no inputs tell the mistakes apart")


def _apart(exercise, given, least=0.01):
    """Whether the solution and the mistakes whose answers have its shape all differ on these inputs."""
    ways = [exercise.function, *(mistake.function for mistake in exercise.mistakes)]
    with np.errstate(all="ignore"):
        answers = [np.asarray(exercise.called(way, given), float) for way in ways]
    alike = [answer.ravel() for answer in answers if answer.shape == answers[0].shape]
    gaps = [np.abs(a - b).max() for i, a in enumerate(alike) for b in alike[:i]]
    return np.nanmin(gaps) > least * np.abs(answers[0]).max()


def _sigmoid(logits):
    return np.exp(-np.logaddexp(0, -logits))


# 1 The best discriminator


@exercise(
    "How sure can a discriminator be at best, when it knows how often each value is real and how often drawn?"
    "",
    hints=(
        "Of all that it is shown with this value, half of the pictures real and half drawn: which share "
        "is real?",
        "Real ones come p_data often, drawn ones p_model often. The share of the real is "
        "p_data / (p_data + p_model).",
        "Where both are 0 nothing is ever shown. Divide only elsewhere, and put 0.5 there: "
        "np.where(both > 0, ..., 0.5).",
    ),
    right="Where the generator has reached the data the best discriminator says 0.5 everywhere, and has "
    "nothing left to teach.",
)
def best_discriminator(p_data, p_model):
    """D that is best against a fixed generator: the probability that a picture is real, place by place.

    p_data   how often the value occurs among real pictures (k,), 0 or more
    p_model  how often it occurs among drawn ones (k,), 0 or more
    returns  (k,), 0 to 1: p_data / (p_data + p_model), for as many real as drawn pictures are shown
             where both are 0 nothing is known: 0.5
    Source: Goodfellow et al., NeurIPS 2014, proposition 1.

    >>> best_discriminator(np.array([0.3, 0.2, 0.0]), np.array([0.1, 0.2, 0.5]))
    array([0.75, 0.5 , 0.  ])
    """
    both = p_data + p_model
    return np.where(both > 0, p_data / np.where(both > 0, both, 1), 0.5)


@best_discriminator.probes
def _(rng):
    for k, empty in ((3, 0), (4, 0), (4, 1), (5, 1), (6, 2)):
        for _ in _tries():
            p_data, p_model = rng.choice(np.arange(1, 19), (2, k), replace=False) / 20
            if (p_data > p_model).any() and (p_data < p_model).any():
                break
        p_data[k - empty :] = p_model[k - empty :] = 0
        yield dict(p_data=p_data, p_model=p_model)
    yield dict(p_data=np.array([0.4, 0.0, 0.6]), p_model=np.array([0.0, 0.7, 0.3]))


@best_discriminator.law("Real and drawn that change places must turn D into 1 - D.")
def _(f, p_data, p_model):
    return f(p_model, p_data), 1 - f(p_data, p_model)


@best_discriminator.law("Both twice as often must change nothing.")
def _(f, p_data, p_model):
    return f(2 * p_data, 2 * p_model), f(p_data, p_model)


@best_discriminator.law("Against a perfect generator D must be 0.5 everywhere.")
def _(f, p_data, p_model):
    return f(p_data, p_data), np.full(len(p_data), 0.5)


def _where_shown(p_data, p_model, answer, otherwise=0.5):
    """`answer` where something is shown, and `otherwise` where nothing is."""
    with np.errstate(all="ignore"):
        return np.where(p_data + p_model > 0, answer(), otherwise)


@best_discriminator.mistake("This is the probability that a picture is drawn. D says how likely it is real.")
def best_discriminator_turned(p_data, p_model):
    return best_discriminator(p_model, p_data)


@best_discriminator.mistake(
    "You divide by p_model alone: these are the odds of real against drawn, and they have no upper end. "
    "Divide by both together."
)
def best_discriminator_odds(p_data, p_model):
    return _where_shown(p_data, p_model, lambda: p_data / p_model)


@best_discriminator.mistake(
    "You decide, 0 or 1, by which of the two is larger. D says how sure it can be: a share between 0 and 1."
)
def best_discriminator_decides(p_data, p_model):
    return _where_shown(p_data, p_model, lambda: (p_data > p_model).astype(float))


@best_discriminator.mistake(
    "You return how often a value is real, whatever the generator does. A value that is drawn often as well "
    "proves little: divide by p_data + p_model."
)
def best_discriminator_data_alone(p_data, p_model):
    return p_data


@best_discriminator.mistake(
    "You put a sigmoid on the difference of the two. D is their share, p_data / (p_data + p_model); as a "
    "sigmoid it would need the difference of their logarithms."
)
def best_discriminator_sigmoid_of_difference(p_data, p_model):
    return _sigmoid(p_data - p_model)


@best_discriminator.mistake(
    "This is the logit of D, from minus to plus infinity. The probability itself is wanted."
)
def best_discriminator_logit(p_data, p_model):
    return _where_shown(p_data, p_model, lambda: np.log(p_data) - np.log(p_model), 0.0)


@best_discriminator.mistake(
    "You divide by the sum over all places. D judges each value by itself: the sum of the two numbers there."
)
def best_discriminator_over_all_places(p_data, p_model):
    return p_data / np.sum(p_data + p_model)


@best_discriminator.mistake(
    "You divide by the mean of the two, so that D comes to 2 where a picture is surely real. Divide by their "
    "sum."
)
def best_discriminator_over_the_mean(p_data, p_model):
    return _where_shown(p_data, p_model, lambda: 2 * p_data / (p_data + p_model))


@best_discriminator.mistake(
    "Brackets are missing: p_data / p_data + p_model is 1 + p_model. Write p_data / (p_data + p_model)."
)
def best_discriminator_without_brackets(p_data, p_model):
    return _where_shown(p_data, p_model, lambda: 1 + p_model)


@best_discriminator.mistake(
    "Where both are 0 your answer is 0 / 0. Nothing is ever shown there, and nothing is known: 0.5."
)
def best_discriminator_nan(p_data, p_model):
    return _where_shown(p_data, p_model, lambda: best_discriminator(p_data, p_model), np.nan)


@best_discriminator.mistake(
    "Where both are 0 you say 0, surely drawn, as a small number added below has it too. Nothing is known "
    "there: 0.5."
)
def best_discriminator_0_for_nothing(p_data, p_model):
    return _where_shown(p_data, p_model, lambda: best_discriminator(p_data, p_model), 0.0)


# 2 What the generator pays


@exercise(
    "What does a generator pay for what the discriminator thinks of its pictures?",
    hints=(
        "D thinks that a picture is real with probability p = sigmoid(logit). The generator wants p to be "
        "large, so it pays -log(p).",
        "-log(sigmoid(a)) is log(1 + exp(-a)). Take the mean over the pictures.",
        "exp(800) is infinite. np.logaddexp(0, -logits) is log(1 + exp(-logits)) without that.",
    ),
    right="The worse a picture, the steeper this loss; log(1 - p), which the game began with, is flat just "
    "where the generator is bad.",
)
def generator_loss(logits):
    """Loss of a generator that does not saturate: the mean of -log(sigmoid(logit)).

    logits   what D says of the drawn pictures (n,), larger for more real; D's probability is sigmoid(logit)
    returns  one number, 0 or more; finite for logits of -800 as well
    Source: Goodfellow et al., NeurIPS 2014, section 3.

    >>> generator_loss(np.array([0.0, 2.0, -2.0])).round(3)
    np.float64(0.982)
    """
    return np.mean(np.logaddexp(0, -logits))


@generator_loss.probes
def _(rng):
    for n in (2, 3, 4, 5):
        for _ in _tries():
            logits = rng.integers(-30, 30, n) / 10
            if abs(logits.sum()) > 1 and logits.min() < 0 < logits.max():
                break
        yield dict(logits=logits)
    yield dict(logits=np.append(rng.integers(1, 30, 2) / 10, -800.0))
    yield dict(logits=np.append(rng.integers(1, 30, 3) / 10, -900.0))


@generator_loss.law("Pictures of which D cannot say anything, with logits of 0, must cost log(2).")
def _(f, logits):
    return f(np.zeros(len(logits))), np.log(2)


@generator_loss.law("Each picture counted twice must cost the same, for it is a mean.")
def _(f, logits):
    return f(np.append(logits, logits)), f(logits)


@generator_loss.law("A picture that D surely knows for drawn must cost 1 more, if its logit falls by 1.")
def _(f, logits):
    sure = np.full(len(logits), -40.0)
    return f(sure - 1) - f(sure), 1.0


@generator_loss.mistake(
    "This is the loss of the minimax game, the mean of log(1 - p). It is flat where D is sure that a picture "
    "is drawn, and a bad generator learns nothing: take -log(p)."
)
def generator_loss_minimax(logits):
    return -np.mean(np.logaddexp(0, logits))


@generator_loss.mistake(
    "This is what D pays for drawn pictures, -log(1 - p): the generator would learn to be found out. It pays "
    "-log(p)."
)
def generator_loss_of_d(logits):
    return np.mean(np.logaddexp(0, logits))


@generator_loss.mistake("The sign is wrong: log(p) grows as the pictures get better, and a loss must fall.")
def generator_loss_sign(logits):
    return -generator_loss(logits)


@generator_loss.mistake(
    "The sigmoid is taken twice: once into p, and once more with p for a logit. Then no picture can be bad, "
    "and hardly any slope is left."
)
def generator_loss_sigmoid_twice(logits):
    return np.mean(np.logaddexp(0, -_sigmoid(logits)))


@generator_loss.mistake("You take the sum over the pictures. Take the mean, or the batch decides the step.")
def generator_loss_sum(logits):
    return np.sum(np.logaddexp(0, -logits))


@generator_loss.mistake(
    "At a logit of -800 your loss is infinite, and one such picture ends a training. Do not form p first: "
    "np.logaddexp(0, -logits)."
)
def generator_loss_overflows(logits):
    with np.errstate(all="ignore"):
        return -np.mean(np.log(1 / (1 + np.exp(-logits))))


@generator_loss.mistake(
    "At a logit of -800 your loss stops growing, as a small number within the logarithm bounds it: no slope "
    "is left there. Use np.logaddexp(0, -logits), which needs none."
)
def generator_loss_bounded(logits):
    return -np.mean(np.log(_sigmoid(logits) + 1e-8))


@generator_loss.mistake(
    "At a logit of -800 your loss is bounded, as p is clipped first: where it is clipped no slope is left. "
    "Use np.logaddexp(0, -logits), which needs no clipping."
)
def generator_loss_clipped(logits):
    return -np.mean(np.log(np.clip(_sigmoid(logits), 1e-7, 1 - 1e-7)))


@generator_loss.mistake(
    "This is the mean of -logit, as a Wasserstein critic has it. Here logits become probabilities first: "
    "-log(sigmoid(logit))."
)
def generator_loss_wasserstein(logits):
    return -np.mean(logits)


@generator_loss.mistake("This is 1 - p on average. Wanted: -log(p), which does not stop at 1.")
def generator_loss_without_log(logits):
    return np.mean(1 - _sigmoid(logits))


@generator_loss.mistake(
    "You take the mean of p before the logarithm, so that a few good pictures hide the bad ones. First the "
    "logarithm, then the mean."
)
def generator_loss_mean_first(logits):
    return -np.log(np.mean(_sigmoid(logits)))


@generator_loss.mistake("This is the logarithm to the base 2. Take the natural one.")
def generator_loss_base_2(logits):
    return generator_loss(logits) / np.log(2)


# 3 How it pulls


@exercise(
    "How strongly does that loss pull at each picture? Take its derivative by each logit.",
    hints=(
        "The loss is the mean of log(1 + exp(-a)). What is the derivative of one term by its own a?",
        "-exp(-a) / (1 + exp(-a)), and that is sigmoid(a) - 1.",
        "Each picture has a part of 1 / n in the mean: (sigmoid(logits) - 1) / n.",
    ),
    right="It is -1/n where D is sure that a picture is drawn. With the minimax loss it would be 0 there: "
    "the worst pictures would learn nothing.",
)
def generator_gradient(logits):
    """Gradient of the generator's loss, mean(-log(sigmoid(logit))), by each logit.

    logits   what D says of the drawn pictures (n,)
    returns  (n,), from -1/n (surely drawn) to 0 (surely real): below 0, for the loss falls as logits grow

    >>> generator_gradient(np.array([0.0, 2.0])).round(3)
    array([-0.25, -0.06])
    """
    p = 1 / (1 + np.exp(-logits))
    return (p - 1) / len(logits)


@generator_gradient.probes
def _(rng):
    for n in (2, 3, 4, 5, 3):
        yield dict(logits=rng.choice(np.arange(1, 40), n, replace=False) / 10 * (-1) ** rng.permutation(n))


@generator_gradient.law("It must be the change of the loss for a small change of each logit.")
def _(f, logits):
    steps = 1e-4 * np.eye(len(logits))
    change = [generator_loss(logits + step) - generator_loss(logits - step) for step in steps]
    return f(logits), np.array(change) / 2e-4


@generator_gradient.law("Each picture counted twice must pull half as much, twice.")
def _(f, logits):
    return f(np.append(logits, logits)), np.append(f(logits), f(logits)) / 2


@generator_gradient.law("Of n pictures of which D cannot say anything, each must pull with -1 / (2n).")
def _(f, logits):
    n = len(logits)
    return f(np.zeros(n)), np.full(n, -0.5 / n)


@generator_gradient.mistake(
    "This is the gradient of the minimax loss, -p / n: close to 0 for the worst pictures. The loss that does "
    "not saturate has (p - 1) / n."
)
def generator_gradient_minimax(logits):
    return -_sigmoid(logits) / len(logits)


@generator_gradient.mistake("Every sign is wrong: the loss falls as a logit grows, so its slope is below 0.")
def generator_gradient_sign(logits):
    return (1 - _sigmoid(logits)) / len(logits)


@generator_gradient.mistake(
    "This is D's gradient for drawn pictures, p / n: it pushes logits down. The generator wants them up."
)
def generator_gradient_of_d(logits):
    return _sigmoid(logits) / len(logits)


@generator_gradient.mistake("The loss is a mean: each picture has a part of 1 / n in it. Divide by n.")
def generator_gradient_not_divided(logits):
    return _sigmoid(logits) - 1


@generator_gradient.mistake(
    "This is the derivative by p, -1 / p. By the logit it has a second factor, dp/da = p * (1 - p)."
)
def generator_gradient_by_p(logits):
    return -1 / _sigmoid(logits) / len(logits)


@generator_gradient.mistake(
    "This is the slope of -p, without its logarithm. -log(p) brings a factor of 1 / p, and p * (1 - p) / p "
    "is 1 - p."
)
def generator_gradient_without_log(logits):
    p = _sigmoid(logits)
    return -p * (1 - p) / len(logits)


@generator_gradient.mistake(
    "The sigmoid is taken twice: you treat p as a logit. Every picture then pulls nearly alike."
)
def generator_gradient_sigmoid_twice(logits):
    return (_sigmoid(_sigmoid(logits)) - 1) / len(logits)


@generator_gradient.mistake(
    "These are the parts of the loss itself, not their slopes. Take the derivative by the logit."
)
def generator_gradient_is_the_loss(logits):
    return np.logaddexp(0, -logits) / len(logits)


@generator_gradient.mistake(
    "You add up the slopes to one number. Each picture has a slope of its own: return all n."
)
def generator_gradient_summed(logits):
    return np.sum(_sigmoid(logits) - 1) / len(logits)


@generator_gradient.mistake("This is 1 - p: its sign is wrong, and the 1 / n of the mean is missing.")
def generator_gradient_sign_and_not_divided(logits):
    return 1 - _sigmoid(logits)


# 4 How large is what comes out


@exercise(
    "How many rows does a transposed convolution give?",
    hints=(
        "Each of the n inputs writes a whole kernel into the output, `stride` rows below the one before.",
        "The last kernel begins at row (n - 1) * stride, and is `kernel` rows long.",
        "`padding` rows are cut off at the top, and as many at the bottom.",
    ),
    right="Kernel 4, stride 2, padding 1 doubles every size, and 4 is a multiple of 2: each output then has "
    "equally many kernels over it, and no checkerboard is built in.",
)
def transposed_size(n, kernel, stride=1, padding=0):
    """Rows (or columns) that come out of a transposed convolution, the way back of an ordinary one.

    n        rows that come in, 1 or more
    kernel   rows of the kernel
    stride   rows from one kernel to the next in the OUTPUT
    padding  rows cut off the output at the top, and as many at the bottom
    returns  int: from the top of the first kernel to the bottom of the last, less what is cut off

    >>> transposed_size(4, kernel=4, stride=2, padding=1)
    8
    """
    return (n - 1) * stride + kernel - 2 * padding


@transposed_size.probes
def _(rng):
    yield dict(n=int(rng.integers(3, 9)), kernel=3)
    yield dict(n=int(rng.integers(5, 9)), kernel=5, stride=2)
    yield dict(n=int(rng.integers(9, 12)), kernel=4, stride=2, padding=1)
    yield dict(n=int(rng.integers(4, 8)), kernel=5, stride=3, padding=1)
    yield dict(n=int(rng.integers(8, 12)), kernel=7, stride=4, padding=2)
    yield dict(n=1, kernel=4)
    yield dict(n=1, kernel=6, stride=2, padding=1)


@transposed_size.law("A convolution of the same kernel, stride and padding must lead back to n.")
def _(f, n, kernel, stride=1, padding=0):
    back = f(n, kernel, stride=stride, padding=padding) + 2 * padding - kernel
    return back / stride + 1, float(n)


@transposed_size.law("One row more must give `stride` rows more.")
def _(f, n, kernel, stride=1, padding=0):
    given = dict(stride=stride, padding=padding)
    return f(n + 1, kernel, **given), f(n, kernel, **given) + stride


@transposed_size.mistake(
    "This is the size behind an ordinary convolution, which gets smaller. A transposed one goes the way "
    "back: its stride multiplies."
)
def transposed_size_ordinary(n, kernel, stride=1, padding=0):
    return (n + 2 * padding - kernel) // stride + 1


@transposed_size.mistake(
    "You count n strides. Between n kernels there are n - 1, and the last one adds its own length."
)
def transposed_size_n_strides(n, kernel, stride=1, padding=0):
    return n * stride + kernel - 2 * padding


@transposed_size.mistake(
    "This is n * stride, as with padding='same' in Keras. For any kernel and padding: where does the last "
    "kernel begin, and where does it end?"
)
def transposed_size_keras_same(n, kernel, stride=1, padding=0):
    return n * stride


@transposed_size.mistake("The padding is cut off on both sides: 2 * padding.")
def transposed_size_padding_once(n, kernel, stride=1, padding=0):
    return (n - 1) * stride + kernel - padding


@transposed_size.mistake(
    "The padding is added. In a transposed convolution it is cut off the output, as it was put around the "
    "input on the way there."
)
def transposed_size_padding_added(n, kernel, stride=1, padding=0):
    return (n - 1) * stride + kernel + 2 * padding


@transposed_size.mistake("`padding` makes no difference in your answer. Cut it off, at the top and below.")
def transposed_size_padding_ignored(n, kernel, stride=1, padding=0):
    return (n - 1) * stride + kernel


@transposed_size.mistake("`stride` makes no difference in your answer: kernels begin `stride` rows apart.")
def transposed_size_stride_ignored(n, kernel, stride=1, padding=0):
    return n - 1 + kernel - 2 * padding


@transposed_size.mistake(
    "One row is missing: a kernel that begins at row r ends behind row r + kernel - 1, so there are r + "
    "kernel rows."
)
def transposed_size_one_short(n, kernel, stride=1, padding=0):
    return (n - 1) * stride + kernel - 1 - 2 * padding


@transposed_size.mistake(
    "You let the kernels lie side by side, n * kernel. They begin `stride` rows apart, and overlap or leave "
    "gaps."
)
def transposed_size_side_by_side(n, kernel, stride=1, padding=0):
    return n * kernel - 2 * padding


@transposed_size.mistake(
    "You cut the padding off the input. It is cut off the output, in rows of the output: outside the bracket "
    "that the stride multiplies."
)
def transposed_size_padding_in_the_input(n, kernel, stride=1, padding=0):
    return (n - 1 - 2 * padding) * stride + kernel


# 5 A leak


class _Step(list):
    """The lines of a training step, shown one below the other."""

    def __repr__(self):
        return "[" + ",\n ".join(map(repr, self)) + "]"


@exercise(
    "The generator's distance to the test pictures is wonderful. Which line of its training step let them in?"
    "",
    hints=(
        "x_test may be used: to measure, behind the training. When does a line that uses it do harm? Follow "
        "its result through the lines below.",
        "Note for each result in which line x_test came into it, if at all: from the line itself, or from "
        "one of the results that it uses.",
        "Go through the lines once, with a dictionary {result: line where x_test came in}. At an update that "
        "uses a result from the dictionary, return that line; at the end, -1.",
    ),
    right="No line trained on a test picture. A largest grey value, a learning rate, a choice of the best "
    "step was enough: whatever decides about an update belongs to the training set.",
)
def find_the_leak(step):
    """Number of the line through which test pictures reach an update of a network.

    step     list of lines (result, uses): the name of what the line computes, and a list of the names that it
             uses. Names that no line has computed are there from the start: x_train, x_test, z, G, D.
             A line with a result such as "update of G" changes a network; all updates begin with "update".
             No line uses the result of an update, and at most one line does harm
    returns  int, counted from 0: the line that uses "x_test" itself, and on whose result an update depends,
             at once or through other lines. -1 if there is none: who only measures on x_test, leaks nothing

    >>> find_the_leak([("largest", ["x_train", "x_test"]), ("real", ["x_train", "largest"]),
    ...                ("loss", ["D", "real"]), ("update of D", ["loss"])])
    0
    """
    came_in = {}
    for line, (result, uses) in enumerate(step):
        sources = [line] if "x_test" in uses else [came_in[name] for name in uses if name in came_in]
        if sources and result.startswith("update"):
            return sources[0]
        if sources:
            came_in[result] = sources[0]
    return -1


_LOSSES = (
    ("fake", ["G", "z"]),
    ("loss of D", ["D", "real", "fake"]),
    ("update of D", ["loss of D"]),
    ("loss of G", ["D", "fake"]),
    ("update of G", ["loss of G"]),
)
_MEASURED = ("distance", ["x_test", "fake"])


def _with(lines, result, *more):
    """The lines, of which that for `result` uses more names."""
    return [(name, [*uses, *more] if name == result else uses) for name, uses in lines]


@find_the_leak.probes
def _(rng):
    mean, best = ("test mean", ["x_test"]), ("agreement", ["D", "x_test"])
    clean = [("real", ["x_train"]), *_LOSSES]
    fake, d_loss, d_update, g_loss, _ = _LOSSES
    spare = int(rng.integers(1, 4))
    notes = [(f"note {i}", ["x_train"]) for i in range(spare)]
    scaled = [("largest", ["x_train", "x_test"]), ("scale", ["largest"]), ("real", ["x_train", "scale"])]
    yield dict(step=_Step([*clean, _MEASURED]))
    yield dict(step=_Step([*notes, *scaled, *_LOSSES, _MEASURED]))
    yield dict(
        step=_Step([mean, *notes, ("pool", ["x_train", "x_test"]), ("real", ["pool"]), *_LOSSES, best])
    )
    rated = [_MEASURED, ("rate", ["distance"]), g_loss, ("update of G", ["rate", "loss of G"])]
    yield dict(step=_Step([mean, ("real", ["x_train"]), fake, *notes, d_loss, d_update, *rated, best]))
    strength = [("strength", ["seen", "agreement"]), ("real", ["x_train", "strength"])]
    yield dict(step=_Step([mean, *notes, ("seen", ["D", "x_train"]), best, *strength, *_LOSSES, _MEASURED]))
    yield dict(step=_Step([mean, *notes, *_with(clean, "loss of D", "x_test"), _MEASURED]))
    yield dict(step=_Step([*notes, *_with(clean, "update of D", "x_test"), mean]))
    yield dict(step=_Step([mean, best, *notes, *clean, ("report", ["test mean", "agreement"])]))


@find_the_leak.law("A line in front that measures something nobody uses must move the leak by one line.")
def _(f, step):
    found = f(_Step(step))
    return f(_Step([("glance", ["x_test"]), *step])), found + 1 if found >= 0 else -1


@find_the_leak.law("Without its updates a step learns nothing, and nothing can leak.")
def _(f, step):
    return f(_Step([line for line in step if not line[0].startswith("update")])), -1


@find_the_leak.law("Results with other names must not matter.")
def _(f, step):
    new = {name: f"result {i}" for i, (name, _) in enumerate(step) if not name.startswith("update")}
    renamed = [(new.get(name, name), [new.get(use, use) for use in uses]) for name, uses in step]
    return f(_Step(renamed)), f(_Step(step))


@find_the_leak.law("A step that learns from a pool of all pictures must be told so.")
def _(f, step):
    return f(_Step([("pool", ["x_test", "x_train"]), ("sum", ["pool"]), ("update of D", ["sum"])])), 0


def _using(step, name="x_test"):
    return [line for line, (_, uses) in enumerate(step) if name in uses]


def _reaching(step, follow=lambda uses: uses, start="x_test"):
    """{result: line where `start` came in}, following the names that `follow` leaves of each line's uses."""
    came_in = {}
    for line, (result, uses) in enumerate(step):
        lines = [line] if start in uses else [came_in[use] for use in follow(uses) if use in came_in]
        if lines:
            came_in[result] = lines[0]
    return came_in


def _first_update(came_in):
    return next((line for result, line in came_in.items() if result.startswith("update")), -1)


@find_the_leak.mistake(
    "You take the first line that uses x_test. Measuring on it is allowed, as long as no update depends on "
    "what was measured: follow the result."
)
def find_the_leak_first_use(step):
    return min(_using(step), default=-1)


@find_the_leak.mistake(
    "You take the last line that uses x_test. Measuring on it behind all updates is what it is for: follow "
    "the results to an update."
)
def find_the_leak_last_use(step):
    return max(_using(step), default=-1)


@find_the_leak.mistake(
    "You look only at what the update itself uses. The test pictures come through other lines, a loss or a "
    "rate: note for each result whether they are in it."
)
def find_the_leak_direct_only(step):
    return next((i for i in _using(step) if step[i][0].startswith("update")), -1)


@find_the_leak.mistake(
    "You look one line back from an update, and no further. A chain may have any length: note for each "
    "result whether x_test is in it."
)
def find_the_leak_one_line_back(step):
    for result, uses in step:
        if result.startswith("update"):
            for i in _using(step):
                if step[i][0] in (result, *uses):
                    return i
    return -1


@find_the_leak.mistake(
    "You give the update that learns from test pictures. Wanted: the line through which they came in, where "
    "the step must be mended."
)
def find_the_leak_the_update(step):
    return next(
        (i for i, (name, _) in enumerate(step) if name in _reaching(step) and name[:6] == "update"), -1
    )


@find_the_leak.mistake("You count from 1. The first line has the number 0.")
def find_the_leak_from_1(step):
    found = find_the_leak(step)
    return found + 1 if found >= 0 else found


@find_the_leak.mistake("Where nothing leaks you return 0, and that is the first line. Return -1.")
def find_the_leak_0_for_none(step):
    return max(find_the_leak(step), 0)


@find_the_leak.mistake(
    "You say whether there is a leak. Wanted: the number of the line, and -1 where there is none."
)
def find_the_leak_whether(step):
    return int(find_the_leak(step) >= 0)


@find_the_leak.mistake("You follow x_train. To learn from it is what a training step is for: follow x_test.")
def find_the_leak_of_training(step):
    return _first_update(_reaching(step, start="x_train"))


@find_the_leak.mistake(
    "You follow only the first name that each line uses. Test pictures may come in by any of them."
)
def find_the_leak_first_name_only(step):
    return _first_update(_reaching(step, follow=lambda uses: uses[:1]))


@find_the_leak.mistake(
    "You ask whether a line shares a name with the training, such as fake or D. To read them does no harm: "
    "what counts is whether an update uses the line's result."
)
def find_the_leak_shared_names(step):
    uses_of, needed = dict(step), set()
    todo = [result for result in uses_of if result.startswith("update")]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += uses_of.get(name, [])
    return next((i for i in _using(step) if needed & {step[i][0], *step[i][1]} - {"x_test"}), -1)


# 6 R1


@exercise(
    "How much does the R1 penalty charge a small discriminator for its steepness?",
    hints=(
        "R1 asks how fast D changes when a REAL picture changes a little: the gradient by the pixels, not by "
        "the weights.",
        "Where x @ w + b is above 0, D grows as x @ w does, with the gradient w; elsewhere it is 0.2 * w.",
        "Square and add up over the pixels, take the mean over the real pictures, multiply by gamma / 2.",
    ),
    right="A D that is flat around the real pictures cannot push the drawn ones away once they have arrived; "
    "without it the game goes round and round.",
)
def r1_penalty(w, b, real, fake, gamma=1.0):
    """R1 penalty of the discriminator D(x) = leaky(x @ w + b), leaky(a) = a above 0 and 0.2 * a elsewhere.

    w        a weight for each pixel (d,)
    b        one number
    real     real pictures (n, d); for none of them is x @ w + b just 0
    fake     drawn pictures (m, d)
    gamma    strength of the penalty
    returns  one number: gamma / 2 times the mean, over the real pictures, of |gradient of D(x) by x| ** 2
    Source: Mescheder, Geiger and Nowozin, ICML 2018, equation 9.

    >>> real = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> r1_penalty(np.array([3.0, -4.0]), 0.0, real, fake=-real, gamma=2.0).round(3)
    np.float64(13.0)
    """
    slope = np.where(real @ w + b > 0, 1.0, 0.2)
    return gamma / 2 * np.mean(slope**2) * np.sum(w**2)


@r1_penalty.probes
def _(rng):
    for n, m, d, gamma in ((3, 3, 2, 1.0), (3, 2, 2, 3.0), (4, 3, 3, 0.3), (5, 4, 2, 10.0), (3, 4, 4, 1.0)):
        for _ in _tries():
            w, b = rng.choice([-3, -2, -1, 1, 2, 3], d) / 2, float(rng.choice([-0.5, 0.5, 0.75]))
            real, fake = rng.integers(-4, 5, (n, d)) / 4, rng.integers(-4, 5, (m, d)) / 4
            given = dict(w=w, b=b, real=real, fake=fake, gamma=gamma)
            sides = [np.abs(x @ w + b).min() > 0.1 and 0 < np.mean(x @ w + b > 0) < 1 for x in (real, fake)]
            if all(sides) and np.mean(real @ w + b > 0) != np.mean(fake @ w + b > 0):
                if gamma == 1 or _apart(r1_penalty, given):
                    break
        yield given


@r1_penalty.law("What the generator draws must not matter: R1 looks at real pictures only.")
def _(f, w, b, real, fake, gamma=1.0):
    return f(w, b, real, fake[::-1] + 3, gamma=gamma), f(w, b, real, fake, gamma=gamma)


@r1_penalty.law("Weights and bias twice as large must cost four times as much.")
def _(f, w, b, real, fake, gamma=1.0):
    return f(2 * w, 2 * b, real, fake, gamma=gamma), 4 * f(w, b, real, fake, gamma=gamma)


@r1_penalty.law("Each real picture counted twice must cost the same.")
def _(f, w, b, real, fake, gamma=1.0):
    return f(w, b, np.append(real, real, 0), fake, gamma=gamma), f(w, b, real, fake, gamma=gamma)


def _d_slopes(w, b, x):
    return np.where(x @ w + b > 0, 1.0, 0.2)


@r1_penalty.mistake(
    "You take the gradient at the drawn pictures: that is R2. R1 wants D to be flat where the real ones are."
)
def r1_penalty_on_fakes(w, b, real, fake, gamma=1.0):
    return r1_penalty(w, b, fake, real, gamma)


@r1_penalty.mistake("You take real and drawn pictures together. R1 is the mean over the real ones alone.")
def r1_penalty_on_both(w, b, real, fake, gamma=1.0):
    return r1_penalty(w, b, np.append(real, fake, 0), fake, gamma)


@r1_penalty.mistake("The half is missing: gamma / 2.")
def r1_penalty_without_half(w, b, real, fake, gamma=1.0):
    return 2 * r1_penalty(w, b, real, fake, gamma)


@r1_penalty.mistake("`gamma` makes no difference in your answer. Multiply by gamma / 2.")
def r1_penalty_without_gamma(w, b, real, fake, gamma=1.0):
    return r1_penalty(w, b, real, fake)


@r1_penalty.mistake(
    "This is the gradient by the weights, which is x. R1 asks how D changes with the PICTURE: there it is w."
)
def r1_penalty_by_weights(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean(_d_slopes(w, b, real) ** 2 * np.sum(real**2, 1))


@r1_penalty.mistake(
    "This is the gradient by weights and bias together. R1 asks how D changes with the picture: there it is "
    "w."
)
def r1_penalty_by_weights_and_bias(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean(_d_slopes(w, b, real) ** 2 * (np.sum(real**2, 1) + 1))


@r1_penalty.mistake("The gradient's length is not squared. R1 takes |gradient| ** 2.")
def r1_penalty_not_squared(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean(_d_slopes(w, b, real)) * np.sqrt(np.sum(w**2))


@r1_penalty.mistake(
    "This is the penalty of WGAN-GP, which wants a length of 1. R1 wants 0: |gradient| ** 2 without the 1."
)
def r1_penalty_towards_1(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean((_d_slopes(w, b, real) * np.sqrt(np.sum(w**2)) - 1) ** 2)


@r1_penalty.mistake(
    "You take D for linear. Where x @ w + b is below 0 its slope is 0.2, and the gradient 0.2 * w."
)
def r1_penalty_linear(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.sum(w**2)


@r1_penalty.mistake(
    "You let D be flat where x @ w + b is below 0, as an ordinary ReLU is. A leaky one keeps a slope of 0.2."
)
def r1_penalty_relu(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean(real @ w + b > 0) * np.sum(w**2)


@r1_penalty.mistake(
    "The slope of 0.2 is not squared. Square the whole gradient, slope * w: there it is 0.04 * |w| ** 2."
)
def r1_penalty_slope_not_squared(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean(_d_slopes(w, b, real)) * np.sum(w**2)


@r1_penalty.mistake(
    "The bias decides on which side of 0 a picture lies: x @ w + b. Yours looks at x @ w alone."
)
def r1_penalty_bias_ignored(w, b, real, fake, gamma=1.0):
    return r1_penalty(w, 0.0, real, fake, gamma)


@r1_penalty.mistake("You sum over the pictures. Take their mean, or a larger batch is charged more.")
def r1_penalty_summed(w, b, real, fake, gamma=1.0):
    return len(real) * r1_penalty(w, b, real, fake, gamma)


@r1_penalty.mistake(
    "You take the mean over the pixels. A squared length is the SUM of the squares: np.sum(w ** 2)."
)
def r1_penalty_mean_over_pixels(w, b, real, fake, gamma=1.0):
    return r1_penalty(w, b, real, fake, gamma) / len(w)


@r1_penalty.mistake(
    "You average the gradients first and square then, so that opposite ones would cancel. Square each "
    "picture's gradient, then take the mean."
)
def r1_penalty_mean_first(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean(_d_slopes(w, b, real)) ** 2 * np.sum(w**2)


@r1_penalty.mistake(
    "This is the mean of D squared, its height. R1 charges its steepness: the gradient by the picture."
)
def r1_penalty_of_d_itself(w, b, real, fake, gamma=1.0):
    return gamma / 2 * np.mean((_d_slopes(w, b, real) * (real @ w + b)) ** 2)


# 7 Averaged weights


@exercise(
    "Average a generator's weights over its training, the latest ones most.",
    hints=(
        "After each step the average moves a little towards the new weights, and mostly stays where it is.",
        "average = decay * average + (1 - decay) * new.",
        "Loop over the rows of `weights`, from the first step to the last, and begin with the average that "
        "is given.",
    ),
    right="With a decay of 0.99 it remembers about the last 100 steps. Batch normalisation has statistics "
    "that are no weights: they have to be averaged or measured again, or the averaged generator draws noise.",
)
def ema(average, weights, decay):
    """Exponential moving average of a network's weights.

    average  the average so far (k,)
    weights  the weights after each of t further steps (t, k), in the order of the steps
    decay    0 to 1: how much of the average stays at each step, such as 0.99
    returns  (k,), the average after these steps; each one makes it decay * average + (1 - decay) * weights

    >>> ema(np.array([1.0, 0.0]), np.array([[2.0, 2.0], [4.0, 0.0]]), decay=0.5)
    array([2.75, 0.5 ])
    """
    for new in weights:
        average = decay * average + (1 - decay) * new
    return average


@ema.probes
def _(rng):
    for k, t in ((2, 1), (2, 2), (3, 2), (2, 3), (3, 4)):
        for _ in _tries():
            average, weights = rng.integers(-9, 10, k) / 2, rng.integers(-9, 10, (t, k)) / 2
            given = dict(average=average, weights=weights, decay=float(rng.choice([0.6, 0.7, 0.8, 0.9])))
            if t < 3 or _apart(ema, given):
                break
        yield given


@ema.law("Weights that stay at the average must leave it where it is.")
def _(f, average, weights, decay):
    return f(average, np.repeat(average[None], 3, 0), decay), average


@ema.law("All steps at once must give what they give one after the other.")
def _(f, average, weights, decay):
    more = np.append(weights, weights[::-1] + 1, 0)
    step_by_step = average
    for row in more:
        step_by_step = f(step_by_step, row[None], decay)
    return f(average, more, decay), step_by_step


@ema.law("With a decay of 0 nothing stays but the weights of the last step.")
def _(f, average, weights, decay):
    return f(average, weights, 0.0), weights[-1]


@ema.mistake(
    "The two shares have changed places: decay is what stays of the AVERAGE, and 1 - decay what comes of the "
    "new weights."
)
def ema_shares_turned(average, weights, decay):
    return ema(average, weights, 1 - decay)


@ema.mistake(
    "The new weights are added in full, and the average grows and grows. Both shares make 1: decay and "
    "1 - decay."
)
def ema_new_in_full(average, weights, decay):
    for new in weights:
        average = decay * average + new
    return average


@ema.mistake(
    "The average stays in full, and the new weights come on top. Both shares make 1: decay and 1 - decay."
)
def ema_old_in_full(average, weights, decay):
    for new in weights:
        average = average + (1 - decay) * new
    return average


@ema.mistake(
    "You begin with 0 and forget the average so far. That pulls all weights towards 0: begin with `average`."
)
def ema_from_zero(average, weights, decay):
    return ema(0 * average, weights, decay)


@ema.mistake(
    "You begin with 0 and divide by 1 - decay ** t, as Adam does. Here there is an average already: begin "
    "with it, and nothing has to be mended."
)
def ema_as_adam(average, weights, decay):
    return ema(0 * average, weights, decay) / (1 - decay ** len(weights))


@ema.mistake("You begin with the weights of the first step. Begin with the average that is given.")
def ema_from_the_first(average, weights, decay):
    return ema(weights[0], weights[1:], decay)


@ema.mistake("This is the plain mean of the steps. The latest are to count most, by `decay`.")
def ema_plain_mean(average, weights, decay):
    return weights.mean(0)


@ema.mistake("This is the plain mean of the average and all steps. The latest are to count most, by `decay`.")
def ema_plain_mean_of_all(average, weights, decay):
    return np.append(average[None], weights, 0).mean(0)


@ema.mistake("You use the last step only. The average moves at EACH step: a loop over the rows of weights.")
def ema_last_step_only(average, weights, decay):
    return ema(average, weights[-1:], decay)


@ema.mistake(
    "You average the steps first, and move once. The average moves at EACH step, and so the latest count "
    "most."
)
def ema_means_of_the_steps(average, weights, decay):
    return ema(average, weights.mean(0)[None], decay)


@ema.mistake("You use the first step only. Does `return` stand inside the loop?")
def ema_first_step_only(average, weights, decay):
    return ema(average, weights[:1], decay)


@ema.mistake("You go through the steps from the last to the first, and the oldest counts most.")
def ema_backwards(average, weights, decay):
    return ema(average, weights[::-1], decay)


@ema.mistake("These are the weights of the last step, without any average.")
def ema_no_average(average, weights, decay):
    return weights[-1]


# 8 Does it copy?


@exercise(
    "Has the generator invented patients, or does it copy those of the training set?",
    hints=(
        "For each drawn picture: how far is the NEAREST training picture? All distances at once: "
        "np.linalg.norm(drawn[:, None] - train[None], axis=2).",
        "Its size says nothing alone. How far is the nearest of as many real pictures that it has never seen?"
        "",
        "np.median of the nearest distances to train, divided by np.median of those to fresh.",
    ),
    right="About 1: no nearer to the patients it was trained on than to others. A median overlooks a few "
    "copies: look at the nearest pairs as well, before a generator leaves the hospital.",
)
def memorisation_ratio(drawn, train, fresh):
    """How much nearer drawn pictures are to the training pictures than to fresh ones: 0 copies, 1 none.

    drawn    features of drawn pictures (m, d)
    train    features of the pictures that the generator was trained on (n, d)
    fresh    features of as many real pictures of other patients (n, d); none of them was drawn
    returns  one number: median over the drawn of the Euclidean distance to the nearest of train, divided by
             the median of the distance to the nearest of fresh

    >>> drawn = np.array([[0.0, 0.0], [6.0, 8.0]])
    >>> memorisation_ratio(drawn, train=np.array([[0.0, 1.0]]), fresh=np.array([[6.0, 0.0]])).round(3)
    np.float64(0.73)
    """
    to_train, to_fresh = (
        np.linalg.norm(drawn[:, None] - real[None], axis=2).min(axis=1) for real in (train, fresh)
    )
    return np.median(to_train) / np.median(to_fresh)


@memorisation_ratio.probes
def _(rng):
    for m, n, d in ((3, 2, 2), (4, 3, 2), (5, 3, 2), (4, 4, 3), (3, 5, 2)):
        for _ in _tries():
            drawn, train, fresh = (rng.integers(0, 12, (rows, d)) * 1.0 for rows in (m, n, n))
            given = dict(drawn=drawn, train=train, fresh=fresh)
            nearest = [_to_nearest(drawn, real) for real in (train, fresh)]
            if min(map(np.min, nearest)) > 0 and _apart(memorisation_ratio, given):
                break
        yield given


@memorisation_ratio.law("Copies of training pictures must have 0.")
def _(f, drawn, train, fresh):
    return f(train.copy(), train, fresh + 100) + 1, 1.0


@memorisation_ratio.law("Training and fresh pictures that change places must turn the ratio upside down.")
def _(f, drawn, train, fresh):
    return f(drawn, fresh, train) * f(drawn, train, fresh), 1.0


@memorisation_ratio.law("Features three times as large must have the same ratio.")
def _(f, drawn, train, fresh):
    return f(3 * drawn, 3 * train, 3 * fresh), f(drawn, train, fresh)


def _to_nearest(rows, others, norm=2):
    return np.linalg.norm(rows[:, None] - others[None], ord=norm, axis=2).min(1)


@memorisation_ratio.mistake("The ratio is upside down: copies would have infinity. Divide train by fresh.")
def memorisation_ratio_turned(drawn, train, fresh):
    return memorisation_ratio(drawn, fresh, train)


@memorisation_ratio.mistake(
    "You take means. A few odd pictures far from everything would decide: take medians."
)
def memorisation_ratio_of_means(drawn, train, fresh):
    return np.mean(_to_nearest(drawn, train)) / np.mean(_to_nearest(drawn, fresh))


@memorisation_ratio.mistake(
    "You divide by how far FRESH pictures are from training ones. Blurred drawings lie "
    "near everything, copied or not: ask of the drawn ones both times."
)
def memorisation_ratio_of_fresh_to_train(drawn, train, fresh):
    return np.median(_to_nearest(drawn, train)) / np.median(_to_nearest(fresh, train))


@memorisation_ratio.mistake(
    "You look for the nearest drawn picture of each real one. Turn it round: for each DRAWN picture the "
    "nearest real one."
)
def memorisation_ratio_from_the_real(drawn, train, fresh):
    return np.median(_to_nearest(train, drawn)) / np.median(_to_nearest(fresh, drawn))


@memorisation_ratio.mistake(
    "You divide picture by picture, and take the median of the ratios. Two medians first, then one division."
)
def memorisation_ratio_median_of_ratios(drawn, train, fresh):
    return np.median(_to_nearest(drawn, train) / _to_nearest(drawn, fresh))


@memorisation_ratio.mistake(
    "You take the median over all pairs. A copy lies near ONE training picture: first the minimum."
)
def memorisation_ratio_all_pairs(drawn, train, fresh):
    between = [np.linalg.norm(drawn[:, None] - real[None], axis=2) for real in (train, fresh)]
    return np.median(between[0]) / np.median(between[1])


@memorisation_ratio.mistake("The square root is missing: these are squared distances.")
def memorisation_ratio_squared(drawn, train, fresh):
    return np.median(_to_nearest(drawn, train) ** 2) / np.median(_to_nearest(drawn, fresh) ** 2)


@memorisation_ratio.mistake("You add up the differences along the axes. The distance follows Pythagoras.")
def memorisation_ratio_taxi(drawn, train, fresh):
    return np.median(_to_nearest(drawn, train, 1)) / np.median(_to_nearest(drawn, fresh, 1))


@memorisation_ratio.mistake(
    "You compare the single nearest pair. One chance neighbour decides it: take the nearest of EACH drawn "
    "picture, then the median."
)
def memorisation_ratio_nearest_pair(drawn, train, fresh):
    return np.min(_to_nearest(drawn, train)) / np.min(_to_nearest(drawn, fresh))


@memorisation_ratio.mistake(
    "You subtract. A difference depends on how the features are scaled: divide one median by the other."
)
def memorisation_ratio_difference(drawn, train, fresh):
    return np.median(_to_nearest(drawn, train)) - np.median(_to_nearest(drawn, fresh))


@memorisation_ratio.mistake(
    "This is the distance to the training pictures alone, and no number to compare with. Divide by that to "
    "fresh ones."
)
def memorisation_ratio_train_alone(drawn, train, fresh):
    return np.median(_to_nearest(drawn, train))


@memorisation_ratio.mistake(
    "This is the share of pictures nearer to train than to fresh. Wanted: how far, as a ratio of two medians."
)
def memorisation_ratio_share(drawn, train, fresh):
    return np.mean(_to_nearest(drawn, train) < _to_nearest(drawn, fresh))


# 9 Does it help?


@exercise(
    "Does augmentation help? Give the difference of two arms that were run on the same subsets, with its "
    "interval.",
    hints=(
        "An easy subset is easy for both arms. Subtract within each subset first: d = a - b.",
        "How sure is the mean of d? Its standard error is d.std(ddof=1) / sqrt(n).",
        "mean(d), mean(d) - t * error, mean(d) + t * error.",
    ),
    right="With 0 inside the interval five subsets cannot tell; it does not say that both arms are equal. "
    "More subsets make it narrower, a bigger test set hardly.",
)
def paired_interval(a, b, t):
    """How much better arm a is than arm b on the same subsets, with the ends of its interval.

    a        a result for each subset (n,), such as the AUC with augmentation, n of 2 or more
    b        the other arm's results on the same subsets (n,), in the same order
    t        half width of the interval in standard errors: 2.776 for 95 % and n = 5 (Student's t, 4 degrees
             of freedom)
    returns  array (3,): mean difference a - b, lower end, upper end
             standard error: standard deviation of the differences (dividing by n - 1), over sqrt(n)

    >>> paired_interval(np.array([0.7, 0.6, 0.8]), np.array([0.6, 0.6, 0.6]), t=4.303).round(2)
    array([ 0.1 , -0.15,  0.35])
    """
    d = a - b
    half = t * np.std(d, ddof=1) / np.sqrt(len(d))
    return np.array([np.mean(d), np.mean(d) - half, np.mean(d) + half])


@paired_interval.compared("an array of three numbers: difference, lower end, upper end")
def _(answer):
    numbers = np.asarray(answer, float)
    if numbers.shape != (3,):
        raise ValueError("wanted: three numbers")
    return numbers


@paired_interval.probes
def _(rng):
    for n, t in ((3, 4.303), (5, 2.776), (5, 4.604), (6, 2.571), (7, 2.447)):
        for _ in _tries():
            hard, gain = rng.integers(55, 75, n), rng.integers(-3, 9, n)
            given = dict(a=(hard + gain) / 100, b=hard / 100, t=t)
            if abs(gain.sum()) > 3 and gain.std() > 1 and _apart(paired_interval, given, 0.002):
                break
        yield given


@paired_interval.law("What makes a subset easy for both arms must not matter.")
def _(f, a, b, t):
    easy = np.linspace(0.0, 0.2, len(a)) ** 2
    return f(a + easy, b + easy, t), f(a, b, t)


@paired_interval.law("Arms that change places must turn every sign, and the two ends.")
def _(f, a, b, t):
    return f(b, a, t), -f(a, b, t)[[0, 2, 1]]


@paired_interval.law("Results twice as large must have twice the difference, and twice both ends.")
def _(f, a, b, t):
    return f(2 * a, 2 * b, t), 2 * f(a, b, t)


def _around(mean, half):
    return np.array([mean, mean - half, mean + half])


def _paired(a, b):
    return a - b, np.sqrt(len(a))


@paired_interval.mistake(
    "You add the variances of both arms, as if they had been run on different subsets. What makes a subset "
    "hard then widens the interval: take the standard deviation of the differences."
)
def paired_interval_unpaired(a, b, t):
    return _around(np.mean(a - b), t * np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a)))


@paired_interval.mistake(
    "Your standard deviation divides by n. With five differences that is too small by a tenth: np.std(d, "
    "ddof=1)."
)
def paired_interval_divided_by_n(a, b, t):
    d, root = _paired(a, b)
    return _around(np.mean(d), t * np.std(d) / root)


@paired_interval.mistake("The sign is wrong: a - b, so that a number above 0 says that a is better.")
def paired_interval_sign(a, b, t):
    return paired_interval(b, a, t)


@paired_interval.mistake(
    "You take the standard deviation for the standard error. It says how single subsets scatter; their mean "
    "is surer by sqrt(n)."
)
def paired_interval_of_single_subsets(a, b, t):
    d, _ = _paired(a, b)
    return _around(np.mean(d), t * np.std(d, ddof=1))


@paired_interval.mistake("You divide the standard deviation by n. The standard error has the root: sqrt(n).")
def paired_interval_without_root(a, b, t):
    d, root = _paired(a, b)
    return _around(np.mean(d), t * np.std(d, ddof=1) / root**2)


@paired_interval.mistake(
    "n - 1 stands in your formula twice: once in ddof=1, which is right, and once more under the root. There "
    "it is n."
)
def paired_interval_n_minus_1_twice(a, b, t):
    d, _ = _paired(a, b)
    return _around(np.mean(d), t * np.std(d, ddof=1) / np.sqrt(len(d) - 1))


@paired_interval.mistake(
    "You use 1.96, which is for very many subsets. With so few the standard deviation is a guess itself: use "
    "t."
)
def paired_interval_with_1_96(a, b, t):
    return paired_interval(a, b, 1.96)


@paired_interval.mistake("`t` is missing: you go one standard error to each side. Go t of them.")
def paired_interval_without_t(a, b, t):
    return paired_interval(a, b, 1.0)


@paired_interval.mistake("t standard errors are the HALF width: they go to each side in full.")
def paired_interval_half_as_wide(a, b, t):
    return paired_interval(a, b, t / 2)


@paired_interval.mistake("The ends have changed places: first the lower one.")
def paired_interval_ends_turned(a, b, t):
    return paired_interval(a, b, -t)


@paired_interval.mistake(
    "Difference and ends are in another order: first the mean difference, then the lower end, then the upper."
)
def paired_interval_other_order(a, b, t):
    return paired_interval(a, b, t)[[1, 0, 2]]


@paired_interval.mistake(
    "These are quantiles of the differences: where single subsets lie. How sure their MEAN is says the "
    "standard error."
)
def paired_interval_quantiles(a, b, t):
    d, _ = _paired(a, b)
    return np.array([np.mean(d), *np.percentile(d, [2.5, 97.5])])


@paired_interval.mistake("You return the smallest and the largest difference. Wanted: mean -/+ t * error.")
def paired_interval_range(a, b, t):
    return np.array([np.mean(a - b), np.min(a - b), np.max(a - b)])


@paired_interval.mistake("You take the median of the differences. t and standard error belong to their mean.")
def paired_interval_median(a, b, t):
    d, root = _paired(a, b)
    return _around(np.median(d), t * np.std(d, ddof=1) / root)


@paired_interval.mistake(
    "You use the variance. The standard error is made of the standard deviation, its root."
)
def paired_interval_variance(a, b, t):
    d, root = _paired(a, b)
    return _around(np.mean(d), t * np.var(d, ddof=1) / root)


@paired_interval.mistake(
    "You use the distances |a - b| without their signs. Gains and losses then add up: keep the signs."
)
def paired_interval_of_sizes(a, b, t):
    return paired_interval(np.abs(a - b), 0 * b, t)


# 10 Which class, please?


@exercise(
    "Tell a discriminator of convolutions which class each picture should show: a plane of ones for it.",
    hints=(
        "A convolution sees pixels. What it is to know everywhere must stand at each pixel, as a channel.",
        "One channel a class: np.eye(classes)[labels] has a row for each label, with a 1 at its class.",
        "Give that row two axes of length 1 in the middle, and multiply by np.ones((1, h, w, 1)).",
    ),
    right="Joined to the picture as further channels, they let D refuse a fine picture of the wrong class; "
    "else the generator may ignore what it was asked for.",
)
def label_planes(labels, h, w, classes):
    """A plane for each class, of ones where the picture is to show it, and else of zeros.

    labels   class of each picture (n,), whole numbers from 0 to classes - 1
    h, w     rows and columns of the pictures
    classes  how many classes there are
    returns  (n, h, w, classes), numbers 0 and 1; channels last, as Keras has them

    >>> label_planes(np.array([1, 0]), h=1, w=2, classes=2)[0]
    array([[[0., 1.],
            [0., 1.]]])
    """
    return np.eye(classes)[labels][:, None, None, :] * np.ones((1, h, w, 1))


@label_planes.probes
def _(rng):
    for n, h, w, classes in ((2, 2, 3, 2), (3, 3, 2, 3), (3, 2, 4, 4), (4, 3, 2, 3), (2, 2, 3, 5)):
        for _ in _tries():
            labels = rng.integers(0, classes, n)
            if (
                len(np.unique(labels)) > 1
                and labels.max() == classes - 1
                and not np.array_equal(labels, classes - 1 - labels)
            ):
                break
        yield dict(labels=labels, h=h, w=w, classes=classes)
    yield dict(labels=np.array([1, 0, 1]), h=2, w=2, classes=4)


@label_planes.law("Each pixel must have a 1 in just one plane.")
def _(f, labels, h, w, classes):
    return f(labels, h, w, classes).sum(3) * 1.0, np.ones((len(labels), h, w))


@label_planes.law("The plane with the ones must be that of the label.")
def _(f, labels, h, w, classes):
    return f(labels, h, w, classes)[:, 0, 0].argmax(1), labels


@label_planes.law("Labels in another order must give the planes in that order.")
def _(f, labels, h, w, classes):
    return f(labels[::-1], h, w, classes) * 1.0, f(labels, h, w, classes)[::-1] * 1.0


@label_planes.mistake(
    "You write the number of the class into one plane. Class 2 would be twice class 1: one plane a class, 0 "
    "or 1."
)
def label_planes_of_numbers(labels, h, w, classes):
    return labels[:, None, None, None] * np.ones((1, h, w, 1))


@label_planes.mistake(
    "All planes hold the number of the class. A plane holds 1 where its own class is asked for, and else 0."
)
def label_planes_all_numbers(labels, h, w, classes):
    return labels[:, None, None, None] * np.ones((1, h, w, classes))


@label_planes.mistake("Your channels come first. Keras has them last: (n, h, w, classes).")
def label_planes_channels_first(labels, h, w, classes):
    return np.moveaxis(label_planes(labels, h, w, classes), 3, 1)


@label_planes.mistake("Rows and columns have changed places: (n, h, w, classes), rows first.")
def label_planes_turned(labels, h, w, classes):
    return label_planes(labels, w, h, classes)


@label_planes.mistake("The classes are counted from 1 in your answer. Label 0 has the first plane.")
def label_planes_from_1(labels, h, w, classes):
    return label_planes(labels - 1, h, w, classes)


@label_planes.mistake("The planes are in reverse order: label 0 has the first one.")
def label_planes_reversed(labels, h, w, classes):
    return label_planes(classes - 1 - labels, h, w, classes)


@label_planes.mistake("Ones and zeros have changed places: the ones belong to the class that is asked for.")
def label_planes_inverted(labels, h, w, classes):
    return 1 - label_planes(labels, h, w, classes)


@label_planes.mistake(
    "The 1 stands at one pixel only. A convolution elsewhere would not see it: fill the whole plane."
)
def label_planes_one_pixel(labels, h, w, classes):
    planes = label_planes(labels, h, w, classes)
    planes[:, 1:] = planes[:, :, 1:] = 0
    return planes


@label_planes.mistake("These are rows (n, classes), without any place. Repeat each over h and w.")
def label_planes_rows_only(labels, h, w, classes):
    return np.eye(classes)[labels]


@label_planes.mistake(
    "There are as many planes as classes occur in these labels. The next batch may hold others: use "
    "`classes`."
)
def label_planes_of_those_there(labels, h, w, classes):
    found, places = np.unique(labels, return_inverse=True)
    return label_planes(places, h, w, len(found))


@label_planes.mistake(
    "You divide by the number of classes, so that a plane holds 1 / classes. Wanted: 0 and 1."
)
def label_planes_divided(labels, h, w, classes):
    return label_planes(labels, h, w, classes) / classes
