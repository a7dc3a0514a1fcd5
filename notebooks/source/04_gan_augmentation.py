# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="opening" tags=["slide"]
# # 4 · DCGAN augmentation: can a network draw the patients we lack?
#
# A hospital has forty slices of a disease and wants a classifier. Forty are too few. Somebody proposes: train a network
# that **draws** such slices, and learn from as many as you like. Below are eight slices. Four were made by the
# simulation that all our patients come from, four were drawn by a network that has seen only its pictures.
#
# **You will be able to** explain the game of generator and discriminator and compute a step of it by hand; build a
# DCGAN that works on two cores, and say what each part is for; measure whether drawn pictures are good, varied and new;
# find out by a paired experiment whether they **help**; hand out drawn patients so that nobody takes them for real.
#
# **You need** chapters 1 and 2. No GPU, no network. **Data:** simulated patients. **Not for:** any decision about a
# patient. "Real" means in this chapter: from our simulation, as opposed to drawn by the network.
#
# **In a hurry?** Sections 4.2, 4.4, 4.6 and 4.8 carry the argument.

# %% id="first-look"
import numpy as np

from medtutor import quiet_start, result

with quiet_start():
    import keras
from medtutor.nn.gan import draw, from_tanh, slices, stored_generator

x_train, y_train, who = slices("train", 500)
x_val, y_val, who_val = slices("val", 500)
x_test, y_test, who_test = slices("test", 500)

# %% id="eight" tags=["slide-on"]
from medtutor.plot import show_images

drawn = from_tanh(draw(stored_generator(), [0, 1, 0, 1], seed=1))
show_images(
    [*x_test[[0, 402, 9, 41], ..., 0], *drawn[..., 0]], list("ABCDEFGH"), vmin=0, vmax=1.2, cols=4, size=1.8,
    alt="Eight T2 slices of heads, A to H, of 32 by 32 pixels. Each has an outline, a grey brain with bright "
    "ventricles in the middle; some have a bright spot. At this size the two rows are hard to tell apart."
)

# %% [markdown] id="opening-notes" tags=["notes"] minutes=3
# Let the room vote on each letter before anybody scrolls: drawn or not? Write the counts on the board; the lower row is
# drawn. Ask what gave it away, and what a radiologist would look at. Then the question of the chapter: suppose nobody
# could tell. Would it follow that a classifier learns from them?

# %% [markdown] id="opening-answer"
# The lower row is drawn. Keep your guess in mind: section 4.6 has a proper blind test. And keep a doubt: *can you tell
# them apart?* and *do they help?* are two questions. Most of this chapter is about the second.

# %% [markdown] id="question" facts="1,024 400"
# ## 4.1 The question: forty pictures
#
# The patients are those of chapter 2; here we take one contrast, T2, at 32 by 32 pixels, and of the slices with a
# tumour those on which it covers at least 400 mm², nine of 1,024 pixels. To feel what is missing we play a small
# hospital: it has **40 pictures**, half of them with a tumour, and is tested on slices of patients that nobody has
# learned from.

# %% id="patients-counted"
for name, y, patients in (("train", y_train, who), ("val", y_val, who_val), ("test", y_test, who_test)):
    print(f"{name:6} slices {len(y)}  with a tumour {y.sum()}  patients {len(set(patients))}")


# %% [markdown] id="one-each-intro"
# Four slices of one patient are neighbours, and say little new. So the hospital has one of each patient, drawn by lot.


# %% id="hospital-code"
def one_each(patients, seed=0):
    """The row of one slice of each patient, drawn by lot: neighbours of one head say little new.  -> (k,)"""
    lot = np.random.default_rng(seed).permutation(len(patients))
    return lot[np.unique(patients[lot], return_index=True)[1]]


def hospital(y, patients, n, seed=0):
    """The rows of n slices, half of each class, each of another patient, drawn by lot.  -> (n,)"""
    one = np.random.default_rng(seed).permutation(one_each(patients, seed))
    return np.concatenate([one[y[one] == k][: n // 2] for k in (0, 1)])


# %% id="hospital"
forty = hospital(y_val, who_val, 40, seed=0)
print("pictures", len(forty), " with a tumour", y_val[forty].sum(), " patients", len(set(who_val[forty])))

# %% [markdown] id="copy-flip-invent" tags=["slide"]
# Copy, flip, or invent? **Copying** a picture adds nothing that a second epoch would not add. **Augmentation** shows it
# as it might also have been: mirrored, moved, a little brighter. It is knowledge that *you* bring in (a tumour on the
# left could have been on the right), so it may only claim what is true of heads:

# %% id="may-or-not" tags=["slide-on"]
i = forty[-1]
slice_ = x_val[i, ..., 0]
variants = {
    "as it is": slice_, "mirrored": slice_[:, ::-1], "moved": np.roll(slice_, (2, -1), (0, 1)),
    "brighter": 1.15 * slice_, "upside down": slice_[::-1], "negative": slice_.max() - slice_
}
show_images(
    list(variants.values()), list(variants), vmin=0, vmax=1.3, cols=6, size=1.7,
    alt="One slice six times: as it is, mirrored, moved by two pixels, brighter, upside down with the "
    "forehead below, and as a negative in which bright and dark have changed places."
)

# %% [markdown] id="anatomy-notes" tags=["notes"] minutes=3
# Ask for each picture: could this be the slice of another patient? Mirrored: yes for the question *is there a tumour*,
# no for *on which side*, and no where the heart or the liver is on the picture. Upside down: no patient lies like
# that in the scanner. Negative: bright IS the finding. Let them name an augmentation for a chest X-ray that lies.

# %% [markdown] id="may-or-not-meaning"
# The first four are patients who could come tomorrow. The last two are not, and what chapter 2 measured about such
# augmentation was a loss. Mirroring is harmless here and not everywhere: heart and liver have a side.
#
# Before anything is invented, the **baseline**: the same small network as in chapter 2, trained on the forty with and
# without classical augmentation.


# %% id="chapter-2"
from medtutor.metrics import auroc, interval
from medtutor.nn.classification import augment, first_cnn, logits, normalise, train_net


# %% id="learn-code"
def unchanged(x, rng):
    """No augmentation, for `train_net`."""
    return x


def learn(x, y, change, drawn=None, seed=0):
    """Chapter 2's first net after 250 batches of 32, however many slices x (n, 32, 32, 1) there are.

    change  the augmentation;  drawn  pictures with the classes 0, 1, 0, 1, …, as a part of each epoch
    """
    real = np.resize(np.arange(len(x)), 1600 - (0 if drawn is None else len(drawn)))
    x, y = x[real], y[real]
    if drawn is not None:
        x, y = np.concatenate([x, drawn]), np.concatenate([y, np.arange(len(drawn)) % 2])
    return train_net(lambda: first_cnn(1), normalise(x), y, epochs=5, seed=seed, augment=change)[0]


# %% id="baseline"
arms = {
    "no augmentation": learn(x_val[forty], y_val[forty], unchanged),
    "classical": learn(x_val[forty], y_val[forty], augment)
}
result("test AUROC, brightest pixel", auroc(y_test, x_test.max(axis=(1, 2, 3))), within=0.001)
for name, net in arms.items():
    result(f"test AUROC, {name}", auroc(y_test, logits(net, normalise(x_test))), within=0.025)

# %% [markdown] id="baseline-notes" tags=["notes"] minutes=3
# Ask for bets: how good can a network be after forty pictures? Keep the numbers on the board; every invention of this
# chapter has to beat them. Stumbling point: one subset of forty is one draw, and the intervals of the test set say
# nothing about that.

# %% [markdown] id="baseline-meaning" facts="2,000"
# A coin has 0.5, and so has the brightest pixel, nearly: on T2 the ventricles are bright as well. Forty pictures teach a
# network little; showing each of them as it might also have been teaches it more, for one line of code. The same network
# is far above 0.9 once it has seen 2,000 patients (section 4.6). That gap is what everybody would like to fill with
# invented ones.

# %% [markdown] id="game" tags=["slide"] facts="0.75"
# ## 4.2 The game
#
# Two networks play (Goodfellow et al., 2014). The **generator** $G$ turns noise $z$ into a picture. The
# **discriminator** $D$ sees a picture and says with which probability it is real. $D$ wants to be right, $G$ wants $D$
# to be wrong:
#
# $$\min_G \max_D\ V = \mathbb{E}_x \log D(x) + \mathbb{E}_z \log\bigl(1 - D(G(z))\bigr)$$
#
# How good can $D$ get? At a place $x$ where real pictures have the density $p$ and drawn ones $q$, $D$ earns
# $p \log D + q \log(1 - D)$. Its derivative $p/D - q/(1 - D)$ is zero at
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)}$$
#
# By hand: where real pictures are three times as frequent as drawn ones, $D^* = 3/(3 + 1) = 0.75$.
#
# **Your turn: `best_discriminator`.**

# %% id="exercise-best" tags=["exercise"]
# exercise: best_discriminator

# %% id="check-best"
from medtutor.exercises import check, hint, solution

check(best_discriminator)  # stuck? hint("best_discriminator"), later solution(…)

# %% [markdown] id="game-notes" tags=["notes"] minutes=4
# Play it: one half of the room writes three numbers "as rolled with two dice", the other half really rolls; a third
# party decides. Then the derivative on the board. Stumbling point: D is best against THIS generator, and a step later
# it is not. Ask what D says when the generator is perfect: 0.5, everywhere, and it cannot teach any more.

# %% [markdown] id="two-gaussians-intro" facts="-1.386"
# Put the best $D$ into $V$, and what is left is a distance between the two kinds of pictures, the **Jensen-Shannon
# divergence**: $V(D^*) = 2\,\mathrm{JSD}(p, q) - \log 4$. So a generator that plays against a perfect $D$ reduces a
# distance, and its best value is $-\log 4 = -1.386$. Check it on the smallest case: real numbers from $N(0, 1)$, drawn
# ones from $N(m, 1)$.


# %% id="value-code"
def normal(x, m=0.0, s=1.0):
    """The density of the normal distribution with mean m and standard deviation s."""
    return np.exp(-(((x - m) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi))


def value(m):
    """V of the best D, for real numbers of N(0, 1) and drawn ones of N(m, 1), by a sum over fine steps."""
    x = np.linspace(-12, 12 + m, 20_001)
    p, q = normal(x, 0), normal(x, m)
    log_d, log_rest = -np.logaddexp(0, m * x - m**2 / 2), -np.logaddexp(0, m**2 / 2 - m * x)
    return np.sum(p * log_d + q * log_rest) * (x[1] - x[0])


# %% id="value-checked"
for m in (0.0, 1.0, 3.0, 8.0):
    result(f"V of the best D, drawn numbers shifted by {m:g}", value(m), within=0.0005)
print("the same as -log 4 without a shift:", np.isclose(value(0), -np.log(4)))

# %% [markdown] id="two-gaussians-notes" tags=["notes"] minutes=3
# Ask for V at a shift of 0 and at a very large one before the key: -log 4, and 0. Between 3 and 8 almost nothing
# happens any more: D is perfect, and V is flat. Ask what a generator at 8 learns from a step to 7.9. That is the next
# picture.

# %% [markdown] id="turned-round" tags=["slide"]
# ### Why the generator's loss is turned round
#
# At a shift of 8 the value hardly moves, whatever the generator does: $D$ is sure, and $\log(1 - D)$ is flat. That is
# the state at the **start** of every training. So $G$ does not minimise $\log(1 - D)$; it maximises $\log D$, which has
# the same goal and is steep where $G$ is bad. With the logit $a$, $D = \sigma(a)$:

# %% id="slopes" tags=["slide-on"]
from medtutor.plot import show_curves

a = np.linspace(-8, 4, 121)
d = 1 / (1 + np.exp(-a))
show_curves(
    a, {"minimax: log(1 − D)": d, "turned round: −log D": 1 - d}, markevery=20,
    xlabel="logit a that D gives to a drawn picture (left: surely drawn)", ylabel="pull on the picture, |slope|",
    alt="The slope of two generator losses against the logit of a drawn picture. The minimax loss has a slope "
    "near 0 on the left, where D is sure, and rises to 1 on the right; the other one is its mirror image."
)

# %% [markdown] id="turned-round-notes" tags=["notes"] minutes=3
# Ask which curve a bad generator should want, before the legend is read. Let somebody say in words where a training
# begins: on the far left. Stumbling point: both have the same optimum; only the way there differs.

# %% [markdown] id="exercise-loss-intro" facts="-800"
# **Your turn: `generator_loss`** from logits, finite at −800 as well, and its slope, **`generator_gradient`**.

# %% id="exercise-generator-loss" tags=["exercise"]
# exercise: generator_loss

# %% id="check-generator-loss"
check(generator_loss)  # stuck? hint("generator_loss"), later solution(…)

# %% id="exercise-generator-gradient" tags=["exercise"]
# exercise: generator_gradient

# %% id="check-generator-gradient"
check(generator_gradient)  # stuck? hint("generator_gradient"), later solution(…)

# %% [markdown] id="by-hand" tags=["slide"] facts="0.378 0.622 -0.311"
# ### One step of each, by hand
#
# In the plane, with $D(x) = \sigma(w \cdot x)$ and $w = (0, 0)$: one real point $x = (2, 0)$, one drawn point
# $g = (0, 1)$.
#
# - **D's step.** Both logits are 0, both probabilities 0.5. The loss $-\log D(x) - \log(1 - D(g))$ has the gradient
#   $-(1 - 0.5)\,x + 0.5\,g = (-1, 0.5)$. A step of size 1 against it: $w = (1, -0.5)$.
# - **G's step.** Now $w \cdot g = -0.5$ and $D(g) = 0.378$. The loss $-\log D(g)$ pulls $g$ along
#   $(1 - 0.378)\,w = (0.622, -0.311)$: to the right, where the real point lies, and down.
#
# Real attracts, drawn repels, and $G$ follows the slope of what $D$ has just learned.

# %% id="by-hand-code" tags=["slide-on", "slide-output", "slide-reveal"]
def sigma(a):
    return 1 / (1 + np.exp(-a))


x, g, w = np.array([2.0, 0.0]), np.array([0.0, 1.0]), np.zeros(2)
w = w - (-(1 - sigma(w @ x)) * x + sigma(w @ g) * g)
pull = (1 - sigma(w @ g)) * w
print("w after D's step", w)
result("pull to the right", pull[0], within=0.0005)
result("pull upwards     ", pull[1], within=0.0005)

# %% [markdown] id="by-hand-notes" tags=["notes"] minutes=4
# Do it on the board with two magnets of different colours. Let them compute w themselves; then ask where g goes. The
# usual mistake is the sign of D's gradient for the drawn point. Ask what happens if D makes ten such steps first.

# %% [markdown] id="plane" tags=["slide"]
# ## 4.3 A GAN that one can watch
#
# Before pictures, points. The real ones come from **eight Gaussians** on a ring: eight kinds of patients, if you like.
# A generator of two small hidden layers turns two random numbers into a point; a discriminator of the same size says
# how likely a point is real. Does the generator find all eight?


# %% id="ring-code"
MODES, RADIUS, SPREAD = 8, 2.0, 0.15  # of the ring of Gaussians


def centres(modes=MODES, radius=RADIUS):
    """The centres of Gaussians evenly on a ring, the first one on the right.  ->  (modes, 2)"""
    angle = 2 * np.pi * np.arange(modes) / modes
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ring(n, rng, modes=MODES, radius=RADIUS, spread=SPREAD):
    """n points of Gaussians on a ring, each with standard deviation `spread` in x and y.  ->  (n, 2)"""
    which = rng.integers(modes, size=n)
    return centres(modes, radius)[which] + spread * rng.standard_normal((n, 2))


def modes_reached(points, modes=MODES, radius=RADIUS, spread=SPREAD):
    """How many of the Gaussians are reached: a quarter of their share, n / 4 modes, lies within 3 spreads.

    points (n, 2). Of a Gaussian in the plane 98.9 % lie within 3 standard deviations.
    """
    distance = np.linalg.norm(points[:, None] - centres(modes, radius), axis=2)  # (n, modes)
    share = (distance <= 3 * spread).mean(axis=0)
    return int((share >= 1 / (4 * modes)).sum())


# %% [markdown] id="network-intro"
# Both networks are a list of layers $[W, b]$ with $h_{k+1} = \mathrm{leaky}(h_k W + b)$. Forward keeps what goes into
# each layer; backward takes the loss's slope at the end through the layers, the chain rule line by line. $G$'s step
# goes back through $D$ first, and then into $G$.


# %% id="leaky-code"
BELOW = 0.2  # the slope of the leaky ReLU below 0


def leaky(z):
    """The leaky ReLU: z above 0, 0.2 z below."""
    return np.where(z > 0, z, BELOW * z)


def slope(h):
    """The derivative of `leaky` where its value is h: 1 above 0, 0.2 below."""
    return np.where(h > 0, 1.0, BELOW)


# %% id="forward-code"
def forward(net, x):
    """What goes into each layer, and at last what comes out.  ->  [h_0 = x, h_1, ..., h_L]"""
    h = [x]
    for W, b in net[:-1]:
        h.append(leaky(h[-1] @ W + b))
    W, b = net[-1]
    return [*h, h[-1] @ W + b]


# %% id="backward-code"
def backward(net, h, delta):
    """From delta = dL/dh_L to the gradients of all layers.  ->  [[dL/dW, dL/db], ...], dL/dx"""
    gradients = []
    for k in reversed(range(len(net))):
        gradients.insert(0, [h[k].T @ delta, delta.sum(axis=0)])
        delta = delta @ net[k][0].T
        if k > 0:
            delta = delta * slope(h[k])
    return gradients, delta


# %% id="backward-checked"
from medtutor.nn.plane import PlaneGAN, mlp

rng = np.random.default_rng(0)
net, point = mlp((2, 16, 16, 1), rng), rng.normal(size=(1, 2))
by_chain = backward(net, forward(net, point), np.ones((1, 1)))[1][0]
tiny = 1e-6 * np.eye(2)
by_steps = [(forward(net, point + t)[-1] - forward(net, point - t)[-1])[0, 0] / 2e-6 for t in tiny]
print("backward agrees with small steps:", np.allclose(by_chain, by_steps, atol=1e-6))

# %% [markdown] id="collapse-intro"
# The package plays the game with Adam (`medtutor.nn.plane`). A setting that looks harmless: $D$ makes five steps for
# each of $G$'s, and Adam keeps much momentum.

# %% id="collapse"
hard = {"beta1": 0.9, "rate_G": 5e-3, "rate_D": 5e-3, "d_steps": 5}
games = {"no cure": PlaneGAN(seed=0, **hard), "with R1": PlaneGAN(seed=0, r1=1.0, **hard)}
for game in games.values():
    game.play(500)
points = {name: game.draw(1000) for name, game in games.items()}
reached = {name: modes_reached(x) for name, x in points.items()}
print("no cure, at most 5 of 8 reached:", reached["no cure"] <= 5)
print("with R1, at least 7:            ", reached["with R1"] >= 7)

# %% id="collapse-shown" tags=["slide-on"]
from medtutor.plot import show_points

show_points(
    {"real": ring(500, np.random.default_rng(1)).T, **{name: x[:500].T for name, x in points.items()}},
    xlabel="x", ylabel="y", size=(5.6, 3.4),
    alt="Points in the plane. The real ones form eight small clouds on a ring. Those of the game without a cure "
    "crowd on a part of the ring and stray around; those of the game with R1 follow the whole ring."
)

# %% [markdown] id="collapse-meaning"
# **Mode collapse**: without a cure the generator serves some of the kinds of patients and never draws the others, and
# each of its points may look real. With one more term in $D$'s loss, **R1**, which charges $D$ for being steep at real
# points, it finds nearly all. (What helps depends on the game: with too fast a generator nothing but slowing it down
# does.) Is one seed a proof? Two more, not as long:

# %% id="collapse-seeds"
for name, cure in (("no cure", 0.0), ("with R1", 1.0)):
    reached[name] = []
    for seed in (1, 2):
        game = PlaneGAN(seed=seed, r1=cure, **hard)
        game.play(300)
        reached[name].append(modes_reached(game.draw(1000)))
print("two more seeds, no cure: at most 5 each:", max(reached["no cure"]) <= 5)
print("with R1: at least 6 each:", min(reached["with R1"]) >= 6)

# %% [markdown] id="explore-plane-intro" tags=["slide"]
# Now play yourself: one step at a time, then faster. The background is $D$, the arrows say where each drawn point is
# pulled. Try the learning rates against each other, and the minimax loss.

# %% id="explore-plane" tags=["slide-on", "slide-output"]
from medtutor.explore import explore_plane_gan

explore_plane_gan()

# %% [markdown] id="plane-notes" tags=["notes"] minutes=6
# Single steps first: only D, five times, and the arrows grow long and then short, as D is sure. Then only G. Then
# play. Ask for bets on how many of the eight it reaches. Preset *collapse*, then the cure. Stumbling point: losses look
# healthy in both. Ask what in their own data would be the eighth mode.

# %% [markdown] id="transposed" tags=["slide"] facts="1,024"
# ## 4.4 From points to pictures: a DCGAN
#
# The generator has to turn 64 numbers into 1,024 pixels. Chapter 1's convolution makes pictures smaller; its way back
# is the **transposed convolution**: each input writes a whole kernel into the output, `stride` places after the one
# before, and where kernels overlap they add up.
#
# By hand, in one dimension, inputs 1 and 2, stride 2: the kernel (1, 1, 1, 1) gives 1, 1, 1+2, 1+2, 2, 2; the kernel
# (1, 1, 1) gives 1, 1, 1+2, 2, 2.

# %% id="transposed-code" tags=["slide-on", "slide-output", "slide-reveal"]
def transposed(x, k, stride):
    """Transposed convolution in one dimension: (n,) with a kernel (m,) -> ((n - 1) * stride + m,)"""
    out = np.zeros((len(x) - 1) * stride + len(k))
    for i, value in enumerate(x):
        out[i * stride : i * stride + len(k)] += value * k
    return out


print("kernel of 4:", transposed([1, 2], np.ones(4), 2))
print("kernel of 3:", transposed([1, 2], np.ones(3), 2))

# %% id="transposed-checked"
from keras import layers, ops

from medtutor.nn.layers import FusedBatchNormalization

k = np.array([1.0, -2.0, 0.5, 3.0])
x = np.array([2.0, 0.0, 1.0, -1.0])
layer = layers.Conv1DTranspose(1, 4, strides=2, use_bias=False)
layer.build((None, 4, 1))
layer.set_weights([k[:, None, None]])
by_keras = np.array(layer(x[None, :, None]))[0, :, 0]
print("the same as Keras:", np.allclose(by_keras, transposed(x, k, 2)))

# %% [markdown] id="exercise-size-intro"
# **Your turn: `transposed_size`.** (Keras' `padding="same"` cuts the edges so that the output is just `stride` times as
# long as the input.)

# %% id="exercise-size" tags=["exercise"]
# exercise: transposed_size

# %% id="check-size"
check(transposed_size)  # stuck? hint("transposed_size"), later solution(…)

# %% [markdown] id="checkerboard-intro" tags=["slide"]
# ### Where checkerboards come from
#
# Put ones into a transposed convolution with a kernel of ones, and the output **counts** how many kernels lie over each
# pixel. With kernel 3 and stride 2 that is 1, 2, 1, 2, …: a checkerboard, before anything is learned (Odena, Dumoulin
# and Olah, 2016). A kernel that is a multiple of the stride has equal counts. Move the two sliders:

# %% id="checkerboard" tags=["slide-on", "slide-output"]
from medtutor.explore import explore_checkerboard

explore_checkerboard()

# %% [markdown] id="checkerboard-notes" tags=["notes"] minutes=3
# Vote before each move: kernel 3 stride 2, kernel 4 stride 2, kernel 5 stride 3. Ask for the rule; somebody says
# divisible. Stumbling point: an even count does not forbid checkerboards, the weights may still learn one; it only
# stops the layer from having one built in.

# %% [markdown] id="generator-intro" tags=["slide"]
# ### The generator
#
# Noise $z$ and the class $y$ as one-hot numbers, a dense layer to 4 by 4 places, then three doublings (Radford, Metz
# and Chintala, 2016): kernel 4, stride 2, batch normalisation, ReLU; `tanh` at the end, so pictures live in −1 to 1.
#
# One trap in a line: each layer gets a **new** initializer. In Keras 3 one shared object has one seed, and gives every
# layer of equal shape the same numbers.

# %% id="generator-code"
def start():
    """A new initializer, N(0, 0.02), for one layer: one shared by two layers repeats its numbers."""
    return keras.initializers.RandomNormal(0, 0.02)


def enlarge(x, filters, **options):
    """Twice as many rows and columns: transposed convolution 4x4, stride 2, which 4 divides evenly."""
    return layers.Conv2DTranspose(filters, 4, 2, "same", kernel_initializer=start(), **options)(x)


def norm_relu(x):
    """Batch normalisation, then ReLU."""
    return layers.ReLU()(FusedBatchNormalization(momentum=0.9)(x))


# %% id="generator-net" tags=["fragment"]
def generator(size=32, z=64, filters=(128, 64, 32), classes=2):
    """G: noise z (n, z) and class y (n, classes), one-hot, become pictures (n, size, size, 1), -1 to 1."""
    noise, label = keras.Input((z,)), keras.Input((classes,))
    x = layers.Concatenate()([noise, label])
    x = layers.Dense(filters[0] * (size // 8) ** 2, kernel_initializer=start())(x)
    x = norm_relu(layers.Reshape((size // 8, size // 8, filters[0]))(x))
    for f in filters[1:]:
        x = norm_relu(enlarge(x, f, use_bias=False))
    return keras.Model([noise, label], enlarge(x, 1, activation="tanh"))

# %% id="shared-initializer"
shared = keras.initializers.RandomNormal(0, 0.02)
a, b = (layers.Dense(3, kernel_initializer=shared) for _ in "ab")
c, d = (layers.Dense(3, kernel_initializer=start()) for _ in "cd")
for layer in (a, b, c, d):
    layer.build((None, 5))
print("one shared initializer, the same numbers in both layers:", np.array_equal(a.kernel, b.kernel))
print("a new one each:", np.array_equal(c.kernel, d.kernel))

# %% [markdown] id="generator-notes" tags=["notes"] minutes=4
# Let them compute the sizes down the net: 4, 8, 16, 32, with `transposed_size`. Ask where the class enters. Then the
# trap with the initializer: who has shared one? In most frameworks it would have been harmless.

# %% [markdown] id="discriminator-intro" tags=["slide"]
# ### The discriminator, and a map that sees collapse
#
# A generator that draws one good picture again and again fools a $D$ that looks at each picture by itself. So one more
# map tells $D$ how much the pictures **differ** (minibatch standard deviation, Karras et al., 2018): groups of four,
# the standard deviation of each feature over the four, and its mean.
#
# By hand: one feature that is 1, 3, 1, 3 in the four pictures has the mean 2 and the standard deviation 1; where all
# four are equal the map is 0, and $D$ knows.


# %% id="spread-code" tags=["slide-on"]
class Spread(layers.Layer):
    """Minibatch standard deviation: one more map, that tells D how much four pictures differ.

    x (n, h, w, c), n a multiple of 4: picture i is compared with i + n/4, i + n/2 and i + 3n/4
    ->  (n, h, w, c + 1); the last map holds one number a picture, the mean over h, w, c
    Source: Karras et al., ICLR 2018, section 3.
    """

    def call(self, x):
        n, h, w, c = x.shape
        fours = ops.reshape(x, (4, -1, h, w, c))
        differ = ops.mean(ops.sqrt(ops.var(fours, axis=0) + 1e-8), axis=(1, 2, 3))
        differ = ops.reshape(ops.tile(differ, 4), (-1, 1, 1, 1))
        return ops.concatenate([x, differ * ops.ones_like(x[..., :1])], axis=-1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], shape[-1] + 1)


# %% id="spread-by-hand" tags=["fragment", "slide-output"]
four = np.array([1.0, 3.0, 1.0, 3.0], "float32").reshape(4, 1, 1, 1)
result("the map for 1, 3, 1, 3", float(Spread()(four)[0, 0, 0, 1]), within=0.0005)
result("the map for 2, 2, 2, 2", float(Spread()(0 * four + 2)[0, 0, 0, 1]), within=0.0005)

# %% [markdown] id="classes-intro"
# ### How does $D$ hold $G$ to the class?
#
# $G$ is told which class to draw. Nothing yet makes it obey: a picture without a tumour, asked for with one, is a fine
# picture. $D$ has to care. Three ways that papers take:
#
# 1. **Planes**: join to the picture one plane a class, ones for the class that was asked for, so that each convolution
#    sees it everywhere.
# 2. **Projection** (Miyato and Koyama, 2018): the logit gets a part that depends on the class.
# 3. **An auxiliary classifier** (Odena, Olah and Shlens, 2017): $D$ also says which class it *sees*; $D$ learns that
#    from the real pictures, and $G$ pays if it is not the class that was asked for.
#
# **Your turn: `label_planes`**, the first way. Which of the three works here is measured in section 4.7.

# %% id="exercise-planes" tags=["exercise"]
# exercise: label_planes

# %% id="check-planes"
check(label_planes)  # stuck? hint("label_planes"), later solution(…)

# %% id="discriminator-code"
def discriminator(size=32, filters=(32, 64, 128), classes=2, spread=True):
    """D: are pictures (n, size, size, 1) real ones of the classes y (n, classes), and of which are they?

        logit = w . h + b + w_y . h,    h what the convolutions see          (n, 1), positive for real
        scores of the classes, from the strongest answer of each map         (n, classes)

    The scores, which do not see y, find a small tumour wherever it lies.
    Source: Miyato and Koyama, ICLR 2018 (w_y: projection); Odena et al., ICML 2017 (auxiliary classifier).
    """
    image, label = keras.Input((size, size, 1)), keras.Input((classes,))
    h = image
    for f in filters:
        h = layers.Conv2D(f, 4, 2, "same", kernel_initializer=start())(h)
        h = layers.LeakyReLU(negative_slope=0.2)(h)
    scores = layers.Dense(classes, kernel_initializer=start())(layers.GlobalMaxPooling2D()(h))
    h = layers.Flatten()(Spread()(h) if spread else h)
    w_y = layers.Dense(classes, use_bias=False, kernel_initializer=start())(h)
    logit = layers.Dense(1, kernel_initializer=start())(h) + layers.Dot(1)([w_y, label])
    return keras.Model([image, label], [logit, scores])

# %% [markdown] id="classes-notes" tags=["notes"] minutes=3
# Let them argue for one of the three before anything is measured, and write the votes on the board; section 4.7 has the
# answer. Ask why the class scores come from the strongest answer of each map and not from the mean: a tumour is nine
# pixels of a thousand.

# %% [markdown] id="spread-notes" tags=["notes"] minutes=3
# Ask how a forger gets by an expert who sees one banknote at a time: he prints a single good one a thousand times. What
# would the expert need? The four numbers on the board. Stumbling point: the map is the same for every pixel; it tells
# about the batch, not about the picture.

# %% [markdown] id="no-norm"
# $D$ has no batch normalisation, and $G$ has it. In a batch of real pictures and one of drawn pictures, normalising
# each by itself hides the very difference in brightness that $D$ is to see. And batch normalisation has a **flag**:
# `training=True` normalises by this batch, `training=False` by running means. In the train step it must be `True`, when
# drawing `False`.

# %% [markdown] id="losses-intro" tags=["slide"]
# ### One step, line by line
#
# The losses of section 4.2, from logits:


# %% id="losses-code"
def d_loss(real, drawn):
    """D's loss for its logits: - log D(real) - log(1 - D(drawn)), D the sigmoid of a logit."""
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(drawn))


def g_loss(drawn):
    """G's loss, turned round so that it teaches from the start: - log D(drawn)."""
    return ops.mean(ops.softplus(-drawn))


def class_loss(y, scores):
    """Cross-entropy of the class scores (n, k) with one-hot y: mean of log sum_k exp(score_k) - score_y."""
    return ops.mean(ops.logsumexp(scores, axis=1) - ops.sum(y * scores, axis=1))


# %% [markdown] id="r1-intro"
# **R1** charges $D$ for being steep at real pictures, $\tfrac{\gamma}{2}\,\mathbb{E}\,|\nabla_x D(x)|^2$ (Mescheder et
# al., 2018). Without it $D$ keeps pushing when the drawn pictures have already arrived, and the game goes round and
# round, as in the plane.
#
# **Your turn: `r1_penalty`** for a $D$ of one layer.

# %% id="exercise-r1" tags=["exercise"]
# exercise: r1_penalty

# %% id="check-r1"
check(r1_penalty)  # stuck? hint("r1_penalty"), later solution(…)


# %% id="r1-code"
import tensorflow as tf


def r1(D, x, y):
    """How steep is D at real pictures x (n, h, w, 1) of classes y?  The mean of |d logit / dx|^2.

    Source: Mescheder, Geiger and Nowozin, ICML 2018, equation 9 (there times gamma / 2).
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits, _ = D([x, y], training=True)
        total = ops.sum(logits)
    return ops.mean(ops.sum(tape.gradient(total, x) ** 2, axis=(1, 2, 3)))


# %% [markdown] id="steps-intro" tags=["slide-on"]
# Two steps, and **whose weights move** is the line to look at. $D$'s step moves `D.trainable_variables` only, though
# the loss depends on $G$; $G$'s step the other way round. Exchange the two and $G$ learns to be found out.


# %% id="d-step-code"
def d_step(G, D, optimizer, x, y, z, gamma=0.0, label=1.0, change=tf.identity):
    """One step of D's weights, none of G's: real from drawn, and the classes of the real.

    gamma weighs R1, label the class loss, change is done to all that D sees
    ->  D's loss for real against drawn, and the shares of real and of drawn that it called rightly
    """
    drawn = G([z, y], training=True)
    with tf.GradientTape() as tape:
        real, scores = D([change(x), y], training=True)
        false, _ = D([change(drawn), y], training=True)
        loss = d_loss(real, false)
        total = loss + label * class_loss(y, scores) + (gamma / 2 * r1(D, x, y) if gamma else 0)
    weights = D.trainable_variables
    optimizer.apply(tape.gradient(total, weights), weights)
    return loss, ops.mean(ops.cast(real > 0, "float32")), ops.mean(ops.cast(false < 0, "float32"))


# %% id="g-step-code"
def g_step(G, D, optimizer, y, z, label=1.0, change=tf.identity):
    """One step of G's weights, none of D's: to be taken for real, and for the class asked for; -> g_loss."""
    with tf.GradientTape() as tape:
        drawn, scores = D([change(G([z, y], training=True)), y], training=True)
        loss = g_loss(drawn)
        total = loss + label * class_loss(y, scores)
    weights = G.trainable_variables
    optimizer.apply(tape.gradient(total, weights), weights)
    return loss


# %% [markdown] id="steps-notes" tags=["notes"] minutes=5
# Read the lines aloud, one student a line: what comes in, what is recorded on the tape, whose weights move. Ask what
# would happen with G inside D's tape (nothing but time), with D's variables in G's step (collapse), with the same z in
# both steps (it works, and is a little worse). Which line makes it conditional?

# %% [markdown] id="leak-intro"
# A train step is also where a test set gets in unseen. **Your turn: `find_the_leak`**: given the lines of a step and
# what each uses, in which line did test pictures come in?

# %% id="exercise-leak" tags=["exercise"]
# exercise: find_the_leak

# %% id="check-leak"
check(find_the_leak)  # stuck? hint("find_the_leak"), later solution(…)

# %% [markdown] id="average-intro" facts="0.19"
# ### The average draws
#
# $G$ never comes to rest: it circles around a good place. The **average of its weights** is near the middle, and that
# one draws the pictures we keep: $e \leftarrow 0.99\,e + 0.01\,g$ after each step.
#
# By hand, with a decay of 0.9 and weights 0, 1, 1: the average goes 0, 0.1, 0.19.
#
# **Your turn: `ema`.**

# %% id="exercise-ema" tags=["exercise"]
# exercise: ema

# %% id="check-ema"
check(ema)  # stuck? hint("ema"), later solution(…)


# %% id="average-code"
def average(E, G, decay):
    """Move the weights of E, the averaged generator, a little towards G's: e = decay e + (1 - decay) g."""
    for e, g in zip(E.trainable_variables, G.trainable_variables, strict=True):
        e.assign(decay * e + (1 - decay) * g)


# %% [markdown] id="statistics-intro"
# And a trap that has cost many an afternoon: the running means of batch normalisation are no weights, and those of $G$
# belong to $G$'s weights. The averaged generator needs its **own**. So we show it noise once and let it measure. What
# happens without stands in section 4.7.


# %% id="statistics-code"
def norms(E):
    """The batch norms of a net."""
    return [layer for layer in E.layers if isinstance(layer, layers.BatchNormalization)]


def measure_again(E, z, y):
    """Give the batch norms of E the means and variances that its own weights make of z and y.

    Those that it has belong to other weights. One large batch, and the momentum 0: only it counts.
    """
    for layer in norms(E):
        layer.momentum = 0.0
    E([z, y], training=True)


# %% [markdown] id="jitter-intro"
# With few pictures $D$ learns them by heart. **DiffAugment** (Zhao et al., 2020) shows $D$ every picture, real or
# drawn, a little changed; since the drawn ones are changed as well, $G$ does not learn to draw the changes.


# %% id="jitter-code"
def jitter(x, rng):
    """Each picture a little brighter or darker, of more or less contrast, and moved by up to 1/8.

    x (n, h, w, c) in -1..1, black comes in from outside; rng a tf.random.Generator. Real and drawn pictures
    go through it before D sees them, and gradients come back.
    Source: DiffAugment, Zhao et al., NeurIPS 2020.
    """
    n, size = x.shape[0], x.shape[1]
    x = x + rng.uniform((n, 1, 1, 1), -0.1, 0.1)
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    x = mean + (x - mean) * rng.uniform((n, 1, 1, 1), 0.8, 1.2)
    most = size // 8
    x = tf.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), constant_values=-1)
    rows, columns = (rng.uniform((n, 1), 0, 2 * most + 1, "int32") + tf.range(size) for _ in "rc")
    return tf.gather(tf.gather(x, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


# %% [markdown] id="probe-intro"
# **A probe** before any training: fixed weights, fixed inputs, one number per part. Training would repair a good deal
# of wrong code.


# %% id="probe-code"
def with_pattern(model):
    """Every weight set to a fixed wave."""
    model.set_weights([0.2 * np.cos(np.arange(w.size)).reshape(w.shape) for w in model.get_weights()])
    return model


# %% id="probe"
G, D = with_pattern(generator()), with_pattern(discriminator())
z = tf.constant(np.cos(np.arange(256)).reshape(4, 64), "float32")
y = tf.one_hot([0, 1, 0, 1], 2)
picture = G([z, y], training=True)
logit, scores = D([picture, y], training=True)
result("probe, G, one pixel        ", float(picture[1, 10, 12, 0]), within=0.0005)
result("probe, D, one logit        ", float(logit[1, 0]), within=0.001)
result("probe, D, one class score  ", float(scores[1, 0]), within=0.001)
result("probe, loss of D           ", float(d_loss(logit[:2], logit[2:])), within=0.001)
result("probe, loss of the classes ", float(class_loss(y, scores)), within=0.001)
result("probe, R1 in thousands     ", float(r1(D, picture, y)) / 1000, within=0.001)

# %% [markdown] id="probe-steps-intro"
# And the steps, by plain gradient descent, with the negative of a picture as the real one: whose weights move, and how
# far?


# %% id="trained-code"
def trained(net):
    """All weights of a net that a step may move, in a row."""
    return np.concatenate([np.ravel(w) for w in net.trainable_variables])


steps = {
    "D's step": lambda optimizer: d_step(G, D, optimizer, -picture, y, z, gamma=0.3)[0],
    "G's step": lambda optimizer: g_step(G, D, optimizer, y, z)
}

# %% id="probe-steps"
for name, step in steps.items():
    g, d = trained(with_pattern(G)), trained(with_pattern(D))
    result(f"probe, {name}: loss", float(step(keras.optimizers.SGD(0.01))), within=0.001)
    result(f"probe, {name}: G moves by", np.linalg.norm(trained(G) - g), within=0.001)
    result(f"probe, {name}: D moves by", np.linalg.norm(trained(D) - d), within=0.001)

# %% [markdown] id="probe-average-intro"
# The average follows $G$ by a tenth where the decay is 0.9, and once it has measured, it draws the same with the flag
# and without:

# %% id="probe-average"
E = with_pattern(generator())
e = trained(E)
average(E, G, 0.9)
print("a tenth of the way:", np.allclose(trained(E), e + 0.1 * (trained(G) - e), atol=1e-6))
measure_again(E, z, y)
print("the same pictures: ", np.allclose(E([z, y], training=True), E([z, y], training=False), atol=1e-4))

# %% [markdown] id="training" tags=["slide"]
# ## 4.5 Training, live
#
# Sixteen pictures a step, Adam with $\beta_1 = 0.5$, R1 at every fourth step and four times as strong. Each step is
# compiled once into a graph, and consists of the functions above:
#
# 1. `d_step` with fresh noise, 2. `g_step` with fresh noise, 3. `average`.
#
# Watch three things. The **grid** is drawn from the same noise each time. The losses should *not* fall to zero: two
# players keep each other busy. And $D$'s share of right answers should lie between a half and one.

# %% [markdown] id="range-intro"
# The pictures go from 0 to 1.5, and a tanh draws from −1 to 1. Two lines lie between; whoever forgets them trains
# against a range that the generator cannot reach, or leaves half of its own unused.


# %% id="range-code"
BRIGHTEST = 1.5  # of the slices of `load_mr`


def to_tanh(x):
    """Slices of `load_mr`, 0 to 1.5, in the range that a tanh can draw: -1 (black) to 1."""
    return (x / BRIGHTEST * 2 - 1).astype("float32")


def from_tanh(x):
    """What `to_tanh` made, or a generator drew, back in the range of `load_mr`."""
    return (x + 1) / 2 * BRIGHTEST


# %% [markdown] id="draw-intro"
# Drawing takes noise and a class for each picture, and is a function of its seed:


# %% id="draw-code"
def noise(n, z, seed):
    """Standard normal numbers (n, z), the same for the same seed."""
    return np.random.default_rng(seed).normal(size=(n, z)).astype("float32")


def draw(E, labels, seed=0):
    """Pictures of these classes, (n,) -> (n, size, size, 1) in -1..1; the same for the same seed."""
    z, k = (each.shape[1] for each in E.inputs)
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not set(np.unique(labels)) <= set(range(k)):
        raise ValueError(f"labels are {labels!r:.60}; use a row of classes 0 to {k - 1}, one a picture")
    return E.predict([noise(len(labels), z, seed), np.eye(k)[labels]], batch_size=250, verbose=0)


# %% id="gan"
from medtutor.explore import live_pictures
from medtutor.nn.gan import DCGAN

STEPS = 1200
gan = DCGAN(to_tanh(x_train), y_train, seed=0)

# %% id="train" tags=["slide-on", "slide-output"]
watch = live_pictures(
    lambda: gan.draw(np.arange(16) % 2, seed=3)[..., 0] / 2 + 0.5, STEPS, every=5,
    alt="Sixteen drawn slices after the training: each has an outline, a brain and bright ventricles. Curves: the losses "
    "of D and G stay near 1; D is right about three times in four, for real and for drawn pictures."
)
gan = gan.train(STEPS, watch)

# %% id="trained"
log = gan.last(500)
print("weights of G", gan.G.count_params(), " of D", gan.D.count_params())
print("D's loss, between 0.9 and 1.4:", 0.9 < log["d_loss"] < 1.4)
print("share of drawn pictures that D calls rightly, between 0.55 and 0.95:", 0.55 < log["drawn_right"] < 0.95)

# %% [markdown] id="training-notes" tags=["notes"] minutes=4
# Start the cell and talk while it runs. First comes the outline of the head, then the ventricles, then the folds. Ask
# after a minute: is it done? The losses do not tell. Stumbling point: a loss of D near 0 is no success but the end of
# the lesson. Ask what they would do if the grid showed one head sixteen times.

# %% [markdown] id="training-repeat"
# Count **steps**, not seconds: the same seed with the same number of steps gives the same pictures on the same machine.
# Another machine, or another number of threads, rounds differently, and after some thousand steps of a game that
# answers to itself the last digit has become another head. What stays are the measures of the next section, within
# tolerances that we measured. That is no fault of this chapter; it holds for every GAN you will meet, and a paper that
# gives one seed has told you about one draw.

# %% [markdown] id="judging" facts="48"
# ## 4.6 Judging pictures
#
# No label says whether a drawn picture is right. So *sets* are compared: 1,000 drawn slices against 1,000 real ones of
# patients that nobody has learned from. Each picture becomes a row of **features**; we take 384 answers of
# convolutions that never learned anything, and of these the 48 directions in which real slices differ most.
#
# (The literature takes an Inception network that was trained on photographs, and calls the distance FID. Ours compares
# with itself and with nothing in any paper. The star in **FID\*** says so.)

# %% id="features"
from medtutor.pictures import picture_features

print("features of a picture", picture_features(x_test[:2]).shape[1])

# %% [markdown] id="frechet-by-hand"
# **FID** by hand, with one feature. As Gaussians, two sets with the means $m$ and the standard deviations $s$ are apart
# by $(m_1 - m_2)^2 + (s_1 - s_2)^2$. Means 0 and 2, deviations 1 and 3: 4 + 4 = 8.

# %% id="frechet-checked"
from medtutor.pictures import frechet_distance

one = np.array([-1.0, 0, 1])[:, None]  # mean 0, standard deviation 1
print("by function:", round(frechet_distance(one, 2 + 3 * one), 6))

# %% [markdown] id="judging-measures" tags=["slide"]
# Five questions, a measure each (`medtutor.pictures`):
#
# | question | measure | perfect |
# |---|---|---|
# | is the set as a whole like the real one? | Fréchet distance **FID\*** (Heusel et al., 2017); **KID\*** (Bińkowski et al., 2018), which takes no Gaussians for granted | 0 |
# | could each drawn picture be real? | **precision**: the share that lies among the real ones (Kynkäänniemi et al., 2019) | as fresh real ones |
# | is everything real drawn? | **recall**: the share of the real that lies among the drawn | as fresh real ones |
# | do they differ from each other? | **diversity** | 1 |
# | are they new? | **nearest ratio**: distance to training pictures over distance to fresh ones | 1; copies 0 |



# %% [markdown] id="judged-live-intro"
# Four slices of one patient are also each other's nearest neighbours, which would make every measure of neighbourhood
# too kind. So each patient gives **one** slice to the comparison.

# %% id="judged-live"
from medtutor.pictures import likeness

sets = ((x_train, who), (x_test, who_test), (x_val, who_val))
known, fresh, more = (x[one_each(patients)][:440] for x, patients in sets)

# %% id="live-judged"
labels = np.arange(len(fresh)) % 2
by_live = from_tanh(gan.draw(labels, seed=4))
seen = {"fresh real": likeness(more, known, fresh), "live GAN": likeness(by_live, known, fresh)}
result("FID* of fresh real pictures", seen["fresh real"].frechet, within=0.01)
print("FID* of the live GAN, between 8 and 60:", 8 < seen["live GAN"].frechet < 60)

# %% id="judged-shown"
from medtutor.plot import show_intervals

show_intervals(
    {
        f"{measure}, {name}": [getattr(each, measure)] * 3
        for measure in ("precision", "recall", "nearest", "diversity") for name, each in seen.items()
    }, xlabel="fresh real pictures and those of the live GAN", digits=2, reference=1,
    alt="Precision, recall, nearest ratio and diversity, of fresh real pictures and of the live GAN. Precision and recall "
    "of the GAN lie far below those of real pictures; its nearest ratio is near 1, its diversity above."
)

# %% [markdown] id="judging-notes" tags=["notes"] minutes=5
# Take one measure after the other, and for each ask what would fool it. Stumbling point: fresh real pictures do not
# have a distance of 0 nor a precision of 1, since two samples are never the same; always look at their row first. Ask
# why we do not simply ask a radiologist. (We should. She is not on this laptop.)

# %% [markdown] id="judge-faults-intro" tags=["slide"]
# ### Can the measures see what is wrong?
#
# A measure that never caught anything proves nothing. So we plant faults: real pictures **blurred** by a pixel, the
# **training pictures** handed in as if drawn, **twenty** real pictures over and over, **noise** added.

# %% id="planted"
from scipy.ndimage import gaussian_filter

rng = np.random.default_rng(0)
wrong = {
    "blurred": gaussian_filter(more, (0, 1, 1, 0)), "copies": known,
    "twenty, repeated": np.resize(more[:20], more.shape),
    "noisy": more + 0.1 * rng.normal(size=more.shape)
}

# %% id="judge-faults" tags=["slide-on", "slide-output"] nbval={"rtol": 0.02, "atol": 0.001}
rows = {"fresh real": seen["fresh real"]}
rows |= {name: likeness(x, known, fresh) for name, x in wrong.items()}
print(f"{'':17}  FID*   KID*   prec.  recall  divers. nearest")
for name, s in rows.items():
    print(
        f"{name:17}{s.frechet:6.1f} {s.kernel:6.2f} {s.precision:6.2f} {s.recall:7.2f} {s.diversity:7.2f} "
        f"{s.nearest:7.2f}"
    )

# %% [markdown] id="judge-faults-meaning"
# Read the table by columns. Copies are perfect in every measure but the last: the nearest ratio exists for them alone.
# Twenty repeated pictures keep their precision and lose recall. A blur of one pixel, which a tired reader would not
# notice, costs nearly all: so a low recall alone is **no** proof of collapse. No single number would do.
#
# **Your turn: `memorisation_ratio`.**

# %% id="exercise-memorisation" tags=["exercise"]
# exercise: memorisation_ratio

# %% id="check-memorisation"
check(memorisation_ratio)  # stuck? hint("memorisation_ratio"), later solution(…)

# %% [markdown] id="faults-notes" tags=["notes"] minutes=4
# Cover the table and let them predict one row each: which column will notice? The row of copies is the important one:
# it is the best generator of all by four measures. Ask which fault none of these columns can see: swapped labels.

# %% [markdown] id="judge-intro" tags=["slide"] facts="2,000"
# ### Does the picture show what was asked for?
#
# None of these measures knows what a tumour is. So a **judge** looks: chapter 2's first net, trained on 2,000 other
# real patients. Its AUROC on real slices says how good it is, its AUROC on drawn ones, with the classes that were asked
# for as the truth, says how well the generator obeys.

# %% id="judge" tags=["slide-on", "slide-output", "slide-reveal"]
from medtutor.data import stored_study
from medtutor.data.studies import unpacked

study = stored_study("04_gan")
judge = first_cnn(1)
judge.set_weights(unpacked(study["judge"], judge.get_weights()))
result("AUROC of the judge, real slices", auroc(y_test, logits(judge, normalise(x_test))), within=0.001)
obeys = auroc(labels, logits(judge, normalise(by_live)))
print("AUROC of the judge on the live GAN's, at least 0.6:", obeys >= 0.6)
print("the same with labels swapped, at most 0.4:", auroc(1 - labels, logits(judge, normalise(by_live))) <= 0.4)

# %% [markdown] id="judge-notes" tags=["notes"] minutes=3
# Ask who judges the judge: its AUROC on real slices, the first line. Then swapped labels, the fault that no measure of
# likeness can see. Ask what it means for a classifier that learns from these pictures if one label in five is wrong.

# %% [markdown] id="long-intro" tags=["slide"] facts="2,000"
# ### The generator that we keep
#
# The live GAN has stopped early. The same recipe with more than eleven times the steps, on 2,000 patients, its rate of
# learning falling to zero in the second half, ran with three seeds;
# the first of them is the file that drew the opening picture (`medtutor study 04_gan`). Each measure compares 1,000
# pictures with 1,000 fresh real ones. The noise that draws is an eighth wider than that of the training, for a reason
# that follows.

# %% id="long-result"
real_row, rows = study["fresh real"], study["long"]
for name, words in (
    ("frechet", "FID*"), ("precision", "precision"), ("recall", "recall"), ("nearest", "nearest ratio"),
    ("judge", "AUROC of the judge")
):
    values = np.array([row[name] for row in rows])
    result(f"{words}, fresh real", real_row[name], within=0.001)
    result(f"    drawn, mean of {len(values)} seeds", values.mean(), within=0.001)
    result("    highest less lowest", np.ptp(values), within=0.001)

# %% id="side-by-side" tags=["slide-on"]
shipped = stored_generator()
sixteen = np.arange(16) % 2
show_images(
    [*more[:8, ..., 0], *from_tanh(draw(shipped, sixteen, seed=3))[:8, ..., 0], *by_live[:8, ..., 0]],
    ["real"] * 8 + ["drawn, long"] * 8 + ["drawn, live"] * 8, vmin=0, vmax=1.2, cols=8, size=1.2,
    alt="Three rows of eight slices: real, drawn by the stored generator, drawn by the live one. The drawn heads vary in "
    "size and shape; their cortex is streakier than that of the real ones."
)

# %% [markdown] id="width-intro"
# **A dial between precision and recall.** The noise need not be drawn as in training. Narrower noise stays where the
# generator is at home, wider noise goes where it has seldom been. Our file multiplies its noise by $1 + 1/8$ before
# anything else, which validation patients preferred: without it, precision is higher and recall lower. Turn on from
# there:

# %% id="width"
for t in (0.8, 1.0, 1.2):
    z = t * noise(len(fresh), 64, seed=4)
    each = likeness(from_tanh(shipped.predict([z, np.eye(2)[labels]], verbose=0)), known, fresh)
    result(f"noise times {t}: precision", each.precision, within=0.01)
    result(f"noise times {t}: recall   ", each.recall, within=0.01)

# %% [markdown] id="width-meaning"
# So a generator has no precision and no recall, but a curve of both; a paper that quotes one of them should say at which
# width. (And the file that you get may have been made to look good by narrow noise, or, like ours, to look varied by
# wide noise.)

# %% [markdown] id="large-intro"
# And at 64 by 64 pixels, with three quarters of the filters and one seed (`medtutor study 04_large`). Its distance is
# again one to pictures of its own size:

# %% id="large"
large = stored_study("04_large")
for name, words in (("frechet", "FID*"), ("precision", "precision"), ("recall", "recall")):
    for of in ("fresh real", "drawn"):
        result(f"{words}, {of}, 64 pixels", large[of][name], within=0.001)
big = from_tanh(draw(stored_generator(64), np.arange(12) % 2, seed=2))
show_images(
    list(big[..., 0]), ["no tumour", "tumour"] * 6, vmin=0, vmax=1.2, cols=6, size=1.7,
    alt="Twelve drawn slices of 64 by 64 pixels, every second asked for with a tumour: outlines, folded cortex and "
    "ventricles of different sizes, with some specks; several of those with a tumour show a bright spot."
)

# %% [markdown] id="blind-intro" tags=["slide"]
# **The blind test.** Twenty pictures, a coin decided for each whether it is real or drawn. Answer with R and D. The
# score comes with its interval, since twenty answers are few.

# %% id="blind" tags=["slide-on", "slide-output"]
from medtutor.explore import explore_real_or_drawn

drawn_50 = from_tanh(draw(shipped, np.arange(50) % 2, seed=21))
explore_real_or_drawn(more[:50, ..., 0] / 1.5, drawn_50[..., 0].clip(0, 1.5) / 1.5)

# %% [markdown] id="blind-notes" tags=["notes"] minutes=4
# The whole room answers by hands, the majority counts. Then the interval: is the room better than a coin? Ask what they
# looked at; usually at the cortex and at the rim. Ask whether a radiologist would do better, at 32 pixels.

# %% [markdown] id="ablation" tags=["slide"]
# ## 4.7 What each part does
#
# Take one part away, train with the same number of pictures shown, measure. Two seeds each, stored
# (`medtutor study 04_ablation`):

# %% id="ablation-shown" tags=["slide-on"]
parts = stored_study("04_ablation")
names = [name for name in parts.values if name != "steps"]
frechets = {name: np.array([row["frechet"] for row in parts[name]]) for name in names}
broken = frechets.pop("average without its statistics")
show_intervals(
    {name: (f.mean(), f.min(), f.max()) for name, f in frechets.items()}, digits=1,
    xlabel="FID* after one change: mean and both seeds, lower is better",
    alt="FID* of ten recipes that differ by one change, after the same number of pictures. Batches of 64 and the settings "
    "of 2015 lie far to the right, label planes and no average next, upsampling and convolution farthest to the left."
)

# %% id="ablation-table"
result("FID*, average without its statistics", broken.mean(), within=0.5)
for name in names:
    recall = np.mean([row["recall"] for row in parts[name]])
    obeys = np.mean([row["judge"] for row in parts[name]])
    result(f"recall, {name}", recall, within=0.001)
    result("    AUROC of the judge", obeys, within=0.001)

# %% [markdown] id="ablation-notes" tags=["notes"] minutes=4
# Bets before the figure: which part is the most important? Most vote for batch normalisation or R1. Then the average
# without its statistics, a mistake that costs no error message at all. Take up the votes on the three ways to hold G to
# the class. Ask which rows two seeds cannot tell apart.

# %% [markdown] id="ablation-meaning" facts="24,000 1,500 16"
# With so few pictures shown (24,000 each, 1,500 steps of 16), in the order of what is lost:
#
# - **The average without its statistics** draws no heads at all, and no error message says so.
# - **Batches of 64** see the same pictures in a quarter of the steps. It is the number of steps that counts.
# - **The settings of 2015** were made for millions of photographs and days of training.
# - **The class.** Planes alone leave the judge at a coin's 0.5, and the recipe without its class loss is hardly above
#   it. The auxiliary classifier is what holds $G$ to the class. The projection beside it is worth half of the recall,
#   and the judge sees no difference.
# - **Without R1** hardly any recall is left, without the map of deviations half of it; without the average all of it,
#   but the distance grows.
# - **Upsampling and a convolution are better here** than the transposed convolution that this chapter is about, by both
#   seeds. We had chosen ours before we measured. Whether it lasts over a long training has not been measured; it is the
#   first thing to try.

# %% [markdown] id="help" tags=["slide"]
# ## 4.8 Does it help?
#
# The way to find out is a **paired experiment**. Draw N real pictures, five times. On each of the five subsets train
# everything: a classifier without augmentation, with the classical kind, with drawn pictures, with both. The GAN has
# seen *only the same N pictures*. All are tested on the same slices. What counts is the **difference within a subset**,
# since an easy subset is easy for everybody.
#
# By hand: two arms gain 1, 3 and 2 points on three subsets. The mean is 2, the standard deviation 1, its error
# $1/\sqrt{3}$.
#
# **Your turn: `paired_interval`.**

# %% id="exercise-paired" tags=["exercise"]
# exercise: paired_interval

# %% id="check-paired"
check(paired_interval)  # stuck? hint("paired_interval"), later solution(…)

# %% [markdown] id="one-subset-intro"
# First **one** subset, live: the forty pictures of section 4.1, a GAN of their own, and a
# classifier for each arm. In an arm with drawn pictures they are half of what the classifier sees.

# %% id="one-subset" tags=["slide-on", "slide-output"]
own = DCGAN(to_tanh(x_val[forty]), y_val[forty], seed=0).train(400)
half = np.arange(800) % 2

# %% id="one-subset-arms"
by_own = from_tanh(own.draw(half, seed=0))
arms |= {
    "GAN of the forty": learn(x_val[forty], y_val[forty], unchanged, by_own),
    "generator from outside": learn(x_val[forty], y_val[forty], unchanged, from_tanh(draw(shipped, half, seed=0)))
}

# %% id="one-subset-shown"
scored = {name: logits(net, normalise(x_test)) for name, net in arms.items()}
show_intervals(
    {name: interval(auroc, y_test, p, patients=who_test, draws=200) for name, p in scored.items()}, reference=0.5,
    xlabel="test AUROC after one subset of forty pictures, 95 % interval over test patients",
    alt="Test AUROC of four arms with intervals over patients: no augmentation, classical, the GAN of the forty and the "
    "generator from outside, all between a coin's 0.5 and 0.75."
)

# %% id="one-subset-checked"
print("all between 0.45 and 0.85:", all(0.45 < auroc(y_test, p) < 0.85 for p in scored.values()))

# %% [markdown] id="one-subset-meaning"
# One subset is one draw, and one training of a GAN another: the next forty pictures could turn the order round, and the
# intervals here, over test patients, do not know that. The full table has five subsets for each N, and its
# GANs had twice the steps and `jitter` (`medtutor study 04_help`):

# %% id="help-table"
table = stored_study("04_help")
for n in table["real slices"]:
    for arm in ("none", "classical", "GAN", "classical and GAN", "outside"):
        values = table[arm][str(n)]
        result(f"N = {n}, {arm}", values.mean(), within=0.001)

# %% id="help-differences"
def paired(a, b):
    """Mean difference of two arms over five subsets, with its 95 % interval (Student's t)."""
    d = a - b
    half_width = 2.776 * d.std(ddof=1) / np.sqrt(len(d))
    return d.mean(), d.mean() - half_width, d.mean() + half_width


# %% id="help-shown" tags=["fragment"]
pairs = [
    ("classical", "none"), ("GAN", "none"), ("classical and GAN", "classical"), ("outside", "classical")
]
differences = {
    f"N = {n}: {a} − {b}": paired(table[a][str(n)], table[b][str(n)])
    for a, b in pairs for n in table["real slices"]
}
show_intervals(
    differences, reference=0, digits=3, xlabel="difference of test AUROC, 95 % interval over five subsets",
    alt="Twelve differences with intervals in four groups of three. Classical less none lies right of zero for 40 and 100 "
    "slices, around it for 400. GAN less none lies around zero. Classical and GAN less classical lies left of zero, two "
    "of its intervals reach over it. Outside less classical lies right of zero for all three."
)

# %% [markdown] id="help-notes" tags=["notes"] minutes=6
# Cover the figure. Ask for bets on GAN minus none at N = 40, with a sign. Then row by row: where does the interval
# exclude zero? Ask why: where could information about tumours come from that the forty pictures do not hold? Then the
# last rows, and who owns the patients in them. Stumbling point: "not significant" is no proof of no effect; read the
# width.

# %% [markdown] id="help-meaning" facts="2,000 2000 0.95"
# - **Classical** augmentation helps with 40 and with 100 pictures: both intervals lie above zero. With 400 one cannot
#   tell.
# - **A GAN of one's own pictures** does not help: zero lies in each interval. On top of classical augmentation each mean
#   is below zero, and with 400 pictures, barely, the whole interval. Where should news about tumours come from? The
#   generator has seen the same pictures and nothing else, and it draws them with errors.
# - **A generator from outside** helps, more than anything else, whatever N is. It has seen 2,000 patients, and what it
#   knows of *them* comes to the hospital in its pictures. (The 2,000 patients themselves would help more: the judge,
#   who has seen as many, is above 0.95.)
#
# So drawn pictures are no source of information but a **way to pass it on**, from a hospital that shares a generator and
# no images. What goes with it is the next section's question. The limits: one mixing ratio, one schedule, one small
# network, pictures of 32 pixels.

# %% [markdown] id="around" tags=["slide"]
# ## 4.9 Around it
#
# ### A walk through the noise
#
# Every point of the noise is a picture, and neighbouring points are similar pictures. Walk through a plane of it, and
# switch the class while you stand still: what changes *should* be the tumour and nothing else.

# %% id="latent-grid"
directions = np.linalg.qr(noise(2, 64, seed=8).T)[0].T  # two directions, at right angles, of length 1
steps = np.linspace(-6, 6, 11)
z = np.array([a * directions[0] + b * directions[1] for a in steps for b in steps], "float32")
grids = [
    from_tanh(np.array(shipped([z, np.tile(np.eye(2)[label], (len(z), 1))], training=False)))
    for label in (0, 1)
]

# %% id="latent-walk" tags=["slide-on", "slide-output"]
from medtutor.explore import explore_latent

classes = ("no tumour", "tumour")
explore_latent(
    np.reshape(grids, (2, 11, 11, 32, 32)) / 1.5, classes=classes, values=(steps, steps)
)

# %% [markdown] id="latent-notes" tags=["notes"] minutes=3
# Walk along one axis and let them name what changes: size, tilt, ventricles, level. Then switch the class at one place:
# is it the same head with and without the tumour? Often not quite. Ask what that means for somebody who wants pairs.

# %% [markdown] id="privacy" tags=["slide"]
# ### What a drawn patient is worth as privacy
#
# "The pictures are synthetic, so there is no patient in them." Is that so? Whoever gets the **discriminator** can ask
# it: it has learned to know the training pictures. Show it training pictures and pictures of other patients; its AUROC
# for "was in the training set" is the success of a **membership attack** (Shokri et al., 2017). 0.5 means that it cannot tell.

# %% id="membership-code"
def opinion(gan, x, y):
    """D's logits for real pictures of these classes; D takes them by fours, the last few are left out."""
    n = len(x) // 4 * 4
    return gan.D.predict([to_tanh(x[:n]), np.eye(2)[y[:n]]], batch_size=64, verbose=0)[0][:, 0]


def membership(gan, seen, others):
    """AUROC of D's logits for the pictures (x, y) that it was trained on against those of others."""
    a, b = opinion(gan, *seen), opinion(gan, *others)
    return auroc(np.repeat([1, 0], [len(a), len(b)]), np.concatenate([a, b]))


# %% id="membership" tags=["slide-on", "slide-output", "slide-reveal"]
many = membership(gan, (x_train, y_train), (x_test, y_test))
few = membership(own, (x_val[forty], y_val[forty]), (x_test, y_test))
print("D of the live GAN, 445 patients, between 0.4 and 0.6:", 0.4 < many < 0.6)
print("D of the GAN of the forty, above 0.6:", few > 0.6)

# %% [markdown] id="privacy-notes" tags=["notes"] minutes=3
# Let them argue first: is there a patient in a drawn picture? Then the two AUROCs. Ask which of them a hospital should
# measure before it hands out a generator, and what an attack that is cleverer than ours might find. Stumbling point: an
# attack that fails proves nothing about the next one.

# %% [markdown] id="membership-meaning" facts="400 160"
# After 400 steps with forty pictures, each seen 160 times, $D$ begins to know them by heart, and whoever has $D$ knows
# something about who was in the training set. With many patients it does not get so far in our short training. (With
# `jitter`, which the study used for its small sets, $D$ never sees a picture as it is.) So: hand out $G$ without $D$,
# train with many patients, and **measure the attack** before you call anything anonymous. One simple attack that fails
# is no proof.

# %% [markdown] id="harm" tags=["slide"]
# ### Where drawn pictures harm
#
# - In a **teaching set for radiologists** a drawn tumour teaches what a generator believes a tumour to be.
# - In a **test set** they measure how well a model agrees with the generator.
# - In a **registry** they make a disease more frequent than it is, and a rare finding that the generator never drew
#   rarer.
# - In a **paper**, undisclosed, they are a fabrication.
#
# So: never in a test set, never without a mark in the file itself, and say in the paper which pictures were drawn, by
# what, from whose data.

# %% [markdown] id="harm-notes" tags=["notes"] minutes=3
# Ask for one more place each. Then: who is asked for consent when a generator that was trained on patients is passed
# on? Let two students argue, one as the patient, one as the hospital.

# %% [markdown] id="deploying" tags=["slide"]
# ## 4.10 Deploying: a generator file, and a set that says what it is
#
# Two things can leave this notebook: the **generator**, and **pictures**. The file holds weights in 16 bits and the
# sizes of the net, no code. What comes back draws the same pictures as the file before:

# %% id="saved"
import hashlib
import tempfile
from pathlib import Path

from medtutor.nn.gan import load_generator, save_generator

folder = Path(tempfile.mkdtemp())

# %% id="saved-again" tags=["slide-on", "slide-output"]
save_generator(shipped, folder / "generator.npz")
again = load_generator(folder / "generator.npz")
labels = np.arange(1000) % 2
thousand = draw(shipped, labels, seed=11)
print("the same pictures after loading:", np.array_equal(draw(again, labels, seed=11), thousand))
print("weights", shipped.count_params(), " file below 1.5 MB:", (folder / "generator.npz").stat().st_size < 1.5e6)

# %% [markdown] id="set-intro"
# And 1,000 labelled pictures as a data set: a DICOM file each, a table of the classes that were **asked for**, and a
# card. Each file says in several places that it is synthetic and which network drew it, since a file is copied away
# from its folder on the first day.

# %% id="set-written"
from medtutor.data import Card, write_drawn

card = Card(
    title="1,000 drawn T2 slices",
    what="A slice of 32 by 32 pixels, and the class that was asked for; a judge agrees with most, not with all.",
    source="a class-conditional DCGAN of this chapter, trained on simulated patients",
    licence="CC BY 4.0", citation="none; name the generator's checksum", simulated=True,
    not_for="testing a model, teaching radiologists, or any statement on patients",
)

# %% id="set-folder"
written = write_drawn(
    folder / "drawn", from_tanh(thousand[..., 0]), labels, classes=classes,
    network="medtutor DCGAN 1", contrast="T2", spacing=(3, 220 / 32, 220 / 32),
    bounds=(0, 1.5), card=card
)
print("files", len(list(written.glob("*.dcm"))))

# %% id="set-read"
from pydicom import dcmread

from medtutor.data import read_dicom

filed = dcmread(written / "0002.dcm")
for keyword in ("PatientName", "SyntheticData", "SeriesDescription", "ManufacturerModelName", "ImageComments"):
    print(f"{keyword:22}", filed[keyword].value)
values = read_dicom(written / "0002.dcm").values
print("the values come back:", np.allclose(values, from_tanh(thousand[1, ..., 0]), atol=1e-4))

# %% [markdown] id="deploying-notes" tags=["notes"] minutes=3
# Open one of the files in a viewer, if there is one in the room, and let them find the mark. Ask which of the five
# lines survives when somebody converts it to PNG: none. What would?

# %% id="cost" tags=["nbval-ignore-output"] reason="the time is that of the machine at hand"
import time

start = time.perf_counter()
draw(shipped, labels, seed=12)
print(f"1,000 pictures {time.perf_counter() - start:.2f} s")

# %% [markdown] id="real-data" facts="28 32"
# ## 4.11 The same on real public data
#
# With the network on, the same cells draw chest X-rays of children, normal or pneumonia (Kermany et al., 2018, as in
# MedMNIST v2). 28 by 28 pixels become 32 by a black rim. We measured nothing on it; if you do, split first, and judge
# with patients that neither the generator nor the judge has seen.


# %% id="real-code"
def chests(split):
    """PneumoniaMNIST as this chapter has its slices: x (n, 32, 32, 1) in 0..1.5, y (n,)."""
    from medtutor.data import load

    data = load("pneumoniamnist", split)
    rim = ((0, 0), (2, 2), (2, 2), (0, 0))
    return 1.5 * np.pad(data.x.reshape(-1, 28, 28, 1), rim), data.y


# x, y = chests("train"); gan = DCGAN(to_tanh(x), y).train(3000)

# %% [markdown] id="limits" tags=["slide"]
# ## 4.12 Limits, and what to take along
#
# - All heads are bent from one average brain, so there is less to draw than in a hospital. What is measured here is a
#   method, on pictures of 32 by 32 pixels.
# - FID\* compares with itself. It does not see a lesion in the wrong place, and no measure here asks a radiologist.
# - A generator knows what its training pictures know. It cannot add the patients that nobody has shown to it; where
#   drawn pictures help, somebody else's patients are in them.
# - A picture that nobody can tell from a real one is the *danger*, not the goal: it has no patient behind it.
# - One paired table with five subsets is small. Its intervals say how small.
#
# **Open question.** A colleague shows you that her classifier gains three points by drawn pictures, with an interval
# that excludes zero. The generator was trained on all her pictures, the test patients' among them, "but only the
# generator". What do you ask her to do?
#
# **Next:** chapter 7 lets two generators translate one contrast into another, and asks whether the translation may be
# trusted.
#
# ## References
#
# - Goodfellow et al.: Generative adversarial nets. NeurIPS 2014. doi:10.48550/arXiv.1406.2661
# - Radford, Metz, Chintala: Unsupervised representation learning with DCGANs. ICLR 2016. doi:10.48550/arXiv.1511.06434
# - Odena, Dumoulin, Olah: Deconvolution and checkerboard artifacts. Distill 2016. doi:10.23915/distill.00003
# - Miyato, Koyama: cGANs with projection discriminator. ICLR 2018. doi:10.48550/arXiv.1802.05637
# - Mescheder, Geiger, Nowozin: Which training methods for GANs do actually converge? ICML 2018.
#   doi:10.48550/arXiv.1801.04406
# - Karras et al.: Progressive growing of GANs. ICLR 2018. doi:10.48550/arXiv.1710.10196
# - Zhao et al.: Differentiable augmentation for data-efficient GAN training. NeurIPS 2020.
#   doi:10.48550/arXiv.2006.10738
# - Heusel et al.: GANs trained by a two time-scale update rule. NeurIPS 2017. doi:10.48550/arXiv.1706.08500
# - Bińkowski et al.: Demystifying MMD GANs. ICLR 2018. doi:10.48550/arXiv.1801.01401
# - Kynkäänniemi et al.: Improved precision and recall metric. NeurIPS 2019. doi:10.48550/arXiv.1904.06991
# - Shokri et al.: Membership inference attacks against machine learning models. IEEE S&P 2017. doi:10.1109/SP.2017.41
# - Frid-Adar et al.: GAN-based synthetic medical image augmentation. Neurocomputing 2018.
#   doi:10.1016/j.neucom.2018.09.013

# %% [markdown] id="limits-notes" tags=["notes"] minutes=3
# Take the open question as an exam: the test patients reach the classifier by way of the generator. Collect what would
# be needed: split first, then train the generator on the training patients alone, on every subset anew. Ask who of
# them has a pipeline in which something was fitted before the split.
