/* Masks over images, for the explorers of chapter 3: packed bits, counts, hatches that need no colour, outlines. */

/* Pixels that are set, one byte each, from bits packed eight to a byte, the first one highest. */
function bits(base64, pixels) {
  const packed = bytes(base64);
  return Uint8Array.from({ length: pixels }, (_, at) => (packed[at >> 3] >> (7 - (at & 7))) & 1);
}

/* {tp, fp, fn} of two masks: called against truth. */
function overlap(truth, called) {
  const counts = { tp: 0, fp: 0, fn: 0 };
  for (let at = 0; at < truth.length; at++)
    if (truth[at]) counts[called[at] ? "tp" : "fn"]++;
    else if (called[at]) counts.fp++;
  return counts;
}

/* Dice and IoU; two empty masks agree that nothing is there: 1. */
function agreement({ tp, fp, fn }) {
  const union = tp + fp + fn;
  return { dice: union ? (2 * tp) / (union + tp) : 1, iou: union ? tp / union : 1 };
}

/* Where two masks differ: 1 found (TP), 2 extra (FP), 3 missed (FN), else 0. */
const compared = (truth, called) => truth.map((sick, at) => (sick ? (called[at] ? 1 : 3) : called[at] ? 2 : 0));

const KINDS = [
  null,
  { name: "found (TP)", mark: "dots", fill: "#56b4e9" },
  { name: "extra (FP)", mark: "stripes", fill: "#e69f00" },
  { name: "missed (FN)", mark: "crosses", fill: "#e7a3c8" },
];

/* A tile of dots, stripes or crosses: told apart without colour. */
function tile({ mark, fill }) {
  const canvas = element("canvas", { width: 12, height: 12 });
  const pen = canvas.getContext("2d");
  pen.fillStyle = fill;
  pen.fillRect(0, 0, 12, 12);
  pen.strokeStyle = pen.fillStyle = "#000";
  pen.lineWidth = 2;
  const line = (...ends) => {
    pen.beginPath();
    pen.moveTo(ends[0], ends[1]);
    pen.lineTo(ends[2], ends[3]);
    pen.stroke();
  };
  if (mark === "dots") pen.fillRect(4, 4, 4, 4);
  if (mark === "stripes") for (const shift of [-12, 0, 12]) line(shift - 1, 13, shift + 13, -1);
  if (mark === "crosses") {
    line(6, 1, 6, 11);
    line(1, 6, 11, 6);
  }
  return canvas;
}

function fillKinds(context, view, kinds, alpha) {
  context.globalAlpha = alpha;
  for (const [kind, look] of KINDS.entries()) {
    if (!look) continue;
    context.fillStyle = context.createPattern(tile(look), "repeat");
    context.beginPath();
    for (const [at, found] of kinds.entries())
      if (found === kind) {
        const [row, column] = [Math.floor(at / view.columns), at % view.columns];
        context.rect(view.left + column * view.size, view.top + row * view.size, view.size, view.size);
      }
    context.fill();
  }
  context.globalAlpha = 1;
}

/* The border of a mask along the edges of its pixels; dashes [] for a solid line. */
function outlineMask(context, view, mask, colour, dashes) {
  const { rows, columns, left, top, size } = view;
  context.beginPath();
  const held = (row, column) => row >= 0 && row < rows && column >= 0 && column < columns && mask[row * columns + column];
  const edge = (x0, y0, x1, y1) => {
    context.moveTo(left + x0 * size, top + y0 * size);
    context.lineTo(left + x1 * size, top + y1 * size);
  };
  for (let row = 0; row <= rows; row++)
    for (let column = 0; column <= columns; column++) {
      if (Boolean(held(row, column)) !== Boolean(held(row - 1, column))) edge(column, row, column + 1, row);
      if (Boolean(held(row, column)) !== Boolean(held(row, column - 1))) edge(column, row, column, row + 1);
    }
  context.setLineDash([]);
  context.lineCap = "round";
  for (const [ink, width, pattern] of [
    ["#000", 6, []],
    [colour, 3, dashes],
  ]) {
    context.setLineDash(pattern);
    context.strokeStyle = ink;
    context.lineWidth = width;
    context.stroke();
  }
  context.setLineDash([]);
}

const TRUTH = { colour: "#fff", dashes: [] };
const CALLED = { colour: ORANGE, dashes: [5, 7] };

function outlineBoth(context, view, truth, called) {
  context.clearRect(0, 0, SIDE, SIDE);
  outlineMask(context, view, truth, TRUTH.colour, TRUTH.dashes);
  outlineMask(context, view, called, CALLED.colour, CALLED.dashes);
}

/* What the hatches and lines mean, with a sample of each. */
function keyOfOverlay(solid, dashed) {
  const sample = (draw) => {
    const canvas = element("canvas", { width: 48, height: 30, className: "mdx-sample" });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#777";
    pen.fillRect(0, 0, 48, 30);
    draw(pen);
    return canvas;
  };
  const line = ({ colour, dashes }) => (pen) => {
    for (const [ink, width, pattern] of [
      ["#000", 6, []],
      [colour, 3, dashes],
    ]) {
      pen.setLineDash(pattern);
      pen.strokeStyle = ink;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(2, 15);
      pen.lineTo(46, 15);
      pen.stroke();
    }
  };
  const areas = KINDS.slice(1).map((look) => [look.name, (pen) => {
    pen.fillStyle = pen.createPattern(tile(look), "repeat");
    pen.fillRect(0, 0, 48, 30);
  }]);
  const samples = [...areas, [solid, line(TRUTH)], [dashed, line(CALLED)]];
  return element("div", { className: "mdx-overlay-key" }, ...samples.map(([name, draw]) => element("span", {}, sample(draw), name)));
}
