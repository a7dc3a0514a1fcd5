"""The plane explorer without a browser: its page, and its arithmetic in JavaScript against numpy."""

import html
import re

import numpy as np
import pytest
from explored import in_node, state_of
from matplotlib.figure import Figure

from medtutor.explore import explore_plane_gan
from medtutor.explore import plane as module
from medtutor.explore.base import HERE
from medtutor.explore.plane import GAME, SETTINGS, WORLD, Stream
from medtutor.nn import plane

SMALL = WORLD | {"hidden": 7, "batch": 9}
ALL_OF_IT = SETTINGS["collapse"] | {"loss": "minimax", "r1": 0.7, "d_steps": 2}


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves the still picture out, which is the slow part."""
    monkeypatch.setattr(module, "_still", lambda *given: Figure(figsize=(1, 1)))


# ---- the page ----


def test_the_same_call_gives_the_same_bytes_and_another_seed_another_page():
    first = explore_plane_gan()._repr_mimebundle_()
    assert first == explore_plane_gan("collapse", seed=1)._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}
    assert first["text/html"] != explore_plane_gan(seed=2).page()
    assert len(first["text/html"]) < 120_000


def test_description_counts_the_modes_that_the_first_drawn_points_reach(undrawn):
    explorer = explore_plane_gan("circling", seed=3)
    gan = plane.PlaneGAN(Stream(3), **SETTINGS["circling"])
    points = plane.forward(gan.G, Stream(8).standard_normal((256, 2)))[-1]
    near = np.array([(np.hypot(*(points - c).T) < 0.45).sum() for c in plane.centres()])
    alt = explorer.picture.alt
    assert alt.endswith(f"Settings: circling; modes reached at the start: {(near >= 8).sum()} of 8.")
    assert html.escape(alt) in explorer.page()
    assert repr(explorer) == f"<plane GAN explorer: {alt}>"


def test_the_page_starts_with_the_chosen_settings_and_holds_them_all(undrawn):
    state = state_of(explore_plane_gan("steady", seed=5).page(), measured=False)
    assert (state["preset"], state["seed"], state["presets"]) == ("steady", 5, SETTINGS)


def test_all_settings_are_games_that_numpy_plays_and_the_cure_is_one_switch():
    for settings in SETTINGS.values():
        plane.PlaneGAN(**settings, **GAME)
    different = {key for key, value in SETTINGS["collapse"].items() if SETTINGS["cure"][key] != value}
    assert different == {"r1"}
    different = {key for key, value in SETTINGS["circling"].items() if SETTINGS["steady"][key] != value}
    assert different == {"rate_G", "rate_D"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"start": "dropped"}, "start is 'dropped'; use one of 'collapse', 'cure', 'circling', 'steady'"),
        ({"seed": 0}, "seed is 0; a whole number from 1 to 10000"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": True}, "seed is True"),
    ],
)
def test_what_is_no_game_is_refused_with_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        explore_plane_gan(**arguments)


# ---- random numbers ----


def test_the_stream_is_the_published_generator():
    # Park, Miller and Stockmeyer: starting from 1, the 10,000th number is 399268537
    stream = Stream(1)
    stream.uniform(9990)  # ten were left out
    assert stream.at == 399268537


def test_numbers_of_the_stream_are_normal_and_whole_ones_evenly_spread():
    numbers = Stream(3).standard_normal((5000, 2))
    assert numbers.mean() == pytest.approx(0, abs=0.03) and numbers.std() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.05
    assert np.bincount(Stream(4).integers(8, 8000), minlength=8) == pytest.approx(1000, abs=120)


# ---- arithmetic in JavaScript ----

ASK_NODE = """
import {arithmetic as a} from "./explorer.mjs";
import {readFileSync} from "node:fs";
const {given, code} = JSON.parse(readFileSync(0, "utf-8"));
const plain = (net) => net.map(({W, b}) => [[...W], [...b]]);
const flat = (rows) => Float64Array.from(rows.flat());
const net = (layers) => layers.map(([W, b]) => ({W: flat(W), b: flat(b), m: W.length, n: b.length}));
const answer = new Function("a", "given", "plain", "flat", "net", code);
console.log(JSON.stringify(answer(a, given, plain, flat, net)));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(code, **given) -> what the code returns, given the module's arithmetic as `a`."""
    folder = tmp_path_factory.mktemp("node")
    ask = in_node(folder, ASK_NODE, {"explorer.mjs": HERE / "plane.js"}, timeout=300)
    return lambda code, **given: ask({"given": given, "code": code})


def as_lists(net):
    return [[w.tolist() for w in layer] for layer in net]


def assert_same(found, net, atol):
    """A network in JavaScript, each W in one row, against one in numpy."""
    for layer, other in zip(found, net, strict=True):
        for w, wanted in zip(layer, other, strict=True):
            np.testing.assert_allclose(w, np.ravel(wanted), atol=atol, rtol=0)


def game(settings, seed=3, world=SMALL):
    shape = {name: world[name] for name in GAME}
    return plane.PlaneGAN(Stream(seed), **settings, **shape)


def test_both_draw_the_same_random_numbers(javascript):
    found = javascript(
        "const s = a.stream(5); return [[...s.normals(7)], [...s.integers(8, 6)], [...s.normals(2)]]"
    )
    stream = Stream(5)
    wanted = [stream.standard_normal(7), stream.integers(8, 6), stream.standard_normal(2)]
    for numbers, others in zip(found, wanted, strict=True):
        np.testing.assert_allclose(numbers, others, atol=1e-12)


def test_real_points_and_the_count_of_modes_are_those_of_numpy(javascript):
    x = plane.ring(40, Stream(2))
    some = np.concatenate([x[:12], np.tile([2.0, 0.44], (3, 1)), np.tile([0.0, 1.54], (3, 1)), x[12:20] * 0])
    found = javascript(
        """
        const x = a.ring(40, a.stream(2), given.world);
        return [[...x], a.modesReached(x, given.world), a.modesReached(flat(given.some), given.world)]
        """,
        world=WORLD,
        some=some.tolist(),
    )
    np.testing.assert_allclose(found[0], x.ravel(), atol=1e-12)
    assert found[1:] == [plane.modes_reached(x), plane.modes_reached(some)]


def test_r1_and_its_gradients_are_those_of_numpy(javascript):
    rng = np.random.default_rng(0)
    D = [[W, rng.normal(size=b.shape)] for W, b in plane.mlp((2, 5, 4, 1), rng)]
    x = rng.normal(size=(7, 2))
    R1, gradients = javascript(
        "const r = a.r1Penalty(net(given.D), flat(given.x)); return [r.R1, plain(r.gradients)]",
        D=as_lists(D),
        x=x.tolist(),
    )
    wanted, its_gradients = plane.r1_penalty(D, x)
    assert pytest.approx(wanted, abs=1e-12) == R1
    assert_same(gradients, its_gradients, 1e-12)


@pytest.mark.parametrize("settings", [SETTINGS["cure"], ALL_OF_IT, SETTINGS["circling"]])
def test_one_d_step_and_one_g_step_change_the_weights_as_in_numpy(javascript, settings):
    found = javascript(
        """
        const g = a.newGame(3, given.world), after = [[plain(g.G), plain(g.D)]];
        for (const step of [a.dStep, a.gStep]) {
          step(g, given.settings);
          after.push([plain(g.G), plain(g.D), g.lossD, g.lossG]);
        }
        return after
        """,
        world=SMALL,
        settings=settings,
    )
    gan = game(settings)
    for (G, D, *losses), step in zip(found, (None, gan.d_step, gan.g_step), strict=True):
        if step:
            step()
        assert_same(G, gan.G, 1e-9)
        assert_same(D, gan.D, 1e-9)
        for loss, wanted in zip(losses, (gan.L_D, gan.L_G), strict=False):
            assert loss is None and np.isnan(wanted) or loss == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("settings", [SETTINGS["cure"], ALL_OF_IT])
def test_fifty_steps_lead_to_the_same_networks_as_in_numpy(javascript, settings):
    found = javascript(
        """
        const g = a.newGame(4, given.world);
        a.play(g, given.settings, 50);
        return [plain(g.G), plain(g.D), [...a.draw(g, 20)], g.t, g.dCount]
        """,
        world=SMALL,
        settings=settings,
    )
    gan = game(settings, seed=4)
    gan.play(50)
    assert_same(found[0], gan.G, 1e-6)
    assert_same(found[1], gan.D, 1e-6)
    np.testing.assert_allclose(found[2], gan.draw(20).ravel(), atol=1e-6)
    assert found[3:] == [50, 50 * settings["d_steps"]]


def test_the_collapse_of_the_first_seed_loses_modes_that_the_cure_keeps(javascript):
    code = """
    const g = a.newGame(1, given.world), counts = [];
    a.play(g, given.settings, 190);
    for (let note = 0; note < 6; note++) {
      a.play(g, given.settings, 10);
      counts.push(a.modesReached(a.draw(g, 500), given.world));
    }
    return counts
    """
    collapse, cure = (
        np.mean(javascript(code, world=WORLD, settings=SETTINGS[name])) for name in ("collapse", "cure")
    )
    assert collapse < 4.5 and cure > 6, (collapse, cure)


@pytest.mark.parametrize("loss", plane.LOSSES)
def test_arrows_are_the_pulls_of_numpy(javascript, loss):
    gan = game(SETTINGS["steady"] | {"loss": loss})
    x = gan.draw(6)
    found = javascript(
        "return [...a.pull(net(given.D), flat(given.x), given.loss)]",
        D=as_lists(gan.D),
        x=x.tolist(),
        loss=loss,
    )
    np.testing.assert_allclose(found, gan.pull(x).ravel(), atol=1e-12)


def test_the_contour_of_a_slope_is_its_line_and_that_of_a_hill_goes_around_it(javascript):
    side = 9
    x, y = np.meshgrid(range(side), range(side))
    straight = np.array(javascript("return a.contour(given.v, 9, 3.25)", v=x.ravel().tolist()))
    assert len(straight) == side - 1
    np.testing.assert_allclose(straight[:, [0, 2]], 3.25)
    assert sorted(straight[:, [1, 3]].min(1)) == list(range(side - 1))
    hill = np.array(
        javascript(
            "return a.contour(given.v, 9, 0.7)", v=(8.5 - (x - 4) ** 2 - (y - 4) ** 2).ravel().tolist()
        )
    )
    radius = np.hypot(hill[:, 0] - 4, hill[:, 1] - 4)
    assert radius == pytest.approx(7.8**0.5, abs=0.25)
    ends = np.round(hill.reshape(-1, 2), 9)
    _, times = np.unique(ends, axis=0, return_counts=True)
    assert (times == 2).all()  # closed
