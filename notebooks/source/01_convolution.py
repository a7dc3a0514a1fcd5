# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="opening" tags=["slide"]
# # 1 · Convolution: what a small kernel sees in a scan
#
# A surgeon wants to put a screw into a vertebra and asks one question of the CT: **where does the bone end?**
# An answer needs no network yet. It needs nine numbers, moved across the picture. Those nine numbers are what
# every later chapter learns from data; here you choose them yourself.
#
# **You will be able to** compute a convolution by hand, in numpy and in Keras, and show that all three agree;
# say what stride, padding, dilation, channels and pooling do to a size and to a count of weights; remove the
# wander from an ECG and find its beats; write the gradient of a convolution and learn a kernel from examples.
#
# **You need** Python with a little numpy. No network, no GPU. **Data:** one real specimen of each kind, from files
# inside installed packages. **Not for:** any decision about a patient. A filter shows contrast; it knows no disease.
#
# **In a hurry?** Sections 1.2, 1.5, 1.7 and 1.16 carry the rest of the course.

# %% id="first-look" tags=["slide-on"]
import numpy as np

from medtutor import result
from medtutor.data import sample_ct
from medtutor.plot import show_images

ct = sample_ct()
show_images(
    [ct.values], vmin=-200, vmax=600, size=3.8,
    alt="CT slice: a vertebra with a bright rim in the middle, black lungs at both "
    "sides, the aorta as a grey disc at the upper right, the muscles of the back "
    "below."
)

# %% [markdown] id="opening-notes" tags=["notes"] minutes=3
# Show the picture for a minute before a word about convolution. Ask where the screw may go, and what they look at
# to decide. Most say: the edge. That is the chapter.

# %% [markdown] id="hounsfield" tags=["slide"] facts="1000 0 −1000"
# ## 1.1 The numbers in a CT
#
# A CT stores whole numbers. Two entries of the DICOM header turn them into **Hounsfield units** (HU), the scale on
# which water is 0, air −1000 and dense bone around 1000:
#
# $$\mathrm{HU} = \text{slope} \cdot \text{stored} + \text{intercept}$$
#
# Forget the intercept and every threshold in the clinic's protocol is wrong by the same large amount. So we read one
# pixel by hand and compare.

# %% id="read-dicom" tags=["slide-on", "slide-reveal"]
from pydicom import dcmread
from pydicom.data import get_testdata_file

dicom = dcmread(get_testdata_file("CT_small.dcm", download=False))
stored = int(dicom.pixel_array[30, 50])

slope, intercept = float(dicom.RescaleSlope), float(dicom.RescaleIntercept)
hounsfield = slope * stored + intercept
print(f"stored {stored}, slope {slope:g}, intercept {intercept:g}: {hounsfield:.0f} HU")
print(f"the course's loader says {ct.values[30, 50]:.0f} HU")

# %% [markdown] id="hounsfield-notes" tags=["notes"] minutes=2
# Ask what the number of a pixel could mean before the formula. Stumbling point: the intercept is forgotten, and
# everything still looks like a scan.

# %% [markdown] id="windows" tags=["slide"] facts="300 1000 0.25"
# A screen shows some 250 greys, the scan has thousands of levels. Radiologists therefore look through a **window**:
# a *level* $L$ in the middle and a *width* $W$. All that lies below the window is black, all above it white:
#
# $$g = \min\left(1,\ \max\left(0,\ \frac{\mathrm{HU} - (L - W/2)}{W}\right)\right)$$
#
# By hand, in a window of level 300 and width 1000: its lower edge is −200. A pixel of 50 HU becomes
# (50 + 200) / 1000 = 0.25, a dark grey.

# %% id="three-windows"
windows = {"lung": (-600, 1200), "soft tissue": (50, 400), "bone": (300, 1000)}
for name, (level, width) in windows.items():
    low, high = level - width / 2, level + width / 2
    print(f"{name:12} black below {low:6.0f} HU, white above {high:5.0f} HU")

# %% [markdown] id="exercise-window-question"
# **Your turn: `window`.** Turn Hounsfield units into greys from 0 to 1. The check runs your function on values it
# makes up; a blank is no mistake, it only says "not tried yet".

# %% id="exercise-window" tags=["exercise"]
# exercise: window

# %% id="check-window"
from medtutor.exercises import check, hint, solution

check(window)  # stuck? hint("window"), later solution("window")

# %% [markdown] id="windows-shown"
# The same slice through the three windows. matplotlib's `vmin` and `vmax` are the two edges of the window.

# %% id="show-windows" tags=["slide-on"]
from medtutor.plot import show_windows

show_windows(
    ct.values, windows,
    alt="The same CT slice in three windows. Lung: vessels appear inside the black "
    "lungs. Soft tissue: muscle and fat part. Bone: only the vertebra and its "
    "cortex remain bright."
)

# %% [markdown] id="windows-notes" tags=["notes"] minutes=3
# Cover the titles and ask which organ each window is for. One slice, three pictures: what a reader sees is a choice.

# %% [markdown] id="patch-by-hand" tags=["slide"]
# ## 1.2 A patch times a kernel
#
# Take three rows and three columns at the border of the vertebra. To their left is soft tissue, to their right bone.
# Lay a **kernel** $w$ of the same size over them, multiply what lies on top of each other, and add up.

# %% id="sobel-by-hand" tags=["slide-on", "slide-reveal"]
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
patch = ct.values[29:32, 41:44].astype(int)
print("patch x\n", patch, "\n\nproducts w · x\n", sobel * patch)
print("\nsum", (sobel * patch).sum())

# %% [markdown] id="patch-notes" tags=["notes"] minutes=4
# Let them add up one column by hand before the key. Ask for the sum on an even patch, and why the weights add up to
# nothing.

# %% [markdown] id="patch-meaning" tags=["slide", "slide-whole"]
# A large positive sum: the right column is much brighter than the left one. On an even patch the sum would be zero,
# since the nine weights of this **Sobel kernel** add up to nothing. Do it at every place where the kernel fits and you
# have an image of left-to-right changes:
#
# $$y_{ij} = \sum_m \sum_n w_{mn}\, x_{i+m,\,j+n} + b$$
#
# This is a **cross-correlation**; the number $b$, the *bias*, is the same at each place.
#
# **Which kernel makes the upper edge of the vertebra light up, and not its sides?** Move over the output with the
# pointer, or with Tab and the arrow keys, and read the sum. Then change the kernel.

# %% [markdown] id="formula-notes" tags=["notes"] minutes=2
# Read the formula aloud, one index a finger: i and j move the patch, m and n move inside it. The question in bold
# belongs to the next slide.

# %% id="explore" tags=["slide"]
from medtutor.explore import explore_convolution

explore_convolution()

# %% [markdown] id="explore-notes" tags=["notes"] minutes=6
# Let everybody answer the question on the page before you touch anything. The usual guess is that the kernel with
# the largest numbers wins. Then turn the Sobel kernel on its side and read one sum aloud, at the rim and on even bone.

# %% [markdown] id="exercise-correlate-question"
# **Your turn: `correlate`.** Write the formula down in numpy: two loops over the output are enough. Small check by
# hand, with the kernel $\begin{pmatrix}1&0\\-1&2\end{pmatrix}$ on the upper left corner of the image below:
# 1·1 + 0·2 − 1·0 + 2·1 = 3.

# %% id="exercise-correlate" tags=["exercise"]
# exercise: correlate

# %% id="check-correlate"
check(correlate)  # stuck? hint("correlate"), later solution("correlate")

# %% [markdown] id="correlate-ours" tags=["slide"]
# Here is ours, in the letters of the formula. From now on everybody uses this one, so that the numbers below are the
# same whether you have solved the exercise or not.


# %% id="correlate" tags=["slide-on"]
def correlate(x, w, b=0.0):
    """Cross-correlation: y[i, j] = sum over m, n of w[m, n] * x[i + m, j + n], plus b.

    x (H, W), w (M, N), b a number  ->  y (H - M + 1, W - N + 1)
    """
    M, N = w.shape
    y = np.zeros((x.shape[0] - M + 1, x.shape[1] - N + 1))
    for i, j in np.ndindex(y.shape):
        y[i, j] = (w * x[i : i + M, j : j + N]).sum() + b
    return y


# %% id="correlate-small" tags=["fragment"]
x = np.array([[1, 2, 0, 1], [0, 1, 3, 1], [2, 1, 0, 0], [1, 0, 1, 2]])
w = np.array([[1, 0], [-1, 2]])
correlate(x, w)

# %% [markdown] id="correlate-notes" tags=["notes"] minutes=4
# The exercise comes before this slide, ten minutes. Then read the code beside the formula, letter by letter; ask
# which line would change for a colour image.

# %% [markdown] id="correlate-check"
# The first number is the 3 of the hand calculation. And against a library that knows nothing of us:

# %% id="correlate-scipy"
from scipy import signal

by_scipy = signal.correlate2d(ct.values, sobel, mode="valid")
np.allclose(correlate(ct.values, sobel), by_scipy)

# %% [markdown] id="edges" tags=["slide"]
# ## 1.3 Edges: where does the bone end?
#
# The Sobel kernel answers to changes from left to right, its transpose to changes from top to bottom. Violet is a
# step up, orange a step down, white no change.

# %% id="show-edges" tags=["slide-on"]
across, down = correlate(ct.values, sobel), correlate(ct.values, sobel.T)
show_images(
    [across, down], ["left to right", "top to bottom"], signed=True, size=3.6,
    alt="Two Sobel responses. Left to right: the sides of the vertebra and of the "
    "lungs are lined, violet on one side and orange on the other. Top to bottom: "
    "their upper and lower borders are lined."
)

# %% [markdown] id="sobel-notes" tags=["notes"] minutes=2
# Ask which of the two answers the surgeon's question. Violet and orange are signs, not tissues; somebody always reads
# them as tissue.

# %% [markdown] id="exercise-edges-question"
# The two are the components of one vector, the gradient; its length $\sqrt{a^2 + d^2}$ is the **edge strength**, the
# same whatever the edge's direction.
#
# **Your turn: `edge_strength`.**

# %% id="exercise-edges" tags=["exercise"]
# exercise: edge_strength

# %% id="check-edges"
check(edge_strength)  # stuck? hint("edge_strength"), later solution("edge_strength")

# %% [markdown] id="edges-baseline" tags=["slide"]
# Is the answer any good? We need a truth and a **baseline**. Let the outline of all that is denser than 200 HU stand
# for the bone's border, and count how much of the strongest five per cent of edges falls on it. A filter that guessed
# would get the outline's share of the image.

# %% id="edges-measured" tags=["slide-on", "slide-output"]
from scipy.ndimage import binary_dilation, binary_erosion


def outline(mask):
    return (binary_dilation(mask) & ~binary_erosion(mask))[1:-1, 1:-1]


strength = np.hypot(across, down)
strongest = strength >= np.quantile(strength, 0.95)
bone, lung = outline(ct.values > 200), outline(ct.values < -400)

on_bone, on_lung = (100 * strongest[border].sum() / strongest.sum() for border in (bone, lung))
result("strongest edges on the bone's outline", on_bone, unit="%", within=0.5)
result("the same by guessing", 100 * bone.mean(), unit="%", within=0.1)
result("strongest edges on the lung's outline", on_lung, unit="%", within=0.5)

# %% id="show-strength" tags=["slide-on"]
show_images(
    [strength / strength.max(), strongest, bone],
    ["edge strength", "strongest 5 %", "outline of bone"], size=3,
    alt="Edge strength, its strongest twentieth, and the outline of bone. The "
    "strongest edges run along the lungs and parts of the vertebra; much of the "
    "bone's outline is not among them."
)

# %% [markdown] id="edges-meaning" tags=["fragment"]
# Four times better than guessing, and still the wrong tool: it finds more of the *lung's* border than of the bone's.
# The filter sees edges, not bones, and the step from air to tissue is simply the larger one. Which edges matter has
# to be **learned from examples**. That is what the next chapters are about.

# %% [markdown] id="edges-notes" tags=["notes"] minutes=4
# The turning point; leave a silence here. Ask what would have to be different for the filter to prefer bone. Somebody
# will say: show it some. Come back to this sentence when chapter 2 begins.

# %% [markdown] id="flip" tags=["slide"]
# ## 1.4 Correlation and convolution
#
# Mathematicians call something slightly different a **convolution**: the kernel is turned by half a circle first.
#
# $$(w * x)_{ij} = \sum_m \sum_n w_{mn}\, x_{i-m,\,j-n}$$
#
# By hand: a single bright pixel in a black image. Correlation prints the kernel turned around, convolution prints it
# as it is. That is why physicists say that an imaging system *convolves* the object with its blur.


# %% id="impulse" tags=["slide-on", "slide-reveal"]
def convolve(x, w):
    return correlate(x, w[::-1, ::-1])


dot = np.zeros((5, 5))
dot[2, 2] = 1
w = np.arange(1, 10).reshape(3, 3)
print("correlation\n", correlate(dot, w), "\nconvolution\n", convolve(dot, w))

# %% [markdown] id="flip-notes" tags=["notes"] minutes=3
# Ask for both outputs before the key. Stumbling point: in a symmetric kernel nobody notices, so use the digits 1 to
# 9.

# %% id="convolve-scipy"
np.allclose(convolve(ct.values, w), signal.convolve2d(ct.values, w, mode="valid"))

# %% [markdown] id="flip-meaning"
# Keras, PyTorch and every "convolutional" network compute the **correlation**. It makes no difference to a network: it
# learns the kernel, and would learn the turned one as well. It does make a difference when you carry a kernel from a
# physics book into code: a Sobel kernel turned around changes every sign.

# %% [markdown] id="sizes" tags=["slide"] facts="7 3 5"
# ## 1.5 Padding, stride and dilation
#
# Three switches decide where the kernel is laid. **Padding** $p$ adds a frame of zeros, so that the border pixels get
# their turn. **Stride** $s$ skips places, so that the output is smaller. **Dilation** $d$ pulls the kernel apart, so
# that it sees farther without new weights.
#
# $$y_{ij} = \sum_m \sum_n w_{mn}\, x_{si+dm,\;sj+dn} + b \qquad\qquad
# n_\text{out} = \left\lfloor \frac{n + 2p - d(k-1) - 1}{s} \right\rfloor + 1$$
#
# By hand: seven pixels, a kernel of three. Without padding it fits in 7 − 3 + 1 = 5 places. With a stride of two it
# is laid at the first, third and fifth of them: 3 places. With dilation two it spans 5 pixels, so 3 places again.
#
# **Your turn: `pad` and `output_size`.** The frame of zeros, and the size formula in one line of Python.

# %% id="exercise-pad" tags=["exercise"]
# exercise: pad

# %% id="check-pad"
check(pad)  # stuck? hint("pad"), later solution("pad")

# %% id="exercise-size" tags=["exercise"]
# exercise: output_size

# %% id="check-size"
check(output_size)  # stuck? hint("output_size"), later solution("output_size")

# %% [markdown] id="conv2d-intro"
# All three switches in code; the slices carry the letters of the formula.


# %% id="conv2d"
def conv2d(x, w, b=0.0, stride=1, padding=0, dilation=1):
    """Cross-correlation of a padded x, every s pixels, with a kernel spread by d.

    x (H, W), w (M, N)  ->  y, each side (n + 2p - d(k - 1) - 1) // s + 1
    ValueError where the kernel fits nowhere
    """
    s, p, d = stride, padding, dilation
    x = np.pad(x, p)
    rows, cols = [
        (n - d * (k - 1) - 1) // s + 1 for n, k in zip(x.shape, w.shape, strict=True)
    ]
    if min(rows, cols) < 1:
        raise ValueError(
            f"a {w.shape} kernel with dilation {d} does not fit into the padded {x.shape}"
        )
    y = np.zeros((rows, cols))
    for i, j in np.ndindex(y.shape):
        patch = x[
            s * i : s * i + d * w.shape[0] : d, s * j : s * j + d * w.shape[1] : d
        ]
        y[i, j] = (w * patch).sum() + b
    return y


# %% id="conv2d-shapes" tags=["slide-on", "slide-reveal"]
outputs = {
    "plain": conv2d(ct.values, sobel),
    "padding 1": conv2d(ct.values, sobel, padding=1),
    "stride 2": conv2d(ct.values, sobel, stride=2),
    "dilation 4": conv2d(ct.values, sobel, dilation=4),
}
{name: y.shape for name, y in outputs.items()}

# %% [markdown] id="sizes-notes" tags=["notes"] minutes=4
# Let them predict the four shapes with the size formula. Most forget that dilation makes the kernel longer, not
# heavier.

# %% id="show-settings" tags=["slide"]
show_images(
    outputs.values(), outputs, signed=True, size=2.5, cols=4,
    alt="Sobel response of the CT in four settings. With padding the frame of the "
    "image shows false edges; with stride 2 the image is coarser; with dilation 4 "
    "the edges are thick and doubled."
)

# %% [markdown] id="padding-warning" tags=["slide-on"]
# Look at the frame of the padded panel: a **false edge** all around the picture. We padded with zeros, and zero HU is
# water, while the patient goes on beyond the frame as muscle or as air. Padding is harmless only where zero means
# "nothing special": after the values have been normalised.
#
# Not every setting is possible. **Find one in the explorer below that leaves nothing to compute**, and read the reason.

# %% [markdown] id="padding-notes" tags=["notes"] minutes=2
# Ask what lies outside the frame of this patient. Nobody says water. Then ask what zero means once the values have
# been normalised.

# %% id="explore-sizes"
explore_convolution(image="CT, 7 by 7", kernel="Laplacian", dilation=2)

# %% [markdown] id="keras"
# ## 1.6 The same in Keras
#
# Now the library. A Keras image has four axes, *(images, rows, columns, channels)*, and a Keras kernel has four, *(rows,
# columns, channels in, channels out)*. `valid` means no padding.

# %% id="keras-import"
from medtutor import quiet_start

with quiet_start():
    import keras
    from keras import layers, ops

# %% id="keras-equal"
x = ct.values[None, :, :, None]  # (1, 128, 128, 1)
w = sobel[:, :, None, None].astype("float32")  # (3, 3, 1, 1)

for name, option in {
    "plain": {},
    "stride 2": {"strides": 2},
    "dilation 4": {"dilation_rate": 4},
}.items():
    y = ops.conv(x, w, padding="valid", **option)
    print(f"{name:10}", y.shape, np.allclose(y[0, :, :, 0], outputs[name], atol=0.01))

# %% [markdown] id="same-padding" facts="2"
# One trap. `padding="same"` promises an output as large as the input divided by the stride. On an even size with stride
# 2 Keras on TensorFlow then pads **only below and to the right**. PyTorch, asked for `padding=1`, pads all around: the
# same kernel, on the same image, looks at other pixels. Weights carried from one to the other give other numbers.

# %% id="same-is-not-padding-1"
same = ops.conv(x, w, strides=2, padding="same")[0, :, :, 0]
around = conv2d(ct.values, sobel, stride=2, padding=1)
below = conv2d(np.pad(ct.values, ((0, 1), (0, 1))), sobel, stride=2)
print("same shape", same.shape == around.shape)
print("equal to padding 1:", np.allclose(same, around, atol=0.01))
print("equal to a row below, a column at the right:", np.allclose(same, below, atol=0.01))

# %% [markdown] id="channels" tags=["slide"]
# ## 1.7 Channels and filters
#
# A colour image has three numbers a pixel, a feature map in a network may have hundreds. A **filter** then has a kernel
# for *each* input channel $c$ and adds their answers up; a **layer** has several filters $f$, each giving one channel:
#
# $$y_{ijf} = \sum_m \sum_n \sum_c w_{mncf}\; x_{i+m,\,j+n,\,c} + b_f$$
#
# By hand: one pixel with red 3, green 1, blue 2, a kernel of one by one with the weights 1, 0 and −1, and bias 5:
# 3·1 + 1·0 − 2·1 + 5 = 6.


# %% id="conv-layer" tags=["slide-on"]
def conv_layer(x, w, b):
    """A layer: y[i, j, f] = sum over m, n, c of w[m, n, c, f] * x[i+m, j+n, c], plus b[f].

    x (H, W, C), w (M, N, C, F), b (F,)  ->  y (H - M + 1, W - N + 1, F)
    """
    M, N, C, F = w.shape
    y = np.zeros((x.shape[0] - M + 1, x.shape[1] - N + 1, F))
    for f in range(F):
        y[:, :, f] = sum(correlate(x[:, :, c], w[:, :, c, f]) for c in range(C)) + b[f]
    return y


# %% id="conv-layer-by-hand" tags=["slide-on", "slide-reveal"]
pixel, weights, bias = np.array([3, 1, 2]), np.array([1, 0, -1]), np.array([5])
conv_layer(pixel.reshape(1, 1, 3), weights.reshape(1, 1, 3, 1), bias)

# %% [markdown] id="channels-notes" tags=["notes"] minutes=3
# Do the pixel on the board. Ask how many kernels a layer with 3 channels in and 16 filters has: 48, and nobody says
# it at once.

# %% [markdown] id="stains" facts="2001"
# ### A kernel of one pixel that a pathologist uses
#
# A section of the colon: nuclei are stained blue with haematoxylin, the protein of interest brown with DAB. How much
# brown is there? By the law of Beer and Lambert the optical density, $-\log_{10}$ of the light that passes, is a *sum*
# over the stains. So a kernel of **one by one**, three channels in and three out, takes the stains apart again (Ruifrok
# and Johnston, 2001). scikit-image ships its weights.

# %% id="unmix"
from medtutor.data import sample_tissue
from skimage.color import hed_from_rgb

tissue = sample_tissue().values[::4, ::4]
density = -np.log10((tissue + 1.0) / 256)
stains = conv_layer(density, hed_from_rgb[None, None], np.zeros(3))  # nuclei, -, protein
for f, stain in ((0, "nuclei"), (2, "protein")):
    result(f"mean density of the stain, {stain}", stains[:, :, f].mean(), within=0.001)

# %% id="show-stains"
blue, brown = (stains[:, :, f] / np.quantile(stains[:, :, f], 0.99) for f in (0, 2))
show_images(
    [tissue, blue, brown], ["tissue", "nuclei (haematoxylin)", "protein (DAB)"], size=3,
    vmin=0, vmax=1,
    alt="A section of colon in colour, and its two stains taken apart by a one-by-one "
    "convolution: one panel is bright at the nuclei, the other in the brown "
    "glands."
)

# %% [markdown] id="probe-intro"
# A whole layer against Keras, with weights and an input that nobody trained: waves, so that every weight differs.
# Training repairs many a wrong line of code; a fixed number does not. We call such a number a **probe**, and each
# chapter of this course has one.

# %% id="probe"
x = np.sin(np.arange(8 * 8 * 3.0)).reshape(8, 8, 3)
w = np.cos(np.arange(3 * 3 * 3 * 4.0)).reshape(3, 3, 3, 4)
b = np.arange(4.0)

layer = layers.Conv2D(4, 3)
layer.build((None, 8, 8, 3))
layer.set_weights([w, b])
y = conv_layer(x, w, b)
result("probe, one output of the layer", y[2, 3, 1], within=0.001)
np.allclose(layer(x[None])[0], y, atol=1e-4)

# %% [markdown] id="weights" tags=["slide"]
# ### Why not a dense layer?
#
# A kernel is used at every place, so its weights are **shared**. A dense layer has a weight for every pair of an input
# and an output number. For a colour image of 64 by 64 pixels and 16 filters of three by three:

# %% id="count-weights" tags=["slide-on", "slide-reveal"]
in_numbers, out_numbers = 64 * 64 * 3, 62 * 62 * 16
result("weights, convolution", (3 * 3 * 3 + 1) * 16)
result("weights, dense layer", (in_numbers + 1) * out_numbers)

# %% [markdown] id="weights-notes" tags=["notes"] minutes=2
# Ask for a guess of the second number as a power of ten. Then ask where sharing is wrong: a chest has its heart at
# one side.

# %% [markdown] id="exercise-weights-question"
# Hundreds of weights against hundreds of millions, for the same outputs. Sharing says: *an edge is an edge wherever it
# lies*. That is not true of everything. Where does the assumption fail in a chest film?
#
# **Your turn: `count_weights`.**

# %% id="exercise-weights" tags=["exercise"]
# exercise: count_weights

# %% id="check-weights"
check(count_weights)  # stuck? hint("count_weights"), later solution("count_weights")

# %% [markdown] id="filters" tags=["slide"]
# ## 1.8 Blur and sharpen: what a filter does to noise
#
# | kernel | sum | what it does |
# |---|---|---|
# | box, Gaussian | one | averages neighbours: less noise, softer edges |
# | Laplacian | zero | answers to points and thin lines |
# | sharpen = identity − Laplacian | one | exaggerates edges, and noise |

# %% id="filters-applied"
box = np.ones((3, 3)) / 9
gauss = np.outer([1, 2, 1], [1, 2, 1]) / 16
laplace = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
sharpen = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]) - laplace

kernels = {"as scanned": np.ones((1, 1)), "box": box, "Gaussian": gauss, "sharpen": sharpen}
filtered = {name: conv2d(ct.values, w, padding=len(w) // 2) for name, w in kernels.items()}

# %% id="show-filters" tags=["slide-on"]
crop = {name: image[0:64, 48:112] for name, image in filtered.items()}
show_images(
    crop.values(), crop, vmin=-150, vmax=350, size=2.5, cols=4,
    alt="Upper half of the vertebra and the aorta. As scanned: grainy. Box and "
    "Gaussian: smooth, the cortex softer. Sharpened: the cortex crisp, and the "
    "grain in the aorta much stronger."
)

# %% [markdown] id="filters-notes" tags=["notes"] minutes=2
# Cover the titles and ask which panel was sharpened. Ask what the grain in it is: noise, made louder.

# %% [markdown] id="noise" tags=["slide"]
# Inside the aorta the blood has one density; what varies there is mostly noise. If the noise of neighbouring pixels
# were independent, a kernel would multiply its standard deviation by $\sqrt{\sum w^2}$.

# %% id="noise-measured" tags=["slide-on", "slide-reveal"]
aorta = (slice(2, 12), slice(90, 104))
noise = filtered["as scanned"][aorta].std()
for name in ("box", "Gaussian", "sharpen"):
    expected = noise * np.sqrt((kernels[name] ** 2).sum())
    result(f"{name}, if independent", expected, unit="HU", within=0.1)
    result(f"{name}, measured", filtered[name][aorta].std(), unit="HU", within=0.1)

# %% [markdown] id="noise-meaning" tags=["fragment"]
# The box takes away far less than promised, and sharpening adds less than feared: neighbouring pixels of a CT are *not*
# independent, because the reconstruction has blurred them already. A network that is trained on independent noise
# learns the wrong scanner.

# %% [markdown] id="noise-notes" tags=["notes"] minutes=3
# Before the last sentence, ask why the promise failed. If nobody finds it, ask how a scanner makes an image from its
# measurements.

# %% [markdown] id="retina"
# A kernel can also be the picture of what we look for. A **microaneurysm**, the first sign of diabetic eye disease,
# is a dark dot a few pixels wide. A bright ring around a dark middle, with the sum zero, answers to such dots; a
# vessel, being long, fills the ring as well and answers less.

# %% id="microaneurysms"
from skimage import data
from skimage.feature import peak_local_max

eye = data.microaneurysms() / 255.0
r = np.hypot(*np.mgrid[-5:6, -5:6])
spot = (r <= 5) / (r <= 5).sum() - (r <= 2) / (r <= 2).sum()
answer = correlate(eye, spot)

for row, col in peak_local_max(answer, min_distance=5, num_peaks=4):
    strength_here = answer[row, col] / answer.max()
    result(f"answer at row {row + 5:2}, column {col + 5:2}", strength_here, within=0.01)

# %% id="show-microaneurysms"
show_images(
    [eye, np.clip(answer / answer.max(), 0, 1)], ["retina, 102 × 102 pixels", "answer"],
    size=3.2, vmin=0, vmax=1,
    alt="A patch of retina with vessels and two small dark dots; in the filtered panel"
    " both dots shine, and the vessels are fainter lines."
)

# %% [markdown] id="microaneurysms-meaning"
# The two strongest answers are the two dots. The third is a piece of vessel, and not far behind: on a whole retina such
# pieces would outnumber the dots. One patch is an illustration, not a test.

# %% [markdown] id="separable"
# ## 1.9 Separable kernels
#
# The Sobel kernel is a column times a row: smooth downwards, differentiate across.
#
# $$\begin{pmatrix}-1&0&1\\-2&0&2\\-1&0&1\end{pmatrix} = \begin{pmatrix}1\\2\\1\end{pmatrix}
# \begin{pmatrix}-1&0&1\end{pmatrix}$$
#
# Then two thin kernels, one after the other, do the work of the thick one: $2k$ multiplications a pixel, not $k^2$. A
# kernel can be split exactly when its **rank** is one.

# %% id="separable-check"
column, row = np.array([[1], [2], [1]]), np.array([[-1, 0, 1]])
two_steps = correlate(correlate(ct.values, column), row)
print("same result", np.allclose(two_steps, across))
for name, w in {"Sobel": sobel, "Gaussian": gauss, "Laplacian": laplace}.items():
    print(f"rank of {name:9} {np.linalg.matrix_rank(w)}")

# %% [markdown] id="exercise-separate-question"
# The Laplacian has rank two: it cannot be split into one pair.
#
# **Your turn: `separate`.** Find column and row, or say that there are none.

# %% id="exercise-separate" tags=["exercise"]
# exercise: separate

# %% id="check-separate"
check(separate)  # stuck? hint("separate"), later solution("separate")

# %% [markdown] id="equivariance" tags=["slide"]
# ## 1.10 Shifts: what stays true, and where padding breaks it
#
# Shift the patient, then filter; or filter, then shift: the same picture. This is **equivariance**, the deeper reason
# for sharing weights. With $T$ for a shift:
#
# $$w \star (T x) = T (w \star x)$$
#
# It holds wherever the kernel sees real pixels. We shift around a circle by three rows and five columns and count the
# pixels that break it.


# %% id="equivariance-measured"
def shift(image):
    return np.roll(image, (3, 5), axis=(0, 1))


def breaks(pad):
    filter = lambda x: correlate(np.pad(x, 1, mode=pad), sobel)
    return filter(shift(ct.values)) != shift(filter(ct.values))


result("pixels that break it, padded around a circle", int(breaks("wrap").sum()))
result("pixels that break it, padded with zeros", int(breaks("constant").sum()))

# %% id="show-equivariance" tags=["slide-on"]
show_images(
    [breaks("wrap"), breaks("constant")], ["around a circle", "zeros"], size=2.4,
    vmin=0, vmax=1,
    alt="Where shifting and filtering do not commute, in white. Padded around a "
    "circle: nowhere. Padded with zeros: thin lines along the old and the new "
    "frame of the image."
)

# %% [markdown] id="equivariance-notes" tags=["notes"] minutes=3
# Ask where the two will differ before you show it. Then ask what a net could do with a mark of the frame: learn where
# tumours lie in this hospital's images.

# %% [markdown] id="equivariance-meaning"
# Zeros mark the frame. A deep network can read from that mark *where* in the image it is (Islam, Jia and Bruce, 2020);
# if all tumours of a training set lie in the middle, it may use this instead of the tumour. A stride breaks
# equivariance too: shift by one pixel, and a stride of two looks at the other half of the pixels.

# %% [markdown] id="pooling" facts="1 2 5 6"
# ## 1.11 Pooling
#
# **Max pooling** keeps the largest number of each block of $k$ by $k$:
#
# $$y_{ij} = \max_{m,n<k}\; x_{ki+m,\,kj+n}$$
#
# By hand, $k = 2$: the block $\begin{pmatrix}1&2\\5&6\end{pmatrix}$ becomes 6. No weights, a quarter of the numbers, and
# a strong answer survives a small shift. What is lost is *where* in the block it was.
#
# **Your turn: `max_pool`.**

# %% id="exercise-pool" tags=["exercise"]
# exercise: max_pool

# %% id="check-pool"
check(max_pool)  # stuck? hint("max_pool"), later solution("max_pool")

# %% id="pool-keras"
x = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8], [8, 7, 6, 5], [4, 3, 2, 1]])
ops.max_pool(x[None, :, :, None], 2)[0, :, :, 0].numpy()

# %% [markdown] id="pool-shift"
# How much of a shift does it forgive? Shift the edge strength of the CT by one pixel and compare: the mean change,
# as a share of the mean strength, at full size and after pooling over blocks of eight.


# %% id="pool-measured"
def change(a, b):
    return 100 * np.abs(a - b).mean() / a.mean()


def pooled(x):
    return ops.max_pool(x[None, :, :, None], 8)[0, :, :, 0].numpy()


moved = np.roll(strength, 1, axis=1)
before, after = change(strength, moved), change(pooled(strength), pooled(moved))
result("change by a shift of one pixel, full size", before, unit="%", within=0.1)
result("the same after max pooling", after, unit="%", within=0.1)

# %% [markdown] id="receptive" tags=["slide"] facts="1 2 3 5"
# ## 1.12 The receptive field
#
# How much of the scan can one output pixel see? Each layer adds its kernel's reach, in steps as long as all strides
# *before* it have made them:
#
# $$r_\ell = r_{\ell-1} + (k_\ell - 1) \prod_{i<\ell} s_i, \qquad r_0 = 1$$
#
# By hand, three layers of kernel three, the second with stride two: 1 + 2 = 3, then 3 + 2 = 5, then 5 + 2·2 = 9.
#
# **Your turn: `receptive_field`.** The layers come as a list of (kernel, stride).

# %% id="exercise-receptive" tags=["exercise"]
# exercise: receptive_field

# %% id="check-receptive"
check(receptive_field)  # stuck? hint("receptive_field"), later solution(…)

# %% [markdown] id="receptive-measure"
# Do not believe the formula, measure it: change one input pixel after the other and see which of them move the middle
# output. All kernels are ones, so nothing can cancel.


# %% id="receptive-measured" tags=["slide-on", "slide-reveal"]
def three_layers(x):
    for stride in (1, 2, 1):
        x = conv2d(x, np.ones((3, 3)), stride=stride)
    return x


seen = np.zeros((13, 13), dtype=bool)
for i, j in np.ndindex(seen.shape):
    poke = np.zeros((13, 13))
    poke[i, j] = 1
    seen[i, j] = three_layers(poke)[1, 1] != 0
result("rows that the middle output sees", int(seen.any(axis=1).sum()))

# %% [markdown] id="receptive-notes" tags=["notes"] minutes=3
# Count three layers by hand, then the measurement. Stumbling point: a stride counts for the layers after it, not for
# its own.

# %% [markdown] id="ecg" facts="1"
# ## 1.13 One dimension: an ECG
#
# A heart's electricity, measured a thousand times a second. The sum loses an index, nothing else changes:
#
# $$y_i = \sum_m w_m\, x_{i+m} + b$$
#
# By hand: $x = (1, 4, 2)$ and $w = (-1, 1)$, a difference of neighbours, give $(3, -2)$.

# %% id="ecg-show"
from medtutor.data import sample_ecg
from medtutor.plot import show_signal

ecg = sample_ecg()
lead = ecg.values[ecg.names.index("II")]
step = ecg.spacing[0]  # seconds
show_signal(
    [lead], ["lead II, a real recording"], step=step,
    alt="Ten seconds of ECG lead II: ten tall narrow R peaks about a second apart, "
    "each with a small P wave before and a rounder T wave after it. The baseline "
    "sinks and rises in the last second."
)


# %% id="conv1d"
def conv1d(x, w):
    return correlate(x[None, :], w[None, :])[0]


print("by hand", conv1d(np.array([1, 4, 2]), np.array([-1, 1])))
mean9 = np.ones(9, "float32") / 9
by_keras = ops.conv(lead[None, :, None], mean9[:, None, None])[0, :, 0]
print("as numpy", np.allclose(conv1d(lead, mean9), np.convolve(lead, mean9, "valid")))
print("as Keras", np.allclose(conv1d(lead, mean9), by_keras, atol=1e-5))

# %% [markdown] id="exercise-baseline-question"
# The slow sinking and rising is **baseline wander**: breathing and moving electrodes. An average over a second knows
# the wander and not the beat; subtract it.
#
# **Your turn: `remove_baseline`.**

# %% id="exercise-baseline" tags=["exercise"]
# exercise: remove_baseline

# %% id="check-baseline"
check(remove_baseline)  # stuck? hint("remove_baseline"), later solution(…)

# %% [markdown] id="rpeaks" facts="20 100"
# ### Finding the beats
#
# A **baseline method** first: a beat is where the signal is above half of its maximum. The filter method looks at what
# makes an R peak special, its *steepness*: convolve with a step kernel (mean of the next 20 ms minus mean of the last
# 20 ms), square, average over 100 ms, and take what is above three tenths of the maximum.


# %% id="rpeaks-code"
def count(above):
    """How often a True begins."""
    return int((above[1:] & ~above[:-1]).sum())


def by_height(x):
    return x > x.max() / 2


def by_slope(x):
    slope = conv1d(x, np.repeat([-1, 1], 20) / 20)
    energy = conv1d(slope**2, np.ones(100) / 100)
    return energy > 0.3 * energy.max()


# %% id="rpeaks-clean"
result("beats found by height", count(by_height(lead)))
result("beats found by slope", count(by_slope(lead)))
result("share of the time called steep", 100 * by_slope(lead).mean(), unit="%", within=0.5)

# %% [markdown] id="rpeaks-even"
# On this clean recording the simple threshold is just as good, so there is no reason for more. Now a bad electrode.
# **The wander and the noise below are simulated**; the heart is still the real one.

# %% id="rpeaks-noisy" tags=["slide", "slide-reveal"]
time = np.arange(len(lead)) * step
noise = np.random.default_rng(0).normal(size=len(lead))
bad = lead + 1.0 * np.sin(2 * np.pi * 0.25 * time) + 0.1 * noise
result("beats found by height, bad electrode", count(by_height(bad)))
result("beats found by slope, bad electrode", count(by_slope(bad)))

# %% id="ecg-peaks"
def begins(above):
    return np.flatnonzero(np.diff(above.astype(int)) == 1)


def summits(x, starts):
    return np.array([i + x[i : i + 250].argmax() for i in starts])


peaks = summits(bad, begins(by_slope(bad)))
truth = summits(lead, begins(by_height(lead)))
result("farthest from a peak of the clean recording", int(abs(peaks - truth).max()), unit="ms")

# %% id="show-beats" tags=["slide-on"]
show_signal(
    [bad, lead],
    ["bad electrode (wander and noise simulated)", "as recorded, with the beats found above"],
    step=step, marks=peaks * step,
    alt="Above, the ECG with simulated wander of one millivolt and noise: a threshold on "
    "height would cross it hundreds of times. Below, the clean recording: each of its "
    "ten R peaks carries a mark, found from the bad one."
)

# %% [markdown] id="ecg-notes" tags=["notes"] minutes=3
# Ask for the threshold that finds the beats in the upper curve: there is none. What makes a beat a beat is its
# steepness, and that is a kernel again.

# %% [markdown] id="heart-rate" facts="1000"
# The time from peak to peak gives the heart rate. How sure is it? Draw the beats again with replacement, 1000 times,
# and look at the spread of the mean: a **bootstrap** interval.

# %% id="heart-rate-measured"
rr = np.diff(peaks) * step  # seconds from beat to beat
draws = np.random.default_rng(0).choice(rr, (1000, len(rr)))
low, high = 60 / np.quantile(draws.mean(axis=1), [0.975, 0.025])
result("heart rate", 60 / rr.mean(), unit="/min", within=0.3)
result("lower end of its 95 % interval", low, unit="/min", within=0.3)
result("upper end of its 95 % interval", high, unit="/min", within=0.3)

# %% [markdown] id="ecg-meaning"
# The interval is about the beats of *one* patient in ten seconds. It says how exactly this patient's mean is
# known. It says nothing about other patients, and nothing about how the method does with extra beats, which have other
# slopes.

# %% [markdown] id="transposed" tags=["slide"]
# ## 1.14 Transposed convolution, and the checkerboard
#
# Networks that draw an image (a mask in chapter 3, a whole scan in chapter 4) must go from small to large. The
# **transposed convolution** lets each input pixel *paint* a copy of the kernel, and adds where the copies overlap:
#
# $$y_{si+m,\;sj+n} \mathrel{+}= x_{ij}\, w_{mn}$$
#
# By hand in one dimension: $x = (1, 2)$, $w = (1, 3)$, stride one: (1, 3, 0) + (0, 2, 6) = (1, 5, 6).
#
# **Your turn: `transposed`.**

# %% id="exercise-transposed" tags=["exercise"]
# exercise: transposed

# %% id="check-transposed"
check(transposed)  # stuck? hint("transposed"), later solution("transposed")

# %% [markdown] id="transposed-ours"
# Ours, and why it has that name. A convolution is linear, so it is a large matrix $C$; painting multiplies by the
# transposed matrix $C^\top$. If that is so, $\langle C x, y \rangle = \langle x, C^\top y \rangle$ for any $x$ and $y$.


# %% id="transposed-conv2d"
def transposed_conv2d(x, w, stride=1):
    """Each input pixel paints the kernel: y[s i + m, s j + n] += x[i, j] * w[m, n].

    x (H, W), w (M, N)  ->  y (s (H - 1) + M, s (W - 1) + N)
    """
    s, (M, N) = stride, w.shape
    y = np.zeros((s * (x.shape[0] - 1) + M, s * (x.shape[1] - 1) + N))
    for i, j in np.ndindex(x.shape):
        y[s * i : s * i + M, s * j : s * j + N] += x[i, j] * w
    return y


# %% id="transposed-check"
rng = np.random.default_rng(0)
x, w, y = rng.normal(size=(9, 9)), rng.normal(size=(3, 3)), rng.normal(size=(4, 4))
left, right = (
    (conv2d(x, w, stride=2) * y).sum(),
    (x * transposed_conv2d(y, w, stride=2)).sum(),
)

X, W = y[None, :, :, None], w[:, :, None, None]
by_keras = ops.conv_transpose(X, W, strides=2, padding="valid")[0, :, :, 0]
print("transposed", np.allclose(left, right))
print("as in Keras", np.allclose(by_keras, transposed_conv2d(y, w, stride=2), atol=1e-5))

# %% [markdown] id="checkerboard"
# Let every input pixel be one and every weight one: the output counts **how many copies overlap**. It should be the
# same everywhere. With kernel three and stride two it is not.

# %% id="checkerboard-count"
threes = transposed_conv2d(np.ones((6, 6)), np.ones((3, 3)), stride=2)
fours = transposed_conv2d(np.ones((6, 6)), np.ones((4, 4)), stride=2)
print("kernel 3, copies inside:", np.unique(threes[2:-2, 2:-2]))
print("kernel 4, copies inside:", np.unique(fours[2:-2, 2:-2]))

# %% id="show-checkerboard" tags=["slide-on"]
show_images(
    [threes, fours], ["kernel 3, stride 2", "kernel 4, stride 2"], size=2.6, vmin=0,
    vmax=4,
    alt="Number of overlapping copies. Kernel 3 with stride 2: a checkerboard of one, "
    "two and four. Kernel 4 with stride 2: four everywhere inside, less only at "
    "the frame."
)

# %% [markdown] id="checkerboard-notes" tags=["notes"] minutes=3
# Let them paint two pixels with a kernel of three, two apart, on squared paper. Ask what a radiologist would call the
# pattern in a generated scan: texture.

# %% [markdown] id="checkerboard-meaning"
# This **checkerboard** appears in generated scans (Odena, Dumoulin and Olah, 2016), where it may pass for texture. Two
# cures: a kernel whose size the stride divides, or enlarge first and convolve afterwards.

# %% [markdown] id="gradient" tags=["slide"]
# ## 1.15 The gradient of a convolution
#
# To learn a kernel we need to know how the loss $L$ changes with each weight. Each $w_{mn}$ touches every output:
#
# $$\frac{\partial L}{\partial w_{mn}} = \sum_i \sum_j \frac{\partial L}{\partial y_{ij}}\; x_{i+m,\,j+n} \qquad
# \frac{\partial L}{\partial b} = \sum_i \sum_j \frac{\partial L}{\partial y_{ij}}$$
#
# The first is the very formula we began with: **correlate the input with the gradient of the output.** By hand in one
# dimension: $x = (1, 2, 4)$, two weights, $\partial L/\partial y = (1, -1)$: 1·1 − 1·2 = −1 and 1·2 − 1·4 = −2.
#
# **Your turn: `gradient_w`.**

# %% id="exercise-gradient" tags=["exercise"]
# exercise: gradient_w

# %% id="check-gradient"
check(gradient_w)  # stuck? hint("gradient_w"), later solution("gradient_w")

# %% [markdown] id="gradient-ours"
# And the gradient with respect to the input: each $x$ gave to the outputs whose patch it lay in, so each output paints
# its gradient back. The transposed convolution again.


# %% id="gradients" tags=["slide-on"]
def gradients(x, w, dy):
    """Gradients of a loss through y = correlate(x, w, b), given dy = dL/dy.

    x (H, W), w (M, N), dy (H - M + 1, W - N + 1)  ->  dx (H, W), dw (M, N), db

        dw[m, n] = sum over i, j of dy[i, j] * x[i + m, j + n]
        dx = dy painted with w,  db = sum of dy
    """
    return transposed_conv2d(dy, w), correlate(x, dy), dy.sum()

# %% [markdown] id="gradient-notes" tags=["notes"] minutes=4
# Ask which outputs a single weight has touched: all. Then the formula is the first one again, with the gradient as
# the kernel. Backwards to the input is painting.

# %% [markdown] id="gradient-numeric"
# Two independent checks. The first believes nobody: move one weight a little and see how the loss moves. The second is
# automatic differentiation. Our loss is $L = \frac12 \sum y^2$, so $\partial L/\partial y = y$.

# %% id="gradient-check-numeric"
x, w, b = rng.normal(size=(7, 6)), rng.normal(size=(3, 3)), 0.5
dx, dw, db = gradients(x, w, correlate(x, w, b))


def loss(w):
    return (correlate(x, w, b) ** 2).sum() / 2


nudge = np.zeros((3, 3))
nudge[0, 2] = 1e-5
np.allclose(dw[0, 2], (loss(w + nudge) - loss(w - nudge)) / 2e-5)

# %% id="gradient-check-tape"
import tensorflow as tf

x_tf, w_tf, b_tf = (
    tf.constant(x[None, :, :, None]),
    tf.constant(w[:, :, None, None]),
    tf.constant(b, "float64"),
)
with tf.GradientTape() as tape:
    tape.watch([x_tf, w_tf, b_tf])
    half_square = tf.reduce_sum((tf.nn.conv2d(x_tf, w_tf, 1, "VALID") + b_tf) ** 2) / 2
by_tape = tape.gradient(half_square, [x_tf, w_tf, b_tf])
[
    np.allclose(np.squeeze(ours), np.squeeze(theirs))
    for ours, theirs in zip((dx, dw, db), by_tape, strict=True)
]

# %% [markdown] id="learn" tags=["slide"]
# ## 1.16 Learning a kernel back from examples
#
# We hide the Sobel kernel and keep only its output for our CT. Can the nine numbers be found again? The examples are
# all patches of the slice. The **baseline is a linear model**: the outputs are linear in the weights, so least squares
# solves it in one line. We need many correlations now, so here is a faster way to the same numbers, which loops over
# the few weights and not over the many pixels.


# %% id="shifted-sums"
def shifted_sums(x, w):
    """`correlate`, weight by weight: each one times the whole image, shifted."""
    H, W = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    return sum(w[m, n] * x[m : m + H, n : n + W] for m, n in np.ndindex(w.shape))


# %% id="learn-baseline"
x = (ct.values - ct.values.mean()) / ct.values.std()
target = shifted_sums(x, sobel)

patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3)).reshape(-1, 9)
w = np.linalg.lstsq(patches, target.ravel())[0].reshape(3, 3)
print("least squares finds the kernel:", np.allclose(w, sobel, atol=1e-3))

# %% [markdown] id="learn-descent"
# A network cannot be solved in one line, so it walks downhill: **gradient descent**, with our own gradient.


# %% id="learn-code"
def learn(x, target, rate=0.1, steps=200):
    w, losses = np.zeros((3, 3)), []
    for _ in range(steps):
        error = shifted_sums(x, w) - target
        losses.append((error**2).mean())
        w -= rate * correlate(x, 2 * error / error.size)  # dw = x correlated with dy
    return w, np.array(losses)


w_ct, losses_ct = learn(x, target)

# %% id="learn-result" tags=["slide-on", "slide-output", "slide-reveal"]
left = 100 * losses_ct[-1] / losses_ct[0]
result("share of the loss that is left", left, unit="%", within=0.01, at_most=1)
result("largest error of a weight", np.abs(w_ct - sobel).max(), within=0.01)
result("middle row over upper row (Sobel: 2)", w_ct[1, 2] / w_ct[0, 2], within=0.01)

# %% [markdown] id="learn-notes" tags=["notes"] minutes=4
# Take a vote before anybody reads on: a fault in the code, too few steps, or the image? Write the counts on the board and
# leave them there.

# %% [markdown] id="learn-puzzle" tags=["fragment"]
# The loss is all but gone, and **the kernel is still wrong**: the middle row should weigh twice as much as the upper
# one, and does not. More steps help only slowly. The fault is not in the code. Give the same code an image in which neighbours
# have nothing to do with each other:

# %% id="learn-noise" tags=["slide", "slide-output"]
static = rng.normal(size=(128, 128))
w_noise, losses_noise = learn(static, shifted_sums(static, sobel))
print("descent on random pixels finds it:", np.allclose(w_noise, sobel, atol=1e-3))
show_images(
    [sobel, w_ct, w_noise], ["Sobel", "learned from the CT", "from random pixels"],
    signed=True, size=2.3,
    alt="Three kernels as pictures. Sobel: the middle row is darkest. Learned from the"
    " CT: all three rows nearly alike. Learned from random pixels: the same as "
    "Sobel."
)

# %% [markdown] id="puzzle-notes" tags=["notes"] minutes=3
# Go back to the votes on the board. Same code, other image, and it works: the fault was in the data.

# %% id="learn-curves" tags=["slide"]
from medtutor.plot import show_curves

curves = {"CT": losses_ct / losses_ct[0], "random pixels": losses_noise / losses_noise[0] + 1e-9}
show_curves(
    np.arange(200), curves, xlabel="step", ylabel="loss, share of the first",
    logy=True, markevery=20,
    alt="Loss against step on a logarithmic scale. On random pixels it falls straight "
    "to nothing within a hundred steps. On the CT it falls fast at first and then "
    "crawls."
)

# %% [markdown] id="learn-meaning" tags=["slide-on"]
# In a scan neighbouring pixels are almost equal, so many kernels give almost the same output, and the examples hardly
# tell them apart. How hardly is a number, the **condition number** of the patches: steepest over flattest direction of
# the loss.

# %% [markdown] id="condition-notes" tags=["notes"] minutes=2
# Ask what else in medicine is so alike that data cannot tell it apart: two findings that always come together, for
# instance.

# %% id="learn-condition"
def condition(image):
    patches = np.lib.stride_tricks.sliding_window_view(image, (3, 3)).reshape(-1, 9)
    return np.linalg.cond(patches) ** 2


result("condition number, random pixels", condition(static), within=0.01)
result("condition number, CT", condition(x), within=100, at_least=10000)

# %% [markdown] id="learn-keras-intro"
# The same in Keras, with Adam, which takes steps of its own size for each weight. A thousand steps, all on one image:

# %% id="learn-keras"
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((128, 128, 1)), layers.Conv2D(1, 3, use_bias=False)])
model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False, steps_per_execution=50)
X, Y = (np.repeat(a[None, :, :, None], 1000, axis=0) for a in (x, target))
model.fit(X, Y, batch_size=1, verbose=0)
w_keras = model.get_weights()[0][:, :, 0, 0]
result("Adam, largest error of a weight", np.abs(w_keras - sobel).max(), within=0.005)
result("middle row over upper row (Sobel: 2)", w_keras[1, 2] / w_keras[0, 2], within=0.02)

# %% [markdown] id="learn-lesson"
# Closer, at five times the steps, and not there. Three lessons for the chapters to come. A small loss does not mean that the right thing was learned. What the data
# cannot tell apart, no optimiser can. And where a linear model suffices, it wins: least squares was exact, at once.

# %% [markdown] id="four-ways"
# ## 1.17 Four ways to compute it
#
# The formula says *what*, not *how*. Loops visit each output; **shifted sums** visit each weight and move the whole
# image; **im2col** writes all patches into a matrix and multiplies once, as most libraries do; the **Fourier** way
# turns the convolution into a product of spectra.


# %% id="three-more-ways"
def im2col(x, w):
    """`correlate` as one matrix product: every patch is a row of it."""
    patches = np.lib.stride_tricks.sliding_window_view(x, w.shape)  # (H, W, M, N)
    return (patches.reshape(-1, w.size) @ w.ravel()).reshape(patches.shape[:2])


def fourier(x, w):
    """`correlate` by a product of spectra, which is a convolution: so flip first."""
    shape = x.shape[0] + w.shape[0] - 1, x.shape[1] + w.shape[1] - 1
    spectrum = np.fft.rfft2(x, shape) * np.fft.rfft2(w[::-1, ::-1], shape)
    y = np.fft.irfft2(spectrum, shape)
    return y[w.shape[0] - 1 : x.shape[0], w.shape[1] - 1 : x.shape[1]]


ways = {"loops": correlate, "shifted sums": shifted_sums, "im2col": im2col, "Fourier": fourier}
[np.allclose(way(ct.values.astype(float), sobel), across) for way in ways.values()]

# %% [markdown] id="operations"
# Count the multiplications for our CT. The first three ways do the same ones in another order: $k^2$ for each output.
# A Fourier transform of $P$ numbers takes about $2 P \log_2 P$; we need three of them and a product, whatever $k$ is.


# %% id="operations-counted"
def direct(n, k):
    return (n - k + 1) ** 2 * k**2


def spectral(n, k):
    P = (n + k - 1) ** 2
    return round(3 * 2 * P * np.log2(P) + 4 * P)


for k in (3, 9, 15, 31):
    result(f"kernel {k:2}, direct", direct(128, k))
    result(f"kernel {k:2}, Fourier", spectral(128, k))

# %% [markdown] id="timing-intro"
# By the count the Fourier way wins between kernel 9 and kernel 15. Your machine may disagree: memory costs time as
# well. The figure below is **from a run on the machine that shows it**, which is why its numbers are not validated.

# %% id="timing" tags=["nbval-ignore-output"] reason="seconds differ from machine to machine"
from timeit import repeat


def milliseconds(way, k):
    return 1000 * min(repeat(lambda: way(x, np.ones((k, k))), number=1, repeat=3))


sizes = (3, 5, 9, 15, 23, 31)
show_curves(
    sizes, {name: [milliseconds(way, k) for k in sizes] for name, way in ways.items()}, logy=True,
    xlabel="side of the kernel, pixels", ylabel="time on this machine, ms",
    alt="Time against kernel size for four ways to filter the CT, on the machine that "
    "made this picture: loops slowest, shifted sums and im2col rising with the kernel, "
    "the Fourier way nearly level and overtaking them."
)

# %% [markdown] id="own-function"
# ## 1.18 Your own filter on real images
#
# Change the function, run the cell, choose an image. An error is shown in the panel with its line.

# %% id="own-function-panel"
from medtutor.explore import explore_function


def my_filter(image):
    """An image of greys 0 to 1 in, an image out."""
    return shifted_sums(image, laplace)


explore_function(my_filter)

# %% [markdown] id="deploy"
# ## 1.19 Hand it back: a DICOM that says what it is
#
# A result that lives in a notebook helps nobody at the workstation. So the edges become a DICOM image again, with the
# same patient and position, a **new** identity, and the truth about where it comes from: `DERIVED`, not `ORIGINAL`.

# %% id="deploy-write"
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom.uid import generate_uid

edges = np.pad(strength, 1).round().astype("int16")
dicom.PixelData = edges.tobytes()
dicom.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
dicom.SeriesDescription = "Sobel edges, not for diagnosis"
dicom.RescaleIntercept, dicom.RescaleType = 0, "US"  # unspecified: no longer HU
dicom.SeriesInstanceUID, dicom.SOPInstanceUID = generate_uid(), generate_uid()
dicom.file_meta.MediaStorageSOPInstanceUID = dicom.SOPInstanceUID

# %% id="deploy-read"
with TemporaryDirectory() as folder:
    path = Path(folder) / "edges.dcm"
    dicom.save_as(path)
    again = dcmread(path)
    print(again.SeriesDescription, "·", again.ImageType[0], "·", again.RescaleType)
    values = again.pixel_array * again.RescaleSlope + again.RescaleIntercept
    print("same values:", np.array_equal(values, edges))

# %% [markdown] id="open-question"
# ## Open question
#
# No check can grade this one; discuss it. *A colleague sharpens every chest film before reading it, and finds more
# nodules than before. Is that good?* Think of section 1.8, of who compares with what, and of the films without nodules.

# %% [markdown] id="limits"
# ## Limits
#
# - Every image here is **one specimen**. Nothing was tested on a second patient, so no number says how well a method
#   works in a clinic. The interval of the heart rate is about one patient's beats in ten seconds.
# - The bone's outline was a threshold, not a radiologist's drawing. It stands for the truth only to make a point.
# - The bad electrode was simulated: a sine and independent noise. Real artefacts are worse.
# - None of the filters may be used to find or to rule out disease.

# %% [markdown] id="summary" tags=["slide"]
# ## Summary
#
# - A convolution layer is one small sum, repeated everywhere with the same weights; libraries compute the correlation.
# - Padding, stride and dilation set the size; channels and filters set the count of weights; strides multiply the
#   receptive field.
# - Shared weights give equivariance to shifts. Padding breaks it at the frame, strides between the pixels.
# - Transposed convolution, the gradient of the input, and "painting" are one thing.
# - A filter finds edges, not bones. Learning chooses the filters, and can only choose what the data tell apart.

# %% [markdown] id="summary-notes" tags=["notes"] minutes=3
# Let them close the laptop and say one sentence each to a neighbour. Come back to the opening picture: where does the
# bone end?

# %% [markdown] id="references" facts="2001 2016 2020 1985 32 230 236 291 299 23"
# ## References
#
# - V. Dumoulin, F. Visin. A guide to convolution arithmetic for deep learning. 2016.
#   [doi:10.48550/arXiv.1603.07285](https://doi.org/10.48550/arXiv.1603.07285)
# - A. C. Ruifrok, D. A. Johnston. Quantification of histochemical staining by color deconvolution. Analytical and
#   Quantitative Cytology and Histology 23, 291–299, 2001.
# - A. Odena, V. Dumoulin, C. Olah. Deconvolution and checkerboard artifacts. Distill, 2016.
#   [doi:10.23915/distill.00003](https://doi.org/10.23915/distill.00003)
# - M. A. Islam, S. Jia, N. D. B. Bruce. How much position information do convolutional neural networks encode? ICLR
#   2020. [doi:10.48550/arXiv.2001.08248](https://doi.org/10.48550/arXiv.2001.08248)
# - J. Pan, W. J. Tompkins. A real-time QRS detection algorithm. IEEE Transactions on Biomedical Engineering 32,
#   230–236, 1985. [doi:10.1109/TBME.1985.325532](https://doi.org/10.1109/TBME.1985.325532)
