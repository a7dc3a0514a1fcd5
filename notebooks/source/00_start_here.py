# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="opening"
# # Start here: deep learning for medicine
#
# This is a course to touch. Each chapter opens with a patient or a picture and one clinical question. You compute a
# small case by hand, write it in code, check it against a library, train a model, and then ask what its numbers mean at
# the bedside, and when they must not be used.
#
# Everything runs on a laptop with two cores, without a network and without a GPU.

# %% [markdown] id="how-to"
# **How to work through it.** Click a cell and press Shift+Enter: it runs, and the next one is chosen. Run a chapter
# from top to bottom; *Run → Run All Cells* does it at once. Change numbers and run again; nothing can be broken that
# *Kernel → Restart Kernel* does not mend.
#
# **Exercises** are cells that say `your code here`. Run the cell below them to be checked: you are told what is wrong
# about *your* answer. `hint("name")` helps a little, and a little more each time; `solution("name")` shows ours, once you
# have tried. A chapter runs to its end whether you solve them or not.

# %% [markdown] id="environment-intro"
# ## Is this the right environment?
#
# Every number in this course was computed with one set of package versions and is compared again by a machine. The
# next cell says whether yours are the same.

# %% id="environment"
import medtutor

medtutor.environment()

# %% [markdown] id="map-intro"
# ## The chapters
#
# Times are for running all cells, measured. Reading, trying and solving takes longer: an evening or two a chapter.

# %% id="map"
medtutor.course_map()

# %% [markdown] id="taste-intro"
# ## One minute, one idea
#
# Below, a real MR slice through the abdomen, and nine numbers that move over it. Put the pointer on the right-hand
# picture, or press Tab until it is framed and use the arrow keys: you see which nine pixels go in, what each is
# multiplied with, and what comes out. Choose another kernel. **Which one makes the kidneys' outline shine, whatever the
# direction of the edge?**

# %% id="taste"
from medtutor.explore import explore_convolution

explore_convolution(image="MR", kernel="Laplacian")

# %% [markdown] id="taste-answer"
# A kernel whose weights add up to zero and look the same from all sides answers to every outline. A convolutional
# network is made of such kernels, thousands of them, and *learns* the numbers. How, is [chapter 1](01_convolution.ipynb).

# %% [markdown] id="rules"
# ## What this course is not
#
# Nothing here is a medical device. Models are trained on small, public or simulated data so that you can see how they
# work and how they fail. What is simulated says so. Do not use any of it to decide about a patient.
