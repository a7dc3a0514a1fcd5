/* Threshold explorer: where a probability becomes a call, how rare the disease is, and what a miss may cost.

   State: scores {levels, sick, well}: each different probability from the largest down, in thousandths rounded down,
   and how many sick and well cases have it; prevalences and costs (what the sliders offer); own (which prevalence is
   that of the data); threshold (thousandths), prevalence, cost (places in those lists); name, unit (words).  */

const STEPS = 1000; // of the threshold; rounded down to them, p >= threshold stays what it was

/* ---- arithmetic, free of drawing; tests compare it with medtutor.metrics ---- */

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/* Cases called sick where p >= threshold/1000, for every threshold 0 … 1000: [{tp, fp}]. */
function callsAt({ levels, sick, well }) {
  const calls = new Array(STEPS + 1);
  let [at, tp, fp] = [0, 0, 0];
  for (let threshold = STEPS; threshold >= 0; threshold--) {
    for (; at < levels.length && levels[at] >= threshold; at++) {
      tp += sick[at];
      fp += well[at];
    }
    calls[threshold] = { tp, fp };
  }
  return calls;
}

/* Sensitivity and false alarm rate after each different score, from nobody called (0, 0) to everybody (1, 1). */
function rocPoints({ sick, well }) {
  const [S, W] = [total(sick), total(well)];
  const points = [{ se: 0, fa: 0 }];
  let [tp, fp] = [0, 0];
  for (const [at, more] of sick.entries()) {
    tp += more;
    fp += well[at];
    points.push({ se: tp / S, fa: fp / W });
  }
  return points;
}

const auroc = (points) =>
  total(points.slice(1).map(({ se, fa }, at) => ((fa - points[at].fa) * (se + points[at].se)) / 2));

/* Precision against recall, were this share sick; nobody called has no precision. */
function prPoints(points, prevalence) {
  return points
    .slice(1)
    .map(({ se, fa }) => ({ recall: se, precision: (prevalence * se) / (prevalence * se + (1 - prevalence) * fa) }));
}

const averagePrecision = (points) =>
  total(points.map(({ recall, precision }, at) => (recall - (at ? points[at - 1].recall : 0)) * precision));

/* Cost of an operating point per person: a miss costs `cost` false alarms. */
const expected = ({ se, fa }, prevalence, cost) => cost * (prevalence * (1 - se)) + (1 - prevalence) * fa;

/* Everything that is said of one operating point; null where nothing can be said. */
function judge({ se, fa }, prevalence, cost) {
  const [tp, fn] = [prevalence * se, prevalence * (1 - se)];
  const [fp, tn] = [(1 - prevalence) * fa, (1 - prevalence) * (1 - fa)];
  return {
    sensitivity: se,
    specificity: 1 - fa,
    ppv: tp + fp > 0 ? tp / (tp + fp) : null,
    npv: tn + fn > 0 ? tn / (tn + fn) : null,
    accuracy: tp + tn,
    f1: (2 * tp) / (2 * tp + fp + fn),
    netBenefit: tp - fp / cost,
    treatAll: prevalence - (1 - prevalence) / cost,
    treatNone: 0,
    cost: expected({ se, fa }, prevalence, cost),
    costAll: 1 - prevalence,
    costNone: cost * prevalence,
  };
}

/* Whole people: of 1,000, or of 10,000 where fewer than ten of 1,000 are sick. */
function people({ se, fa }, prevalence) {
  const all = 1000 * prevalence < 9.995 ? 10000 : 1000;
  const sick = Math.round(all * prevalence);
  const found = Math.min(sick, Math.round(all * prevalence * se));
  const alarms = Math.min(all - sick, Math.round(all * (1 - prevalence) * fa));
  return { all, sick, well: all - sick, found, missed: sick - found, alarms, spared: all - sick - alarms };
}

/* The cost at every threshold, and the first run of thresholds where it is least: {costs, low, high, cost}. */
function cheapest(rates, prevalence, cost) {
  const costs = rates.map((rate) => expected(rate, prevalence, cost));
  const least = Math.min(...costs);
  const low = costs.indexOf(least);
  let high = low;
  while (costs[high + 1] === least) high++;
  return { costs, low, high, cost: least };
}

/* Where treating and waiting are equally good if p is a true probability at prevalence `own`: odds = harm / benefit. */
function impliedThreshold(cost, prevalence, own) {
  const odds = ((1 / cost) * (own / (1 - own))) / (prevalence / (1 - prevalence));
  return odds / (1 + odds);
}

export const arithmetic = {
  callsAt,
  rocPoints,
  auroc,
  prPoints,
  averagePrecision,
  judge,
  people,
  cheapest,
  impliedThreshold,
};

/* ---- words ---- */

const share = (prevalence) => `${Number((100 * prevalence).toPrecision(3))} %`;

const times = (cost) => String(Number(cost.toPrecision(4)));

/* ---- drawing: one square plot in units of a 320 × 300 view ---- */

const VIEW = { width: 320, height: 300, left: 46, top: 10, wide: 262, high: 240 };

const across = (x) => VIEW.left + x * VIEW.wide;
const up = (y) => VIEW.top + (1 - y) * VIEW.high;
const path = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${across(x).toFixed(1)} ${up(y).toFixed(1)}`).join("");

/* Axes and what moves on them: {svg, curve, dashes (two lines with words), cross (a vertical), best, dot}. */
function plot(name, xWord, yWord) {
  const text = (x, y, content, anchor = "middle") =>
    Object.assign(drawn("text", { x, y, "text-anchor": anchor }), { textContent: content });
  const ticks = [0, 0.5, 1];
  const line = (className) => drawn("path", { class: className, fill: "none" });
  const curve = line("mdx-curve");
  const dashes = [0, 1].map((at) => ({ line: line(`mdx-dash mdx-dash-${at}`), word: text(0, 0, "", "end") }));
  const cross = line("mdx-cross");
  const best = drawn("path", { class: "mdx-best" });
  const dot = drawn("circle", { class: "mdx-dot", r: 7 });
  const yTicks = ticks.map((y) => text(VIEW.left - 6, up(y) + 4, String(y), "end"));
  const yTitle = text(0, 0, yWord);
  yTitle.setAttribute("transform", `translate(13 ${up(0.5)}) rotate(-90)`);
  const svg = drawn(
    "svg",
    { viewBox: `0 0 ${VIEW.width} ${VIEW.height}`, role: "img", "aria-label": name, class: "mdx-plot" },
    drawn("path", { class: "mdx-frame", d: path([[0, 1], [0, 0], [1, 0], [1, 1], [0, 1]]) }),
    ...ticks.map((x) => text(across(x), up(0) + 16, String(x))),
    ...yTicks,
    text(across(0.5), up(0) + 34, xWord),
    yTitle,
    ...dashes.map(({ line: dashed }) => dashed),
    curve,
    cross,
    ...dashes.map(({ word }) => word),
    best,
    dot,
  );
  return { svg, curve, dashes, cross, best, dot, yTicks };
}

function place(mark, x, y, side = 0) {
  if (mark.tagName === "circle") dress(mark, { cx: across(x).toFixed(1), cy: up(y).toFixed(1), visibility: "visible" });
  else mark.setAttribute("d", `M${across(x)} ${up(y) - side}l${side} ${side}l${-side} ${side}l${-side} ${-side}z`);
}

/* A level line with words above it, at the end where the curve is not. */
function dash({ line, word }, y, content, left) {
  line.setAttribute("d", path([[0, y], [1, y]]));
  dress(word, { x: left ? across(0) + 4 : across(1) - 4, y: up(y) - 5, "text-anchor": left ? "start" : "end" });
  word.textContent = content;
}

/* ---- the explorer ---- */

function render({ model, el }) {
  const scores = model.get("scores");
  const [prevalences, costs, own] = ["prevalences", "costs", "own"].map(model.get);
  const [name, unit] = ["name", "unit"].map(model.get);
  const now = (key) => model.get(key);
  const settings = ["threshold", "prevalence", "cost"];
  const start = Object.fromEntries(settings.map((key) => [key, now(key)]));
  const thresholds = Array.from({ length: STEPS + 1 }, (_, at) => at / STEPS);
  const [S, W] = [total(scores.sick), total(scores.well)];
  const rates = callsAt(scores).map(({ tp, fp }) => ({ se: tp / S, fa: fp / W }));
  const roc = rocPoints(scores);

  let best, drawn; // the cheapest threshold, and for which prevalence and cost the curves are drawn

  /* -- parts -- */
  const set = (key) => (at) => change({ [key]: at });
  const prevalenceWords = (value, at) => share(value) + (at === own ? ", as in the data" : "");
  const sliders = {
    threshold: slider("threshold", thresholds, (value) => decimals(value, 3), set("threshold")),
    prevalence: slider("prevalence", prevalences, prevalenceWords, set("prevalence")),
    cost: slider("one miss costs", costs, (value) => `${times(value)} false alarm${value === 1 ? "" : "s"}`, set("cost")),
  };
  const button = (textContent) => element("button", { type: "button", textContent });
  const toBest = button("cheapest");
  const toImplied = button("from the cost");
  const reset = button("Reset");
  const plots = {
    roc: plot("ROC curve; the table has the marked point's values", "1 − specificity", "sensitivity"),
    pr: plot("Precision-recall curve; the table has the marked point's values", "recall (sensitivity)", "precision (PPV)"),
    cost: plot("Expected cost at every threshold; the table has the marked values", "threshold", ""),
  };
  const titles = Object.fromEntries(Object.keys(plots).map((key) => [key, element("div", { className: "mdx-title" })]));
  const sentence = element("p", { className: "mdx-sentence" });
  const { spoken, speak } = speaker();

  const cell = (word) => {
    const number = element("strong");
    return { number, td: element("td", {}, number, element("small", { textContent: word })) };
  };
  const cells = {
    found: cell("found (TP)"),
    missed: cell("missed (FN)"),
    alarms: cell("false alarms (FP)"),
    spared: cell("rightly left alone (TN)"),
  };
  const heads = [element("th", { scope: "row" }), element("th", { scope: "row" })];
  const matrixTitle = element("caption", { className: "mdx-title" });
  const head = (textContent) => element("th", { textContent, scope: "col" });
  const matrix = element(
    "table",
    { className: "mdx-matrix" },
    matrixTitle,
    element("tr", {}, element("td"), head("called sick"), head("called well")),
    element("tr", {}, heads[0], cells.found.td, cells.missed.td),
    element("tr", {}, heads[1], cells.alarms.td, cells.spared.td),
  );

  const rows = new Map();
  const row = (key, word, definition) => {
    const [value, meaning] = [element("td"), element("small", { textContent: definition })];
    rows.set(key, { value, meaning });
    return element("tr", {}, element("th", { scope: "row" }, word, meaning), value);
  };
  const rateTable = element(
    "table",
    { className: "mdx-numbers" },
    element("caption", { className: "mdx-title", textContent: "How often is it right?" }),
    row("sensitivity", "sensitivity, recall", "found ÷ all sick; no prevalence in it"),
    row("specificity", "specificity", "rightly left alone ÷ all well; no prevalence in it"),
    row("ppv", "PPV, precision", "of those called sick, the share that is"),
    row("npv", "NPV", "of those called well, the share that is"),
    row("accuracy", "accuracy", "right calls ÷ all calls"),
    row("f1", "F1", "2 found ÷ (2 found + false alarms + missed)"),
  );
  const worthTable = element(
    "table",
    { className: "mdx-numbers" },
    element("caption", { className: "mdx-title", textContent: "Is it worth it?" }),
    row("netBenefit", "net benefit", ""),
    row("treatAll", "… of calling all sick", ""),
    row("treatNone", "… of calling none sick", "nobody found, no false alarm"),
    row("cost", "expected cost per 1,000", ""),
    row("best", "cheapest threshold", ""),
    row("implied", "threshold from the cost", ""),
  );

  el.classList.add("mdx-of-threshold");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Threshold explorer");
  el.append(
    element(
      "div",
      { className: "mdx-controls mdx-threshold" },
      ...Object.values(sliders).map(({ label }) => label),
      element("div", { className: "mdx-buttons" }, element("span", { textContent: "set threshold:" }), toBest, toImplied, reset),
    ),
    sentence,
    element(
      "div",
      { className: "mdx-panels" },
      ...Object.keys(plots).map((key) => element("section", {}, titles[key], plots[key].svg)),
    ),
    element(
      "p",
      { className: "mdx-caption mdx-key" },
      "Circle: your threshold. Diamond: the cheapest one. A drag on the first or third plot moves the threshold.",
    ),
    element("div", { className: "mdx-tables" }, matrix, rateTable, worthTable),
    spoken,
  );

  /* -- what a change redraws: the curves only with prevalence and cost -- */
  function redraw() {
    const [prevalence, cost] = [prevalences[now("prevalence")], costs[now("cost")]];
    for (const key of settings) sliders[key].show(now(key));
    if (drawn !== `${prevalence} ${cost}`) {
      drawn = `${prevalence} ${cost}`;
      best = cheapest(rates, prevalence, cost);
      drawPr(prevalence);
      drawCost(judge(rates[0], prevalence, cost));
      place(plots.roc.best, rates[best.low].fa, rates[best.low].se, 9);
    }
    const point = rates[now("threshold")];
    const said = judge(point, prevalence, cost);
    mark(point, said);
    writeMatrix(people(point, prevalence));
    writeNumbers(said, prevalence, cost);
  }

  function drawRoc() {
    const { curve, dashes } = plots.roc;
    titles.roc.textContent = `ROC curve   AUROC ${decimals(auroc(roc), 3)}`;
    curve.setAttribute("d", path(roc.map(({ se, fa }) => [fa, se])));
    dashes[0].line.setAttribute("d", path([[0, 0], [1, 1]]));
  }

  function drawPr(prevalence) {
    const { curve, dashes, best: diamond } = plots.pr;
    const points = prPoints(roc, prevalence);
    titles.pr.textContent = `PR curve at ${share(prevalence)}   AP ${decimals(averagePrecision(points), 3)}`;
    curve.setAttribute("d", path(points.map(({ recall, precision }) => [recall, precision])));
    dash(dashes[0], prevalence, "all called sick", true);
    const { ppv } = judge(rates[best.low], prevalence, 1);
    diamond.setAttribute("visibility", ppv === null ? "hidden" : "visible");
    if (ppv !== null) place(diamond, rates[best.low].se, ppv, 9);
  }

  function drawCost({ costAll, costNone }) {
    const { curve, dashes, best: diamond, yTicks } = plots.cost;
    const top = (best.top = 1.08 * Math.max(...best.costs, costAll, costNone));
    for (const [at, tick] of yTicks.entries()) tick.textContent = decimals((at * top) / 2, top < 10 ? 2 : 0);
    const bends = [...best.costs.entries()].filter(([at, cost]) => cost !== best.costs[at - 1] || cost !== best.costs[at + 1]);
    curve.setAttribute("d", path(bends.map(([at, cost]) => [at / STEPS, cost / top])));
    dash(dashes[0], costAll / top, "all called sick", false);
    dash(dashes[1], costNone / top, "none called sick", true);
    place(diamond, (best.low + best.high) / 2 / STEPS, best.cost / top, 9);
  }

  function mark(point, said) {
    const x = now("threshold") / STEPS;
    place(plots.roc.dot, point.fa, point.se);
    plots.pr.dot.setAttribute("visibility", "hidden");
    if (said.ppv !== null) place(plots.pr.dot, point.se, said.ppv);
    plots.cost.cross.setAttribute("d", path([[x, 0], [x, 1]]));
    place(plots.cost.dot, x, said.cost / best.top);
  }

  function writeMatrix(n) {
    matrixTitle.textContent = `Of ${whole(n.all)} ${unit}`;
    heads[0].textContent = `${whole(n.sick)} sick`;
    heads[1].textContent = `${whole(n.well)} well`;
    for (const [key, { number }] of Object.entries(cells)) number.textContent = whole(n[key]);
    const have = n.sick === 1 ? "has" : "have";
    sentence.textContent =
      `Of ${whole(n.all)} ${unit}, ${whole(n.sick)} ${have} the ${name}: ${whole(n.found)} found, ` +
      `${whole(n.missed)} missed; and ${count(n.alarms, "false alarm")} among the ${whole(n.well)} without it.`;
    speak(`threshold ${decimals(now("threshold") / STEPS, 3)}. ${sentence.textContent}`);
  }

  function writeNumbers(said, prevalence, cost) {
    const write = (key, value, meaning) => {
      rows.get(key).value.textContent = value;
      if (meaning) rows.get(key).meaning.textContent = meaning;
    };
    for (const key of ["sensitivity", "specificity", "accuracy", "f1"]) write(key, decimals(said[key], 3));
    write("ppv", said.ppv === null ? "no one is called sick" : decimals(said.ppv, 3));
    write("npv", said.npv === null ? "no one is called well" : decimals(said.npv, 3));
    const C = times(cost);
    write("netBenefit", decimals(said.netBenefit, 4), `found ÷ all − false alarms ÷ all × odds, odds 1 ÷ ${C}`);
    write("treatAll", decimals(said.treatAll, 4), `prevalence − (1 − prevalence) × odds`);
    write("treatNone", decimals(0, 4));
    write("cost", decimals(1000 * said.cost, 1), `${C} × missed + false alarms: least where net benefit is most`);
    const run = best.low === best.high ? "" : ` to ${decimals(best.high / STEPS, 3)}`;
    write("best", decimals(best.low / STEPS, 3) + run, `on these cases; costs ${decimals(1000 * best.cost, 1)}`);
    const implied = impliedThreshold(cost, prevalence, prevalences[own]);
    const moved = now("prevalence") === own ? "1 ÷ (1 + cost)" : "its odds × data's ÷ chosen prevalence odds";
    write("implied", decimals(implied, 3), `${moved}; the cheapest if p is calibrated`);
  }

  /* -- events -- */
  function change(values) {
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    redraw();
  }

  /* Where in the plot's own units, 0 to 1, a pointer is. */
  function where(event, svg) {
    const box = svg.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return [(x * VIEW.width - VIEW.left) / VIEW.wide, 1 - (y * VIEW.height - VIEW.top) / VIEW.high];
  }

  function drag(svg, threshold) {
    svg.classList.add("mdx-drag");
    const move = (event) => change({ threshold: threshold(...where(event, svg)) });
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      move(event);
    });
    svg.addEventListener("pointermove", (event) => event.buttons && move(event));
  }

  const inside = (step) => Math.max(0, Math.min(STEPS, Math.round(step)));

  drag(plots.cost.svg, (x) => inside(x * STEPS));
  drag(plots.roc.svg, (x, y) => {
    const away = rates.map(({ se, fa }) => (fa - x) ** 2 + (se - y) ** 2);
    const nearest = Math.min(...away);
    const near = [...away.keys()].filter((at) => away[at] === nearest);
    return near.reduce((a, b) => (Math.abs(b - now("threshold")) < Math.abs(a - now("threshold")) ? b : a));
  });
  toBest.addEventListener("click", () => change({ threshold: Math.round((best.low + best.high) / 2) }));
  toImplied.addEventListener("click", () => {
    const implied = impliedThreshold(costs[now("cost")], prevalences[now("prevalence")], prevalences[own]);
    change({ threshold: inside(implied * STEPS) });
  });
  reset.addEventListener("click", () => change(start));

  titles.cost.textContent = "cost per person, in false alarms";
  drawRoc();
  redraw();
}

export default { render };
