/* What several explorers are built of: elements, numbers as text, colours, grids of pixels. Stands ahead of a module. */

/* ---- text ---- */

/* A number with this many decimals, a real minus sign, and never −0.00. */
function decimals(value, places = 2) {
  const text = Math.abs(value).toFixed(places);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

/* A whole number with commas: 10,000. */
const whole = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

const count = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;

/* ---- stored numbers ---- */

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/* Two bytes each, the low one first. */
function shorts(base64) {
  const read = bytes(base64);
  return Uint16Array.from({ length: read.length / 2 }, (_, at) => read[2 * at] + 256 * read[2 * at + 1]);
}

/* ---- elements ---- */

function dress(made, attributes) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/* An HTML element; aria: {label, live, role …} become attributes. */
function element(tag, properties = {}, ...children) {
  const { aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(name === "role" ? name : `aria-${name}`, value);
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes);
  made.append(...children);
  return made;
}

const labelled = (text, ...parts) => element("label", {}, element("span", { textContent: text }), ...parts);

const group = (legend, className, ...parts) =>
  element("fieldset", { className }, element("legend", { textContent: legend }), ...parts);

/* A range over the places of a list, with its reading; text(value) is read and spoken. */
function slider(name, values, text, chosen) {
  const range = element("input", { type: "range", min: 0, max: values.length - 1, step: 1 });
  const reading = element("span", { className: "mdx-reading", aria: { hidden: true } });
  range.addEventListener("input", () => chosen(Number(range.value)));
  const show = (at) => {
    range.value = at;
    reading.textContent = text(values[at], at);
    range.setAttribute("aria-valuetext", reading.textContent);
  };
  return { label: labelled(name, range, reading), range, show };
}

/* A sentence for those who listen, said when nothing has moved for a moment. */
function speaker() {
  const spoken = element("p", { className: "mdx-spoken", aria: { live: "polite" } });
  let silence = 0;
  const speak = (text) => {
    clearTimeout(silence);
    silence = setTimeout(() => (spoken.textContent = text), 600);
  };
  return { spoken, speak };
}

/* Radio buttons with a picture or words each: {parts (labels), mark(at)}; chosen(at) hears of a choice. */
function radios(choices, chosen) {
  const name = `mdx-${Math.random().toString(36).slice(2)}`; // the buttons of one copy on the page belong together
  const buttons = choices.map((_, at) => element("input", { type: "radio", name, value: at }));
  for (const [at, button] of buttons.entries()) button.addEventListener("change", () => chosen(at));
  const parts = choices.map((content, at) => element("label", {}, buttons[at], ...content));
  return { parts, mark: (at) => void (buttons[at].checked = true) };
}

/* ---- colour: orange below 0, white at 0, violet above (ColorBrewer PuOr), greys for images ---- */

const ANCHORS = "7f3b08 b35806 e08214 fdb863 fee0b6 f7f7f7 d8daeb b2abd2 8073ac 542788 2d004b"
  .split(" ")
  .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

const SIGNED = Array.from({ length: 511 }, (_, number) => {
  const from = Math.min(9, Math.floor(number / 51));
  const part = number / 51 - from;
  return ANCHORS[from].map((channel, c) => Math.round(channel + part * (ANCHORS[from + 1][c] - channel)));
});
const GREYS = Array.from({ length: 256 }, (_, grey) => [grey, grey, grey]);

/* t from −1 to 1, and from 0 to 1; beyond the ends as at the ends. */
const signedColour = (t) => SIGNED[Math.round(255 * (1 + Math.max(-1, Math.min(1, t))))];
const greyColour = (t) => GREYS[Math.max(0, Math.min(255, Math.round(255 * t)))];

/* Black or white, whichever reads better on this colour (WCAG relative luminance). */
function ink(colour) {
  const [red, green, blue] = colour.map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

const css = (colour) => `rgb(${colour.join(",")})`;

/* ---- grids of pixels ---- */

const SIDE = 560; // canvas pixels of a board; shown at about half of that, so sharp on dense screens
const EDGE = 8; // leaves room for the outline of a pixel at the edge
const ORANGE = "#ffb000";

/* A square view of a grid of pixels: where each lies on the canvas. */
function grid(rows, columns) {
  const size = (SIDE - 2 * EDGE) / Math.max(rows, columns);
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
function raster(rows, columns, colour, canvas = document.createElement("canvas")) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  for (let at = 0; at < rows * columns; at++) {
    pixels.data.set(colour(at), 4 * at);
    pixels.data[4 * at + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/* Two canvases on top of each other: what changes with the settings, and what changes with the pointer. */
function board(properties) {
  const canvas = () => element("canvas", { width: SIDE, height: SIDE });
  const [below, above] = [canvas(), canvas()];
  const holder = element("div", { className: "mdx-stack", ...properties }, below, above);
  return { holder, below: below.getContext("2d"), above: above.getContext("2d") };
}

function paint(context, view, pixels) {
  context.clearRect(0, 0, SIDE, SIDE);
  context.imageSmoothingEnabled = false;
  context.drawImage(pixels, view.left, view.top, view.columns * view.size, view.rows * view.size);
}

/* An outline around an area that shows on black, on white and on every colour between. */
function outline(context, x, y, width, height) {
  for (const [colour, thickness] of [
    ["#000", 8],
    [ORANGE, 4],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.strokeRect(x - 3, y - 3, width + 6, height + 6);
  }
}

/* Arrow keys on a board: move(rows, columns), five at a time with Shift; keys meant for the host pass. */
function onArrows(holder, move) {
  holder.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    move(...step.map((part) => part * (event.shiftKey ? 5 : 1)));
  });
}
