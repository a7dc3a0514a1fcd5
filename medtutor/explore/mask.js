/* Mask explorer: a threshold on a probability map, and how the mask that it gives agrees with the truth.

   State: rows, columns, titles, contrasts, greys [contrast][image] base64 of a byte a pixel, truth [image] base64 of
   packed bits, probability [image] base64, hundredths rounded down, voxel (millilitres, or null), name, and what is in
   view: image, contrast, threshold (hundredths), alpha (hundredths).  */

const STEPS = 100; // of the threshold; rounded down to them, p >= threshold stays what it was

/* ---- arithmetic, free of drawing; tests compare it with medtutor.metrics ---- */

/* {tp, fp, fn} at every threshold 0 … 100 of pixels with this truth and probability. */
function countsAt(truth, probability) {
  const sick = new Array(STEPS + 1).fill(0);
  const well = new Array(STEPS + 1).fill(0);
  for (let at = 0; at < truth.length; at++) (truth[at] ? sick : well)[probability[at]]++;
  const all = sick.reduce((sum, number) => sum + number, 0);
  const counts = new Array(STEPS + 1);
  let [tp, fp] = [0, 0];
  for (let threshold = STEPS; threshold >= 0; threshold--) {
    tp += sick[threshold];
    fp += well[threshold];
    counts[threshold] = { tp, fp, fn: all - tp };
  }
  return counts;
}

const added = (parts) =>
  parts[0].map((_, at) => ({
    tp: parts.reduce((sum, part) => sum + part[at].tp, 0),
    fp: parts.reduce((sum, part) => sum + part[at].fp, 0),
    fn: parts.reduce((sum, part) => sum + part[at].fn, 0),
  }));

/* The square around the true mask, or around the largest probability where there is none, with room to spare. */
function closeUp(mask, probability, rows, columns) {
  let marked = [...mask.keys()].filter((at) => mask[at]);
  if (!marked.length) marked = [probability.indexOf(Math.max(...probability))];
  const lines = [marked.map((at) => Math.floor(at / columns)), marked.map((at) => at % columns)];
  const [low, high] = [lines.map((line) => Math.min(...line)), lines.map((line) => Math.max(...line))];
  const side = Math.max(16, 8 + Math.max(high[0] - low[0], high[1] - low[1]));
  const [tall, wide] = [Math.min(rows, side), Math.min(columns, side)];
  const from = (at, size, lines) => Math.max(0, Math.min(lines - size, Math.round((low[at] + high[at] + 1 - size) / 2)));
  return { rows: tall, columns: wide, row: from(0, tall, rows), column: from(1, wide, columns) };
}

const cropped = (values, columns, { rows, columns: wide, row, column }) =>
  Uint8Array.from({ length: rows * wide }, (_, at) => values[(row + Math.floor(at / wide)) * columns + column + (at % wide)]);

export const arithmetic = { countsAt, added, closeUp, cropped };

/* ---- the explorer ---- */

const CHART = { width: 320, height: 300, left: 40, top: 10, wide: 268, high: 244 };
const path = (points) =>
  points
    .map(([x, y], at) => {
      const place = [CHART.left + x * CHART.wide, CHART.top + (1 - y) * CHART.high];
      return `${at ? "L" : "M"}${place.map((part) => part.toFixed(1)).join(" ")}`;
    })
    .join("");

function chart() {
  const text = (x, y, content, anchor = "middle") =>
    Object.assign(drawn("text", { x, y, "text-anchor": anchor }), { textContent: content });
  const line = (className) => drawn("path", { class: className, fill: "none" });
  const [one, all, cross] = [line("mdx-one"), line("mdx-all"), line("mdx-cross")];
  const dot = drawn("circle", { class: "mdx-dot", r: 7 });
  const bottom = CHART.top + CHART.high;
  const svg = drawn(
    "svg",
    { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": "Dice at every threshold", class: "mdx-plot" },
    line("mdx-frame"),
    ...[0, 0.5, 1].flatMap((tick) => [
      text(CHART.left + tick * CHART.wide, bottom + 16, String(tick)),
      text(CHART.left - 6, CHART.top + (1 - tick) * CHART.high + 4, String(tick), "end"),
    ]),
    text(CHART.left + CHART.wide / 2, bottom + 34, "threshold"),
    cross,
    all,
    one,
    dot,
  );
  svg.querySelector(".mdx-frame").setAttribute("d", path([[0, 1], [0, 0], [1, 0], [1, 1], [0, 1]]));
  return { svg, one, all, cross, dot };
}

function render({ model, el }) {
  const [rows, columns] = [model.get("rows"), model.get("columns")];
  const [titles, contrasts, voxel, name] = ["titles", "contrasts", "voxel", "name"].map(model.get);
  const now = (key) => model.get(key);
  const inView = ["image", "contrast", "threshold", "alpha"];
  const start = Object.fromEntries(inView.map((key) => [key, now(key)]));
  const truth = model.get("truth").map((text) => bits(text, rows * columns));
  const probability = model.get("probability").map(bytes);
  const greys = model.get("greys").map((images) => images.map(bytes));
  const counts = truth.map((mask, at) => countsAt(mask, probability[at]));
  const together = added(counts);
  const several = titles.length > 1;
  const view = grid(rows, columns);

  /* -- parts -- */
  const steps = Array.from({ length: STEPS + 1 }, (_, at) => at / STEPS);
  const set = (key) => (at) => change({ [key]: at });
  const imageSlider = slider("slice", titles, (title) => title, set("image"));
  const threshold = slider("threshold", steps, (value) => decimals(value), set("threshold"));
  const alpha = slider("overlay", steps, (value) => `${Math.round(100 * value)} %`, set("alpha"));
  const contrastChoice = radios(
    contrasts.map((contrast) => [element("span", { textContent: contrast })]),
    (contrast) => change({ contrast }),
  );
  const reset = element("button", { type: "button", textContent: "Reset" });
  const overlay = board({ aria: { role: "img" } });
  const near = board({ aria: { role: "img", label: "close-up of the same" } });
  const map = board({ aria: { role: "img", label: "close-up of the probability map, black 0 to white 1, with both outlines" } });
  const curve = chart();
  const title = (textContent = "") => element("div", { className: "mdx-title", textContent });
  const [overlayTitle, curveTitle] = [title(), title(several ? "Dice   thin: slice, thick: all" : "Dice")];
  const sentence = element("p", { className: "mdx-sentence" });
  const { spoken, speak } = speaker();

  const scopes = several ? ["this slice", "all slices"] : ["this image"];
  const rowsOfTable = new Map();
  const row = (key, word, definition) => {
    const cells = scopes.map(() => element("td"));
    rowsOfTable.set(key, cells);
    return element("tr", {}, element("th", { scope: "row" }, word, element("small", { textContent: definition })), ...cells);
  };
  const amount = voxel === null ? "pixels" : "volume, ml";
  const table = element(
    "table",
    { className: "mdx-scores" },
    element("tr", {}, element("td"), ...scopes.map((textContent) => element("th", { textContent, scope: "col" }))),
    row("dice", "Dice", "2 found ÷ (true + called)"),
    row("iou", "IoU", "found ÷ (found + extra + missed)"),
    row("tp", "found (TP), pixels", "in both masks"),
    row("fp", "extra (FP), pixels", "called, not true"),
    row("fn", "missed (FN), pixels", "true, not called"),
    row("true", `true ${amount}`, voxel === null ? "found + missed" : "(found + missed) × one voxel"),
    row("called", `called ${amount}`, voxel === null ? "found + extra" : "(found + extra) × one voxel"),
    row("error", "too large by", "called − true; blind to place"),
  );

  el.classList.add("mdx-of-mask");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Mask explorer");
  el.append(
    element(
      "div",
      { className: "mdx-controls mdx-sliders" },
      ...(several ? [imageSlider.label] : []),
      threshold.label,
      alpha.label,
      ...(contrasts.length > 1
        ? [group("drawn", "mdx-contrasts", element("div", { className: "mdx-choices" }, ...contrastChoice.parts))]
        : []),
      reset,
    ),
    sentence,
    element(
      "div",
      { className: "mdx-panels" },
      element("section", {}, overlayTitle, overlay.holder),
      element("section", {}, title("close-up"), near.holder),
      element("section", {}, title("probability, close-up"), map.holder),
    ),
    keyOfOverlay("truth", "called: probability ≥ threshold"),
    element("div", { className: "mdx-below" }, table, element("section", {}, curveTitle, curve.svg)),
    spoken,
  );

  /* -- what a change redraws -- */
  function redraw() {
    const at = now("image");
    if (several) imageSlider.show(at);
    threshold.show(now("threshold"));
    alpha.show(now("alpha"));
    if (contrasts.length > 1) contrastChoice.mark(now("contrast"));
    const called = probability[at].map((level) => (level >= now("threshold") ? 1 : 0));
    drawOverlay(called);
    drawMap(called);
    drawCurve();
    write();
  }

  const windows = truth.map((mask, at) => closeUp(mask, probability[at], rows, columns));

  function drawOverlay(called) {
    const [mask, grey, close] = [truth[now("image")], greys[now("contrast")][now("image")], windows[now("image")]];
    const opacity = now("alpha") / STEPS;
    const whole = { rows, columns, row: 0, column: 0 };
    for (const [on, part] of [
      [overlay, whole],
      [near, close],
    ]) {
      const [pixels, sick, positive] = [grey, mask, called].map((values) => cropped(values, columns, part));
      const there = grid(part.rows, part.columns);
      paint(on.below, there, raster(part.rows, part.columns, (at) => GREYS[pixels[at]]));
      fillKinds(on.below, there, compared(sick, positive), opacity);
      outlineBoth(on.above, there, sick, positive);
    }
    outlineClose(overlay.above, close);
    const contrast = contrasts.length > 1 ? `, ${contrasts[now("contrast")]}` : "";
    overlayTitle.textContent = `${titles[now("image")]}${contrast}`;
    overlay.holder.setAttribute("aria-label", `${overlayTitle.textContent} with the ${name} as it is and as it is called`);
  }

  function outlineClose(context, { rows: high, columns: wide, row, column }) {
    context.strokeStyle = "#fff";
    context.lineWidth = 2;
    context.setLineDash([2, 6]);
    context.strokeRect(view.left + column * view.size, view.top + row * view.size, wide * view.size, high * view.size);
    context.setLineDash([]);
  }

  function drawMap(called) {
    const close = windows[now("image")];
    const [levels, sick, positive] = [probability[now("image")], truth[now("image")], called].map((values) =>
      cropped(values, columns, close),
    );
    const there = grid(close.rows, close.columns);
    paint(map.below, there, raster(close.rows, close.columns, (at) => greyColour(levels[at] / STEPS)));
    outlineBoth(map.above, there, sick, positive);
  }

  function drawCurve() {
    const points = (at) => at.map((count, step) => [step / STEPS, agreement(count).dice]);
    const own = points(counts[now("image")]);
    const x = now("threshold") / STEPS;
    curve.all.setAttribute("d", several ? path(points(together)) : "");
    curve.one.setAttribute("d", path(own));
    curve.cross.setAttribute("d", path([[x, 0], [x, 1]]));
    const [, dice] = (several ? points(together) : own)[now("threshold")];
    dress(curve.dot, { cx: CHART.left + x * CHART.wide, cy: CHART.top + (1 - dice) * CHART.high });
  }

  function write() {
    const scoped = [counts[now("image")], ...(several ? [together] : [])].map((at) => at[now("threshold")]);
    for (const [column, count] of scoped.entries()) {
      const { tp, fp, fn } = count;
      const { dice, iou } = agreement(count);
      const put = (key, text) => void (rowsOfTable.get(key)[column].textContent = text);
      const size = (pixels) => (voxel === null ? whole(pixels) : decimals(pixels * voxel));
      put("dice", decimals(dice, 3));
      put("iou", decimals(iou, 3));
      for (const [key, pixels] of Object.entries({ tp, fp, fn })) put(key, whole(pixels));
      put("true", size(tp + fn));
      put("called", size(tp + fp));
      put("error", voxel === null ? whole(fp - fn).replace("-", "−") : decimals((fp - fn) * voxel));
    }
    const { tp, fp, fn } = scoped[0];
    const nothing = tp + fn === 0 ? `no ${name} in truth` : fp + tp === 0 ? `nothing is called ${name}` : "";
    const scores = nothing
      ? `${nothing}${tp + fp + fn === 0 ? " and none is called: they agree, Dice 1" : ", Dice 0"}`
      : `Dice ${decimals(agreement(scoped[0]).dice, 3)}, IoU ${decimals(agreement(scoped[0]).iou, 3)}`;
    sentence.textContent =
      `${titles[now("image")]}, threshold ${decimals(now("threshold") / STEPS)}: ${scores}. ` +
      `${whole(tp)} pixels found, ${whole(fn)} missed, ${whole(fp)} extra.`;
    speak(sentence.textContent);
  }

  function change(values) {
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    redraw();
  }

  reset.addEventListener("click", () => change(start));
  redraw();
}

export default { render };
