/* Feature explorer: a layer, one of its feature maps, and the patch of the image behind each of its pixels.

   State: contrasts [name], image_channels [{low, step, images [base64 of two bytes a pixel]}], rows, columns, titles,
   layers [{name, words, rows, columns, channels [number], of, size, jump, row_fields and column_fields [[first, last]],
   zero, steps [one a channel], maps [image][channel] base64}], where a map's value is (byte − zero) × step,
   kernel (null, or the first convolution: layer, size, stride, dilation, before, weights [channel][input][k·k], bias,
   activation, inputs: null where it reads the image, else as image_channels), and what is in view: image, contrast,
   layer, channel, row, column.  */

/* ---- arithmetic, free of drawing; tests compare it with Keras ---- */

/* What a convolution adds up at [i, j]: for each input its k·k {value, weight, product, inside}, and the sums. */
function convolved(kernel, channel, read, rows, columns, i, j) {
  const [height, width] = kernel.size;
  const inputs = kernel.weights[channel].map((weights, input) => {
    const cells = weights.map((weight, at) => {
      const row = i * kernel.stride[0] - kernel.before[0] + Math.floor(at / width) * kernel.dilation[0];
      const column = j * kernel.stride[1] - kernel.before[1] + (at % width) * kernel.dilation[1];
      const inside = row >= 0 && row < rows && column >= 0 && column < columns;
      const value = inside ? read(input, row * columns + column) : 0;
      return { value, weight, product: value * weight, inside };
    });
    return { cells, sum: cells.reduce((sum, { product }) => sum + product, 0) };
  });
  const bias = kernel.bias[channel];
  return { height, width, inputs, bias, sum: inputs.reduce((sum, { sum: part }) => sum + part, bias) };
}

const ACTIVATIONS = { linear: (v) => v, relu: (v) => Math.max(0, v), sigmoid: (v) => 1 / (1 + Math.exp(-v)), tanh: Math.tanh };

/* As many decimals as a number kept in steps of this size deserves. */
const placesFor = (step) => Math.max(0, Math.min(6, Math.ceil(-Math.log10(step || 1))));

/* The map line whose field is centred nearest to an image line; first of equal ones. */
function centredAt(fields, line) {
  const away = fields.map(([first, last]) => Math.abs((first + last) / 2 - line));
  return away.indexOf(Math.min(...away));
}

export const arithmetic = { convolved, placesFor, centredAt };

/* ---- the explorer ---- */

const span = ([first, last]) => (last < first ? 0 : last - first + 1);

const THUMB = 56;

function render({ model, el }) {
  const [titles, contrasts, layers, kernel] = ["titles", "contrasts", "layers", "kernel"].map(model.get);
  const [imageRows, imageColumns] = [model.get("rows"), model.get("columns")];
  const now = (key) => model.get(key);
  const inView = ["image", "contrast", "layer", "channel", "row", "column"];
  const start = Object.fromEntries(inView.map((key) => [key, now(key)]));

  const unpacked = (channels) => channels.map(({ low, step, images }) => ({ low, step, images: images.map(shorts) }));
  const pixels = unpacked(model.get("image_channels"));
  const conv = kernel && (kernel.inputs ? unpacked(kernel.inputs) : pixels);
  const decoded = new Map();

  function levels(layer, image, channel) {
    const key = [layer, image, channel].join();
    if (!decoded.has(key)) decoded.set(key, bytes(layers[layer].maps[image][channel]));
    return decoded.get(key);
  }

  const layer = () => layers[now("layer")];
  const level = () => levels(now("layer"), now("image"), now("channel"));
  const isKernel = () => kernel !== null && kernel.layer === now("layer");
  const greyOf = (image, contrast) => (at) => greyColour(pixels[contrast].images[image][at] / 65535);
  const mapColour = (number, image, channel) => {
    const { zero } = layers[number];
    const stored = levels(number, image, channel);
    return zero ? (at) => signedColour((stored[at] - zero) / 127) : (at) => greyColour(stored[at] / 255);
  };

  /* -- parts -- */
  const thumbnail = () => element("canvas", { className: "mdx-thumb" });
  const imageThumbs = titles.map(thumbnail);
  const imageChoice = radios(
    titles.map((title, at) => [imageThumbs[at], element("span", { textContent: title })]),
    (image) => change({ image }),
  );
  const contrastChoice = radios(
    contrasts.map((name) => [element("span", { textContent: name })]),
    (contrast) => change({ contrast }),
  );
  const layerChoice = radios(
    layers.map(({ name, rows, columns }) => [
      element("span", {}, name, element("small", { textContent: `${rows} × ${columns}` })),
    ]),
    chooseLayer,
  );
  const channelBox = element("div", { className: "mdx-choices" });
  const channelGroup = group("channel", "mdx-channels", channelBox);
  const channelLegend = channelGroup.querySelector("legend");
  const strongest = element("button", { type: "button", textContent: "strongest pixel" });
  const reset = element("button", { type: "button", textContent: "Reset" });
  let channelThumbs, channelChoice;

  const input = board({ aria: { role: "img" } });
  const map = board({
    tabIndex: 0,
    aria: { role: "application", label: "feature map; arrow keys move to another pixel, with Shift five at a time" },
  });
  const patch = board({ aria: { role: "img" } });
  const title = () => element("div", { className: "mdx-title" });
  const [inputTitle, mapTitle, patchTitle] = [title(), title(), title()];
  const caption = () => element("p", { className: "mdx-caption" });
  const [inputCaption, patchCaption] = [caption(), caption()];
  const bar = element("div", { className: "mdx-bar" });
  const ticks = element("div", { className: "mdx-ticks" }, element("span"), element("span"), element("span"));
  const sentence = element("p", { className: "mdx-sentence" });
  const layerNote = element("p", { className: "mdx-layer-note" });
  const sums = element("div", { className: "mdx-sums" });
  const sumLine = element("p", { className: "mdx-sum-line" });
  const { spoken, speak } = speaker();

  el.classList.add("mdx-of-features");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Feature explorer");
  const choices = (parts) => element("div", { className: "mdx-choices" }, ...parts);
  el.append(
    element(
      "div",
      { className: "mdx-controls" },
      group("image", "mdx-images", choices(imageChoice.parts)),
      ...(contrasts.length > 1 ? [group("drawn", "mdx-contrasts", choices(contrastChoice.parts))] : []),
      group("layer", "mdx-layers", choices(layerChoice.parts)),
      channelGroup,
      element("div", { className: "mdx-buttons" }, strongest, reset),
    ),
    layerNote,
    element(
      "div",
      { className: "mdx-panels" },
      element("section", {}, mapTitle, map.holder, bar, ticks),
      element("section", {}, inputTitle, input.holder, inputCaption),
      element("section", {}, patchTitle, patch.holder, patchCaption),
    ),
    sentence,
    sums,
    sumLine,
    spoken,
  );

  /* -- the sums of the first convolution: three grids of numbers for each of its inputs -- */
  const sumRows = [];
  function buildSums() {
    const [height, width] = kernel.size;
    const inputNames = kernel.weights[0].map((_, at) => contrasts[at] ?? `input ${at}`);
    const boxes = (label) => {
      const cells = Array.from({ length: height * width }, () => element("span"));
      const box = element("div", { className: "mdx-nine", aria: { role: "img", label } }, ...cells);
      box.style.gridTemplateColumns = `repeat(${width}, 1fr)`;
      box.classList.toggle("mdx-tiny", Math.max(height, width) > 5);
      return { cells, box };
    };
    for (const name of inputNames) {
      const [values, weights, products] = ["pixels", "weights", "products"].map((what) => boxes(`${name}: ${what}`));
      const total = element("strong");
      const sign = (text) => element("span", { className: "mdx-sign", textContent: text });
      const labelledBox = (text, { box }) => element("div", {}, element("small", { textContent: text }), box);
      sums.append(
        labelledBox(`${name}: patch`, values),
        sign("×"),
        labelledBox("kernel", weights),
        sign("="),
        labelledBox("products", products),
        sign("→"),
        element("div", { className: "mdx-total" }, element("small", { textContent: "their sum" }), total),
      );
      sumRows.push({ values, weights, products, total });
    }
  }

  function fill({ cells, box }, texts, colours, padded = []) {
    const words = box.getAttribute("aria-label").split(": ").slice(0, 2).join(": ");
    for (const [at, cell] of cells.entries()) {
      cell.textContent = texts[at];
      cell.className = padded[at] ? "mdx-padding" : "";
      cell.style.background = padded[at] ? "" : css(colours[at]);
      cell.style.color = padded[at] ? "" : ink(colours[at]);
    }
    box.setAttribute("aria-label", `${words}: ${texts.join(" ")}`);
  }

  function summed() {
    const read = (which, at) => conv[which].low + conv[which].step * conv[which].images[now("image")][at];
    return convolved(kernel, now("channel"), read, imageRows, imageColumns, now("row"), now("column"));
  }

  function writeSums() {
    const { inputs, bias, sum } = summed();
    const largest = Math.max(...inputs.flatMap(({ cells }) => cells.map(({ weight }) => Math.abs(weight)))) || 1;
    for (const [at, { cells, sum: part }] of inputs.entries()) {
      const { values, weights, products, total } = sumRows[at];
      const { low, step } = conv[at];
      const outside = cells.map(({ inside }) => !inside);
      fill(values, cells.map(({ value }) => decimals(value)), cells.map(({ value }) => greyColour((value - low) / (65535 * step))), outside);
      fill(weights, cells.map(({ weight }) => decimals(weight)), cells.map(({ weight }) => signedColour(weight / largest)));
      fill(products, cells.map(({ product }) => decimals(product, kernel.size[1] > 3 ? 2 : 3)), cells.map(({ product }) => signedColour(product / largest)));
      total.textContent = decimals(part, 3);
    }
    const signed = (value) => (value < 0 ? " − " : " + ") + decimals(Math.abs(value), 3);
    const terms = inputs.map(({ sum: part }, at) => (at ? signed(part) : decimals(part, 3))).join("");
    const activated = kernel.activation === "linear" ? "" : `; after ${kernel.activation} ${value()}`;
    sumLine.textContent = `${terms}${signed(bias)} (bias) ≈ ${decimals(sum, 3)} before the activation${activated}.`;
  }

  /* -- what a choice redraws -- */
  function redraw() {
    imageChoice.mark(now("image"));
    if (contrasts.length > 1) contrastChoice.mark(now("contrast"));
    layerChoice.mark(now("layer"));
    drawThumbs();
    drawMap();
    drawInput();
    moved();
  }

  function drawThumbs() {
    for (const [at, canvas] of imageThumbs.entries())
      raster(imageRows, imageColumns, greyOf(at, now("contrast")), canvas);
    const { channels, of, rows, columns } = layer();
    if (channelThumbs?.length !== channels.length) {
      channelThumbs = channels.map(thumbnail);
      const words = channels.map((_, at) => [channelThumbs[at], element("span")]);
      channelChoice = radios(words, (channel) => change({ channel }));
      channelBox.replaceChildren(...channelChoice.parts);
    }
    channelLegend.textContent = `channel, ${channels.length} of ${of}`;
    for (const [at, canvas] of channelThumbs.entries()) {
      raster(rows, columns, mapColour(now("layer"), now("image"), at), canvas);
      canvas.nextSibling.textContent = channels[at];
    }
    channelChoice.mark(now("channel"));
  }

  function drawMap() {
    const { name, rows, columns, zero, steps, channels, words, size, jump } = layer();
    const step = steps[now("channel")];
    paint(map.below, grid(rows, columns), raster(rows, columns, mapColour(now("layer"), now("image"), now("channel"))));
    mapTitle.textContent = `channel ${channels[now("channel")]}   ${rows} × ${columns}`;
    const ramp = zero ? ANCHORS.map(css).join(", ") : "#000, #fff";
    bar.style.background = `linear-gradient(90deg, ${ramp})`;
    const limit = step * (zero ? 127 : 255);
    const places = placesFor(limit / 50);
    const ends = zero ? [decimals(-limit, places), "0", decimals(limit, places)] : ["0", "", decimals(limit, places)];
    for (const [at, tick] of [...ticks.children].entries()) tick.textContent = step ? ends[at] : at ? "" : "0 everywhere on these images";
    const apart = jump[0] === jump[1] ? jump[0] : `${jump[0]} down and ${jump[1]} across`;
    layerNote.textContent =
      `${name}: ${words}. Each of its pixels reads ${size[0]} × ${size[1]} pixels of the image; ` +
      `the fields of neighbours lie ${apart} apart.`;
  }

  function drawInput() {
    paint(input.below, grid(imageRows, imageColumns), raster(imageRows, imageColumns, greyOf(now("image"), now("contrast"))));
    inputTitle.textContent = `image   ${imageRows} × ${imageColumns}`;
    const contrast = contrasts.length > 1 ? `, ${contrasts[now("contrast")]}` : "";
    input.holder.setAttribute("aria-label", `image ${titles[now("image")]}${contrast}; the receptive field is outlined`);
  }

  /* The value in view as it is told: summed up for the first convolution, else kept in one byte. */
  function value() {
    const activation = isKernel() && ACTIVATIONS[kernel.activation];
    if (activation) return `≈ ${decimals(activation(summed().sum), 3)}`;
    const { zero, steps } = layer();
    const step = steps[now("channel")];
    if (!step) return "0";
    const places = placesFor(step / 2);
    return `≈ ${decimals((level()[place()] - zero) * step, places)} ± ${decimals(Math.ceil((step / 2) * 10 ** places) / 10 ** places, places)}`;
  }

  const place = () => now("row") * layer().columns + now("column");

  /* -- what a move of the pointer redraws -- */
  function moved() {
    const { rows, columns, row_fields, column_fields } = layer();
    const view = grid(rows, columns);
    map.above.clearRect(0, 0, SIDE, SIDE);
    outline(map.above, view.left + now("column") * view.size, view.top + now("row") * view.size, view.size, view.size);
    const [rowField, columnField] = [row_fields[now("row")], column_fields[now("column")]];
    outlineField(rowField, columnField);
    drawPatch(rowField, columnField);
    const shown = isKernel();
    for (const part of [sums, sumLine]) part.hidden = !shown;
    if (shown) writeSums();
    writeSentence(rowField, columnField);
  }

  function outlineField(rowField, columnField) {
    const view = grid(imageRows, imageColumns);
    input.above.clearRect(0, 0, SIDE, SIDE);
    if (!span(rowField) || !span(columnField)) return;
    const [x, y] = [view.left + columnField[0] * view.size, view.top + rowField[0] * view.size];
    outline(input.above, x, y, span(columnField) * view.size, span(rowField) * view.size);
  }

  function drawPatch(rowField, columnField) {
    const [rows, columns] = [span(rowField), span(columnField)];
    patch.below.clearRect(0, 0, SIDE, SIDE);
    patchTitle.textContent = `its patch   ${rows} × ${columns}`;
    patch.holder.setAttribute("aria-label", `the ${rows} by ${columns} pixels of the image inside the field`);
    if (!rows || !columns) return;
    const grey = greyOf(now("image"), now("contrast"));
    const at = (index) => (rowField[0] + Math.floor(index / columns)) * imageColumns + columnField[0] + (index % columns);
    paint(patch.below, grid(rows, columns), raster(rows, columns, (index) => grey(at(index))));
  }

  function writeSentence(rowField, columnField) {
    const { name, channels, size, steps } = layer();
    const cut = span(rowField) < size[0] || span(columnField) < size[1];
    const whole = `${size[0]} × ${size[1]}`;
    const dead = steps[now("channel")] === 0 ? " This channel is 0 everywhere on these images." : "";
    const reads = `rows ${rowField.join(" to ")} and columns ${columnField.join(" to ")}`;
    sentence.textContent =
      `${name}, channel ${channels[now("channel")]}, pixel [${now("row")}, ${now("column")}]: ${value()}. ` +
      `It reads ${span(rowField) && span(columnField) ? reads : "no pixel"} of the image.${dead}`;
    inputCaption.textContent = cut
      ? `Outlined: ${span(rowField)} × ${span(columnField)} of its ${whole}; the border cuts off the rest.`
      : `Outlined: its receptive field, ${whole}.`;
    patchCaption.textContent = "All that can change this one value.";
    speak(sentence.textContent);
  }

  function go(row, column) {
    if (row === now("row") && column === now("column")) return;
    model.set("row", row);
    model.set("column", column);
    moved();
  }

  /* -- events -- */
  function change(values) {
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    redraw();
  }

  /* Another layer is looked at in the same place of the image. */
  function chooseLayer(chosen) {
    const middle = ([first, last]) => (first + last) / 2;
    const [row, column] = [middle(layer().row_fields[now("row")]), middle(layer().column_fields[now("column")])];
    const { row_fields, column_fields, channels } = layers[chosen];
    change({
      layer: chosen,
      channel: Math.min(now("channel"), channels.length - 1),
      row: centredAt(row_fields, row),
      column: centredAt(column_fields, column),
    });
  }

  for (const type of ["pointermove", "pointerdown"]) {
    map.holder.addEventListener(type, (event) => {
      const { row, column } = cellAt(event, grid(layer().rows, layer().columns));
      go(row, column);
    });
    input.holder.addEventListener(type, (event) => {
      const { row, column } = cellAt(event, grid(imageRows, imageColumns));
      go(centredAt(layer().row_fields, row), centredAt(layer().column_fields, column));
    });
  }
  onArrows(map.holder, (down, right) => {
    const kept = (line, lines) => Math.max(0, Math.min(lines - 1, line));
    go(kept(now("row") + down, layer().rows), kept(now("column") + right, layer().columns));
  });
  strongest.addEventListener("click", () => {
    const strength = Array.from(level(), (byte) => Math.abs(byte - layer().zero));
    const at = strength.indexOf(Math.max(...strength));
    go(Math.floor(at / layer().columns), at % layer().columns);
  });
  reset.addEventListener("click", () => change(start));

  if (kernel) buildSums();
  redraw();
}

export default { render };
