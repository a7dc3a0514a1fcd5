/* Checkerboard explorer: how many copies of a transposed convolution's kernel touch each pixel of its output.

   State: kernels, strides (what the sliders offer), kernel, stride, padding ("same" or "valid"), size (pixels of the
   input along a side).  */

/* ---- arithmetic, free of drawing; tests compare it with Python's, and that with Keras ---- */

/* Where the output lies among the pixels that the copies cover: crop pixels are cut off in front, count are kept. */
function output({ size, kernel, stride, padding }) {
  const beyond = Math.max(kernel - stride, 0);
  const same = padding === "same";
  return { crop: same ? Math.floor(beyond / 2) : 0, count: size * stride + (same ? 0 : beyond) };
}

/* Copies of the kernel over each pixel of a line. */
function overlap(setup) {
  const { crop, count } = output(setup);
  const counts = new Array(count).fill(0);
  for (let i = 0; i < setup.size; i++)
    for (let t = 0; t < setup.kernel; t++) {
      const at = i * setup.stride + t - crop;
      if (at >= 0 && at < count) counts[at]++;
    }
  return counts;
}

/* Pixels of the enlarged line that each pixel of a "same" convolution sums. */
function afterUpsampling({ size, kernel, stride }) {
  const before = Math.floor((kernel - 1) / 2);
  return Array.from({ length: size * stride }, (_, at) => {
    const [first, last] = [at - before, at - before + kernel - 1];
    return Math.min(last, size * stride - 1) - Math.max(first, 0) + 1;
  });
}

/* The different counts away from the border, smallest first. */
function met(setup) {
  const beyond = Math.max(setup.kernel - setup.stride, 0);
  const { crop } = output(setup);
  const inner = overlap(setup).slice(beyond - crop, setup.size * setup.stride - crop);
  return [...new Set(inner)].sort((a, b) => a - b);
}

export const arithmetic = { output, overlap, afterUpsampling, met };

/* ---- words ---- */

function sizeWords({ size, kernel, stride, padding }, count) {
  const more = padding === "same" ? "" : ` + max(${kernel} − ${stride}, 0)`;
  return `${size} × ${stride}${more} = ${count} pixels a side`;
}

function evenWords({ kernel, stride }, [few, many = few]) {
  const along = "Along a line, away from the border, ";
  if (few === many)
    return (
      `${kernel} is divisible by ${stride}: even. ${along}${kernel} ÷ ${stride} = ${few} ${few === 1 ? "copy lies" : "copies lie"} ` +
      `over each pixel, in the plane ${few * few}.`
    );
  const plane = `in the plane ${few * few}, ${few * many} or ${many * many}`.replace("0, 0 or", "0 or");
  const pattern = few ? "a checkerboard" : "gaps";
  return `${kernel} is not divisible by ${stride}: ${pattern}. ${along}${few} or ${many} ${many === 1 ? "copy lies" : "copies lie"} over a pixel, ${plane}.`;
}

/* ---- drawing: lines of pixels in a view 400 wide ---- */

const WIDE = 400;
const ROW = 8; // height of a copy
const HIGH = 70; // of the tallest bar

/* Bars of counts with their numbers, beneath rows of copies [first, last] that may stand over the ends. */
function drawLine(svg, counts, rows, crop, span, label) {
  const unit = WIDE / span;
  const x = (at) => (at + crop) * unit;
  const top = rows.length * (ROW + 2) + 6;
  const base = top + HIGH + 14;
  const bar = (count) => (HIGH * count) / Math.max(...counts);
  const text = (at, y, textContent) =>
    Object.assign(drawn("text", { x: x(at + 0.5), y, "text-anchor": "middle", "font-size": Math.min(13, 1.4 * unit) }), { textContent });
  const inside = ([first, last]) => [Math.max(first, 0), Math.min(last, counts.length - 1)];
  svg.setAttribute("viewBox", `-1 -1 ${WIDE + 2} ${base + 3}`);
  svg.setAttribute("aria-label", label);
  svg.replaceChildren(
    ...rows.flatMap((row, at) => {
      const strip = ([first, last], name) =>
        drawn("rect", { x: x(first), y: at * (ROW + 2), width: Math.max(0, last - first + 1) * unit, height: ROW, class: name });
      return [strip(row, "mdx-cut"), strip(inside(row), "mdx-copy")];
    }),
    ...counts.flatMap((count, at) => [
      drawn("rect", { x: x(at) + 0.5, y: base - bar(count), width: unit - 1, height: bar(count), class: "mdx-count" }),
      text(at, base - bar(count) - 3, count),
    ]),
    drawn("path", { d: `M${x(0)} 0V${base}H${x(counts.length)}V0`, class: "mdx-frame" }),
  );
}

/* ---- the explorer ---- */

function render({ model, el }) {
  const [kernels, strides] = ["kernels", "strides"].map(model.get);
  const setup = () => Object.fromEntries(["size", "kernel", "stride", "padding"].map((key) => [key, model.get(key)]));
  const start = setup();
  const PADDINGS = ["same", "valid"];

  /* -- parts -- */
  const sliders = {
    kernel: slider("kernel", kernels, (side) => `${side} × ${side}`, (at) => change({ kernel: kernels[at] })),
    stride: slider("stride", strides, String, (at) => change({ stride: strides[at] })),
  };
  const paddingChoice = radios(PADDINGS.map((name) => [name]), (at) => change({ padding: PADDINGS[at] }));
  const reset = element("button", { type: "button", textContent: "Reset" });
  const sentence = element("p", { className: "mdx-sentence" });
  const { spoken, speak } = speaker();
  const transposed = panel("transposed convolution", "copies", "copy");
  const repeated = panel("repeat, then convolve", "products", "product");

  el.classList.add("mdx-of-checkerboard");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Checkerboard explorer");
  el.append(
    element(
      "div",
      { className: "mdx-controls" },
      ...Object.values(sliders).map(({ label }) => label),
      group("padding", "mdx-choices", ...paddingChoice.parts),
      reset,
    ),
    sentence,
    element("div", { className: "mdx-panels" }, transposed.section, repeated.section),
    element("p", {
      className: "mdx-caption",
      textContent:
        "Counts are what a kernel of ones makes of an image of ones. An even count takes the built-in pattern away; " +
        "uneven weights can still draw one, and weights can learn to make up for an uneven count.",
    }),
    spoken,
  );

  /* A line with its bars, and the plane with a pixel to point at. */
  function panel(name, noun, one) {
    const line = drawn("svg", { role: "img", class: "mdx-line" });
    const map = board({
      tabIndex: 0,
      aria: { role: "application", label: `${name}: how many ${noun} each pixel gets; arrow keys move to another pixel` },
    });
    const caption = element("p", { className: "mdx-caption mdx-pixel" });
    const bar = element("div", { className: "mdx-bar" });
    const ticks = element("div", { className: "mdx-ticks" }, element("span"), element("span"));
    const lineCaption = element("p", { className: "mdx-caption mdx-above" });
    const title = element("div", { className: "mdx-title" });
    const section = element("section", {}, title, line, lineCaption, map.holder, bar, ticks, caption);
    const [pale, deep] = [0, 0.9].map((t) => css(signedColour(t)));
    bar.style.background = `linear-gradient(90deg, ${pale}, ${css(signedColour(0.45))}, ${deep})`;
    let [counts, view, place] = [[0], null, [5, 5]];

    function show(given, rows, crop, span, words) {
      counts = given;
      view = grid(counts.length, counts.length);
      place = place.map((at) => Math.min(at, counts.length - 1));
      title.textContent = `${name}   ${counts.length} × ${counts.length}`;
      lineCaption.textContent = words;
      drawLine(line, counts, rows, crop, span, `${noun} in each pixel of a line: ${counts.join(" ")}`);
      const most = Math.max(...counts) ** 2;
      const colour = (at) => signedColour((0.9 * counts[Math.floor(at / counts.length)] * counts[at % counts.length]) / most);
      paint(map.below, view, raster(counts.length, counts.length, colour));
      ticks.children[0].textContent = `0 ${noun}`;
      ticks.children[1].textContent = most;
      point();
    }

    function point(heard = false) {
      const [row, column] = place;
      map.above.clearRect(0, 0, SIDE, SIDE);
      outline(map.above, view.left + column * view.size, view.top + row * view.size, view.size, view.size);
      const [down, across] = [counts[row], counts[column]];
      caption.textContent = `pixel [${row}, ${column}]: ${down} × ${across} = ${down * across} ${down * across === 1 ? one : noun}`;
      if (heard) speak(caption.textContent);
    }

    function go(row, column) {
      place = [row, column].map((at) => Math.max(0, Math.min(counts.length - 1, at)));
      point(true);
    }
    for (const type of ["pointermove", "pointerdown"])
      map.holder.addEventListener(type, (event) => {
        const { row, column } = cellAt(event, view);
        go(row, column);
      });
    onArrows(map.holder, (down, right) => go(place[0] + down, place[1] + right));
    return { section, show };
  }

  /* -- what a change redraws -- */
  function redraw() {
    const now = setup();
    const { size, kernel, stride, padding } = now;
    sliders.kernel.show(kernels.indexOf(kernel));
    sliders.stride.show(strides.indexOf(stride));
    paddingChoice.mark(PADDINGS.indexOf(padding));
    const { crop, count: kept } = output(now);
    const covered = size * stride + Math.max(kernel - stride, 0);
    const copies = Array.from({ length: size }, (_, i) => [i * stride - crop, i * stride - crop + kernel - 1]);
    const cut = covered - kept;
    transposed.show(
      overlap(now),
      copies,
      crop,
      covered,
      `Strips: one copy of the kernel for each of the ${size} input pixels, ${stride} apart` +
        (cut ? `; what stands over the ends, ${count(cut, "pixel")}, is cut off.` : ".") + " Bars: copies over each pixel.",
    );
    const pixels = Array.from({ length: size }, (_, i) => [i * stride, (i + 1) * stride - 1]);
    repeated.show(
      afterUpsampling(now),
      pixels,
      0,
      size * stride,
      `Strips: the ${size} input pixels, ${stride} wide. Bars: pixels that the kernel sums, ${kernel} away from the border.`,
    );
    sentence.textContent = `${sizeWords(now, kept)}. ${evenWords(now, met(now))}`;
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
