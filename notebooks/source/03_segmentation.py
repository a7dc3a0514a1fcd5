# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="opening" tags=["slide"]
# # 3 · U-Net segmentation: where is it, and how large?
#
# Chapter 2 said that there is a tumour on the slice. The surgeon asks next: **where**, and **how large**? And three
# months later: has it grown? The answer is no score. It is a number of millilitres, and it comes from a **mask**,
# which says of each pixel whether it belongs to the lesion.
#
# **You will be able to** measure a mask, and know what each measure does not see; set up baselines; build a U-Net
# from its parts and train it with a loss that fits small lesions; judge it patient by patient, in millilitres and in
# millimetres; write the mask back as NIfTI and as DICOM.
#
# **You need** chapters 1 and 2. No GPU, no network. **Data:** simulated patients. **Not for:** any decision about a
# patient. All heads are bent from one average brain and all lesions are drawn by a formula: what you measure here is
# a method, never a diagnosis.
#
# **In a hurry?** Sections 3.2, 3.4, 3.5 and 3.7 carry the rest of the course.

# %% id="first-look" tags=["slide-on"]
import numpy as np

from medtutor import result
from medtutor.data import load_mr
from medtutor.plot import show_heat

train, val, test = (load_mr(s, task="lesion", size=96) for s in ("train", "val", "test"))
i = 152  # a slice with a lesion of middling size
show_heat(
    [test.x[i, ..., 0], test.x[i, ..., 1], test.x[i, ..., 1]], [None] * 3,
    ["T1", "FLAIR", "FLAIR with the truth"], outlines=[None, None, test.y[i]], vmin=0,
    vmax=1.2, cols=3,
    alt="One slice of a simulated head in T1, in FLAIR, and in FLAIR with the true mask "
    "as a line. The lesion is a dark patch on T1; on FLAIR it is a bright ring with a dark "
    "middle. The line follows its ragged border."
)

# %% [markdown] id="opening-notes" tags=["notes"] minutes=3
# Show the two left pictures and cover the right one. Ask somebody to draw the border in the air, then uncover the
# truth. Where do they differ? Ask who of them would be right.

# %% [markdown] id="volume" tags=["slide"]
# ## 3.1 The question is a volume
#
# The mask $y$ holds a 1 where there is tumour or oedema. A voxel is a small box; its three edges, in millimetres,
# stand in the **spacing**. Then
#
# $$V = N \cdot s_1 s_2 s_3 / 1000$$
#
# millilitres, with $N$ voxels in the mask. By hand: 10 voxels of 5 × 2 × 1 mm are 100 cubic millimetres, a tenth of a
# millilitre.

# %% id="volume-code" tags=["slide-on", "slide-output", "slide-reveal"] facts="0.1"
from medtutor.metrics import volume

spacing = test.extra["spacing"][0]  # mm between slices, rows, columns
print("by hand:", 10 * 5 * 2 * 1 / 1000, " by function:", volume(np.ones((1, 2, 5)), (5, 2, 1)))
who = test.patients[i]
result("this patient's lesion", volume(test.y[test.patients == who], spacing), unit="ml", within=0.01)

# %% [markdown] id="volume-notes" tags=["notes"] minutes=3
# Do the ten voxels by hand. Stumbling point: the order of the spacing; ask what a wrong order does to the volume
# (nothing, a product does not care) and to a distance (everything).

# %% [markdown] id="exercise-volume-intro"
# **Your turn: `volume_ml`.**

# %% id="exercise-volume" tags=["exercise"]
# exercise: volume_ml

# %% id="check-volume"
from medtutor.exercises import check, hint, solution

check(volume_ml)  # stuck? hint("volume_ml"), later solution("volume_ml")

# %% [markdown] id="patients"
# The patients are those of chapter 2: 500 to learn from, 150 to choose with, 200 that we touch only to report, each
# with four slices. Half of them have no lesion at all. Count before you train: how rare is a lesion pixel, and how
# small are lesions?

# %% id="patients-counted" tags=["fragment", "slide-output"]
print("slices  ", [len(data.y) for data in (train, val, test)])
print("patients", [len(set(data.patients)) for data in (train, val, test)])
result("share of the pixels that are lesion", train.y.mean(), within=0.0002)
everybody = [test.patients == w for w in np.unique(test.patients)]  # the slices of each
sick = [rows for rows in everybody if test.y[rows].any()]
well = [rows for rows in everybody if not test.y[rows].any()]
sizes = np.array([volume(test.y[rows], spacing) for rows in sick])
print("test patients with a lesion", len(sick), " without", len(well))
for q, name in ((0.05, "small"), (0.5, "typical"), (0.95, "large")):
    result(f"a {name} lesion", np.quantile(sizes, q), unit="ml", within=0.02)

# %% [markdown] id="metrics" tags=["slide"] facts="99"
# ## 3.2 Measures, and what each does not see
#
# Not one pixel in a hundred belongs to a lesion. So a program that never calls anything is **right in more than 99 %
# of the pixels**. Pixel accuracy is useless here, and whoever reports it for a small structure has reported nothing.

# %% id="accuracy-useless" tags=["slide-on", "slide-reveal"]
nothing = np.zeros_like(test.y)
result("pixel accuracy of an empty mask", (nothing == test.y).mean(), within=0.0003)
print("more than 0.99:", (nothing == test.y).mean() > 0.99)

# %% [markdown] id="accuracy-notes" tags=["notes"] minutes=2
# Ask what accuracy a program needs to be published. Then the empty program. A laugh, and then: who has reported pixel
# accuracy?

# %% [markdown] id="dice-intro" tags=["slide"] facts="0.5 0.667"
# What is needed are measures that do not count the vast black sea of pixels in neither mask. Three counts remain: in
# both (true positives), only called (false positives), only true (missed, false negatives).
#
# $$\mathrm{Dice} = \frac{2\,|Y \cap P|}{|Y| + |P|} \qquad \mathrm{IoU} = \frac{|Y \cap P|}{|Y \cup P|}$$
#
# By hand, for a truth of 4 pixels and a call of 5, 3 of them in both: Dice = 6/9 = 0.667, IoU = 3/6 = 0.5.

# %% id="dice-by-hand" tags=["slide-on", "slide-output", "slide-reveal"]
from medtutor.metrics import dice, iou

y = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
p = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0]])
both, called_only, true_only = (y & p).sum(), (p & ~y).sum(), (y & ~p).sum()
print("both", both, " only called", called_only, " only true", true_only)
by_hand = 2 * both / (y.sum() + p.sum())
result("Dice", by_hand, within=0.001)
print("the same as the function's:", by_hand == dice(y, p), " IoU:", iou(y, p))

# %% [markdown] id="dice-notes" tags=["notes"] minutes=4
# Let them count the three regions on the page before the key. Ask why the true negatives appear nowhere, and whether
# Dice or IoU is the larger one.

# %% [markdown] id="exercise-dice-intro"
# **Your turn: `dice_score` and `iou_score`.** What should they say when both masks are empty?

# %% id="exercise-dice" tags=["exercise"]
# exercise: dice_score

# %% id="check-dice"
check(dice_score)  # stuck? hint("dice_score"), later solution("dice_score")

# %% id="exercise-iou" tags=["exercise"]
# exercise: iou_score

# %% id="check-iou"
check(iou_score)  # stuck? hint("iou_score"), later solution("iou_score")

# %% [markdown] id="dice-iou-intro"
# The two order any two masks alike; a paper may quote either, and the larger one looks better. **Your turn:
# `dice_from_iou`.**

# %% id="exercise-relation" tags=["exercise"]
# exercise: dice_from_iou

# %% id="check-relation"
check(dice_from_iou)  # stuck? hint("dice_from_iou"), later solution("dice_from_iou")

# %% [markdown] id="dice-blind" tags=["slide"]
# **What Dice does not see.** First, *where* the mistakes are: a rim that is one pixel too wide, and a far false alarm
# of the same size, cost the same. Second, size: shift a square by one pixel, and a small lesion loses far more than a
# large one.

# %% id="dice-shifted" tags=["slide-on", "slide-output", "slide-reveal"]
def square(side, down=0):
    """A mask of 32 by 32 pixels with a square in it."""
    mask = np.zeros((32, 32), int)
    mask[4 + down : 4 + down + side, 4 : 4 + side] = 1
    return mask


for side in (2, 4, 8, 16):
    result(f"side {side}, shifted by one pixel: Dice", dice(square(side), square(side, 1)), within=0.001)

# %% [markdown] id="blind-notes" tags=["notes"] minutes=3
# Ask for the Dice of each square before the key; few see that the error is the same pixel each time. Bring it back in
# section 3.7, when small lesions look bad.

# %% [markdown] id="dice-shifted-meaning" tags=["fragment"]
# Both are off by one pixel. So **a Dice of small lesions and one of large ones cannot be compared**, nor can one on
# coarse pixels and one on fine ones.

# %% [markdown] id="millimetres" tags=["slide", "slide-whole"]
# ### In millimetres
#
# A radiotherapist wants to know how far the border is off. Take all **border voxels** of both masks, and for each the
# distance to the nearest border voxel of the other, in millimetres. The **mean** of these is the average surface
# distance; the larger of the two 95th percentiles is **HD95**. It forgives the worst twentieth, since a single stray
# pixel would decide the maximum.
#
# By hand: the square below is moved down by 2 rows. If rows are 3 mm apart, its upper and lower edges are off by 6
# mm. With 1 mm, by 2. **Leave out the spacing and you report voxels as millimetres**; nothing will warn you.

# %% id="hd95-by-hand"
from scipy.ndimage import binary_erosion

from medtutor.metrics import average_surface_distance, hd95


def border(mask):
    """The places (n, 2) of the voxels of a mask that have a neighbour outside it."""
    return np.argwhere(mask & ~binary_erosion(mask))


# %% id="hd95-checked" tags=["slide-on", "slide-output", "slide-reveal"]
def from_scratch(y, p, spacing):
    """HD95 of two masks in mm, from all pairs of border voxels."""
    a, b = border(y) * spacing, border(p) * spacing  # mm
    apart = np.linalg.norm(a[:, None] - b[None], axis=2)
    return max(np.percentile(apart.min(axis=1), 95), np.percentile(apart.min(axis=0), 95))


y, p = square(8), square(8, 2)
for spacing_2d in ((1, 1), (3, 1)):
    print("spacing", spacing_2d, " HD95 by hand", from_scratch(y, p, spacing_2d), end="")
    print("  by function", hd95(y, p, spacing_2d), "mm")

# %% [markdown] id="hd95-notes" tags=["notes"] minutes=4
# Draw the moved square on the board. Ask what an HD95 of 3 means if nobody has said the unit. Stumbling point: a
# spacing of 1 is the default of many functions, and nothing warns.

# %% [markdown] id="exercise-hd95-intro"
# **Your turn: `border_hd95`.**

# %% id="exercise-hd95" tags=["exercise"]
# exercise: border_hd95

# %% id="check-hd95"
check(border_hd95)  # stuck? hint("border_hd95"), later solution("border_hd95")

# %% [markdown] id="lesion-volume" tags=["slide"]
# **Sensitivity per lesion** asks how many of the separate lesions were found at all; it does not see false alarms.
# **Volume error** answers the clinic's question most directly, and does not see the place: a mask of the right size
# on the wrong side has volume error 0. Here are four calls for one truth, and what each measure says.

# %% id="blind-spots" tags=["slide-on", "slide-output", "slide-reveal"]
from medtutor.metrics import lesion_sensitivity, volume_error

truth = square(8)
calls = {
    "a rim too wide": square(10), "another place": truth[:, ::-1], "one pixel of it": square(1),
    "everything": np.ones_like(truth)
}
print(f"{'':16} Dice   lesions found   volume error, voxels")
for name, call in calls.items():
    wrong = volume_error(truth[None], call[None], (10, 10, 10))  # so that 1 voxel is 1 ml
    print(f"{name:16} {8 * dice(truth, call) // 1 / 8:5}", end="")
    print(f"  {lesion_sensitivity(truth, call):13}   {wrong:12.0f}")

# %% [markdown] id="measures-notes" tags=["notes"] minutes=4
# Show one line at a time and ask which measure would be fooled by it. Then let the room choose the smallest set of
# measures that no line fools.

# %% [markdown] id="blind-spots-meaning" tags=["fragment"]
# (Dice is rounded down to eighths here.) One pixel is enough to "find" a lesion, and calling everything finds all of
# them. **No single measure is safe; report an overlap, a distance, a volume, and the false alarms.**

# %% [markdown] id="nothing-there" tags=["slide"]
# ### Nothing there
#
# Half of our patients have no lesion. What do the measures say of an **empty mask**? Each package has its own
# convention, and a mean over patients hides it. Ours:

# %% id="empty-masks" tags=["slide-on", "slide-output", "slide-reveal"]
from medtutor.metrics import Undefined

empty = np.zeros_like(truth)
for name, y, p in (("both", empty, empty), ("truth", empty, truth), ("call", truth, empty)):
    far = hd95(y, p, (1, 1))
    print(f"empty: {name:6} Dice {dice(y, p)}  IoU {iou(y, p)}", end="  ")
    print("HD95", far if np.isfinite(far) else "infinite", end="  ")
    try:
        print("lesions found", lesion_sensitivity(y, p))
    except Undefined:
        print("lesions found: undefined")

# %% [markdown] id="empty-notes" tags=["notes"] minutes=3
# Ask what the Dice of two empty masks should be, and take both answers seriously. Then ask what each answer does to a
# mean over patients of whom half are well.

# %% [markdown] id="empty-meaning" tags=["fragment"]
# Two empty masks agree: Dice 1. If such patients enter the mean, an *empty program* earns one half on our pile. So we
# average over **patients with a lesion**, and count false alarms in the others. And a slice is not a case: all slices
# of a patient are one mask.
#
# **Your turn: `mean_dice_by_patient`.**

# %% id="exercise-by-patient" tags=["exercise"]
# exercise: mean_dice_by_patient

# %% id="check-by-patient"
check(mean_dice_by_patient)  # stuck? hint("mean_dice_by_patient"), later solution(…)


# %% id="by-patient-code"
def by_patient(metric, y, p, patients):
    """A metric of two masks for each patient who has a lesion, all slices of a patient as one mask.

    y, p (n, h, w), patients (n,)  ->  (patients with a lesion,), in the order of their names
    """
    groups = (patients == who for who in np.unique(patients))
    return np.array([metric(y[rows], p[rows]) for rows in groups if y[rows].any()])


# %% id="empty-program"
over_all = np.mean([dice(test.y[rows], nothing[rows]) for rows in everybody])
result("mean Dice of the empty program over all patients", over_all, within=0.001)
print("over patients with a lesion:", by_patient(dice, test.y, nothing, test.patients).mean())

# %% [markdown] id="baselines" tags=["slide"]
# ## 3.3 What came before
#
# Now baselines. Each is a rule with one number, and that number is chosen on the validation patients by the measure
# that we report: the **median Dice over patients with a lesion**. First one threshold, on FLAIR and on FLAIR minus
# T1, after `normalise` of chapter 2.

# %% id="prepare"
from medtutor import quiet_start

with quiet_start():
    import keras
    from keras import layers, ops

    from medtutor.nn.classification import normalise
    from medtutor.nn.layers import FusedBatchNormalization

X, X_val, X_test = (normalise(data.x) for data in (train, val, test))


# %% id="median-dice"
def median_dice(data, called):
    """The median over the patients with a lesion."""
    return np.median(by_patient(dice, data.y, called, data.patients))


def best_threshold(score, candidates):
    """The threshold with the best median Dice on the validation patients."""
    return max(candidates, key=lambda t: median_dice(val, score >= t))


# %% id="thresholds"
before = {}
rules = {"FLAIR": lambda x: x[..., 1], "FLAIR − T1": lambda x: x[..., 1] - x[..., 0]}
for name, rule in rules.items():
    t = best_threshold(rule(X_val), np.arange(0.5, 3, 0.25))
    before[f"threshold on {name}"] = rule(X_test) >= t
    print(f"{name}: threshold {t}")
    result(f"test Dice, {name}", median_dice(test, before[f"threshold on {name}"]), within=0.001)

# %% [markdown] id="otsu-intro"
# The radiologist's difference wins again. Can the threshold choose itself? **Otsu** (1979) takes the value that
# splits the pixels into two groups whose means lie furthest apart, weighed by their sizes: $w_0 w_1 (m_0 - m_1)^2$.
#
# **Your turn: `otsu_threshold`.**

# %% id="exercise-otsu" tags=["exercise"]
# exercise: otsu_threshold

# %% id="check-otsu"
check(otsu_threshold)  # stuck? hint("otsu_threshold"), later solution("otsu_threshold")


# %% id="otsu-code"
def otsu(x, bins=64):
    """Otsu's threshold of an image, from its histogram."""
    counts, edges = np.histogram(x, bins)
    middle = (edges[:-1] + edges[1:]) / 2
    w0, sums = counts.cumsum(), (counts * middle).cumsum()
    w1 = w0[-1] - w0
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = w0 * w1 * (sums / w0 - (sums[-1] - sums) / w1) ** 2
    return edges[1 + np.nanargmax(apart)]


# %% id="otsu-result"
print("of 1 1 2 2 7 8 8:", otsu(np.array([1, 1, 2, 2, 7, 8, 8]), bins=7))
flair = X_test[..., 1]
before["Otsu on FLAIR"] = np.stack([image >= otsu(image) for image in flair])
result("test Dice, Otsu", median_dice(test, before["Otsu on FLAIR"]), within=0.002)

# %% [markdown] id="otsu-meaning"
# The largest difference on a head is between head and air, and that is what Otsu finds. It was asked another
# question.
#
# **Clusters** use all contrasts at once: a mixture of Gaussians finds groups of similar pixels without any label. We
# only look, on training patients, which group overlaps the lesions best.

# %% id="mixture"
from sklearn.mixture import GaussianMixture

some = X[:200:2]
mixture = GaussianMixture(6, random_state=0).fit(some[some[..., 0] > 0])
groups = mixture.predict(some.reshape(-1, 2)).reshape(some.shape[:3])
group = max(range(6), key=lambda k: dice(train.y[:200:2], groups == k))
before["Gaussian mixture"] = mixture.predict(X_test.reshape(-1, 2)).reshape(test.y.shape) == group
result("test Dice, Gaussian mixture", median_dice(test, before["Gaussian mixture"]), within=0.005)

# %% [markdown] id="patches-intro"
# Lesions are rare, so no group is theirs. The last one may **learn**: logistic regression on the patch of 3 by 3
# pixels around each pixel, in both contrasts. It is a convolution with one kernel (chapter 1), and a threshold.


# %% id="patches"
from sklearn.linear_model import LogisticRegression


def patches(x):
    """Each pixel with its eight neighbours, all contrasts: (n, h, w, 9 c)"""
    h, w = x.shape[1:3]
    x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    return np.concatenate([x[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], -1)


# %% id="patches-result"
rows = slice(0, 1200, 4)
features, labels = patches(X[rows]).reshape(-1, 18), train.y[rows].ravel()
keep = (labels == 1) | (np.random.default_rng(0).random(len(labels)) < 0.03)
linear = LogisticRegression().fit(features[keep], labels[keep])
z_val, z = ((patches(x) @ linear.coef_[0]) + linear.intercept_ for x in (X_val, X_test))
before["logistic regression on patches"] = z >= best_threshold(z_val, np.arange(-1, 6, 0.5))
result(
    "test Dice, patches", median_dice(test, before["logistic regression on patches"]), within=0.005
)

# %% id="baselines-shown" tags=["slide-on"]
from medtutor.metrics import interval
from medtutor.plot import show_images, show_intervals


def spread_of(scores):
    """The median of a score per patient, and its interval over patients."""
    return interval(np.median, scores)


before_scores = {k: by_patient(dice, test.y, mask, test.patients) for k, mask in before.items()}
best_before = max(before_scores, key=lambda name: np.median(before_scores[name]))
show_intervals(
    {name: spread_of(scores) for name, scores in before_scores.items()},
    xlabel="median Dice over test patients with a lesion, 95 % interval",
    alt="Median Dice with intervals of five baselines. Otsu and the Gaussian mixture lie near the "
    "left end, a threshold on FLAIR in the middle, the threshold on FLAIR minus T1 and logistic "
    "regression on patches highest."
)

# %% [markdown] id="baselines-notes" tags=["notes"] minutes=3
# Ask what all five have in common: they look at one pixel and its neighbours. Ask what they would need to know, and
# lead over to the next slide.

# %% [markdown] id="baselines-meaning" tags=["fragment"]
# These are the opponents. All of them look at one pixel and at most its neighbours. They call bright spots anywhere:
# they do not know *where in the head* they are. A net that knows has to look far, and still be exact to the pixel.

# %% [markdown] id="unet-parts" tags=["slide"]
# ## 3.4 A U-Net from its parts
#
# ### Down
#
# Chapter 2's nets halve the image again and again, so that a pixel of a late map sees much of the head. That is the
# **contracting path**. On each level two bricks of chapter 2, then pooling; half the rows and columns, twice the
# channels. Their batch normalisation is Keras's, in one kernel of TensorFlow instead of many: the same numbers, and on
# these large maps a training step takes a third less time.
#
# **Your turn: `encoder_shapes`.**

# %% id="exercise-shapes" tags=["exercise"]
# exercise: encoder_shapes

# %% id="check-shapes"
check(encoder_shapes)  # stuck? hint("encoder_shapes"), later solution(…)


# %% id="double-code" tags=["slide-on"]
def double(x, filters):
    """Chapter 2's brick twice: what happens on each level of a U-Net, down and up."""
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(FusedBatchNormalization(momentum=0.9)(x))
    return x

# %% [markdown] id="down-notes" tags=["notes"] minutes=3
# Draw the left arm of the U: 96, 48, 24, 12, and the channels beside it. Ask what is gained on the way down and what
# is lost.

# %% [markdown] id="up" tags=["slide"]
# ### Up
#
# At the bottom the net knows *what*, on maps of 12 by 12 pixels, but not *where* to the pixel. The **expanding path**
# doubles the size again. Two ways. **Copy** each pixel into a square of four: no weights. Or let each pixel *write* a
# small kernel, scaled by its value: the **transposed convolution**. With kernels of 2 by 2, two apart, the squares do
# not overlap:
#
# $$y_{2i+a,\;2j+b} = \sum_c x_{ijc}\, w_{abc}$$
#
# By hand: a pixel of value 3 and the kernel 1 2 / 4 5 write 3 6 / 12 15.


# %% id="up-code"
def enlarge(x, filters, learned=True):
    """Twice as many rows and columns: by a transposed convolution, or by copying each pixel."""
    if learned:
        return layers.Conv2DTranspose(filters, 2, strides=2)(x)
    return layers.Conv2D(filters, 1)(layers.UpSampling2D(2)(x))


# %% id="up-by-hand" tags=["slide-on", "slide-output", "slide-reveal"]
keras.utils.set_random_seed(0)
transposed = layers.Conv2DTranspose(1, 2, strides=2, use_bias=False)
x, w = np.array([[3.0, 1.0]]), np.array([[1.0, 2.0], [4.0, 5.0]])
transposed.build((None, 1, 2, 1))
transposed.set_weights([w[:, :, None, None]])
by_hand = np.kron(x, w)  # each pixel writes the kernel, scaled
print(by_hand)
print("the same from Keras:", np.array_equal(transposed(x[None, :, :, None])[0, :, :, 0], by_hand))

# %% [markdown] id="up-notes" tags=["notes"] minutes=3
# Let them write the eight numbers before the key. If chapter 1 is fresh, ask why there is no checkerboard here:
# kernel and stride are both two.

# %% [markdown] id="skips" tags=["slide"]
# ### Across
#
# What pooling threw away, no enlarging brings back: four places share one answer. So the U-Net **keeps the map of
# each level** from the way down and lays it beside the enlarged one on the way up. That is the **skip connection**,
# and the idea of the paper (Ronneberger, Fischer and Brox, 2015). The first U-Net lost a border in each convolution
# and had to *crop* the skips; with padding the sizes fit, if they halve evenly.
#
# **Your turn: `crop_to`.**

# %% [markdown] id="skips-notes" tags=["notes"] minutes=2
# Ask how four places that share one answer could ever be told apart again. Close the U on the board with the three
# arrows.

# %% id="exercise-crop" tags=["exercise"]
# exercise: crop_to

# %% id="check-crop"
check(crop_to)  # stuck? hint("crop_to"), later solution("crop_to")


# %% id="unet-code" tags=["slide-on"]
def unet(channels=2, classes=1, filters=8, levels=4, size=96, skips=True, learned=True):
    """A U-Net with padding: logits (n, size, size, classes) for images (n, size, size, channels).

    size  None for images of any size that halves evenly levels - 1 times
    Source: Ronneberger, Fischer and Brox, MICCAI 2015, here with padding and batch normalisation.
    """
    image = x = keras.Input((size, size, channels))
    kept = []
    for level in range(levels - 1):
        kept.append(double(x, filters * 2**level))
        x = layers.MaxPooling2D()(kept[-1])
    x = double(x, filters * 2 ** (levels - 1))
    for level in reversed(range(levels - 1)):
        x = enlarge(x, filters * 2**level, learned)
        if skips:
            x = layers.Concatenate()([kept[level], x])
        x = double(x, filters * 2**level)
    return keras.Model(image, layers.Conv2D(classes, 1)(x))

# %% [markdown] id="unet-notes" tags=["notes"] minutes=4
# Read the code along the drawing, one line an arrow. Stumbling point: `kept` is filled on the way down and read
# backwards on the way up. Ask what happens with a slice of 100 pixels.

# %% id="unet-shape"
model = unet()
for layer in model.layers:
    if isinstance(layer, (layers.MaxPooling2D, layers.Conv2DTranspose, layers.Concatenate)):
        print(f"{layer.__class__.__name__:16} {layer.output.shape[1:]}")
print("weights", model.count_params(), " without skips", unet(skips=False).count_params())

# %% [markdown] id="count-by-hand"
# Check one number by hand: a transposed convolution from 64 to 32 channels has 2 · 2 · 64 · 32 weights and 32 biases;
# a skip that doubles the channels that come in doubles the weights of the next convolution, and nothing else.

# %% id="count-checked" facts="64 32"
first_up = next(layer for layer in model.layers if isinstance(layer, layers.Conv2DTranspose))
print("from 64 to 32 channels:", 2 * 2 * 64 * 32 + 32, first_up.count_params())
skip_weights = sum(9 * (8 * 2**k) * (8 * 2**k) for k in range(3))
print("what the skips add:", skip_weights, model.count_params() - unet(skips=False).count_params())

# %% [markdown] id="receptive-intro"
# ### How far does it see?
#
# Count along the deepest path. A convolution of 3 adds 2 steps of its level's size; pooling of 2 adds one and doubles
# the step. Down: 2·2 + 1, then (2·2 + 1)·2, then (2·2 + 1)·4; at the bottom 2·2·8. On the way up the net looks around
# again, on ever smaller steps, 2·2·4 + 2·2·2 + 2·2·1. How wide that comes out at a single pixel depends on where in
# its square of 8 it lies.

# %% id="receptive"
from medtutor.explore import receptive_field

deepest = [layer for layer in model.layers if isinstance(layer, layers.ReLU)][7]
print("by hand, at the bottom:", 1 + (2 * 2 + 1) * (1 + 2 + 4) + 2 * 2 * 8)
print("by layers, at the bottom:", receptive_field(model, deepest).size)
print("by layers, at the end:", receptive_field(model, model.layers[-1]).size)

# %% [markdown] id="receptive-meaning"
# The answer at a pixel can see 100 pixels, more than the slice is wide. **Point at a pixel of a map: its field is
# outlined.** Compare the bottom with the last level.

# %% id="explore-receptive" tags=["slide"]
from medtutor.explore import explore_features

keras.utils.set_random_seed(0)
untrained = unet()
relus = [layer.name for layer in untrained.layers if isinstance(layer, layers.ReLU)]
names = {
    "level 1, down": relus[1], "level 2, down": relus[3], "bottom": relus[7],
    "level 1, up": relus[13]
}
explore_features(
    untrained, X_test[[i]], layers=names, titles=("the patient above",),
    contrasts=("T1", "FLAIR"), channels=4
)

# %% [markdown] id="receptive-notes" tags=["notes"] minutes=4
# Point at the bottom and ask how much of the head the answer there has seen; then at the last level. The weights are
# random: this is geometry, not learning.

# %% [markdown] id="probe-intro"
# ### A probe
#
# Training repairs wrong code: a net with the skip from a wrong level would still learn something. So, as in chapter
# 2, fixed weights and a fixed input, and the one number that must come out.


# %% id="probe-code"
def probe(model, seed=1):
    """The mean logit of a net with fixed weights on a fixed image, weighed by a fixed pattern."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [rng.normal(0, 0.1, w.shape) + (w.ndim == 1) * 0.5 for w in model.get_weights()]
    )
    x = rng.normal(size=(1, *model.input_shape[1:])).astype("float32")
    z = np.array(model(x, training=False))
    return float((z * rng.normal(size=z.shape)).mean() * 100)


# %% id="probes"
for name, options in {
    "probe, U-Net": {}, "probe, no skips": {"skips": False},
    "probe, copied pixels": {"learned": False},
    "probe, three levels": {"levels": 3}, "probe, five classes": {"classes": 5}
}.items():
    result(name, probe(unet(size=32, **options)), within=0.001)

# %% [markdown] id="losses" tags=["slide"] facts="9,216"
# ## 3.5 Losses for something small
#
# The net gives a logit $z$ for each pixel, $p = \sigma(z)$. **Cross-entropy** is the mean over all pixels, as in
# chapter 2. But almost all pixels are background: a missed lesion of 20 pixels is 20 of the 9,216 terms of the mean.

# %% [markdown] id="losses-notes" tags=["notes"] minutes=4
# Ask what a lesion of twenty pixels costs if it is missed, among nine thousand. Then: why not train on what we
# report? Somebody will say that counting has no slope.

# %% id="cross-entropy" tags=["slide-on"]
def cross_entropy(y, z):
    """The mean over the pixels of -y log p - (1 - y) log(1 - p), with p = sigmoid(z), for each image.

    y, z (n, h, w, 1)  ->  (n,)
    """
    return ops.mean(ops.softplus(z) - y * z, axis=(1, 2, 3))


# %% [markdown] id="dice-loss-intro" tags=["fragment"]
# Why not train on what we report? Dice counts pixels, and counting has no slope. But with probabilities in place of
# calls it has one everywhere (Milletari, Navab and Ahmadi, 2016):
#
# $$L = 1 - \frac{2\sum y p + \epsilon}{\sum y + \sum p + \epsilon}$$
#
# **Your turn: `soft_dice_loss`.** What is $\epsilon$ for?

# %% id="exercise-loss" tags=["exercise"]
# exercise: soft_dice_loss

# %% id="check-loss"
check(soft_dice_loss)  # stuck? hint("soft_dice_loss"), later solution(…)


# %% id="dice-loss"
def dice_loss(y, z, epsilon=1.0):
    """1 - (2 sum(y p) + epsilon) / (sum(y) + sum(p) + epsilon), with p = sigmoid(z), for each image.

    y, z (n, h, w, 1)  ->  (n,);  Source: after Milletari, Navab and Ahmadi, 3DV 2016.
    """
    p, over = ops.sigmoid(z), (1, 2, 3)
    size = ops.sum(y, axis=over) + ops.sum(p, axis=over)
    return 1 - (2 * ops.sum(y * p, axis=over) + epsilon) / (size + epsilon)


def summed_loss(y, z):
    """Cross-entropy and Dice loss, added: (n,)"""
    return cross_entropy(y, z) + dice_loss(y, z)


# %% [markdown] id="focal-intro"
# **Focal loss** (Lin et al., 2017) keeps the cross-entropy and takes the weight from pixels that are already right.
# With $q$ the probability of what is true at the pixel:
#
# $$L = -(1-q)^\gamma \log q$$


# %% id="focal-loss"
def focal_loss(y, z, gamma=2.0):
    """Cross-entropy with (1 - q)^gamma before each pixel, q being the probability of what is true there.

    y, z (n, h, w, 1)  ->  (n,);  Source: Lin et al., ICCV 2017, equation 4.
    """
    t = (2 * y - 1) * z  # q = sigmoid(t), and -log q = softplus(-t)
    return ops.mean(ops.sigmoid(-t) ** gamma * ops.softplus(-t), axis=(1, 2, 3))


# %% id="losses-checked"
y, p = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.6, 0.5, 0.1])
shaped = [v.reshape(1, 4, 1, 1).astype("float32") for v in (y, np.log(p / (1 - p)))]
q = np.where(y == 1, p, 1 - p)
by_hand = {
    cross_entropy: -np.log(q).mean(), focal_loss: -((1 - q) ** 2 * np.log(q)).mean(),
    dice_loss: 1 - (2 * (0.9 + 0.6) + 1) / (2 + 2.1 + 1)
}
for loss, wanted in by_hand.items():
    result(loss.__name__, wanted, within=0.001)
    print("    the same from the function:", np.allclose(loss(*shaped)[0], wanted, atol=1e-6))

# %% [markdown] id="missed-intro" tags=["slide"] facts="0.01"
# What does it cost to miss a lesion, a small one and a large one, and how strongly does each loss pull? Here an image
# of 96 by 96 pixels with a lesion of 20 or of 200 pixels, and a net that says 0.01 everywhere.

# %% id="missed"
import tensorflow as tf


def missed(loss, pixels):
    """(what it costs to say 0.01 everywhere, how hard it pulls at each pixel of the lesion)"""
    y = np.zeros((1, 96 * 96, 1, 1), "float32")
    y[0, :pixels] = 1
    z = tf.fill(y.shape, np.float32(np.log(0.01 / 0.99)))
    with tf.GradientTape() as tape:
        tape.watch(z)
        cost = loss(y, z)
    return float(cost[0]), -float(tape.gradient(cost, z)[0, 0, 0, 0])


# %% id="missed-result" tags=["slide-on", "slide-output", "slide-reveal"]
for loss in (cross_entropy, focal_loss, dice_loss):
    for pixels in (20, 200):
        cost, pull = missed(loss, pixels)
        result(f"{loss.__name__}, {pixels} pixels missed: cost", cost, within=0.001)
        result("    pull at each of them, times 1000", 1000 * pull, within=0.001)

# %% [markdown] id="missed-notes" tags=["notes"] minutes=4
# Read the costs in pairs, 20 against 200. Ask which loss would let a net sleep on small lesions. The pull says the
# same as the cost, at each pixel.

# %% id="loss-curves"
from medtutor.plot import show_curves

q = np.linspace(0.02, 0.98, 25)
lesion_of_40 = 1 - (2 * 40 * q + 1) / (40 + 40 * q + 1)
show_curves(
    q,
    {
        "cross-entropy": -np.log(q), "focal, γ = 2": -((1 - q) ** 2) * np.log(q),
        "Dice loss": lesion_of_40
    },
    xlabel="probability given to the lesion's pixels", ylabel="loss at these pixels", markevery=4,
    alt="Three losses against the probability given to a lesion's pixels. Cross-entropy rises steeply "
    "towards probability 0 and is still above zero at 0.8. Focal loss follows it on the left and lies at zero "
    "from about 0.7 on. Dice loss falls almost evenly from 1 to 0.",
)

# %% [markdown] id="losses-meaning" tags=["fragment"]
# To cross-entropy a missed small lesion is cheap, and a large one costs more than five times as much; to the Dice
# loss both are a full miss, and it pulls harder at each pixel of the small one. Focal loss is cross-entropy that has
# stopped caring about what is nearly right. The **sum** of cross-entropy and Dice is the usual choice: the first
# keeps the probabilities honest, the second keeps the small ones in sight. Which works best is to be measured; see
# section 3.6.

# %% [markdown] id="move-together" tags=["slide"]
# ### Mask and image move together
#
# Mirroring and shifting is allowed as in chapter 2, **if the mask goes along**. **Your turn: `flip_both`.**

# %% id="exercise-flip" tags=["exercise"]
# exercise: flip_both

# %% id="check-flip"
check(flip_both)  # stuck? hint("flip_both"), later solution("flip_both")


# %% id="augment-pair"
def augment_pair(x, y, rng, shift=6):
    """Images and their masks as they might have lain: half of them mirrored, all moved, both alike.

    x (n, h, w, c), y (n, h, w), moved by up to `shift` pixels  ->  the same shapes
    """
    mirrored = rng.random(len(x)) < 0.5
    x = np.where(mirrored[:, None, None, None], x[:, :, ::-1], x)
    y = np.where(mirrored[:, None, None], y[:, :, ::-1], y)
    moves = rng.integers(-shift, shift + 1, (len(x), 2))
    x, y = (
        [np.roll(one, move, (0, 1)) for one, move in zip(many, moves, strict=True)]
        for many in (x, y)
    )
    return np.stack(x), np.stack(y)


# %% id="augment-shown" tags=["slide-on"]
rng = np.random.default_rng(1)
four_x, four_y = augment_pair(X_test[[i] * 4], test.y[[i] * 4], rng)
show_heat(
    four_x[..., 1], [None] * 4, outlines=four_y, cols=4, size=2,
    alt="One FLAIR slice four times, mirrored or not and moved by a few pixels. In each the "
    "outline of the mask lies on the bright ring of the lesion."
)

# %% [markdown] id="together-notes" tags=["notes"] minutes=2
# Ask what happens if the mask is forgotten. Nothing crashes, and that is the trouble; the study two slides on shows
# the price.

# %% id="pairs"
class Pairs(keras.utils.PyDataset):
    """Shuffled batches of images and masks, each pair augmented anew whenever it is drawn."""

    def __init__(self, x, y, seed=0, batch=16, augment=augment_pair):
        super().__init__()
        self.x, self.y, self.batch, self.augment = x, y, batch, augment
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.x) // self.batch

    def __getitem__(self, i):
        rows = self.order[self.batch * i : self.batch * (i + 1)]
        x, y = self.augment(self.x[rows], self.y[rows], self.rng)
        return x, y[..., None].astype("float32")

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))


# %% id="train-unet"
def train_unet(
    make, x, y, loss=summed_loss, epochs=8, seed=0, rate=3e-3, batch=16,
    augment=augment_pair, **options
):
    """A new net from `make`, trained with Adam on a cosine; the same numbers for the same seed.

    x (n, h, w, c), y (n, h, w) classes;  options go to `fit`  ->  (model, history)
    """
    keras.utils.set_random_seed(seed)
    model, pairs = make(), Pairs(x, y, seed, batch, augment)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * len(pairs))
    model.compile(
        keras.optimizers.Adam(schedule), loss, jit_compile=False, steps_per_execution=16
    )
    model.optimizer.build(model.trainable_variables)  # within `fit` it would take seconds
    return model, model.fit(pairs, epochs=epochs, verbose=0, **options).history


def probability(model, x):
    """The probability of a lesion in each pixel. x (n, h, w, c) -> (n, h, w)"""
    z = model.predict(x, batch_size=50, verbose=0)[..., 0]
    return 1 / (1 + np.exp(-z))


# %% [markdown] id="live-intro"
# So that you need not wait long, the live training sees the same patients on 32 by 32 pixels: a ninth of the work.

# %% id="live"
from medtutor.explore import live_curves

coarse = {s: load_mr(s, task="lesion", size=32) for s in ("train", "val", "test")}
inputs = {s: normalise(data.x) for s, data in coarse.items()}
curves = live_curves(
    "loss",
    alt="Training and validation loss of the small U-Net over five epochs. Both fall from above one to "
    "below one half; most of the fall is in the first three epochs."
)
small, history = train_unet(
    lambda: unet(size=32), inputs["train"], coarse["train"].y, epochs=5,
    augment=lambda x, y, rng: augment_pair(x, y, rng, shift=2), callbacks=[curves],
    validation_data=(inputs["val"], coarse["val"].y[..., None].astype("float32"))
)

# %% id="live-result"
p_small = probability(small, inputs["test"])
reached = median_dice(coarse["test"], p_small >= 0.5)
print("test Dice on 32 × 32 pixels at least 0.6:", reached >= 0.6)

# %% [markdown] id="live-meaning"
# After a few seconds it is above all that came before, although coarse pixels are against it: a lesion has a few
# dozen of them here, most on its rim, and you saw in section 3.2 what that does to Dice. Section 3.7 judges a net on
# finer pixels.
#
# ## 3.6 What makes the difference?
#
# One change at a time, three seeds each, on 32 by 32 pixels, four epochs over the training slices with a lesion: a
# stored study, since it takes far longer than a lesson (`medtutor study 03_experiments` measures it again).
# Everything is the median Dice of the test patients with a lesion. A median of 0 means that in more than half of the
# patients the net has called nothing right.

# %% id="study"
from medtutor.data import stored_study

study = stored_study("03_experiments")


def arms(what, alt):
    """Print each arm's three seeds and draw their means, with lowest and highest."""
    for name, values in study[what].items():
        result(f"{what}, {name}: mean", np.mean(values), within=0.001)
    found = {k: (np.mean(v), min(v), max(v)) for k, v in study[what].items()}
    seeds = "median Dice; bars from the lowest to the highest of three seeds"
    return show_intervals(found, xlabel=seeds, alt=alt)


# %% id="study-loss" tags=["slide"]
arms(
    "loss",
    "Median Dice by loss. The sum is highest and its three seeds lie close together; the Dice loss is "
    "a little lower with a wider bar; focal loss far lower, its bar begins at a tenth; cross-entropy "
    "lowest, its bar begins at zero."
)

# %% [markdown] id="study-notes" tags=["notes"] minutes=3
# Ask for a bet first. Then the bars: the sum and the Dice loss have three good seeds, the others do not. Say that
# these are four epochs on small pixels: a direction, no verdict.

# %% [markdown] id="study-loss-meaning" tags=["fragment"]
# **The sum** and the **Dice loss** have learned with all three seeds, the sum a little better. With cross-entropy alone
# two of three nets still call next to nothing: it is content with an empty mask for a long time, as section 3.2 let us
# expect. One seed of the focal loss is not much further. These are four epochs; given many more, the losses may well
# come closer.

# %% id="study-skips" tags=["slide"]
arms(
    "skips",
    "Median Dice without and with skips. With them all seeds lie around seven tenths; without them the "
    "bar goes from zero to between five and six tenths."
)

# %% [markdown] id="without-skips-notes" tags=["notes"] minutes=2
# Twelve thousand of a hundred and twenty thousand weights. Ask for the two reasons why they matter; the second one,
# the short way for the gradient, is seldom found.

# %% [markdown] id="study-skips-meaning" tags=["fragment"]
# Twelve thousand weights of a hundred and twenty thousand, and without them one of three seeds has learned nothing yet;
# the others lie lower than any with skips. The skips do two things: they bring the place back, and they give the
# gradient a short way.

# %% id="study-levels"
arms(
    "levels",
    "Median Dice of nets of two and of four levels. Two levels lie a little below four, and their "
    "bars overlap."
)

# %% [markdown] id="study-levels-meaning"
# Two levels see some twenty pixels far, four see the whole slice. On 32 by 32 pixels that is worth little: the bars overlap.

# %% id="study-way-up"
arms(
    "way up",
    "Median Dice with copied pixels and with transposed convolutions on the way up. The latter is narrow, "
    "around seven tenths; the bar of copied pixels goes from zero to seven tenths."
)

# %% [markdown] id="study-way-up-meaning"
# **Copied pixels** do about as well with two seeds, and have learned nothing yet with the third. Three seeds of a short
# training cannot say whether that is luck: another example of why one seed is none.

# %% id="study-augmentation" tags=["slide"]
arms(
    "augmentation",
    "Median Dice without augmentation, with the image only moved, and with image and mask moved alike. "
    "None and both alike lie close to seven tenths; with the image only the bar goes from zero to "
    "between four and five tenths."
)

# %% [markdown] id="left-behind-notes" tags=["notes"] minutes=2
# Come back to the question of before. Ask how they would have noticed it in their own work: by looking at some pairs,
# not at the loss.

# %% [markdown] id="study-augmentation-meaning" tags=["fragment"]
# Moved alike, it helps little in so short a training. Nothing crashes if the **mask stays behind**: the loss falls,
# and the net learns that lesions lie anywhere. Two of three seeds then call next to nothing. Look at a few augmented
# pairs before you train, as above.

# %% id="study-contrasts"
arms(
    "contrasts",
    "Median Dice with FLAIR alone, with T1 and FLAIR, and with all four contrasts. The bars of FLAIR "
    "alone and of all four begin at zero and end at one half and above seven tenths; T1 and FLAIR is "
    "narrow, around seven tenths."
)

# %% [markdown] id="study-contrasts-meaning"
# FLAIR alone stays well below. All four reach the highest Dice of this section with one seed and nothing with
# another: the mean hides both, and three seeds are too few to say which of the two counts. Each further contrast also
# costs the patient minutes in the scanner.

# %% id="study-patients"
arms(
    "patients",
    "Median Dice with 50, 125 and 500 training patients, the same number of steps: above one half, two "
    "thirds and seven tenths. The bar of fifty lies below the others, which overlap."
)

# %% [markdown] id="study-patients-meaning"
# A short **learning curve**. With a quarter of the patients a few hundredths are lost, and the bars overlap; with a
# tenth, fifteen hundredths. Pixels are many examples, so a segmentation learns from fewer patients than a
# classification does; but they are not as many *heads*.

# %% [markdown] id="judging"
# ## 3.7 Judging
#
# From here on everybody judges **the same net**: the U-Net of section 3.4 on 96 by 96 pixels, trained longer than
# fits into a lesson. Its weights are stored; `medtutor study 03_unet` trains it again.


# %% id="unpacked"
import base64


def unpacked(numbers, like):
    """A long row of numbers (n,), cut into arrays of the shapes of those in `like`."""
    ends = np.cumsum([w.size for w in like])
    return [
        part.reshape(w.shape) for part, w in zip(np.split(numbers, ends[:-1]), like, strict=True)
    ]


# %% id="stored-net"
def with_stored_weights(model, name):
    """The model with the weights that the study `name` has kept, as 16-bit numbers."""
    numbers = np.frombuffer(base64.b64decode(stored_study(name)["weights"]), "<f2")
    model.set_weights(unpacked(numbers.astype("float32"), model.get_weights()))
    return model


model = with_stored_weights(unet(), "03_unet")
p_val, p = probability(model, X_val), probability(model, X_test)
result("validation Dice", median_dice(val, p_val >= 0.5), within=0.003)

# %% [markdown] id="threshold-intro"
# Is one half the best threshold? The validation patients decide.

# %% id="threshold"
for t in (0.1, 0.3, 0.5, 0.7, 0.9):
    result(f"threshold {t}: validation Dice", median_dice(val, p_val >= t), within=0.003)
called = p >= 0.5

# %% [markdown] id="threshold-meaning"
# It hardly matters: the net is sure of nearly every pixel. We keep one half, which nobody chose. Now the **test
# patients**, each with a lesion once:

# %% id="dice-by-patient" tags=["slide", "slide-output"]
scores = by_patient(dice, test.y, called, test.patients)
best = spread_of(scores)
result("median Dice", best.value, within=0.003, at_least=0.85)
result("    its interval begins at", best.low, within=0.004)
result("    and ends at", best.high, within=0.004)
result("mean Dice", scores.mean(), within=0.003)
gain = best.value - np.median(before_scores[best_before])
result(f"above {best_before}", gain, within=0.005, at_least=0.15)

# %% [markdown] id="other-seeds"
# That is **one** training. Two more nets, alike but for the seed, read the same patients once and were not kept (same
# study):

# %% id="other-seeds-result"
of_seeds = stored_study("03_unet")["test Dice of each seed"]
print("the first is the net above:", np.isclose(of_seeds[0], best.value, atol=0.003))
for seed, value in enumerate(of_seeds[1:], 1):
    result(f"median Dice, seed {seed}", value, within=0.001)

# %% [markdown] id="other-seeds-meaning"
# One is as good. The other lies six hundredths lower, six times as far as the interval over patients reaches: that
# interval knows this net and other patients, not another training. Who reports one net reports one draw; its
# validation Dice was as low, so one would at least have seen it before the test.

# %% [markdown] id="patients-notes" tags=["notes"] minutes=4
# Ask why the mean lies below the median before the points appear. Then ask which of the two a surgeon wants, and
# whether either says what happened to the four patients at the bottom.

# %% [markdown] id="median-and-mean"
# The mean lies well below the median. Look at the whole distribution before you quote one number, and look at it **by
# size**:

# %% id="by-size" tags=["slide-on"]
from medtutor.plot import show_points

missed = scores == 0
show_points(
    {"found": (sizes[~missed], scores[~missed]), "missed": (sizes[missed], scores[missed])},
    xlabel="true volume, ml", ylabel="Dice of this patient", logx=True,
    alt="Dice of each test patient with a lesion against the true volume on a logarithmic axis. "
    "Most lesions above four millilitres lie around nine tenths. Smaller ones spread downwards. Four "
    "are missed, three small ones and one of eleven millilitres."
)

# %% id="by-size-result"
thirds = np.quantile(sizes, [0, 1 / 3, 2 / 3, 1])
for low, high, name in zip(thirds[:-1], thirds[1:], ("small", "medium", "large"), strict=True):
    rows = (sizes >= low) & (sizes <= high)
    name = f"{name} lesions, {low:.0f} to {high:.0f} ml: median Dice"
    result(name, np.median(scores[rows]), within=0.004)

# %% [markdown] id="other-measures"
# Now the other measures of section 3.2. Distances are taken in three dimensions with the spacing of the scan; a
# missed lesion has an infinite distance, and a median bears that. False alarms are counted where there is nothing to
# find.

# %% id="distance-code"
def distance(metric):
    return lambda y, p: metric(y, p, spacing)


# %% id="distances"
hd = by_patient(distance(hd95), test.y, called, test.patients)
surface = by_patient(distance(average_surface_distance), test.y, called, test.patients)
found = by_patient(lesion_sensitivity, test.y, called, test.patients)
result("HD95, median", np.median(hd), unit="mm", within=0.1)
result("surface distance, median", np.median(surface), unit="mm", within=0.02)
result("lesions found at all", found.mean(), within=0.005)
alarms = sum(called[rows].any() for rows in well)
print("patients without a lesion:", len(well), " with a false alarm:", alarms)

# %% [markdown] id="agreement"
# The HD95 is close to 3 mm, the step from one slice to the next: across slices no finer answer is to be had. And one
# lesion in fourteen is not found at all, which no distance and no median shows.

# %% [markdown] id="millilitres" facts="95 1.96" tags=["slide"]
# ### Millilitres
#
# Does the volume agree? A correlation would say yes to a program that always doubles it. **Bland and Altman** (1986)
# draw the *difference* against the *mean* of both, with the mean difference (the bias) and the limits between which
# 95 % of the differences are expected: bias ± 1.96 standard deviations.

# %% [markdown] id="agreement-notes" tags=["notes"] minutes=4
# Ask what a correlation of one would prove. Then read the two limits aloud as millilitres of a typical lesion of
# nine. On average right, and for one patient not good enough: both sentences are true.

# %% id="bland-altman"
drawn = np.array([volume(called[rows], spacing) for rows in sick])
difference, bias = drawn - sizes, (drawn - sizes).mean()
low, high = bias - 1.96 * difference.std(ddof=1), bias + 1.96 * difference.std(ddof=1)
result("bias", bias, unit="ml", within=0.003)
result("lower limit of agreement", low, unit="ml", within=0.06)
result("upper limit of agreement", high, unit="ml", within=0.06)
# %% id="bland-altman-shown" tags=["fragment"]
show_points(
    {"a patient": ((drawn + sizes) / 2, difference)},
    lines={"bias": bias, "lower limit": low, "upper limit": high},
    xlabel="mean of the net's and the true volume, ml", ylabel="net minus truth, ml",
    alt="Bland-Altman plot of the lesion volumes. Most differences lie within three millilitres of "
    "the bias line, just below zero; four patients lie below the lower limit, one of them beyond minus "
    "twelve millilitres."
)

# %% [markdown] id="agreement-meaning" tags=["fragment"]
# The bias is a fraction of a millilitre: **on average** the volume is right, and a study of hundreds of patients
# could use it. The limits say what it means for one patient: the net may be off by some five millilitres, more than
# half of a typical lesion. A growth of a fifth cannot be seen with it. Two numbers from one figure, and they answer
# different questions.
#
# ### The probability map
#
# **Move the threshold and watch what is found, missed and extra**; then take another patient.

# %% id="explore-mask" tags=["slide"]
from medtutor.explore import explore_mask

order = np.flatnonzero(test.y.any(axis=(1, 2)))[5::40][:5]
explore_mask(
    test.x[order], test.y[order], p[order], spacing=spacing, contrasts=("T1", "FLAIR"),
    tolerance=0.01, titles=[f"patient {test.patients[k]}" for k in order]
)

# %% [markdown] id="mask-notes" tags=["notes"] minutes=5
# Let somebody move the threshold and call out when something is lost. It hardly changes: the net is sure. Ask whether
# being sure is the same as being right.

# %% [markdown] id="calibration-intro" facts="70"
# Is a pixel with 70 % a lesion in 70 of a hundred cases? Pixels are judged like chapter 2's slices, those of the head
# only.

# %% id="calibration"
from medtutor.metrics import calibration_error
from medtutor.plot import show_calibration

brain = test.extra["tissue"] > 0
error = calibration_error(test.y[brain], p[brain])
result("calibration error, all pixels of the brain", error, within=0.001)
doubtful = brain & (p > 0.05) & (p < 0.95)
result("share of doubtful pixels", doubtful.sum() / brain.sum(), within=0.001)
error = calibration_error(test.y[doubtful], p[doubtful])
result("calibration error, doubtful pixels", error, within=0.004)
# %% id="calibration-shown"
show_calibration(
    {"pixels of the brain": (test.y[brain], p[brain])},
    cases="pixels",
    alt="Reliability diagram of the pixels of the brain. Between one tenth and nine tenths the "
    "curve rises only from three to six tenths; it crosses the diagonal in the middle and meets it at both ends. "
    "Nearly all pixels are in the first bin, few in the last, hardly any between."
)

# %% [markdown] id="calibration-meaning"
# The first figure looks excellent, and says nothing: nearly all pixels are surely background. It is pixel accuracy in
# another dress. Among the few pixels on which the net is in doubt, its probabilities are off by almost two tenths.
# **A probability map is no map of risk** until it has been checked where it matters.
#
# ### Two ways to ask again
#
# **Flip** the image, ask, flip the answer back, take the mean: a second opinion for the price of a second prediction.


# %% id="flips"
def flipped_probability(model, x):
    """The mean of what the net says of an image and of its mirror image, turned back. (n, h, w)"""
    return (probability(model, x) + probability(model, x[:, :, ::-1])[:, :, ::-1]) / 2


by_flips = by_patient(dice, test.y, flipped_probability(model, X_test) >= 0.5, test.patients)
change = interval(np.mean, by_flips - scores)
result("mean Dice with flips", by_flips.mean(), within=0.003)
result("gain by flips, interval begins at", change.low, within=0.001)
result("    and ends at", change.high, within=0.001)

# %% [markdown] id="disagreement-intro"
# **Or ask several nets.** Three nets that differ in nothing but the seed (stored, on 32 by 32 pixels). Where they
# disagree, nobody should believe any of them: their mutual Dice needs no truth, so it can be had for a new patient.
# Does it warn?

# %% id="disagreement"
from scipy.stats import spearmanr

agree, true_dice = study["agreement, by patient"], study["Dice of the mean map, by patient"]
single = np.mean(study["skips"]["with skips"])
result("median Dice, mean of the three single nets", single, within=0.001)
result("median Dice of their mean map", study["Dice of the mean map"], within=0.001)
result("rank correlation of agreement and Dice", spearmanr(agree, true_dice)[0], within=0.001)
least = agree <= np.quantile(agree, 0.2)
result("Dice of the fifth with the least agreement", np.median(true_dice[least]), within=0.001)
result("Dice of the others", np.median(true_dice[~least]), within=0.001)

# %% [markdown] id="disagreement-meaning"
# Where the nets agree least the Dice is far lower than in the others: **disagreement warns**, without a truth. It is
# no guarantee. Nets that share a blind spot agree on it.
#
# ### The worst cases

# %% id="worst" tags=["slide"]
worst = [sick[k] for k in scores.argsort(kind="stable")[:5]]
slices = [max(np.flatnonzero(rows), key=lambda k: test.y[k].sum()) for rows in worst]
show_heat(
    [test.x[k, ..., 1] for k in slices], [np.where(p[k] > 0.05, p[k], 0) for k in slices],
    [f"Dice {s:.1f}" for s in np.sort(scores)[:5]], outlines=test.y[slices], cols=5, size=2, vmin=0,
    vmax=1.2, label="probability",
    alt="The five test patients with the lowest Dice, FLAIR with the truth outlined and the "
    "probability in colour. Four outlines, three of them small, hold no colour at all; in the fifth a "
    "part of the outline is filled."
)

# %% [markdown] id="worst-notes" tags=["notes"] minutes=3
# Silence first. Ask which of the five they would have missed themselves. The net gave no sign in four of them.

# %% [markdown] id="worst-meaning" tags=["fragment"]
# Four are missed altogether: three are small and hardly brighter than what is around them, and a large one has a dark
# middle and little more than a rim. Of the fifth a part is called. None of them shows in the median, and each of them
# is a patient. The net gives no sign: its map is simply empty there.
#
# ### The second scanner
#
# The same 200 patients in the machine across the river.

# %% id="scanner" tags=["slide", "slide-output"]
other = load_mr("test", task="lesion", size=96, scanner="B")
p_other = probability(model, normalise(other.x))
scores_other = by_patient(dice, other.y, p_other >= 0.5, other.patients)
result("median Dice, scanner A", np.median(scores), within=0.003)
result("median Dice, scanner B", np.median(scores_other), within=0.004)
lost = interval(np.mean, scores_other - scores)
result("change of the mean, interval begins at", lost.low, within=0.002)
result("    and ends at", lost.high, within=0.001)
volumes_other = by_patient(distance(volume_error), other.y, p_other >= 0.5, other.patients)
result("bias of the volume on B", volumes_other.mean(), unit="ml", within=0.03)

# %% [markdown] id="scanner-notes" tags=["notes"] minutes=3
# Ask whether three hundredths of Dice would stop them. Then the bias in millilitres, and the patient who seems to have
# improved by changing the hospital.

# %% [markdown] id="scanner-meaning" tags=["fragment"]
# The median loses some three hundredths, which sounds bearable. But the masks have become **too small**: the bias of
# the volume is now a millilitre. A patient who changes the hospital seems to have improved. No overlap
# shows that; the volume does.
#
# **Paint.** Before you look down on the net: paint the lesion yourself, and be scored against the truth, and against
# the net.

# %% id="explore-painting"
from medtutor.explore import explore_painting

hard = int(np.flatnonzero(test.y.sum(axis=(1, 2)) > 60)[7])
explore_painting(test.x[hard], test.y[hard], called[hard], contrasts=("T1", "FLAIR"), tolerance=0.01)

# %% [markdown] id="patients-panel"
# **Scroll** through the patients and their contrasts: guess, then ask for the net's map and for the truth. (This
# panel needs the kernel.)

# %% id="for-the-panel"
from medtutor.explore import explore_patients

slicewise = load_mr("test", size=96, patients=20)


def highest(x):
    """The highest probability of any pixel of a slice."""
    return probability(model, normalise(x)).max(axis=(1, 2))


def heat(image):
    return probability(model, normalise(image[None]))[0]


# %% id="explore-patients"
explore_patients(slicewise, highest, heat, contrasts=("T1", "FLAIR"))

# %% [markdown] id="tissue"
# ## 3.8 Several classes: tissue
#
# How much brain is left? The same net with five answers per pixel, background, CSF, grey matter, white matter,
# lesion, and a **softmax** over them. The loss is chapter 2's cross-entropy with several classes; nothing else
# changes. (Weights from `medtutor study 03_tissue`.)

# %% id="tissue-net"
labelled = load_mr("test", task="tissue", size=96)
tissue_net = with_stored_weights(unet(classes=5), "03_tissue")
logits = tissue_net.predict(X_test, batch_size=50, verbose=0)  # (n, 96, 96, 5)
tissue = logits.argmax(axis=-1)
print("classes", labelled.classes)
print("logits ", logits.shape)

# %% id="tissue-dice"
tissue_dice = [dice(labelled.y == k, tissue == k) for k in range(1, 4)]
for name, value in zip(labelled.classes[1:4], tissue_dice, strict=True):
    result(f"Dice, {name}", value, within=0.002)
result("mean of the three", np.mean(tissue_dice), within=0.002, at_least=0.9)

# %% id="tissue-baseline"
inside = labelled.y > 0
t1 = X_test[..., 0]
cuts = [otsu(t1[inside]), otsu(t1[inside][t1[inside] > otsu(t1[inside])])]
by_brightness = np.digitize(t1, cuts) + 1  # dark, middle, bright: CSF, grey, white
rule_dice = [dice(labelled.y == k, (by_brightness == k) & inside) for k in range(1, 4)]
result("mean of the three, two thresholds inside the true brain", np.mean(rule_dice), within=0.003)

# %% id="tissue-shown"
show_images(
    [
        test.x[i, ..., 0] / 1.2, labelled.y[i] / 4, tissue[i] / 4,
        (tissue[i] != labelled.y[i]) * 1.0
    ],
    ["T1", "truth", "net", "wrong pixels"], cols=4,
    alt="A T1 slice, its true tissue classes in four greys, the net's classes, and the wrong pixels in white. "
    "The two class maps look alike; the wrong pixels are scattered along the borders between tissues."
)

# %% [markdown] id="tissue-meaning"
# Where two tissues meet a pixel holds both, and the truth itself is a matter of rounding: a Dice of 1 is not to be
# had, and thin CSF suffers most. One pair of thresholds for all slices comes to one half, even when told where the
# brain is: brightness differs from slice to slice and across a slice. Note what the net got for free: it also found
# the brain.
#
# ## 3.9 How many? Instances
#
# A mask says *lesion*, not *how many lesions*. The usual step: pixels that touch belong together; number the pieces.

# %% id="instances"
from scipy.ndimage import label


def pieces(mask):
    """How many connected pieces; pixels that touch at a corner belong together."""
    return label(mask, np.ones((3,) * mask.ndim))[1]


# %% id="two-discs"
def two_discs(apart):
    """Two discs of radius 6, their centres `apart` pixels from each other."""
    row, column = np.mgrid[:32, :48]
    return np.hypot(row - 16, column - 14) <= 6, np.hypot(row - 16, column - 14 - apart) <= 6


# %% id="instances-touching"
for apart in (18, 15, 13, 11, 8):
    first, second = two_discs(apart)
    eroded = binary_erosion(first | second, iterations=3)
    print(f"centres {apart:2} apart: pieces {pieces(first | second)}", end="")
    print(f", after eroding three times {pieces(eroded)}")

# %% [markdown] id="instances-meaning"
# As soon as they touch they are one. Eroding first parts those that touch lightly, and would wipe out any lesion
# thinner than its reach; for those that overlap nothing helps, since **the mask no longer holds the answer**. It has
# to be asked for in training: that is what Mask R-CNN does, which gets a chapter of its own. Pieces are useful all
# the same: tiny ones are often false alarms.

# %% id="islands"
def without_islands(mask, least):
    """A patient's mask without connected pieces of fewer than `least` voxels."""
    numbers, count = label(mask, np.ones((3, 3, 3)))
    large = np.bincount(numbers.ravel(), minlength=count + 1) >= least
    large[0] = False
    return large[numbers]


cleaned = np.zeros_like(called)
for rows in everybody:
    cleaned[rows] = without_islands(called[rows], least=15)

# %% id="islands-result"
clean_scores = by_patient(dice, test.y, cleaned, test.patients)
still = sum(cleaned[rows].any() for rows in well)
print("false alarms in patients without a lesion:", alarms, " without islands:", still)
result("median Dice without islands", np.median(clean_scores), within=0.004)
print("lesions that are lost by it:", int(((clean_scores == 0) & (scores > 0)).sum()))

# %% [markdown] id="deploying"
# ## 3.10 Deploying
#
# ### NIfTI in, NIfTI out
#
# Research scans come as NIfTI: an array and an **affine**, which says where each voxel lies in the patient. A mask
# without the right affine is a picture of something somewhere. We write two volumes of a test patient, and then play
# the research group.

# %% id="nifti-written"
import tempfile
from pathlib import Path

from medtutor.data import read_nifti, write_nifti

folder = Path(tempfile.mkdtemp())
rows = test.patients == who
s, r, c = spacing
affine = np.array([[-c, 0, 0, 110], [0, -r, 0, 110], [0, 0, s, -4.5], [0, 0, 0, 1]])
for k, contrast in enumerate(("T1", "FLAIR")):
    write_nifti(folder / f"{contrast}.nii.gz", test.x[rows][..., k].T, affine)  # (x, y, z)
print(read_nifti(folder / "T1.nii.gz").values.shape, read_nifti(folder / "T1.nii.gz").orientation)


# %% id="segment-nifti"
def lesion_mask(scan):
    """The mask of a scan (slices, rows, columns, 2), T1 and FLAIR of any brightness; ValueError for others."""
    if scan.ndim != 4 or scan.shape[1:] != (96, 96, 2) or not np.isfinite(scan).all():
        raise ValueError(f"the scan has shape {scan.shape}; (slices, 96, 96, 2), finite, is wanted")
    return probability(model, normalise(scan)) >= 0.5


def segment_nifti(t1, flair, out):
    """Read two contrasts, write the mask in their place, return its volume in ml."""
    scans = [read_nifti(path) for path in (t1, flair)]
    if not np.array_equal(scans[0].affine, scans[1].affine):
        raise ValueError("the two volumes lie in different places; register them first")
    mask = lesion_mask(np.stack([scan.values.T for scan in scans], axis=-1)).T
    write_nifti(out, mask, scans[0].affine)
    return volume(mask, scans[0].spacing)


# %% id="nifti-round-trip"
ml = segment_nifti(folder / "T1.nii.gz", folder / "FLAIR.nii.gz", folder / "mask.nii.gz")
mask = read_nifti(folder / "mask.nii.gz")
result("volume from the file", ml, unit="ml", within=0.03)
print("same affine:", np.array_equal(mask.affine, read_nifti(folder / "T1.nii.gz").affine))
print("same mask as from the array:", np.array_equal(mask.values.T > 0, called[rows]))
# %% id="nifti-refused"
write_nifti(folder / "moved.nii.gz", test.x[rows][..., 1].T, affine + np.diag([0, 0, 1.0, 0]))
try:
    segment_nifti(folder / "T1.nii.gz", folder / "moved.nii.gz", folder / "mask.nii.gz")
except ValueError as error:
    print("refused:", error)

# %% [markdown] id="dicom"
# ### A DICOM series in, a DICOM SEG out
#
# A hospital's archive holds one file per slice, and a mask goes back as a **DICOM Segmentation**: one bit a pixel, a
# code for what it is, and for each frame the slice on which it was drawn. A viewer lays it over the series by
# positions, so those must be right.

# %% id="dicom-series"
from medtutor.data import read_dicom_series, write_dicom_slice

for k, contrast in enumerate(("T1", "FLAIR")):
    (folder / contrast).mkdir()
    for number, row in enumerate(np.flatnonzero(rows), 1):
        write_dicom_slice(
            folder / contrast / f"{number}.dcm", test.x[row, ..., k], spacing=spacing,
            patient="test-0002", contrast=contrast, level=test.extra["level"][row], number=number, bounds=test.bounds
        )
series = [read_dicom_series(folder / contrast) for contrast in ("T1", "FLAIR")]
mask = lesion_mask(np.stack([volume_.values for volume_ in series], axis=-1))
print("volumes", [volume_.values.shape for volume_ in series], series[0].orientation)
result("Dice with the mask from the array", dice(mask, called[rows]), within=0.01, at_least=0.98)

# %% id="dicom-seg"
from pydicom import dcmread

from medtutor.data import write_segmentation

path = write_segmentation(
    folder / "mask.dcm", mask, folder / "FLAIR", classes="lesion", model="medtutor U-Net",
    version="1", date="2026-11-24"
)
filed, source = dcmread(path), dcmread(folder / "FLAIR" / "1.dcm")
print(filed.SOPClassUID.name, "|", filed.SegmentSequence[0].SegmentLabel, "|", filed.SeriesDescription)
print("frames", filed.NumberOfFrames, " of slices", len(mask))
print("same study:", filed.StudyInstanceUID == source.StudyInstanceUID)
print("same place:", filed.FrameOfReferenceUID == source.FrameOfReferenceUID)

# %% [markdown] id="dicom-back"
# The round trip as a viewer does it: the frames are put where *their own positions* say, without asking us for the
# order.

# %% id="dicom-round-trip"
back = np.zeros(mask.shape, bool)
for frame, group in zip(filed.pixel_array, filed.PerFrameFunctionalGroupsSequence, strict=True):
    place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
    place *= (-1, -1, 1)  # from DICOM's axes to NIfTI's, RAS+
    k = np.linalg.solve(series[1].affine, [*place, 1])[0]
    back[round(k)] = frame > 0
print("voxel by voxel the same:", np.array_equal(back, mask))

# %% [markdown] id="sliding"
# ### Larger than the training size
#
# A larger slice does not fit into 96 pixels. Cut it into **windows**? Then a lesion on the border of two windows is
# judged twice from half of the picture, and the map jumps there: a **seam**. So let the windows overlap, and weigh
# each answer by how far inside its window it lies:
#
# $$P = \sum_k w_k\, p_k \Big/ \sum_k w_k$$


# %% id="sliding-code"
def starts(length, size, step):
    """Where windows of `size` begin that cover 0 … length - 1, `step` apart; the last one ends at the end.

    length >= size >= step
    """
    return [*range(0, length - size, step), length - size]


# %% id="windows-code"
def sliding_probability(predict, image, size=96, step=48):
    """The probability map of an image larger than the net's input, from windows that fade into each other.

    predict  windows (n, size, size, c) -> probabilities (n, size, size);  image (h, w, c)  ->  (h, w)

        P = sum_k w_k p_k / sum_k w_k, over the windows k that hold the pixel, w large in their middles
    """
    ramp = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    w = np.outer(ramp, ramp).astype("float64")
    corners = [
        (i, j)
        for i in starts(image.shape[0], size, step)
        for j in starts(image.shape[1], size, step)
    ]
    windows = predict(np.stack([image[i : i + size, j : j + size] for i, j in corners]))
    total, weight = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    for (i, j), p in zip(corners, windows, strict=True):
        total[i : i + size, j : j + size] += w * p
        weight[i : i + size, j : j + size] += w
    return total / weight


# %% [markdown] id="sliding-try"
# A sheet of four heads, moved so that the border of two windows runs right through a lesion. The net is made of
# convolutions only, so it also takes the whole sheet at once: that is what both ways are compared with.

# %% id="sliding-sheet"
four = np.flatnonzero(test.y.sum(axis=(1, 2)) > 100)[:4]
centre = np.argwhere(test.y[four[0]]).mean(axis=0).astype(int)
sheet, truth = (
    np.roll(np.vstack([np.hstack([a, b]), np.hstack([c, d])]), 96 - centre, (0, 1))
    for a, b, c, d in (X_test[four], test.y[four])
)
whole_net = unet(size=None)
whole_net.set_weights(model.get_weights())
whole = probability(whole_net, sheet[None])[0]
# %% id="sliding-maps"
maps = {
    "tiles": sliding_probability(lambda x: probability(model, x), sheet, step=96),
    "fading windows": sliding_probability(lambda x: probability(model, x), sheet, step=48)
}

# %% id="sliding-result"
print("sheet", sheet.shape)
seam = (slice(70, 122), slice(70, 122))  # around the point where four tiles meet
result("Dice beside the border, whole sheet", dice(truth[seam], whole[seam] >= 0.5), within=0.005)
for name, found in maps.items():
    result(f"Dice beside the border, {name}", dice(truth[seam], found[seam] >= 0.5), within=0.001)
    result("    mean difference of the probability", np.abs(found - whole)[seam].mean(), within=0.0005)

# %% id="sliding-shown"
show_images(
    [np.abs(found - whole) for found in maps.values()],
    [f"{name}: difference" for name in maps], cols=2, size=3.2, vmin=0, vmax=0.5,
    alt="How far the probability differs from the whole sheet's, for tiles and for fading windows. With tiles the whole "
    "lesion in the middle, where four windows meet, stands out; with fading windows at most its rim."
)

# %% [markdown] id="sliding-meaning"
# Cut into four by the corners of its tiles, the lesion is **not found at all**: each tile holds a quarter of it at
# its rim, where the net looks into padding. With fading windows it is as good as on the whole sheet, for some nine
# windows in place of four. And the larger a net's receptive field, the wider the overlap has to be.

# %% [markdown] id="cost-intro"
# What does it cost? The figures below are of the machine on which this notebook ran last, so they are not compared.

# %% id="cost" tags=["nbval-ignore-output"] reason="time and memory are those of the machine at hand"
import resource
import time

start = time.perf_counter()
for _ in range(10):
    lesion_mask(test.x[rows])
print(f"one patient {100 * (time.perf_counter() - start):.0f} ms, ", end="")
print(f"weights {model.count_params() * 4 / 2**20:.1f} MB, ", end="")
print(f"this whole kernel {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")

# %% [markdown] id="real"
# ## 3.11 The same on real images
#
# The hippocampus of the Medical Segmentation Decathlon comes as NIfTI with three classes, drawn by hand. With the
# network on, one line changes the patients:
#
# ```python
# from medtutor.data import load
# train, val, test = (load("hippocampus", split) for split in ("train", "val", "test"))
# ```
#
# The function below runs this chapter's cells on them: one contrast, three classes, 64 by 64 pixels.


# %% id="real-code"
def on_hippocampus(epochs=4):
    """Train on the Decathlon's hippocampi -> Dice of the anterior and the posterior part in its test split."""
    from medtutor.data import load

    train, test = (load("hippocampus", split) for split in ("train", "test"))
    net, _ = train_unet(
        lambda: unet(channels=1, classes=3, size=64), normalise(train.x), train.y,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True), epochs
    )
    found = net.predict(normalise(test.x), batch_size=50, verbose=0).argmax(axis=-1)
    return [dice(test.y == k, found == k) for k in (1, 2)]


# %% [markdown] id="real-try"
# `on_hippocampus()` downloads the archive once and checks it. We quote no result here: this notebook has to run
# without a network and would have to prove it. Two things to think about: mirroring turns a left hippocampus into a
# right one, and `patients` are *cases* there, since the publisher does not say which two belong to one head.

# %% [markdown] id="limits" tags=["slide"]
# ## 3.12 Limits, and what to take along
#
# - One average brain, lesions drawn by a formula, a truth that is exact. Between two **radiologists** masks differ;
#   no net can agree with both.
# - Slices were segmented one by one; a lesion is a body in space.
# - Dice depends on size and on the pixels. Compare it within one study only.
# - A volume is only as good as the mask's worst patient. The mean hides the missed ones.
# - Three seeds, few epochs, small pixels: section 3.6 shows directions, not verdicts.
#
# **Open question.** The next scan of a patient shows a lesion that your net measures a tenth larger than last time.
# Has it grown? Which of this chapter's figures do you need to answer, and which measurement is missing?
#
# **Next:** chapter 4 asks whether a network can draw the patients we lack.
#
# ## References
#
# - Otsu: A threshold selection method from gray-level histograms. IEEE Trans. SMC 1979. doi:10.1109/TSMC.1979.4310076
# - Dice: Measures of the amount of ecologic association between species. Ecology 1945. doi:10.2307/1932409
# - Huttenlocher, Klanderman, Rucklidge: Comparing images using the Hausdorff distance. IEEE PAMI 1993.
#   doi:10.1109/34.232073
# - Ronneberger, Fischer, Brox: U-Net. MICCAI 2015. doi:10.1007/978-3-319-24574-4_28
# - Milletari, Navab, Ahmadi: V-Net. 3DV 2016. doi:10.1109/3DV.2016.79
# - Lin et al.: Focal loss for dense object detection. ICCV 2017. doi:10.1109/ICCV.2017.324
# - Bland, Altman: Statistical methods for assessing agreement. Lancet 1986. doi:10.1016/S0140-6736(86)90837-8
# - Maier-Hein et al.: Metrics reloaded. Nature Methods 2024. doi:10.1038/s41592-023-02151-z
# - Isensee et al.: nnU-Net. Nature Methods 2021. doi:10.1038/s41592-020-01008-z
# - Lakshminarayanan, Pritzel, Blundell: Simple and scalable predictive uncertainty estimation using deep ensembles.
#   NIPS 2017.
#   doi:10.48550/arXiv.1612.01474
# - Herz et al.: dcmqi, DICOM segmentations. Cancer Research 2017. doi:10.1158/0008-5472.CAN-17-0336
# - Antonelli et al.: The Medical Segmentation Decathlon. Nature Communications 2022. doi:10.1038/s41467-022-30695-9

# %% [markdown] id="limits-notes" tags=["notes"] minutes=4
# The open question is the exam question of the chapter: has it grown? Collect which numbers they ask for, and which
# measurement is missing (the same patient twice on one day).
