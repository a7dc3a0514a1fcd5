/* Latent explorer: a walk from drawn picture to drawn picture, and what has changed since its start.

   State: pictures (one byte a pixel, base64), shape [classes, rows, cols, h, w], classes (names), axes (two names),
   values (along each axis), between (whether blends are offered), class, row, column (halves and quarters only while
   blending), blend (whether it is), against (0 the start, 1 … that class at the same place).  */

const STEPS = 4; // places of a slider from one drawn picture to the next, while blending

/* ---- arithmetic, free of drawing; tests compare it with scipy's interpolation ---- */

/* The pictures that a place is blended from, and their shares: one, two or four; places count from 0. */
function neighbours(row, column, rows, cols) {
  const along = (at, last) => {
    const low = Math.min(Math.floor(at), last - 1);
    return [low, at - low];
  };
  const [[top, down], [left, right]] = [along(row, rows - 1), along(column, cols - 1)];
  return [
    { row: top, column: left, share: (1 - down) * (1 - right) },
    { row: top, column: left + 1, share: (1 - down) * right },
    { row: top + 1, column: left, share: down * (1 - right) },
    { row: top + 1, column: left + 1, share: down * right },
  ].filter(({ share }) => share > 0);
}

/* The picture at a place, h·w values from 0 to 1; blended where the place lies between drawn ones. */
function pictureAt(stored, [, rows, cols, h, w], kind, row, column) {
  const picture = new Float64Array(h * w);
  for (const near of neighbours(row, column, rows, cols)) {
    const from = ((kind * rows + near.row) * cols + near.column) * h * w;
    for (let at = 0; at < h * w; at++) picture[at] += (near.share * stored[from + at]) / 255;
  }
  return picture;
}

/* What two pictures differ by: the mean without sign, and the largest in either direction. */
function difference(picture, other) {
  const values = Float64Array.from(picture, (value, at) => value - other[at]);
  let [sum, largest] = [0, 0];
  for (const value of values) {
    sum += Math.abs(value);
    largest = Math.max(largest, Math.abs(value));
  }
  return { values, mean: sum / values.length, largest };
}

export const arithmetic = { neighbours, pictureAt, difference };

/* ---- the explorer ---- */

function render({ model, el }) {
  const stored = bytes(model.get("pictures"));
  const [shape, classes, axes, values] = ["shape", "classes", "axes", "values"].map(model.get);
  const [, rows, cols, h, w] = shape;
  const now = (key) => model.get(key);
  const several = classes.length > 1;
  const start = Object.fromEntries(["class", "row", "column", "blend", "against"].map((key) => [key, now(key)]));
  let from = { kind: now("class"), row: now("row"), column: now("column") }; // the start of the walk
  const at = (kind, row, column) => pictureAt(stored, shape, kind, row, column);

  /* -- words -- */
  const along = (axis, place) => {
    const [low, high] = [Math.floor(place), Math.ceil(place)];
    const value = values[axis][low] + (place - low) * (values[axis][high] - values[axis][low]);
    return Number.isInteger(value) ? String(value).replace("-", "−") : decimals(value, 2);
  };
  const where = (row, column) => `${axes[0]} ${along(0, row)}, ${axes[1]} ${along(1, column)}`;
  const named = (kind) => (several ? `${classes[kind]}, ` : "");

  /* -- parts -- */
  const places = [rows, cols].map((lines) => Array.from({ length: (lines - 1) * STEPS + 1 }, (_, place) => place / STEPS));
  const sliders = ["row", "column"].map((key, axis) =>
    slider(axes[axis], places[axis], (place) => along(axis, place), (place) => go({ [key]: snapped(place / STEPS) })),
  );
  const classChoice = radios(classes.map((name) => [name]), (kind) => change({ class: kind }));
  const againstChoice = radios(
    [["the start"], ...(several ? classes.map((name) => [`${name}, same place`]) : [])],
    (against) => change({ against }),
  );
  const blend = element("input", { type: "checkbox" });
  const button = (textContent) => element("button", { type: "button", textContent });
  const [here, reset] = [button("Start from here"), button("Reset")];
  const title = (textContent = "") => element("div", { className: "mdx-title", textContent });
  const [gridTitle, pictureTitle, differenceTitle] = [title(), title(), title("difference")];
  const caption = () => element("p", { className: "mdx-caption" });
  const [gridCaption, pictureCaption, differenceCaption] = [caption(), caption(), caption()];
  const map = board({
    tabIndex: 0,
    aria: { role: "application", label: "grid of all drawn pictures; arrow keys walk from one to the next" },
  });
  const picture = board({ aria: { role: "img" } });
  const changed = board({ aria: { role: "img" } });
  const bar = element("div", { className: "mdx-bar" });
  bar.style.background = `linear-gradient(90deg, ${ANCHORS.map(css).join(", ")})`;
  const ticks = element("div", { className: "mdx-ticks" }, ...["low", "zero", "high"].map(() => element("span")));
  const sentence = element("p", { className: "mdx-sentence" });
  const { spoken, speak } = speaker();

  el.classList.add("mdx-of-latent");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Latent explorer");
  el.append(
    element(
      "div",
      { className: "mdx-controls" },
      element("div", { className: "mdx-sliders" }, ...sliders.map(({ label }) => label)),
      ...(several ? [group("class", "mdx-classes", ...classChoice.parts)] : []),
      ...(several ? [group("compare with", "mdx-classes", ...againstChoice.parts)] : []),
      element(
        "div",
        { className: "mdx-buttons" },
        ...(now("between") ? [element("label", {}, blend, "blend between drawn pictures")] : []),
        here,
        reset,
      ),
    ),
    sentence,
    element(
      "div",
      { className: "mdx-panels" },
      element("section", {}, gridTitle, map.holder, gridCaption),
      element("section", {}, pictureTitle, picture.holder, pictureCaption),
      element("section", {}, differenceTitle, changed.holder, bar, ticks, differenceCaption),
    ),
    spoken,
  );

  /* -- the grid of all pictures: drawn again when the class changes -- */
  const mapView = grid(rows * h, cols * w);
  let shownClass = null;
  function drawGrid() {
    if (shownClass === now("class")) return;
    shownClass = now("class");
    const first = shownClass * rows * cols * h * w;
    const grey = (index) => {
      const [y, x] = [Math.floor(index / (cols * w)), index % (cols * w)];
      const cell = Math.floor(y / h) * cols + Math.floor(x / w);
      return greyColour(stored[first + (cell * h + (y % h)) * w + (x % w)] / 255);
    };
    paint(map.below, mapView, raster(rows * h, cols * w, grey));
    gridTitle.textContent = `all ${rows} × ${cols}${several ? `, ${classes[shownClass]}` : ""}`;
  }

  /* -- what a step redraws -- */
  const view = grid(h, w);
  const blended = () => neighbours(now("row"), now("column"), rows, cols).length > 1;
  function moved() {
    const [kind, row, column] = [now("class"), now("row"), now("column")];
    sliders[0].show(row * STEPS);
    sliders[1].show(column * STEPS);
    const mixed = blended();
    map.above.clearRect(0, 0, SIDE, SIDE);
    const [tall, wide] = [h * mapView.size, w * mapView.size];
    mark(from.row, from.column, "S");
    outline(map.above, mapView.left + column * wide, mapView.top + row * tall, wide, tall);

    const shown = at(kind, row, column);
    paint(picture.below, view, raster(h, w, (index) => greyColour(shown[index])));
    picture.above.clearRect(0, 0, SIDE, SIDE);
    if (mixed) hatch(picture.above);
    pictureTitle.textContent = mixed ? "blended, not drawn" : "drawn";
    pictureCaption.textContent = mixed
      ? `Mean of the ${neighbours(row, column, rows, cols).length} drawn pictures around, by nearness.`
      : "As the generator drew it, enlarged.";
    picture.holder.setAttribute("aria-label", `${named(kind)}${where(row, column)}, ${mixed ? "blended" : "drawn"}, ${h} by ${w} pixels`);

    const against = now("against");
    const other = against ? at(against - 1, row, column) : at(from.kind, from.row, from.column);
    const { values: change, mean, largest } = difference(shown, other);
    const limit = scale(kind, against);
    paint(changed.below, view, raster(h, w, (index) => signedColour(change[index] / limit)));
    const ends = [`${decimals(-limit)} darker`, "0", `${decimals(limit)} brighter`];
    for (const [place, tick] of [...ticks.children].entries()) tick.textContent = ends[place];
    const than = against ? `${classes[against - 1]} at the same place` : "the start";
    const start = `the start: ${named(from.kind)}${where(from.row, from.column)}`;
    differenceCaption.textContent = `Minus ${against ? than : start}.`;
    changed.holder.setAttribute("aria-label", `difference to ${than}: mean ${decimals(mean, 3)}, largest ${decimals(largest)}`);
    sentence.textContent =
      `${named(kind)}${where(row, column)}${mixed ? ", blended" : ""}. ` +
      (largest
        ? `A pixel differs from ${than} by ${decimals(mean, 3)} on average and by up to ${decimals(largest)}, of a range of 1.`
        : `The same picture as ${than}.`);
    speak(sentence.textContent);
  }

  /* The largest difference of any drawn picture to what it is compared with: one scale for a whole walk. */
  let [scaleOf, limit] = ["", 1];
  function scale(kind, against) {
    const asked = [kind, against, from.kind, from.row, from.column].join(" ");
    if (asked === scaleOf) return limit;
    const start = at(from.kind, from.row, from.column);
    let largest = 0;
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < cols; column++) {
        const other = against ? at(against - 1, row, column) : start;
        largest = Math.max(largest, difference(at(kind, row, column), other).largest);
      }
    [scaleOf, limit] = [asked, largest || 1];
    return limit;
  }

  /* The start of the walk on the grid: a letter that shows on black and on white. */
  function mark(row, column, letter) {
    const context = map.above;
    const side = Math.min(h, w) * mapView.size;
    const [x, y] = [mapView.left + column * w * mapView.size, mapView.top + row * h * mapView.size];
    const size = Math.max(22, Math.min(40, 0.5 * side));
    Object.assign(context, { font: `700 ${size}px system-ui, sans-serif`, textBaseline: "top", lineWidth: 6, strokeStyle: "#000", fillStyle: "#fff" });
    context.strokeText(letter, x + 6, y + 5);
    context.fillText(letter, x + 6, y + 5);
  }

  /* A dashed frame around what no generator drew. */
  function hatch(context) {
    context.setLineDash([22, 14]);
    outline(context, view.left + 6, view.top + 6, view.columns * view.size - 12, view.rows * view.size - 12);
    context.setLineDash([]);
  }

  function redraw() {
    if (several) classChoice.mark(now("class"));
    if (several) againstChoice.mark(now("against"));
    blend.checked = now("blend");
    for (const { range } of sliders) range.step = now("blend") ? 1 : STEPS;
    const gridWords = now("blend") ? "any place between pictures, in quarters" : "from drawn picture to drawn picture";
    gridCaption.textContent = `S: the start. Drag, or arrow keys: ${gridWords}.`;
    drawGrid();
    moved();
  }

  /* -- events -- */
  function change(values) {
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    redraw();
  }

  const snapped = (place) => (now("blend") ? Math.round(place * STEPS) / STEPS : Math.round(place));
  const inside = (place, last) => Math.max(0, Math.min(last, place));

  function go({ row = now("row"), column = now("column") }) {
    model.set("row", inside(row, rows - 1));
    model.set("column", inside(column, cols - 1));
    moved();
  }

  function drag(event) {
    const box = map.holder.getBoundingClientRect();
    const place = (position, size, start, side) => snapped(((position / size) * SIDE - start) / (side * mapView.size) - 0.5);
    go({
      row: place(event.clientY - box.top, box.height, mapView.top, h),
      column: place(event.clientX - box.left, box.width, mapView.left, w),
    });
  }
  map.holder.addEventListener("pointerdown", (event) => {
    map.holder.setPointerCapture(event.pointerId);
    drag(event);
  });
  map.holder.addEventListener("pointermove", (event) => event.buttons && drag(event));
  onArrows(map.holder, (down, right) => {
    const step = now("blend") ? 1 / STEPS : 1;
    go({ row: now("row") + down * step, column: now("column") + right * step });
  });
  blend.addEventListener("change", () => {
    model.set("blend", blend.checked);
    change({ row: snapped(now("row")), column: snapped(now("column")) });
  });
  here.addEventListener("click", () => {
    from = { kind: now("class"), row: now("row"), column: now("column") };
    moved();
  });
  reset.addEventListener("click", () => {
    from = { kind: start.class, row: start.row, column: start.column };
    change(start);
  });

  redraw();
}

export default { render };
