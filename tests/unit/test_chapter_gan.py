"""Chapter 4's own functions, taken from its cells, against something simpler than they are."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from medtutor.course.build import ROOT, read_source
from medtutor.metrics import auroc
from medtutor.nn import plane

CELLS = {
    cell.id: cell.source
    for cell in read_source(ROOT / "notebooks" / "source" / "04_gan_augmentation.py").notebook.cells
}


def functions_of(*ids, **names):
    """What the definitions in the cells of these ids define, run one after the other."""
    names = {"np": np, **names}
    for each in ids:
        exec(CELLS[each], names)
    return SimpleNamespace(**{name: value for name, value in names.items() if name.isidentifier()})


def definition(id, name, **names):
    """One function of a cell, without the rest of it."""
    import ast

    tree = ast.parse(CELLS[id])
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    names = {"np": np, **names}
    exec(ast.unparse(found), names)
    return names[name]


@pytest.mark.parametrize("n, m, stride", [(1, 1, 1), (2, 3, 2), (4, 4, 2), (3, 2, 3), (5, 5, 1)])
def test_transposed_is_the_transpose_of_the_convolution_as_a_matrix(n, m, stride):
    transposed = definition("transposed-code", "transposed")
    rng = np.random.default_rng(n)
    x, k = rng.normal(size=n), rng.normal(size=m)
    long = (n - 1) * stride + m
    matrix = np.zeros((n, long))  # of an ordinary convolution with this stride: (long,) -> (n,)
    for i in range(n):
        matrix[i, i * stride : i * stride + m] = k
    assert np.allclose(transposed(x, k, stride), matrix.T @ x)


@pytest.mark.parametrize("m", [0.0, 0.5, 1.0, 3.0, 8.0])
def test_the_value_of_the_game_is_that_of_the_package_and_of_jensen_and_shannon(m):
    value = functions_of("value-code").value
    assert value(m) == pytest.approx(plane.game_value(m), abs=1e-9)
    assert value(m) == pytest.approx(2 * plane.jensen_shannon(m) - np.log(4), abs=1e-9)


def test_the_paired_interval_is_that_of_scipy():
    paired = definition("help-differences", "paired")
    a, b = np.random.default_rng(0).normal(size=(2, 5))
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert paired(a, b) == pytest.approx((np.mean(a - b), low, high), abs=2e-3)


def test_a_discriminator_that_knows_its_pictures_is_found_out_and_one_that_does_not_is_not():
    opinion = definition("membership-code", "opinion", to_tanh=lambda x: x)
    membership = definition("membership-code", "membership", opinion=opinion, auroc=auroc)
    rng = np.random.default_rng(0)
    seen, others = ((rng.normal(size=(50, 2, 2, 1)), np.zeros(50, int)) for _ in "ab")
    known = {picture.tobytes() for picture in seen[0]}

    class Gan:
        class D:
            @staticmethod
            def predict(inputs, **_):
                logit = [picture.tobytes() in known for picture in inputs[0]]
                return [np.array(logit, float)[:, None], None]

    assert membership(Gan, seen, others) == 1
    known.clear()
    assert membership(Gan, seen, others) == 0.5


def test_a_fixed_wave_sets_every_weight_and_none_to_random_numbers():
    with_pattern = definition("probe-code", "with_pattern")

    class Model:
        def __init__(self):
            self.weights = [np.zeros((2, 3)), np.zeros(4)]

        def get_weights(self):
            return self.weights

        def set_weights(self, weights):
            self.weights = weights

    a, b = with_pattern(Model()).weights
    assert a.ravel()[:4] == pytest.approx(b) and b == pytest.approx(0.2 * np.cos([0, 1, 2, 3]))
