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
