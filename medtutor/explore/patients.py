"""A panel to go through the patients of a data set with a model of one's own; it needs the running kernel."""

import base64
import contextlib
import html
import io
import warnings

import numpy as np
from matplotlib.image import imsave

from medtutor.explore.function import KEEP_KEYS, _raised
from medtutor.plot import BLUE, heat_colours, show_heat

WIDGET = "application/vnd.jupyter.widget-view+json"
SIDE = 384  # of the image on the page, in pixels
AT_ONCE = 64  # slices that predict is given together while a mistake is looked for
BOX = "background:#fff;color:#16191d;line-height:1.5;padding:0.5rem"

# The picture gives way to the living panel; where that cannot be had, its error gives way to the picture.
GIVE_WAY = (
    "<style>.jp-OutputArea:has(.mdt-live) .mdt-still,"
    ".jp-OutputArea:not(:has(.mdt-live)) .jp-OutputArea-child:has(.mdt-still) + .jp-OutputArea-child"
    "{display:none}</style>"
)


class Trouble(ValueError):
    """A sentence for the reader on what one of their functions did."""


def explore_patients(data, predict, heat=None, *, threshold=0.5, contrasts=None):
    """Go from patient to patient: the image, what your model makes of it, where it looked, and the truth.

    data       a Dataset with x (n, h, w) or (n, h, w, c), y (n,) 0/1 and patients; where extra has "lesion",
               masks (n, h, w), the truth is outlined
    predict    k images, as in data.x -> probabilities (k,); asked for a patient's slices when they are shown
    heat       one image, as in data.x -> heat map >= 0, (h, w) or coarser; asked when the image is shown
    threshold  a slice is called sick where its probability is at least this
    contrasts  names of the c channels

    Prediction and truth are hidden until you ask for them, so that you may guess first. If a function raises,
    or returns what is no probability or no heat map, the panel says so and lives on.
    """
    return PatientsPanel(data, predict, heat, threshold, contrasts)


class PatientsPanel:
    """The panel of `explore_patients`: live widgets while the kernel runs, else a described picture."""

    def __init__(self, data, predict, heat=None, threshold=0.5, contrasts=None):
        for name, function in (("predict", predict), ("heat", heat)):
            if not (callable(function) or (name == "heat" and function is None)):
                raise ValueError(f"{name} is {function!r}; give the function itself, without parentheses")
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold is {threshold}; a probability, 0 to 1, is wanted")
        self.given, self.x = data.x, _with_channels(data.x)
        self.contrasts = _names(contrasts, self.x.shape[-1])
        self.y, self.classes, self.lesion = _truth(data.y), data.classes, data.extra.get("lesion")
        self.predict, self.heat, self.threshold = predict, heat, threshold
        self.rows = {}  # of each patient
        for row, patient in enumerate(data.patients):
            self.rows.setdefault(str(patient), []).append(row)
        self.order = [row for rows in self.rows.values() for row in rows]
        self.place = {row: (patient, n) for patient, rows in self.rows.items() for n, row in enumerate(rows)}
        self.ends = [np.quantile(x, [0, 0.999]) for x in np.moveaxis(self.x[:200], -1, 0)]  # black, white
        self.p, self.heats = np.full(len(self.x), np.nan), {}
        self.row = int(np.argmax(self.y)) if self.y.any() else 0  # someone sick to begin with
        self._panel = None

    def __repr__(self):
        return f"<patients: {self._still_alt()}>"

    def _ipython_display_(self):
        from IPython.display import display

        still = self.picture()._repr_mimebundle_()
        page = f'<div class="mdt-still">{still["text/html"]}</div>{GIVE_WAY}'
        display({"text/html": page, "text/plain": repr(self)}, raw=True)
        view = self.panel()._repr_mimebundle_()[WIDGET]
        display({WIDGET: view, "text/plain": ""}, raw=True)

    def picture(self):
        """The slice shown at first, described in words that do not depend on how well the model learned."""
        sentence, p, heat = self._ask(self.row)
        title = "no probability" if p is None else f"p = {p:.2f}, threshold {self.threshold:.2f}"
        black, white = self.ends[0]
        scale = {"vmin": black, "vmax": white, "size": 3.6}
        return show_heat(
            [self.x[self.row, ..., 0]], [heat], [title], alt=self._still_alt(), caption=sentence, **scale
        )

    def _still_alt(self):
        over = "" if self.heat is None else ", the heat map laid over it"
        return (
            f"{self._whose(self.row)}, {self.contrasts[0]}, with the probability of {self.classes[1]} that "
            f"the model gives{over}."
        )

    def _whose(self, row):
        patient, n = self.place[row]
        slices = len(self.rows[patient])
        return f"Slice {n + 1} of {slices} of patient {patient}" if slices > 1 else f"Patient {patient}"

    # ---- what the reader's functions say; each is asked once ----

    def probabilities(self, rows):
        """p of these slices; raises Trouble."""
        new = [row for row in rows if np.isnan(self.p[row])]
        if new:
            self.p[new] = _probabilities(self.predict, self.given[new])
        return self.p[rows]

    def heat_map(self, row):
        """The heat map of one slice, None without `heat`; raises Trouble."""
        if self.heat is None:
            return None
        if row not in self.heats:
            self.heats[row] = _heat_map(self.heat, self.given[row].copy())
        return self.heats[row]

    def wrong(self, row):
        return bool(self.p[row] >= self.threshold) != bool(self.y[row])

    def next_mistake(self, row, of=(0, 1)):
        """The next slice after this one, around the circle, that is called wrongly; None if there is none.

        of  truths that count: (1,) looks for the missed, (0,) for false alarms
        """
        at = self.order.index(row)
        ahead = self.order[at + 1 :] + self.order[: at + 1]
        for first in range(0, len(ahead), AT_ONCE):
            chunk = ahead[first : first + AT_ONCE]
            self.probabilities(chunk)
            for candidate in chunk:
                if self.wrong(candidate) and self.y[candidate] in of:
                    return candidate
        return None

    def _ask(self, row):
        """(what went wrong, p of the slice or None, its heat map or None)."""
        words, p, heat = [], None, None
        patient, n = self.place[row]
        with _telling(words):
            p = float(self.probabilities(self.rows[patient])[n])
        with _telling(words):
            heat = self.heat_map(row)
        return " ".join(words), p, heat

    # ---- the widgets ----

    def panel(self):
        """The widgets: buttons, lists, switches, the image, and what is said of it."""
        if self._panel is not None:
            return self._panel
        import ipywidgets as widgets

        wide, narrow = widgets.Layout(width="22rem"), {"description_width": "5.5rem"}
        self.patient = widgets.Dropdown(
            options=list(self.rows), description="patient", style=narrow, layout=wide
        )
        self.slice = widgets.IntSlider(1, 1, 2, description="slice", style=narrow, layout=wide)
        self.contrast = widgets.Dropdown(
            options=[(name, c) for c, name in enumerate(self.contrasts)],
            description="contrast",
            style=narrow,
            layout=wide,
        )
        self.alpha = widgets.FloatSlider(
            1.0, min=0, max=1, step=0.1, description="heat map", style=narrow, layout=wide
        )
        switch = {"indent": False, "layout": widgets.Layout(width="22rem")}
        self.shows_p = widgets.Checkbox(False, description="show the prediction", **switch)
        self.shows_truth = widgets.Checkbox(False, description="show the truth", **switch)
        moves = [
            widgets.Button(description=words, icon=icon, layout=widgets.Layout(width="11rem"))
            for words, icon in (
                ("Previous patient", "arrow-left"),
                ("Next patient", "arrow-right"),
                ("Next mistake", "search"),
            )
        ]
        moves[0].on_click(lambda button: self._turn(-1))
        moves[1].on_click(lambda button: self._turn(+1))
        moves[2].on_click(lambda button: self._to_mistake())
        kinds = [("of both kinds", (0, 1)), (f"missed: {self.classes[1]}", (1,)), ("false alarms", (0,))]
        self.kind = widgets.Dropdown(
            options=kinds, description="mistakes", style=narrow, layout=widgets.Layout(width="16rem")
        )
        self.image, self.said = widgets.HTML(), widgets.HTML()
        controls = [self.patient, self.slice, self.contrast, self.alpha, self.shows_p, self.shows_truth]
        absent = {self.contrast: len(self.contrasts) < 2, self.alpha: self.heat is None}
        absent[self.slice] = max(map(len, self.rows.values())) < 2
        self.moving = False
        self.patient.observe(lambda change: self._go(self.rows[self.patient.value][0]), names="value")
        self.slice.observe(lambda change: self._go(self._chosen()), names="value")
        for control in controls[2:]:
            control.observe(lambda change: self._go(self.row), names="value")
        side = widgets.VBox([control for control in controls if not absent.get(control)] + [self.said])
        self._panel = widgets.VBox(
            [
                widgets.HBox([*moves, self.kind], layout=widgets.Layout(flex_flow="row wrap")),
                widgets.HBox([self.image, side]),
            ]
        )
        self._panel.add_class("mdt-live")
        self._go(self.row)
        return self._panel

    def _chosen(self):
        return self.rows[self.patient.value][self.slice.value - 1]

    def _turn(self, by):
        names = list(self.rows)
        at = names.index(self.patient.value) + by
        self._go(self.rows[names[at % len(names)]][0])

    def _to_mistake(self):
        words = []
        with _telling(words):
            found = self.next_mistake(self.row, self.kind.value)
            if found is not None:
                return self._go(found)
            words.append(f"None of the {len(self.x)} slices is such a mistake.")
        return self._go(self.row, words[0])

    def _go(self, row, words=""):
        """Show this slice, with the controls set to it."""
        if self.moving:
            return
        self.moving, self.row = True, row
        patient, n = self.place[row]
        try:
            self.patient.value = patient
            self.slice.max, self.slice.value = len(self.rows[patient]), n + 1
        finally:
            self.moving = False
        self.alpha.disabled = not self.shows_p.value
        trouble, p, heat = self._ask(row) if self.shows_p.value else ("", None, None)
        words = words or trouble
        self.image.value, self.said.value = self._page(row, heat), self._sentences(row, p, heat, words)

    def _page(self, row, heat):
        """The image, with the heat map over it, and the truth outlined where it is switched on."""
        c = self.contrast.value
        outlined = self.lesion[row] if self.lesion is not None and self.shows_truth.value else None
        black, white = self.ends[c]
        grey = (self.x[row, ..., c] - black) / max(white - black, 1e-9)
        png = compose(grey, heat, self.alpha.value, outlined)
        words = [f"{self._whose(row)}, {self.contrasts[c]}"]
        if heat is not None and self.alpha.value:
            words.append(f"a heat map whose hottest point is {heat.max():.3g}")
        if outlined is not None:
            words.append("the lesion outlined" if outlined.any() else "no lesion to outline")
        alt = html.escape(", ".join(words) + ".")
        source = base64.b64encode(png).decode()
        return (
            f'<div style="{BOX}"><img alt="{alt}" style="width:{SIDE}px;height:{SIDE}px;object-fit:contain" '
            f'onload="{KEEP_KEYS}" src="data:image/png;base64,{source}"></div>'
        )

    def _sentences(self, row, p, heat, trouble):
        """The probabilities of the patient's slices as bars, what was called, and the truth, as switched."""
        patient, n = self.place[row]
        lines, bars, judged = [], "", ""
        if not self.shows_p.value:
            lines.append(html.escape(f"Guess first: {' or '.join(self.classes)}?"))
        elif p is not None:
            called = self.classes[int(p >= self.threshold)]
            judged = f": {'wrongly' if self.wrong(row) else 'rightly'} called {called}"
            shown, side = _rounded(p, self.threshold), _side(p, self.threshold)
            lines.append(f"<b>p = {shown}: called {html.escape(called)}</b>, as p is {side}.")
            bars = _bars(self.p[self.rows[patient]], n, self.threshold)
            if heat is not None:
                lines.append(f"Heat map: 0 to {heat.max():.3g}.")
        if self.shows_truth.value:
            lines.append(html.escape(f"Truth: {self.classes[int(self.y[row])]}{judged}."))
        if trouble:
            lines.append(html.escape(trouble))
        said = "<br>".join(lines)
        return f'<div style="{BOX};width:21rem">{bars}<div role="status">{said}</div></div>'


def compose(grey, heat=None, alpha=1.0, mask=None):
    """A png of about SIDE pixels: a grey image 0 to 1, the heat over it, the mask outlined.

    grey (h, w);  heat (h', w') >= 0 is stretched over it, hottest at its own maximum, and multiplied by alpha
    in its cover;  mask (h, w): white around it, black around the white.
    """
    zoom = max(1, SIDE // max(grey.shape))
    pixels = _zoomed(np.repeat(np.clip(grey, 0, 1).astype("float32")[..., None], 3, -1), zoom)
    if heat is not None and heat.max() > 0:
        rows, columns = (np.arange(n) * m // n for n, m in zip(pixels.shape[:2], heat.shape, strict=True))
        over = heat_colours()(heat / heat.max()).astype("float32")[np.ix_(rows, columns)]
        pixels += alpha * over[..., 3:] * (over[..., :3] - pixels)
    if mask is not None:
        inside = _zoomed(np.asarray(mask) > 0, zoom)
        white = _grown(inside, 2)
        pixels[_grown(white, 1) & ~inside] = 0
        pixels[white & ~inside] = 1
    file = io.BytesIO()
    fast = {"compress_level": 1}
    imsave(
        file,
        (255 * pixels).round().astype("uint8"),
        format="png",
        metadata={"Software": None},
        pil_kwargs=fast,
    )
    return file.getvalue()


def _zoomed(image, by):
    return np.repeat(np.repeat(image, by, 0), by, 1)


def _grown(mask, by):
    """The mask and what is within `by` pixels of it, along rows and columns."""
    wide = np.pad(mask, by)
    grown = wide.copy()
    for shift in (-by, by):
        for axis in (0, 1):
            grown |= np.roll(wide, shift, axis)
    return grown[by:-by, by:-by]


def _bars(p, n, threshold):
    """An SVG with a bar for each slice's probability, the n-th marked, and the threshold as a line."""
    left, wide, high = 64, 240, 18
    drawn = []
    for i, value in enumerate(p):
        y = 4 + i * high
        weight = ' font-weight="bold"' if i == n else ""
        fill = f'fill="{BLUE}"' if i == n else f'fill="#fff" stroke="{BLUE}"'
        name = f"slice {i + 1}" if len(p) > 1 else "p"
        drawn.append(f'<text x="{left - 6}" y="{y + 12}" text-anchor="end"{weight}>{name}</text>')
        drawn.append(f'<rect x="{left}" y="{y + 2}" width="{wide * value:.1f}" height="{high - 5}" {fill}/>')
        drawn.append(f'<text x="{left + wide + 4}" y="{y + 12}"{weight}>{value:.2f}</text>')
    bottom, at = 4 + len(p) * high, left + wide * threshold
    drawn.append(f'<path d="M{at:.1f} 2V{bottom + 2}" stroke="#16191d" stroke-dasharray="4 2"/>')
    drawn.append(f'<path d="M{left} 2V{bottom}M{left + wide} 2V{bottom}" stroke="#999"/>')
    drawn.append(
        f'<text x="{at:.1f}" y="{bottom + 15}" text-anchor="middle">threshold {threshold:.2f}</text>'
    )
    label = "Probability: " + ", ".join(f"{value:.2f}" for value in p)
    return (
        f'<svg role="img" aria-label="{label}" width="{left + wide + 36}" height="{bottom + 22}" '
        f'style="font:12px sans-serif;fill:#16191d;display:block">{"".join(drawn)}</svg>'
    )


def _rounded(p, threshold):
    """Two digits, or as many as show on which side of the threshold p lies."""
    digits = 2
    while digits < 6 and p != threshold and round(p, digits) == round(threshold, digits):
        digits += 1
    return f"{p:.{digits}f}"


def _side(p, threshold):
    return f"at least {threshold:.2f}" if p >= threshold else f"below {threshold:.2f}"


# ---- checks ----


def _with_channels(x):
    if not isinstance(x, np.ndarray) or x.ndim not in (3, 4):
        shape = getattr(x, "shape", type(x).__name__)
        raise ValueError(f"data.x is {shape}; images (n, h, w) or (n, h, w, c) are wanted")
    return x if x.ndim == 4 else x[..., None]


def _names(contrasts, channels):
    names = contrasts or (["image"] if channels == 1 else [f"channel {c + 1}" for c in range(channels)])
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != channels:
        raise ValueError(f"contrasts names {len(names)} channels and data.x has {channels}; they must match")
    return names


def _truth(y):
    y = np.asarray(y)
    if y.ndim != 1 or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"data.y has shape {y.shape} and values up to {y.max()}; (n,) of 0 (well) and 1 (sick) is wanted"
        )
    return y


@contextlib.contextmanager
def _telling(words):
    """Adds what went wrong to the words instead of raising it."""
    try:
        yield
    except Trouble as trouble:
        words.append(str(trouble))


def _call(name, function, given):
    """What the reader's function returns; what it prints and warns of is kept off the page."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            returned = function(given)
            array = np.asarray(returned)
    except Exception as error:
        raise Trouble(f"{name}: {_raised(function, error)}") from error
    if returned is None:
        raise Trouble(f"{name} returned None. Did you forget `return`?")
    return array


def _probabilities(predict, images):
    p, k = _call("predict", predict, images), len(images)
    if p.shape == (k, 1):  # as Keras gives them
        p = p[:, 0]
    if p.shape != (k,) or p.dtype.kind not in "biuf":
        raise Trouble(
            f"predict returned {p.dtype} of shape {p.shape} for {k} images; ({k},) is wanted, "
            "one probability an image."
        )
    bad = p[~((p >= 0) & (p <= 1))]
    if len(bad):
        raise Trouble(
            f"predict returned {bad[0]:.4g}; probabilities from 0 to 1 are wanted: "
            "put logits through a sigmoid."
        )
    return p


def _heat_map(heat, image):
    found = _call("heat", heat, image)
    if found.ndim != 2 or not found.size or found.dtype.kind not in "biuf":
        raise Trouble(f"heat returned {found.dtype} of shape {found.shape}; (h, w) is wanted for one image.")
    found = found.astype(float)
    if not np.isfinite(found).all():
        raise Trouble("heat returned values that are not finite: look for a division by zero.")
    if found.min() < 0:
        raise Trouble(f"heat returned {found.min():.3g}; a heat map starts from 0: np.maximum(heat, 0).")
    return found
