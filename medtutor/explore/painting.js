/* Painting explorer: paint a mask of your own, and have it scored against the truth and against a net.

   State: rows, columns, contrasts, greys [contrast] base64 of a byte a pixel, truth and predicted base64 of packed
   bits, name, and what is in view: contrast, row and column (the brush), brush (its diameter in pixels).  */

const BRUSHES = [1, 3, 5, 9];
const MOST_UNDO = 100;

/* ---- arithmetic, free of drawing ---- */

/* Pixels of a round brush around [row, column], those outside the image left out. */
function brushed(row, column, diameter, rows, columns) {
  const reach = Math.floor(diameter / 2);
  const pixels = [];
  for (let r = Math.max(0, row - reach); r <= Math.min(rows - 1, row + reach); r++)
    for (let c = Math.max(0, column - reach); c <= Math.min(columns - 1, column + reach); c++)
      if ((r - row) ** 2 + (c - column) ** 2 <= (diameter / 2) ** 2) pixels.push(r * columns + c);
  return pixels;
}

/* Pixels on the straight way from one to another, both included. */
function between([row, column], [toRow, toColumn]) {
  const steps = Math.max(Math.abs(toRow - row), Math.abs(toColumn - column), 1);
  return Array.from({ length: steps + 1 }, (_, at) => [
    Math.round(row + ((toRow - row) * at) / steps),
    Math.round(column + ((toColumn - column) * at) / steps),
  ]);
}

export const arithmetic = { brushed, between };

/* ---- the explorer ---- */

function render({ model, el }) {
  const [rows, columns, contrasts, name] = ["rows", "columns", "contrasts", "name"].map(model.get);
  const now = (key) => model.get(key);
  const pixels = rows * columns;
  const [truth, predicted] = ["truth", "predicted"].map((key) => bits(model.get(key), pixels));
  const greys = model.get("greys").map(bytes);
  const view = grid(rows, columns);
  const nothing = () => new Uint8Array(pixels);
  const past = [];
  let mine = nothing();
  let erasing = false;
  let scored = false;
  let against = 0;

  /* -- parts -- */
  const words = (text) => [element("span", { textContent: text })];
  const toolChoice = radios([words("paint"), words("erase")], (at) => void (erasing = at === 1));
  const brushChoice = radios(BRUSHES.map((brush) => words(String(brush))), (at) => {
    model.set("brush", BRUSHES[at]);
    drawAbove();
  });
  const contrastChoice = radios(contrasts.map(words), (contrast) => {
    model.set("contrast", contrast);
    drawBelow();
  });
  const comparison = radios([words("truth"), words("the net"), words("nothing")], (at) => {
    against = at;
    drawBelow();
    drawAbove();
  });
  const button = (textContent) => element("button", { type: "button", textContent });
  const [undo, clear, score] = [button("Undo"), button("Clear"), button("Score")];
  const keys = "arrow keys move the brush, with Shift five pixels at a time; Space paints or erases; u undoes";
  const canvas = board({ tabIndex: 0, aria: { role: "application", label: `image to paint on; ${keys}` } });
  const sentence = element("p", { className: "mdx-sentence" });
  const { spoken, speak } = speaker();
  const cells = new Map();
  const row = (key, word) => {
    const made = Array.from({ length: 5 }, () => element("td", { textContent: "–" }));
    cells.set(key, made);
    return element("tr", {}, element("th", { scope: "row", textContent: word }), ...made);
  };
  const head = (word, definition) =>
    element("th", { scope: "col" }, word, element("small", { textContent: definition }));
  const table = element(
    "table",
    { className: "mdx-scores" },
    element(
      "tr",
      {},
      element("td"),
      head("Dice", "2 found ÷ both sizes"),
      head("IoU", "found ÷ union"),
      head("found", "pixels in both"),
      head("missed", "in the second only"),
      head("extra", "in the first only"),
    ),
    row("mine", "you against truth"),
    row("net", "net against truth"),
    row("us", "you against net"),
  );
  const choices = (legend, { parts }) => group(legend, "", element("div", { className: "mdx-choices" }, ...parts));
  const compare = choices("compare with", comparison);

  el.classList.add("mdx-of-painting");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Painting explorer");
  el.append(
    element(
      "div",
      { className: "mdx-desk" },
      canvas.holder,
      element(
        "div",
        { className: "mdx-side" },
        element("p", { textContent: `Paint the ${name} by pointer or by keyboard: ${keys}.` }),
        element(
          "div",
          { className: "mdx-controls" },
          choices("tool", toolChoice),
          choices("brush, pixels", brushChoice),
          ...(contrasts.length > 1 ? [choices("drawn", contrastChoice)] : []),
          compare,
        ),
        element("div", { className: "mdx-buttons" }, undo, clear, score),
        sentence,
        table,
        keyOfOverlay("truth, or the net", "your mask"),
      ),
    ),
    spoken,
  );

  /* -- drawing -- */
  const other = () => (against === 0 ? truth : predicted);

  function drawBelow() {
    const grey = greys[now("contrast")];
    paint(canvas.below, view, raster(rows, columns, (at) => GREYS[grey[at]]));
    if (scored && against < 2) fillKinds(canvas.below, view, compared(other(), mine), 0.6);
  }

  function drawAbove() {
    canvas.above.clearRect(0, 0, SIDE, SIDE);
    if (scored && against < 2) outlineMask(canvas.above, view, other(), TRUTH.colour, TRUTH.dashes);
    outlineMask(canvas.above, view, mine, CALLED.colour, CALLED.dashes);
    const spot = nothing();
    for (const at of brushed(now("row"), now("column"), now("brush"), rows, columns)) spot[at] = 1;
    outlineMask(canvas.above, view, spot, "#7fd4ff", []);
  }

  function say(text) {
    sentence.textContent = text;
    speak(text);
  }

  const painted = () => mine.reduce((sum, pixel) => sum + pixel, 0);

  function tell(before = "") {
    undo.disabled = past.length === 0;
    clear.disabled = painted() === 0;
    for (const choice of compare.querySelectorAll("input")) choice.disabled = !scored;
    say(`${before}${count(painted(), "pixel")} painted. ${scored ? verdict() : "Press Score when you are done."}`);
  }

  function verdict() {
    const [you, net] = [mine, predicted].map((mask) => agreement(overlap(truth, mask)).dice);
    const than = you > net ? "above" : you < net ? "below" : "equal to";
    return `Your Dice is ${decimals(you, 3)}, ${than} the net's ${decimals(net, 3)}.`;
  }

  function writeScores() {
    for (const [key, second, first] of [
      ["mine", truth, mine],
      ["net", truth, predicted],
      ["us", predicted, mine],
    ]) {
      const counts = overlap(second, first);
      const { dice, iou } = agreement(counts);
      const said = [decimals(dice, 3), decimals(iou, 3), whole(counts.tp), whole(counts.fn), whole(counts.fp)];
      for (const [at, cell] of cells.get(key).entries()) cell.textContent = scored ? said[at] : "–";
    }
  }

  function redraw(before) {
    drawBelow();
    drawAbove();
    writeScores();
    tell(before);
  }

  /* -- painting -- */
  function remember() {
    past.push(mine.slice());
    if (past.length > MOST_UNDO) past.shift();
  }

  function stroke(from, to) {
    const wasScored = scored;
    scored = false;
    for (const [row, column] of between(from, to))
      for (const at of brushed(row, column, now("brush"), rows, columns)) mine[at] = erasing ? 0 : 1;
    move(...to, false);
    if (wasScored) redraw();
    else {
      drawAbove();
      tell();
    }
  }

  function move(row, column, redrawn = true) {
    model.set("row", row);
    model.set("column", column);
    if (redrawn) drawAbove();
  }

  let last = null;
  canvas.holder.addEventListener("pointerdown", (event) => {
    const { row, column } = cellAt(event, view);
    canvas.holder.setPointerCapture(event.pointerId);
    remember();
    last = [row, column];
    stroke(last, last);
  });
  canvas.holder.addEventListener("pointermove", (event) => {
    const { row, column } = cellAt(event, view);
    if (last === null) return move(row, column);
    stroke(last, [row, column]);
    last = [row, column];
  });
  for (const type of ["pointerup", "pointercancel"]) canvas.holder.addEventListener(type, () => (last = null));

  onArrows(canvas.holder, (down, right) => {
    const kept = (line, lines) => Math.max(0, Math.min(lines - 1, line));
    move(kept(now("row") + down, rows), kept(now("column") + right, columns));
    say(`Brush at row ${now("row")}, column ${now("column")}. ${count(painted(), "pixel")} painted.`);
  });
  canvas.holder.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || ![" ", "u"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "u") return undo.click();
    remember();
    const here = [now("row"), now("column")];
    stroke(here, here);
  });

  undo.addEventListener("click", () => {
    if (!past.length) return;
    mine = past.pop();
    scored = false;
    redraw("Undone. ");
  });
  clear.addEventListener("click", () => {
    remember();
    mine = nothing();
    scored = false;
    redraw("Cleared. ");
  });
  score.addEventListener("click", () => {
    scored = true;
    redraw();
  });

  toolChoice.mark(0);
  brushChoice.mark(BRUSHES.indexOf(now("brush")));
  if (contrasts.length > 1) contrastChoice.mark(now("contrast"));
  comparison.mark(0);
  redraw();
}

export default { render };
