/* Convolution explorer: point at an output pixel and read its patch, the nine products and their sum.

   Letters as in the chapter: input x (n pixels a side), kernel w (k = 3), output y, stride s, padding p, dilation d.
   State: images [{name, rows, columns, hundredths}], image (index), presets [{name, kernel, divisor}], kernel (nine
   numbers, row by row), divisor, stride, padding, dilation, flip, row and column (the output pixel in view).  */

const K = 3;

/* ---- arithmetic, free of drawing; tests compare it with numpy and scipy ---- */

const span = (d) => d * (K - 1) + 1;

const outputSize = (n, s, p, d) => Math.floor((n + 2 * p - d * (K - 1) - 1) / s) + 1;

const turned = (kernel) => [...kernel].reverse();

/* Which of the n + 2p padded lines no output reads: {edge: left over behind the last step, inside: stepped over}. */
function neverRead(n, s, p, d) {
  const read = new Array(n + 2 * p).fill(false);
  for (let i = 0; i < outputSize(n, s, p, d); i++) for (let m = 0; m < K; m++) read[i * s + m * d] = true;
  const last = read.lastIndexOf(true);
  const lines = [...read.keys()].filter((line) => !read[line]);
  return { lines, edge: lines.filter((line) => line > last).length, inside: lines.filter((line) => line < last).length };
}

/* The nine pixels that output [i, j] reads: {row, column} of the padded input, value in hundredths, padded or not. */
function patch(image, i, j, { stride, padding, dilation }) {
  const pixels = [];
  for (let m = 0; m < K; m++)
    for (let n = 0; n < K; n++) {
      const row = i * stride + m * dilation;
      const column = j * stride + n * dilation;
      const r = row - padding;
      const c = column - padding;
      const inside = r >= 0 && r < image.rows && c >= 0 && c < image.columns;
      pixels.push({ row, column, inside, level: inside ? image.levels[r * image.columns + c] : 0 });
    }
  return pixels;
}

/* {rows, columns, values (row by row), low, high}; rows or columns below 1: no output, no values. */
function correlate(image, weights, divisor, setup) {
  const { stride, padding, dilation } = setup;
  const rows = outputSize(image.rows, stride, padding, dilation);
  const columns = outputSize(image.columns, stride, padding, dilation);
  if (rows < 1 || columns < 1) return { rows, columns, values: new Float64Array(0), low: 0, high: 0 };
  const width = image.columns + 2 * padding;
  const x = new Float64Array((image.rows + 2 * padding) * width);
  for (let r = 0; r < image.rows; r++)
    for (let c = 0; c < image.columns; c++)
      x[(r + padding) * width + c + padding] = image.levels[r * image.columns + c];
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let m = 0; m < K; m++)
        for (let n = 0; n < K; n++)
          sum += weights[m * K + n] * x[(i * stride + m * dilation) * width + j * stride + n * dilation];
      values[i * columns + j] = sum / (100 * divisor);
    }
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { rows, columns, values, low, high };
}

/* Why there is no output, in a sentence; "" where there is one. */
function refusal(image, { padding, dilation }) {
  const rows = image.rows + 2 * padding;
  const columns = image.columns + 2 * padding;
  const short = [
    rows < span(dilation) && count(rows, "row"),
    columns < span(dilation) && count(columns, "column"),
  ].filter(Boolean);
  if (!short.length) return "";
  return (
    `No output: a ${K} × ${K} kernel with dilation ${dilation} spans ${span(dilation)} pixels, ` +
    `the padded input has only ${short.join(" and ")}. Lower the dilation or raise the padding.`
  );
}

/* Two decimals with a real minus sign, and never −0.00. */
function decimals(value) {
  const text = Math.abs(value).toFixed(2);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

const weight = (value) => String(Math.round(1000 * value) / 1000).replace("-", "−");

const isExact = (value) => Math.abs(100 * value - Math.round(100 * value)) < 1e-7;

/* "y[2, 0] = 0.10 − 0.20 + … = −0.30", with ≈ where two decimals do not hold a number exactly. */
function sumLine(i, j, products, divisor) {
  const terms = products.map((product, at) => {
    const text = decimals(product);
    if (at === 0) return text;
    return text.startsWith("−") ? ` − ${text.slice(1)}` : ` + ${text}`;
  });
  const total = products.reduce((sum, product) => sum + product, 0);
  const result = total / divisor;
  const sign = products.every(isExact) ? "=" : "≈";
  const last = isExact(result) && sign === "=" ? "=" : "≈";
  if (divisor === 1) return { terms: `y[${i}, ${j}] ${sign} ${terms.join("")} ${sign} `, result: decimals(result) };
  const sum = `${decimals(total)} ÷ ${weight(divisor)}`;
  return {
    terms: `y[${i}, ${j}] ${sign} (${terms.join("")}) ÷ ${weight(divisor)} ${sign} ${sum} ${last} `,
    result: decimals(result),
  };
}

const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

export const arithmetic = {
  span,
  outputSize,
  turned,
  neverRead,
  patch,
  correlate,
  refusal,
  decimals,
  sumLine,
};

/* ---- colour: orange below 0, white at 0, violet above (ColorBrewer PuOr), greys for the image ---- */

const ANCHORS = "7f3b08 b35806 e08214 fdb863 fee0b6 f7f7f7 d8daeb b2abd2 8073ac 542788 2d004b"
  .split(" ")
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const BELOW = ANCHORS[2];
const ABOVE = ANCHORS[9];

const SIGNED = Array.from({ length: 511 }, (_, number) => {
  const at = number / 51;
  const from = Math.min(9, Math.floor(at));
  return ANCHORS[from].map((channel, c) => Math.round(channel + (at - from) * (ANCHORS[from + 1][c] - channel)));
});
const GREYS = Array.from({ length: 256 }, (_, grey) => [grey, grey, grey]);

const signedColour = (t) => SIGNED[Math.round(255 * (1 + Math.max(-1, Math.min(1, t))))];

function greyColour(value) {
  if (value < -1e-9) return BELOW;
  if (value > 1 + 1e-9) return ABOVE;
  return GREYS[Math.max(0, Math.min(255, Math.round(255 * value)))];
}

/* Black or white, whichever reads better on this colour (WCAG relative luminance). */
function ink(colour) {
  const [red, green, blue] = colour.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

const css = (colour) => `rgb(${colour.join(",")})`;

/* ---- drawing ---- */

const SIDE = 560; // canvas pixels; shown at about half of that, so sharp on dense screens
const MARGIN = 8; // leaves room for the outline of a pixel at the edge
const ORANGE = "#ffb000";

/* A square view of a grid of pixels: where each lies on the canvas. */
function grid(rows, columns) {
  const size = (SIDE - 2 * MARGIN) / Math.max(rows, columns);
  return { rows, columns, size, left: (SIDE - columns * size) / 2, top: (SIDE - rows * size) / 2 };
}

/* The cell of the grid beneath a pointer, the nearest one if it is outside. */
function cellAt(event, view) {
  const box = event.currentTarget.getBoundingClientRect();
  const nearest = (position, cells) => Math.max(0, Math.min(cells - 1, Math.floor(position / view.size)));
  return {
    row: nearest(((event.clientY - box.top) / box.height) * SIDE - view.top, view.rows),
    column: nearest(((event.clientX - box.left) / box.width) * SIDE - view.left, view.columns),
  };
}

/* Pixels as a small canvas, one canvas pixel each; colour(index) -> [red, green, blue]. */
function raster(rows, columns, colour) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const { data } = pixels;
  for (let at = 0; at < rows * columns; at++) {
    const channels = colour(at);
    for (let c = 0; c < 3; c++) data[4 * at + c] = channels[c];
    data[4 * at + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/* Diagonal lines, rising (padding) or falling (never read). */
function hatch(context, background, line, rising) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 16;
  const pen = tile.getContext("2d");
  pen.fillStyle = background;
  pen.fillRect(0, 0, 16, 16);
  pen.strokeStyle = line;
  pen.lineWidth = 2.5;
  for (const shift of [-16, 0, 16]) {
    pen.beginPath();
    pen.moveTo(shift, rising ? 16 : 0);
    pen.lineTo(shift + 16, rising ? 0 : 16);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

/* An outline around an area that shows on black, on white and on every colour between. */
function outline(context, x, y, width, height) {
  for (const [colour, thickness, out] of [
    ["#000", 8, 3],
    [ORANGE, 4, 3],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.strokeRect(x - out, y - out, width + 2 * out, height + 2 * out);
  }
}

/* Writes text(row, column) into each cell where letters would be large enough to read. */
function writeNumbers(context, view, letters, text, colour) {
  const font = Math.min(26, (1.5 * view.size) / letters);
  if (font < 19) return;
  context.font = `${font}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let row = 0; row < view.rows; row++)
    for (let column = 0; column < view.columns; column++) {
      context.fillStyle = colour(row, column);
      context.fillText(
        text(row, column),
        view.left + (column + 0.5) * view.size,
        view.top + (row + 0.5) * view.size,
      );
    }
}

/* ---- the explorer ---- */

function element(tag, properties = {}, ...children) {
  const { dataset, aria, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(aria ?? {})) made.setAttribute(name === "role" ? name : `aria-${name}`, value);
  made.append(...children);
  return made;
}

/* Two canvases on top of each other: what changes with the settings, and what changes with the pointer. */
function stack(properties) {
  const canvas = () => element("canvas", { width: SIDE, height: SIDE });
  const below = canvas();
  const above = Object.assign(canvas(), { className: "mdx-above" });
  const holder = element("div", { className: "mdx-stack", ...properties }, below, above);
  return { holder, below: below.getContext("2d"), above: above.getContext("2d") };
}

function decode(image) {
  const levels = Uint8Array.from(atob(image.hundredths), (letter) => letter.charCodeAt(0));
  return { name: image.name, rows: image.rows, columns: image.columns, levels };
}

function render({ model, el }) {
  const images = model.get("images").map(decode);
  const presets = model.get("presets");
  const names = ["image", "kernel", "divisor", "stride", "padding", "dilation", "flip", "row", "column"];
  const start = structuredClone(Object.fromEntries(names.map((name) => [name, model.get(name)])));
  const now = (name) => model.get(name);
  const setup = () => ({ stride: now("stride"), padding: now("padding"), dilation: now("dilation") });
  const weights = () => (now("flip") ? turned(now("kernel")) : now("kernel"));

  let image, output, inputView, outputView;

  /* -- parts -- */
  const preset = element("select");
  for (const [at, { name }] of presets.entries()) preset.append(element("option", { value: at, textContent: name }));
  const own = element("option", { value: -1, textContent: "your own numbers" });
  preset.append(own);

  const entry = (label) =>
    element("input", { type: "number", step: "any", min: -99, max: 99, autocomplete: "off", aria: { label } });
  const kernelEntries = Array.from({ length: K * K }, (_, at) =>
    entry(`kernel row ${Math.floor(at / K)} column ${at % K}`),
  );
  const divisorEntry = entry("divide the sum by");
  const turnedCells = Array.from({ length: K * K }, () => element("span"));
  const turnedKernel = element(
    "div",
    { className: "mdx-turned" },
    element("div", { className: "mdx-small", textContent: "turned by 180°" }),
    element("div", { className: "mdx-nine mdx-nine-still" }, ...turnedCells),
  );

  const imageChoice = element("select");
  for (const [at, { name }] of images.entries())
    imageChoice.append(element("option", { value: at, textContent: name }));

  const sliders = ["stride", "padding", "dilation"].map((name) => {
    const range = element("input", { type: "range", min: name === "padding" ? 0 : 1, max: 4, step: 1 });
    return { name, range, reading: element("span", { className: "mdx-reading", aria: { hidden: true } }) };
  });

  const operations = [false, true].map((flip) => element("input", { type: "radio", value: flip }));
  const reset = element("button", { type: "button", textContent: "Reset" });

  const input = stack({ aria: { role: "img" } });
  const result = stack({
    tabIndex: 0,
    aria: { role: "application", label: "output; arrow keys move to another pixel, with Shift five at a time" },
  });
  const inputCaption = element("p", { className: "mdx-caption" });
  const cells = Array.from({ length: K * K }, () => {
    const parts = ["mdx-value", "mdx-weight", "mdx-product"].map((className) => element("span", { className }));
    return { cell: element("div", { className: "mdx-cell" }, ...parts), parts };
  });
  const productCaption = element("p", { className: "mdx-caption" });
  const legendBar = element("div", { className: "mdx-bar" });
  const legendText = element("div", { className: "mdx-ticks" }, element("span"), element("span"), element("span"));
  const outputCaption = element("p", { className: "mdx-caption" });
  const outputTitle = element("div", { className: "mdx-title" });
  const inputTitle = element("div", { className: "mdx-title" });

  const sumTerms = element("span");
  const sumResult = element("strong", { className: "mdx-result" });
  const sizeLines = [element("span"), element("span")];
  const note = element("p", { className: "mdx-note", aria: { role: "status" } });
  const spoken = element("p", { className: "mdx-spoken", aria: { live: "polite" } });

  /* -- layout -- */
  const labelled = (text, ...parts) => element("label", {}, element("span", { textContent: text }), ...parts);
  const group = `mdx-operation-${Math.random().toString(36).slice(2)}`; // radio buttons of one copy belong together
  for (const operation of operations) operation.name = group;
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Convolution explorer");
  el.append(
    element(
      "div",
      { className: "mdx-controls" },
      element(
        "fieldset",
        { className: "mdx-kernel" },
        element("legend", { textContent: "kernel w" }),
        labelled("preset", preset),
        element(
          "div",
          { className: "mdx-kernels" },
          element("div", { className: "mdx-nine" }, ...kernelEntries),
          labelled("÷", divisorEntry),
          turnedKernel,
        ),
      ),
      element(
        "fieldset",
        { className: "mdx-sliding" },
        element("legend", { textContent: "image and steps" }),
        labelled("image x", imageChoice),
        ...sliders.map(({ name, range, reading }) => labelled(`${name} ${name[0]}`, range, reading)),
      ),
      element(
        "fieldset",
        { className: "mdx-operation" },
        element("legend", { textContent: "operation" }),
        element("label", {}, operations[0], " cross-correlation", element("small", { textContent: "what a CNN computes" })),
        element("label", {}, operations[1], " true convolution", element("small", { textContent: "kernel turned by 180°" })),
        reset,
      ),
    ),
    element(
      "div",
      { className: "mdx-panels" },
      element("section", {}, inputTitle, input.holder, inputCaption),
      element(
        "section",
        {},
        element("div", { className: "mdx-title", textContent: "patch × kernel" }),
        element("div", { className: "mdx-cells" }, ...cells.map(({ cell }) => cell)),
        productCaption,
      ),
      element("section", {}, outputTitle, result.holder, legendBar, legendText, outputCaption),
    ),
    element("p", { className: "mdx-sum" }, sumTerms, sumResult),
    element(
      "div",
      { className: "mdx-below" },
      element(
        "div",
        { className: "mdx-size" },
        element("span", { textContent: `size, k = ${K}` }),
        element("span", { textContent: `⌊(n + 2p − d(k − 1) − 1) ÷ s⌋ + 1` }),
        element("span", { textContent: "rows" }),
        sizeLines[0],
        element("span", { textContent: "columns" }),
        sizeLines[1],
      ),
      note,
    ),
    spoken,
  );

  /* -- what a change of the settings redraws -- */
  function settingsChanged() {
    image = images[now("image")];
    inputView = grid(image.rows + 2 * now("padding"), image.columns + 2 * now("padding"));
    drawInput();
    kernelChanged();
    outlinePixel();
  }

  function kernelChanged() {
    output = correlate(image, weights(), now("divisor"), setup());
    outputView = grid(Math.max(1, output.rows), Math.max(1, output.columns));
    showControls();
    drawOutput();
    writeSizes();
    writePixel();
  }

  function showControls() {
    const same = (p) => p.divisor === now("divisor") && p.kernel.every((w, at) => w === now("kernel")[at]);
    const known = presets.findIndex(same);
    own.hidden = known >= 0;
    preset.value = known;
    for (const [at, box] of kernelEntries.entries()) keepTyping(box, now("kernel")[at]);
    keepTyping(divisorEntry, now("divisor"));
    for (const [at, w] of turned(now("kernel")).entries()) turnedCells[at].textContent = weight(w);
    turnedKernel.style.visibility = now("flip") ? "visible" : "hidden";
    imageChoice.value = now("image");
    for (const { name, range, reading } of sliders) {
      range.value = now(name);
      reading.textContent = now(name);
    }
    for (const operation of operations) operation.checked = (operation.value === "true") === now("flip");
  }

  function keepTyping(box, value) {
    if (box.value === "" || Number(box.value) !== value) box.value = Math.round(1e6 * value) / 1e6;
    box.removeAttribute("aria-invalid");
  }

  function drawInput() {
    const { below } = input;
    const padding = now("padding");
    const { left, top, size } = inputView;
    below.clearRect(0, 0, SIDE, SIDE);
    below.fillStyle = hatch(below, "#e6edf5", "#9db0c6", true);
    below.fillRect(left, top, inputView.columns * size, inputView.rows * size);
    below.imageSmoothingEnabled = false;
    const greys = raster(image.rows, image.columns, (at) => greyColour(image.levels[at] / 100));
    below.drawImage(greys, left + padding * size, top + padding * size, image.columns * size, image.rows * size);
    shadeNeverRead(below);
    const level = (row, column) => {
      const [r, c] = [row - padding, column - padding];
      return r >= 0 && c >= 0 && r < image.rows && c < image.columns ? image.levels[r * image.columns + c] : null;
    };
    writeNumbers(
      below,
      inputView,
      4,
      (row, column) => (level(row, column) === null ? "0" : decimals(level(row, column) / 100)),
      (row, column) => (level(row, column) === null ? "#000" : ink(greyColour(level(row, column) / 100))),
    );
    inputTitle.textContent = `input x   ${image.rows} × ${image.columns}`;
    input.holder.setAttribute("aria-label", `input: ${image.name}, ${image.rows} by ${image.columns} pixels`);
    inputCaption.textContent = padding
      ? `Hatched: padding, ${count(padding, "ring")} of zeros, ${inputView.rows} × ${inputView.columns} in all.`
      : "Outlined: the patch. Values from 0 (black) to 1 (white).";
  }

  function shadeNeverRead(context) {
    if (refusal(image, setup())) return;
    const { left, top, size } = inputView;
    const { stride, padding, dilation } = setup();
    context.fillStyle = hatch(context, "rgba(255,255,255,0.6)", "#b35806", false);
    const rows = neverRead(image.rows, stride, padding, dilation).lines;
    const columns = neverRead(image.columns, stride, padding, dilation).lines;
    for (const row of rows) context.fillRect(left, top + row * size, inputView.columns * size, size);
    for (const column of columns) context.fillRect(left + column * size, top, size, inputView.rows * size);
  }

  /* Weights that add up to 1 keep the image's own greys; any other result is drawn from orange over white to violet. */
  function outputScale() {
    const total = now("kernel").reduce((sum, w) => sum + w, 0) / now("divisor");
    if (Math.abs(total - 1) <= 0.01) return { grey: true, colour: greyColour };
    const limit = Math.max(Math.abs(output.low), Math.abs(output.high)) || 1;
    return { grey: false, limit, colour: (value) => signedColour(value / limit) };
  }

  function drawOutput() {
    const { below } = result;
    below.clearRect(0, 0, SIDE, SIDE);
    const blank = output.values.length === 0;
    outputTitle.textContent = blank ? "output y   none" : `output y   ${output.rows} × ${output.columns}`;
    const scale = outputScale();
    drawLegend(scale, blank);
    if (blank) {
      below.fillStyle = "#333";
      below.font = "40px system-ui, sans-serif";
      below.textAlign = "center";
      below.fillText("no output", SIDE / 2, SIDE / 2);
      return;
    }
    const value = (row, column) => output.values[row * output.columns + column];
    below.imageSmoothingEnabled = false;
    below.drawImage(
      raster(output.rows, output.columns, (at) => scale.colour(output.values[at])),
      outputView.left,
      outputView.top,
      outputView.columns * outputView.size,
      outputView.rows * outputView.size,
    );
    writeNumbers(
      below,
      outputView,
      5,
      (row, column) => decimals(value(row, column)),
      (row, column) => ink(scale.colour(value(row, column))),
    );
  }

  function drawLegend({ grey, limit }, blank) {
    const ramp = ANCHORS.map(css).join(", ");
    legendBar.style.background = grey
      ? `linear-gradient(90deg, ${css(BELOW)} 0 12%, #000 12%, #fff 88%, ${css(ABOVE)} 88%)`
      : `linear-gradient(90deg, ${ramp})`;
    legendBar.style.visibility = blank ? "hidden" : "visible";
    const ticks = grey ? ["below 0", "0 to 1", "above 1"] : [decimals(-limit), "0", `+${decimals(limit)}`];
    for (const [at, tick] of [...legendText.children].entries()) tick.textContent = blank ? "" : ticks[at];
    outputCaption.textContent = blank ? "" : `Results from ${decimals(output.low)} to ${decimals(output.high)}.`;
  }

  function writeSizes() {
    const { stride: s, padding: p, dilation: d } = setup();
    for (const [at, n] of [image.rows, image.columns].entries())
      sizeLines[at].textContent =
        `⌊(${n} + 2·${p} − ${d}·${K - 1} − 1) ÷ ${s}⌋ + 1 = ` + weight(outputSize(n, s, p, d)) +
        (outputSize(n, s, p, d) < 1 ? ": none" : "");
    const refused = refusal(image, setup());
    note.textContent = refused || unreadNote();
    note.classList.toggle("mdx-refused", Boolean(refused));
  }

  function unreadNote() {
    const { stride, padding, dilation } = setup();
    const rows = neverRead(image.rows, stride, padding, dilation);
    const columns = neverRead(image.columns, stride, padding, dilation);
    const both = (kind) =>
      [rows[kind] && count(rows[kind], "row"), columns[kind] && count(columns[kind], "column")]
        .filter(Boolean)
        .join(" and ");
    const sentences = [];
    if (both("edge")) sentences.push(`Stride ${stride} does not divide evenly: the last ${both("edge")} are never read.`);
    if (both("inside")) sentences.push(`${both("inside")} inside are stepped over, never read.`);
    return sentences.join(" ") || "Every row and column of the padded input is read.";
  }

  /* -- what a move of the pointer redraws -- */
  function outlinePixel() {
    input.above.clearRect(0, 0, SIDE, SIDE);
    result.above.clearRect(0, 0, SIDE, SIDE);
    if (!output.values.length) return;
    const { left, top, size } = outputView;
    outline(result.above, left + now("column") * size, top + now("row") * size, size, size);
    outlinePatch(patch(image, now("row"), now("column"), setup()));
  }

  function writePixel() {
    if (!output.values.length) return showNoPixel();
    model.set("row", Math.max(0, Math.min(now("row"), output.rows - 1)));
    model.set("column", Math.max(0, Math.min(now("column"), output.columns - 1)));
    const [i, j] = [now("row"), now("column")];
    const pixels = patch(image, i, j, setup());
    const used = weights();
    const products = pixels.map(({ level }, at) => (used[at] * level) / 100);
    showProducts(pixels, used, products);
    const line = sumLine(i, j, products, now("divisor"));
    sumTerms.textContent = line.terms;
    sumResult.textContent = line.result;
    speak(`output row ${i}, column ${j}: ${line.result}`);
  }

  function outlinePatch(pixels) {
    const { left, top, size } = inputView;
    const { above } = input;
    const first = pixels[0];
    const wide = span(now("dilation")) * size;
    if (now("dilation") === 1) {
      outline(above, left + first.column * size, top + first.row * size, wide, wide);
      return;
    }
    above.setLineDash([8, 8]);
    above.strokeStyle = ORANGE;
    above.lineWidth = 2;
    above.strokeRect(left + first.column * size, top + first.row * size, wide, wide);
    above.setLineDash([]);
    for (const { row, column } of pixels) outline(above, left + column * size, top + row * size, size, size);
  }

  function showProducts(pixels, used, products) {
    const largest = Math.max(...used.map(Math.abs)) || 1;
    for (const [at, { cell, parts }] of cells.entries()) {
      const { level, inside } = pixels[at];
      const grey = greyColour(level / 100);
      const tint = signedColour(products[at] / largest);
      cell.classList.toggle("mdx-padding", !inside);
      parts[0].textContent = inside ? decimals(level / 100) : "0.00 pad";
      parts[0].style.background = inside ? css(grey) : "";
      parts[0].style.color = inside ? ink(grey) : "";
      parts[1].textContent = `× ${weight(used[at])}`;
      parts[2].textContent = `${isExact(products[at]) ? "=" : "≈"} ${decimals(products[at])}`;
      parts[2].style.background = css(tint);
      parts[2].style.color = ink(tint);
    }
    productCaption.textContent = now("flip")
      ? "Pixel × weight of the turned kernel = product."
      : "Pixel × weight = product.";
  }

  function showNoPixel() {
    for (const { cell, parts } of cells) {
      cell.classList.remove("mdx-padding");
      for (const part of parts) {
        part.textContent = "";
        part.style.background = "";
      }
    }
    productCaption.textContent = "";
    sumTerms.textContent = "Nothing to add up: there is no output.";
    sumResult.textContent = "";
    speak("no output");
  }

  let silence = 0;
  function speak(text) {
    clearTimeout(silence);
    silence = setTimeout(() => (spoken.textContent = text), 600); // spoken when the pointer has come to rest
  }

  function go(row, column) {
    if (row === now("row") && column === now("column")) return;
    model.set("row", row);
    model.set("column", column);
    writePixel();
    outlinePixel();
  }

  /* -- events -- */
  const change = (values, redraw = settingsChanged) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    redraw();
  };

  function overOutput(event) {
    if (!output.values.length) return;
    const { row, column } = cellAt(event, outputView);
    go(row, column);
  }

  function overInput(event) {
    if (!output.values.length) return;
    const { row, column } = cellAt(event, inputView);
    const centred = (line, lines) =>
      Math.max(0, Math.min(lines - 1, Math.round((line - now("dilation")) / now("stride"))));
    go(centred(row, output.rows), centred(column, output.columns));
  }

  for (const type of ["pointermove", "pointerdown"]) {
    result.holder.addEventListener(type, overOutput);
    input.holder.addEventListener(type, overInput);
  }

  result.holder.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!output.values.length) return;
    const far = event.shiftKey ? 5 : 1;
    const kept = (line, lines) => Math.max(0, Math.min(lines - 1, line));
    go(kept(now("row") + far * step[0], output.rows), kept(now("column") + far * step[1], output.columns));
  });

  /* A number that is not yet one ("", "-") changes nothing; leaving the box puts the last good one back. */
  function onNumber(box, accepts, store, wanted) {
    const read = () => (box.value.trim() === "" ? NaN : Number(box.value));
    box.addEventListener("input", () => {
      if (accepts(read())) store(read());
      else box.setAttribute("aria-invalid", "true");
    });
    box.addEventListener("change", () => {
      if (accepts(read())) return;
      box.value = "";
      showControls();
      note.textContent = `${box.getAttribute("aria-label")}: ${wanted}; the last one is kept.`;
    });
  }

  for (const [at, box] of kernelEntries.entries())
    onNumber(
      box,
      (number) => Math.abs(number) <= 99,
      (number) => change({ kernel: now("kernel").with(at, number) }, kernelChanged),
      "give a number from −99 to 99",
    );
  onNumber(
    divisorEntry,
    (number) => Math.abs(number) <= 99 && Math.abs(number) >= 0.001,
    (number) => change({ divisor: number }, kernelChanged),
    "give a number from −99 to 99, not 0",
  );
  preset.addEventListener("change", () => {
    const chosen = presets[preset.value];
    if (chosen) change({ kernel: [...chosen.kernel], divisor: chosen.divisor }, kernelChanged);
  });
  imageChoice.addEventListener("change", () => change({ image: Number(imageChoice.value) }));
  for (const { name, range } of sliders)
    range.addEventListener("input", () => change({ [name]: Number(range.value) }));
  for (const operation of operations)
    operation.addEventListener("change", () => change({ flip: operation.value === "true" }, kernelChanged));
  reset.addEventListener("click", () => change(structuredClone(start)));

  settingsChanged();
}

export default { render };
