"""The rules for stored notebooks: a clean notebook, and for each rule one that breaks just this one."""

import copy
import json

import pytest

from medtutor.course import lint

ALT = "A bright square on a dark ground"
PICTURE = f'<figure><img alt="{ALT}" src="data:image/png;base64,AAAA"></figure>'
PROBE = "probe centre   2.2075 ± 0.0010\n"
DICE = "test Dice   0.874 ± 0.020   at least 0.84: yes\n"
MODEL = """\
import keras

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Conv2D(1, 3), keras.layers.BatchNormalization(momentum=0.8)])
model.compile(loss="mse", jit_compile=False)
model.fit(x, y, epochs=2, verbose=0)"""


def prose(name, source, **metadata):
    return {"cell_type": "markdown", "id": name, "metadata": metadata, "source": source.splitlines(True)}


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text.splitlines(True)}


def shown(metadata=None, **data):
    kinds = {"html": "text/html", "plain": "text/plain", "png": "image/png", "svg": "image/svg+xml"}
    data = {kinds.get(kind, kind): value for kind, value in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def code(name, source, *outputs, **metadata):
    return {
        "cell_type": "code",
        "id": name,
        "metadata": metadata,
        "source": source.splitlines(True),
        "outputs": list(outputs),
        "execution_count": None,
    }


CLEAN = [
    prose(
        "opening",
        "# 1 · Edges\n\nA kernel of 3 × 3 on a slice of 64 × 64; see [the atlas](https://a.org/1999).",
    ),
    prose(
        "sizes",
        "## 1.1 Sizes\n\nDice was 0.87, or 87 %; Sobel wrote it in 1968. Levels go to 3071.",
        facts="3071",
    ),
    code("first-size", "shape = (64, 64)\nshape", shown(plain="(64, 64)")),
    code("draw", "plot.show_images([x], alt=alt)", shown(html=PICTURE, plain=f"<figure: {ALT}>")),
    code("model", MODEL),
    code("measure", 'result("test Dice", dice, within=0.02)', printed(DICE + PROBE)),
    code("timing", "time_it()", printed("1.234 s\n"), tags=["nbval-ignore-output"], reason="timings"),
    code("try-it", "def double(x):\n    raise NotImplementedError", tags=["exercise"]),
    code("check-it", "check(double)", printed("not tried yet\n")),
    prose("references", "## References\n\n1. Sobel. Operators. 1968, pages 271 to 272."),
]
SPREAD = {"measure: test Dice": {"spread": "0.004"}, "measure: probe centre": {"spread": "0.0001"}}


def problems(folder, cells, spread=SPREAD, counted=True, settings=("as is", "AVX2"), **changes):
    """What lint says of a notebook with these cells, without the notebook's name."""
    cells = copy.deepcopy(cells)
    code_cells = [cell for cell in cells if cell["cell_type"] == "code"]
    for count, cell in enumerate(code_cells if counted else [], 1):
        cell["execution_count"] = count
    notebook = {"cells": cells, "metadata": lint.METADATA, "nbformat": 4, "nbformat_minor": 5, **changes}
    path = folder / "01_edges.ipynb"
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")
    if spread is not None:
        (folder / "spread").mkdir(exist_ok=True)
        record = folder / "spread" / "01_edges.json"
        record.write_text(json.dumps({"settings": settings, "results": spread}), encoding="utf-8")
    return [said.removeprefix("01_edges.ipynb: ") for said in lint.problems(path)]


def with_cell(*cells):
    """The clean notebook with these cells in front of its references."""
    return [*CLEAN[:-1], *cells, CLEAN[-1]]


def without(name):
    return [cell for cell in CLEAN if cell["id"] != name]


def changed(name, **parts):
    """The clean notebook with parts of one cell replaced."""
    return [{**cell, **parts} if cell["id"] == name else cell for cell in CLEAN]


def text(source):
    return [prose("added", source)]


def lines(*source):
    return [code("added", "\n".join(source))]


def result(line, **metadata):
    return [code("added", "1", printed(line + "\n"), **metadata)]


def test_clean_notebook_has_no_problems(tmp_path):
    assert problems(tmp_path, CLEAN) == []


ADDED = {
    # what is stored
    "stderr is stored, 'low'": [code("added", "1", printed("low\n", "stderr"))],
    "an error is stored, ZeroDivisionError": [
        code(
            "added",
            "1",
            {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "", "traceback": []},
        )
    ],
    "a widget view is stored": [
        code("added", "1", shown(plain="Slider", **{"application/vnd.jupyter.widget-view+json": {}}))
    ],
    "an SVG output is stored": [
        code(
            "added",
            "1",
            shown(plain="p", svg="<svg/>", metadata={"image/svg+xml": {"alt": "one two three four"}}),
        )
    ],
    "a progress bar is stored, '3ms/step'": [code("added", "1", printed("12 3ms/step\n"))],
    "an object without a value is stored": [code("added", "1", shown(plain="<object at 0x7f00aa>"))],
    "the bound is missed: accuracy 3 at most 2: NO": result("accuracy   3   at most 2: NO"),
    "not a finite number: loss nan ± 0.1": result("loss nan ± 0.1"),
    "nan is stored": result("[1, nan]"),
    "id is '3f2a81bc'": [prose("3f2a81bc", "Words.")],
    "id is 'My_cell'": [prose("My_cell", "Words.")],
    "metadata has collapsed": [prose("added", "Words.", collapsed=True)],
    "tag 'nbval-ignore-outputs' is not known": [prose("added", "Words.", tags=["nbval-ignore-outputs"])],
    "nbval metadata is {'ssim': 0.7}": [code("added", "1", nbval={"ssim": 0.7})],
    "rtol is 0.2; wanted at most 0.05": [code("added", "1", nbval={"rtol": 0.2})],
    "atol is 0.1; wanted at most 0.001": [code("added", "1", nbval={"atol": 0.1})],
    # numbers
    "0.333 is stated without a tolerance": result("ratio 0.333"),
    "0.334 is stated without a tolerance": [code("added", "1", shown(plain="<Tensor numpy=0.334>"))],
    "0.335 is stated without a tolerance": [code("added", "1", shown(html="<b>0.335</b>", plain="a"))],
    "0.000012 is stated without a tolerance": result("ratio 1.2e-05"),
    "'loss' has ± 0.02 and no recorded spread": result("loss 0.51 ± 0.02"),
    "'41' occurs in no checked output": text("It called 41 children sick."),
    "'−1000' occurs in no checked output": text("Air has −1000 units."),
    "'88 %' occurs in no checked output": text("Dice was 88 %."),
    "'0.88' occurs in no checked output": text("Dice was 0.88."),
    "'5 %' occurs in no checked output": text("It moves by 5 %."),
    "'1.234' occurs in no checked output": text("It took 1.234 seconds."),
    "'1850' occurs in no checked output": text("There were 1850 scans."),
    "facts has '77', which the cell does not state": [prose("added", "Words and 177.", facts="77 177")],
    # pictures and text
    "a picture has no description": [code("added", "1", shown(html="<img src='x'>"))],
    "a picture has the description 'A spot'": [code("added", "1", shown(html="<img alt='A spot' src='x'>"))],
    "a picture has no description; wanted 4": [code("added", "1", shown(png="AAAA", plain="p"))],
    "is used twice": [code("added", "1", shown(html=PICTURE))],
    "a picture is described by 'x'": text("![x](x.png)"),
    "a picture is described by None": text("<img src='x.png'>"),
    "a link reads 'here'": text("Look [here](https://a.org)."),
    "2 headings of the first level": text("# Another title"),
    "heading 'Deep' is of level 4 below level 2": text("#### Deep"),
    # code
    "26 lines; wanted at most 25": lines(*["x = 1"] * 26),
    "line 1 is '%timeit f()'": lines("%timeit f()"),
    "line 2 is '!ls'": lines("if True:", "    !ls"),
    "the code is not Python": lines("x = = 1"),
    "the comment '# NBVAL_IGNORE_OUTPUT' steers nbval": lines("# NBVAL_IGNORE_OUTPUT", "x = 1"),
    "get_ipython() is called": lines("get_ipython().system('ls')"),
    "'https://a.org/x' is in the code": lines("read('https://a.org/x')"),
    "something is installed": lines("os.system('pip install x')"),
    "something is installed; wanted": lines("run([sys.executable, '-m', 'pip', 'install', 'x'])"),
    "tqdm is used": lines("from tqdm.auto import tqdm"),
    "clear_output is used": lines("display.clear_output()"),
    "interact is used": lines("@interact(x=3)", "def show(x):", "    pass"),
    "display_id is used": lines("display(x, display_id=True)"),
    "verbose=1 is used": lines("model.fit(x, y, verbose=1)"),
    "verbose='auto' is used": lines("model.fit(x, y, verbose='auto')"),
    "model.fit(…) without verbose=0 is used": lines("model.fit(x, y, epochs=3)"),
    "SVG is used": lines("set_matplotlib_formats('svg')"),
    "'ax.plot(x)' as the last line is used": lines("ax.plot(x)"),
    "'axes[0].set_title(name)' as the last line is used": lines("axes[0].set_title(name)"),
    "model.compile(…) has no jit_compile=False": lines("model.compile(loss='mse')"),
    "model.compile(…) has no jit_compile=False; wanted": lines("model.compile(loss='mse', jit_compile=True)"),
    "keras.Sequential(…) is built without a seed": lines("model = keras.Sequential()"),
    "BatchNormalization has no momentum": lines("keras.layers.BatchNormalization()"),
    "tag nbval-ignore-output has no reason": [code("added", "1", tags=["nbval-ignore-output"])],
    "3 cells are not checked (timing, added, more)": [
        code(name, "1", tags=["nbval-skip"], reason="slow") for name in ("added", "more")
    ],
    "tag raises-exception": [code("added", "1", tags=["raises-exception"])],
    "the exercise is not followed by a cell with check(…)": [
        code("added", "def halve(x):\n    raise NotImplementedError", tags=["exercise"])
    ],
    "the next cell checks double; wanted halve": [
        code("added", "def halve(x):\n    raise NotImplementedError", tags=["exercise"]),
        code("check-other", "check(double)"),
    ],
}


@pytest.mark.parametrize("said", ADDED)
def test_cell_that_breaks_one_rule_is_named_with_the_reason(tmp_path, said):
    found = problems(tmp_path, with_cell(*ADDED[said]))
    assert len(found) == 1, found
    assert said in found[0]


ALLOWED = {
    "small counts": text("Two of the 12 leads, 3 × 3 pixels, −1 to 1."),
    "words and terms": text("A 2-D image of 16-bit greys, a 15-lead view, Conv2D, x1."),
    "code, formulas, links": text("`x[77]`, $a_{77}$, $$77$$, [atlas of 77](https://a.org/77), ```78```"),
    "code block": text("Read:\n\n```python\nx = 77\n```"),
    "cited year": text("As shown (Sobel, 1968), and in 1974, again."),
    "cross-reference": text("By equation (1.23), section 13.1 and exercise 14; chapters 15 and 16."),
    "list numbers": text("13. the thirteenth\n14. the fourteenth"),
    "rounded result": text("Dice 0.9 and 0.87 and 87.4 %."),
    "thousands": result("voxels   12,345") + [prose("more", "All 12,345, or 12345, or 12\u202f345 voxels.")],
    "powers": text("From 10⁻³ to 25² steps."),
    "exact decimals": result("[[0.5, -0.25], [1.0, 2.125]]"),
    "decimal from the code": [code("added", "0.1 * x", printed("0.1 0.3\n"), facts="0.3")],
    "words about a picture": [
        code("added", "1", shown(html="<img alt='From minus to plus 0.57'>-0.81", plain="-0.81 to 0.57"))
    ],
    "table": result("0.333", nbval={"rtol": 0.01}),
    "fact in a code cell": result("spacing 0.661468", facts="0.661468"),
    "regular expression": lines("re.compile('a')", "compile(source, name, 'exec')"),
    "scikit-learn": lines("LogisticRegression().fit(x, y)"),
    "muted artist": lines("ax.plot(x);"),
    "house plot": lines("plot.show_images(x, alt=alt)"),
    "allowed magic": lines("%matplotlib inline"),
    "described PNG": [
        code("added", "1", shown(png="AA", metadata={"image/png": {"alt": "A dark round spot"}}))
    ],
    "fine tolerance": result("largest error 0.0000 ± 0.0010"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_cell_that_keeps_the_rules_is_accepted(tmp_path, case):
    spread = {**SPREAD, "added: largest error": {"spread": "0"}}
    assert problems(tmp_path, with_cell(*ALLOWED[case]), spread) == []


def test_unrun_cell_is_named(tmp_path):
    [said] = problems(tmp_path, CLEAN, counted=False)
    assert said.startswith("cell 'first-size': execution count is None; wanted 1")


def test_repeated_id_is_named(tmp_path):
    [said] = problems(tmp_path, with_cell(prose("draw", "Words.")))
    assert said.startswith("id 'draw' is given to 2 cells")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"nbformat_minor": 4}, "notebook format is 4.4"),
        ({"metadata": {**lint.METADATA, "authors": []}}, "metadata is"),
    ],
)
def test_other_format_or_metadata_is_named(tmp_path, changes, said):
    [found] = problems(tmp_path, CLEAN, **changes)
    assert found.startswith(said)


def test_widget_state_is_named(tmp_path):
    found = problems(tmp_path, CLEAN, metadata={**lint.METADATA, "widgets": {}})
    assert "widget state is stored; wanted none: build with medtutor build" in found


def test_other_bytes_of_the_same_notebook_are_named(tmp_path):
    problems(tmp_path, CLEAN)
    path = tmp_path / "01_edges.ipynb"
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    [said] = lint.problems(path)
    assert "not in the form that medtutor build writes" in said


def test_file_that_is_no_notebook_is_named(tmp_path):
    path = tmp_path / "01_broken.ipynb"
    for content in ("", "{}", "[]"):
        path.write_text(content, encoding="utf-8")
        [said] = lint.problems(path)
        assert said.startswith("01_broken.ipynb: this is not a notebook")


def test_layer_without_a_probe_is_named(tmp_path):
    [said] = problems(tmp_path, changed("measure", outputs=[printed(DICE)]))
    assert said.startswith("cell 'model': a layer is built and no probe is stated")


def test_convolution_by_hand_needs_a_probe_too(tmp_path):
    cells = [prose("opening", "# Edges"), code("by-hand", "def correlate(x, w):\n    return x")]
    [said] = problems(tmp_path, cells)
    assert said.startswith("cell 'by-hand': a layer is built and no probe is stated")


@pytest.mark.parametrize(
    "line, said",
    [
        (
            DICE.replace("0.020", "0.050"),
            "'test Dice' is 0.874 ± 0.050; wanted at most ± 0.0437, 5 % of the value",
        ),
        (
            PROBE.replace("0.0010", "0.0020"),
            "'probe centre' is 2.2075 ± 0.0020; wanted at most ± 0.001, for it is a probe",
        ),
    ],
)
def test_wide_tolerance_is_named(tmp_path, line, said):
    wide = [DICE, PROBE, line]
    kept = [text for text in wide[:2] if text.split()[:2] != line.split()[:2]]
    [found] = problems(tmp_path, changed("measure", outputs=[printed("".join([*kept, line]))]))
    assert said in found


def test_tolerance_below_three_spreads_is_named(tmp_path):
    spread = {**SPREAD, "measure: test Dice": {"spread": "0.007"}}
    [said] = problems(tmp_path, CLEAN, spread)
    assert said.startswith(
        "cell 'measure': 'test Dice' has ± 0.020 and a spread of 0.007; wanted at least ± 0.021"
    )
    spread["measure: test Dice"] = {"spread": "0.0066"}
    assert problems(tmp_path, CLEAN, spread) == []


def test_notebook_without_a_record_is_told_how_to_make_one(tmp_path):
    [said] = problems(tmp_path, CLEAN, spread=None)
    assert said == (
        "2 tolerances have no recorded spread; wanted one each: run medtutor portability 01_edges --write"
    )


def test_a_spread_that_was_recorded_for_another_number_is_named(tmp_path):
    spread = {**SPREAD, "measure: test Dice": {"spread": "0.004", "stored": "0.900"}}
    [said] = problems(tmp_path, CLEAN, spread)
    assert said.endswith(
        "'test Dice' is 0.874; its spread is of when it was 0.900: run medtutor portability 01_edges --write"
    )
    spread["measure: test Dice"]["stored"] = "0.8740"
    assert problems(tmp_path, CLEAN, spread) == []


def test_a_record_of_a_single_setting_is_no_measured_spread(tmp_path):
    [said] = problems(tmp_path, CLEAN, settings=["one thread"])
    assert said == (
        "the spread is recorded under one thread alone, where nothing can move: "
        "run medtutor portability 01_edges --write"
    )


def test_long_cells_are_named_by_their_median(tmp_path):
    cells = [
        prose("opening", "# Edges"),
        code("long", "\n".join(["x = 1"] * 9)),
        code("longer", "\n".join(["x = 1"] * 10)),
    ]
    [said] = problems(tmp_path, cells)
    assert said.startswith("the median code cell has 9.5 lines; wanted at most 8")


def test_notebook_without_a_title_is_named(tmp_path):
    [said] = problems(tmp_path, [prose("opening", "Words.")])
    assert said.startswith("0 headings of the first level")


def test_seed_serves_one_model_only(tmp_path):
    two = code("added", "keras.utils.set_random_seed(0)\na = keras.Sequential()\nb = keras.Model(x, y)")
    [said] = problems(tmp_path, with_cell(two))
    assert said.startswith("cell 'added': keras.Model(…) is built without a seed")


def test_a_function_that_returns_a_model_leaves_the_seed_to_its_caller(tmp_path):
    builder = code("added", "def net():\n    return keras.Model(x, y)")
    assert problems(tmp_path, with_cell(builder)) == []
    trainer = code("added", "def net():\n    model = keras.Model(x, y)\n    return model.fit(x, y)")
    [said] = problems(tmp_path, with_cell(trainer))
    assert "keras.Model(…) is built without a seed" in said


def test_command_prints_problems_and_fails(tmp_path, capsys):
    problems(tmp_path, with_cell(*text("It called 41 children sick.")))
    path = str(tmp_path / "01_edges.ipynb")
    assert lint.main([path]) == 1
    assert capsys.readouterr().out.startswith("01_edges.ipynb: cell 'added': '41' occurs")
    problems(tmp_path, CLEAN)
    assert lint.main([path]) == 0
    assert capsys.readouterr().out == ""
    assert lint.main(["nowhere"]) == 2


def test_every_rule_is_told(capsys):
    assert lint.main(["--rules"]) == 0
    told = capsys.readouterr().out
    assert all(rule.__doc__.strip().split("\n")[0] in told for rule in lint.RULES)
