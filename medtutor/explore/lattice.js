/* Lattice explorer: the scores of a linear chain, the sum over all its paths, and the best of them step by step.

   State: tokens, names, emit [token][tag], links [from][to] with the last row for the start and the last column for the
   end, barred [from][to] true where forbidden, edges (are start and end shown), mode ("sum" or "best"), step.
   Scores are whole hundredths, so that sums which are written out add up and equal paths are equal.  */

const FORBIDDEN = -1e6; // hundredths: −10,000, as medtutor.nn.crf scores what must not be
const LARGEST = 99;

/* ---- arithmetic, free of drawing; tests compare it with the sum over every path ---- */

const places = (count) => [...Array(count).keys()];
const firstLargest = (values) => values.indexOf(Math.max(...values));

/* links with FORBIDDEN where barred. */
const inForce = (links, barred) => links.map((row, i) => row.map((score, j) => (barred[i][j] ? FORBIDDEN : score)));

function logSumExp(values) {
  const top = Math.max(...values);
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

/* alpha [token][tag], log of the summed exp-scores of all paths that end there, and log Z of all paths. */
function forward(emit, links) {
  const tags = places(emit[0].length);
  const edge = tags.length;
  const alpha = [emit[0].map((score, j) => links[edge][j] + score)];
  for (const scores of emit.slice(1)) {
    const before = alpha.at(-1);
    alpha.push(scores.map((score, j) => score + logSumExp(tags.map((i) => before[i] + links[i][j]))));
  }
  return { alpha, logZ: logSumExp(tags.map((i) => alpha.at(-1)[i] + links[i][edge])) };
}

/* P(y_t = k) [token][tag], by the forward and the backward recursion. */
function marginals(emit, links) {
  const tags = places(emit[0].length);
  const { alpha, logZ } = forward(emit, links);
  const beta = [tags.map((i) => links[i][tags.length])];
  for (const scores of emit.slice(1).reverse()) {
    const after = beta[0];
    beta.unshift(tags.map((i) => logSumExp(tags.map((j) => links[i][j] + scores[j] + after[j]))));
  }
  return alpha.map((row, t) => row.map((score, k) => Math.exp(score + beta[t][k] - logZ)));
}

/* delta [token][tag] the best score of a path to there, back its tag before, sums [token][to][from], the last ones at
   the end, and the best path; the first of equal ones. */
function viterbi(emit, links) {
  const tags = places(emit[0].length);
  const edge = tags.length;
  const delta = [emit[0].map((score, j) => links[edge][j] + score)];
  const [sums, back] = [[null], [null]];
  for (const scores of emit.slice(1)) {
    const before = delta.at(-1);
    sums.push(scores.map((score, j) => tags.map((i) => before[i] + links[i][j] + score)));
    back.push(sums.at(-1).map(firstLargest));
    delta.push(sums.at(-1).map((all) => Math.max(...all)));
  }
  const last = tags.map((i) => delta.at(-1)[i] + links[i][edge]);
  const path = [firstLargest(last)];
  for (const pointers of back.slice(1).reverse()) path.unshift(pointers[path[0]]);
  return { delta, back, sums, last, path, score: Math.max(...last) };
}

function pathScore(path, emit, links) {
  const edge = emit[0].length;
  const [from, to] = [[edge, ...path], [...path, edge]];
  return from.reduce((sum, i, t) => sum + links[i][to[t]] + (t < emit.length ? emit[t][to[t]] : 0), 0);
}

const eachAlone = (emit) => emit.map(firstLargest);

/* "BIO" or "BIOES" where the names are such tags, else null. */
function schemeOf(names) {
  if (!names.every((name) => /^(O|[BIES](-.+)?)$/.test(name))) return null;
  return names.some((name) => /^[ES]/.test(name)) ? "BIOES" : "BIO";
}

/* May the tag `now` follow `before`? null stands for the start and the end of a sentence. */
function mayFollow(before, now, scheme) {
  const parted = (name) => [name?.[0] ?? "O", name?.slice(1)];
  const [[first, kind], [second, nextKind]] = [parted(before), parted(now)];
  const continues = second === "I" || second === "E";
  const open = first === "B" || first === "I";
  return continues || (scheme === "BIOES" && open) ? continues && open && kind === nextKind : true;
}

/* Where a sequence of names breaks the scheme: the places of tags that may not stand there, its length for the end. */
const brokenAt = (named, scheme) =>
  places(named.length + 1).filter((t) => !mayFollow(named[t - 1] ?? null, named[t] ?? null, scheme));

export const arithmetic = {
  inForce,
  logSumExp,
  forward,
  marginals,
  viterbi,
  pathScore,
  eachAlone,
  schemeOf,
  mayFollow,
  brokenAt,
};

/* ---- words ---- */

/* A score from whole hundredths: −9,996.60. */
function scoreText(hundredths) {
  const [number, part] = decimals(Math.abs(hundredths) / 100).split(".");
  return `${hundredths < 0 ? "−" : ""}${whole(number)}.${part}`;
}

/* As short as a node needs it: 2.10, and −10⁴ or −2·10⁴ behind what is forbidden. */
function shortText(value) {
  if (Math.abs(value) < 999.5) return decimals(value);
  const power = Math.floor(Math.log10(Math.abs(value)) + 0.01);
  const first = Math.round(Math.abs(value) / 10 ** power);
  return `${value < 0 ? "−" : ""}${first === 1 ? "" : `${first}·`}10${"⁰¹²³⁴⁵⁶"[power]}`;
}

/* 2.10 − 0.50 + 1.30 = 2.90 */
function sumText(terms) {
  const written = terms.map((term, at) => (at ? `${term < 0 ? "−" : "+"} ${scoreText(Math.abs(term))}` : scoreText(term)));
  return terms.length > 1 ? `${written.join(" ")} = ${scoreText(terms.reduce((sum, term) => sum + term, 0))}` : written[0];
}

const probabilityText = (p) => (p < 0.0005 ? "below 0.001" : decimals(p, 3));
const quoted = (token) => `“${token}”`;

/* ---- the explorer ---- */

const [NODE_LEFT, NODE_RIGHT] = [15, 85]; // of a column 100 wide; the style sheet makes nodes as wide
const LANE = 9; // the best path is drawn this much above the middle, the path of each alone as much below

function render({ model, el }) {
  const [tokens, names, edges] = ["tokens", "names", "edges"].map(model.get);
  const [T, K] = [tokens.length, names.length];
  const scheme = schemeOf(names);
  const now = (key) => model.get(key);
  const changing = ["emit", "links", "barred", "mode", "step"];
  const start = structuredClone(Object.fromEntries(changing.map((key) => [key, now(key)])));
  const everyScore = [...start.emit, ...start.links].flat();
  const reach = Math.max(500, 100 * Math.ceil(Math.max(...everyScore.map(Math.abs)) / 100));
  let typing = null; // the field that is being typed in, which keeps its text
  let chosen = { key: "emit", row: 0, column: 0 }; // the score that the slider moves: emit [token][tag], or links [from][to]

  const nameOf = (k, edge) => (k === K ? edge : names[k]);
  const wordsOf = ({ key, row, column }) =>
    key === "emit"
      ? `emission of ${names[column]} at ${quoted(tokens[row])}`
      : `transition ${nameOf(row, "start")} → ${nameOf(column, "end")}`;
  const steps = () => 2 * T; // T columns, the end, and T − 1 steps back

  /* -- parts -- */
  const cell = (className, ...content) => element("div", { className }, ...content);
  const placed = (part, row, column) => {
    part.style.gridArea = `${row} / ${column}`;
    return part;
  };

  const fieldsOf = { emit: tokens.map(() => []), links: places(K + 1).map(() => []) };
  function field(key, row, column) {
    const input = element("input", { type: "number", step: "any", min: -LARGEST, max: LARGEST, autocomplete: "off" });
    const spot = { key, row, column };
    fieldsOf[key][row][column] = input;
    input.addEventListener("focus", () => {
      input.select();
      choose(spot);
    });
    input.addEventListener("input", () => {
      const value = input.valueAsNumber;
      const fine = Math.abs(value) <= LARGEST;
      input.toggleAttribute("aria-invalid", !fine);
      if (!fine) return;
      typing = input;
      put(spot, Math.round(100 * value));
      typing = null;
    });
    input.addEventListener("blur", () => {
      input.removeAttribute("aria-invalid");
      input.value = (now(key)[row][column] / 100).toFixed(2);
    });
    input.addEventListener("keydown", (event) => onKey(event, spot));
    return input;
  }

  const nodes = tokens.map((_, t) =>
    names.map((_, k) => {
      const [value, second] = [element("span", { className: "mdx-alpha" }), element("span", { className: "mdx-second" })];
      const fill = element("span");
      const chance = element("span", { className: "mdx-bar", aria: { hidden: true } }, fill);
      const input = field("emit", t, k);
      const box = cell("mdx-node", input, value, second, chance);
      box.addEventListener("click", () => input.focus());
      return { box: placed(box, k + 2, t + 2), value, second, fill };
    }),
  );
  const heads = tokens.map((token, t) => placed(cell("mdx-token", token), 1, t + 2));
  const rowHeads = names.map((name, k) => placed(cell("mdx-tag", name), k + 2, 1));
  const answerRow = (mark, words, at) => {
    const cells = tokens.map((_, t) => placed(cell("mdx-answer"), K + at, t + 2));
    return { head: placed(cell("mdx-tag mdx-answer-head", `${mark} ${words}`), K + at, 1), cells };
  };
  const answers = { best: answerRow("●", "best path", 2), alone: answerRow("◇", "each alone", 3) };

  const across = (t, side) => 100 * t + side;
  const down = (k) => 100 * k + 50;
  const link = (t, i, j) => `M${across(t, NODE_RIGHT)} ${down(i)}L${across(t + 1, NODE_LEFT)} ${down(j)}`;
  const threads = places(T - 1).map((t) =>
    places(K).map((i) => places(K).map((j) => drawn("path", { class: "mdx-thread", d: link(t, i, j) }))),
  );
  const lines = { alone: drawn("path", { class: "mdx-line-alone" }), best: drawn("path", { class: "mdx-line-best" }) };
  const svg = drawn(
    "svg",
    { viewBox: `0 0 ${100 * T} ${100 * K}`, preserveAspectRatio: "none", class: "mdx-threads", "aria-hidden": "true" },
    ...threads.flat(3),
    lines.alone,
    lines.best,
  );
  svg.style.gridArea = `2 / 2 / ${K + 2} / ${T + 2}`;
  const lattice = element(
    "div",
    { className: "mdx-lattice", aria: { role: "group", label: "lattice: a column for each word, a row for each tag" } },
    svg,
    ...heads,
    ...names.flatMap((_, k) => [rowHeads[k], ...nodes.map((column) => column[k].box)]),
    ...Object.values(answers).flatMap(({ head, cells }) => [head, ...cells]),
  );
  lattice.style.flexBasis = `${5 + 5.6 * T}rem`;
  lattice.style.gridTemplate = `auto repeat(${K}, 5.1rem) auto auto / max-content repeat(${T}, minmax(0, 9rem))`;

  const froms = places(edges ? K + 1 : K);
  const tos = froms;
  const hasCell = (i, j) => i < K || j < K;
  const header = (text, scope) => element("th", { scope, textContent: text });
  const matrix = element(
    "table",
    { className: "mdx-links" },
    element("caption", { className: "mdx-title", textContent: "transitions: from the row to the column" }),
    element("tr", {}, element("td"), ...tos.map((j) => header(nameOf(j, "end"), "col"))),
    ...froms.map((i) =>
      element(
        "tr",
        {},
        header(nameOf(i, "start"), "row"),
        ...tos.map((j) => element("td", {}, ...(hasCell(i, j) ? [field("links", i, j)] : []))),
      ),
    ),
  );

  const chosenWords = element("span", { className: "mdx-chosen-words" });
  const chosenReading = element("span", { className: "mdx-reading", aria: { hidden: true } });
  const range = element("input", { type: "range", min: -reach, max: reach, step: 10 });
  const forbid = element("input", { type: "checkbox" });
  const forbidWords = element("span");
  const forbidLabel = element("label", { className: "mdx-forbid" }, forbid, forbidWords);
  const chosenBox = cell("mdx-chosen", element("label", {}, chosenWords, chosenReading, range), forbidLabel);
  const button = (textContent) => element("button", { type: "button", textContent });
  const rules = button(`Forbid what ${scheme} forbids`);
  const reset = button("Reset");
  const modes = ["sum", "best"];
  const modeChoice = radios(
    ["all paths: forward sums α, marginals P", "the best path: Viterbi, step by step"].map((words) => [
      element("span", { textContent: words }),
    ]),
    (at) => change({ mode: modes[at] }),
  );
  const [backward, onward] = [button("◀ Back"), button("Forward ▶")];
  const stepSlider = slider("step", places(steps()), (at) => `${at + 1} of ${steps()}`, (step) => change({ step }));
  const walk = cell("mdx-walk", backward, onward, stepSlider.label);
  const [bestWords, aloneWords, stepWords] = ["best", "alone", "step"].map((name) =>
    element("p", { className: `mdx-sentence mdx-${name}-words` }),
  );
  const table = element("table", { className: "mdx-sums" });
  table.style.setProperty("--others", K - 1);
  const stepping = cell("mdx-stepping", walk, stepWords, table);
  const { spoken, speak } = speaker();
  const key = element("p", {
    className: "mdx-caption",
    textContent:
      "●, thick line: best path. ◇, dashed line: each word's largest emission. No thin line: forbidden. In a field, " +
      "↑ ↓ change the score (with Shift by 1), ← → go to the next field; x forbids a transition.",
  });

  el.classList.add("mdx-of-lattice");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Lattice explorer");
  el.append(
    element(
      "div",
      { className: "mdx-controls" },
      group("show", "mdx-modes", ...modeChoice.parts),
      group("chosen score", "mdx-choosing", chosenBox),
      cell("mdx-buttons", ...(scheme ? [rules] : []), reset),
    ),
    stepping,
    cell("mdx-desk", lattice, matrix, cell("mdx-said", bestWords, aloneWords, key)),
    spoken,
  );

  /* -- what is computed -- */
  function computed() {
    const emit = now("emit");
    const links = inForce(now("links"), now("barred"));
    const scores = [emit, links].map((rows) => rows.map((row) => row.map((score) => score / 100)));
    return {
      links,
      ...forward(...scores),
      marginal: marginals(...scores),
      best: viterbi(emit, links),
      alone: eachAlone(emit),
    };
  }

  /* -- what a change redraws -- */
  function redraw() {
    const found = computed();
    const isBest = now("mode") === "best";
    modeChoice.mark(modes.indexOf(now("mode")));
    el.classList.toggle("mdx-stepwise", isBest);
    stepping.hidden = !isBest;
    const known = isBest ? Math.max(0, now("step") - T + 1) : T; // tags of the best path that are traced, from the last
    writeFields();
    writeNodes(found, isBest);
    drawThreads(found, isBest, known);
    writeAnswers(found, known);
    writeWords(found, known);
    if (isBest) writeStep(found, known);
    writeChosen();
  }

  function writeFields() {
    for (const [key, rows] of Object.entries(fieldsOf))
      for (const [row, inputs] of rows.entries())
        for (const [column, input] of inputs.entries()) {
          if (!input) continue;
          const isBarred = key === "links" && now("barred")[row][column];
          const text = (now(key)[row][column] / 100).toFixed(2);
          if (input !== typing && input.value !== text) input.value = text; // a field that is set is slow to lay out
          input.readOnly = isBarred;
          input.classList.toggle("mdx-barred", isBarred);
          if (key === "links") input.setAttribute("aria-label", wordsOf({ key, row, column }) + (isBarred ? ", forbidden" : ""));
        }
  }

  function writeNodes({ alpha, marginal, best, alone }, isBest) {
    const column = now("step");
    for (const t of places(T))
      for (const k of places(K)) {
        const { value, second, fill } = nodes[t][k];
        const known = !isBest || t <= column;
        const number = isBest ? best.delta[t][k] / 100 : alpha[t][k];
        value.textContent = `${isBest ? "δ" : "α"} ${known ? shortText(number) : "·"}`;
        const from = t ? `← ${names[best.back[t][k]]}` : "";
        second.textContent = isBest ? (known ? from : "") : `P ${decimals(marginal[t][k])}`;
        fill.style.width = isBest ? "0" : `${(100 * marginal[t][k]).toFixed(1)}%`;
        const more = known ? `; ${isBest ? "delta" : "alpha"} ${shortText(number)}` : "";
        const chance = isBest ? "" : `, probability ${decimals(marginal[t][k])}`;
        const pick = alone[t] === k ? ", largest at this word" : "";
        fieldsOf.emit[t][k].setAttribute("aria-label", `${wordsOf({ key: "emit", row: t, column: k })}${more}${chance}${pick}`);
        nodes[t][k].box.classList.toggle("mdx-is-now", isBest && t === column);
      }
  }

  /* A path over its last `known` words, at this height in the nodes. */
  const through = (path, known, lane) =>
    places(known)
      .map((at) => T - known + at)
      .map((t, at) => `${at ? "L" : "M"}${across(t, NODE_LEFT)} ${down(path[t]) + lane}L${across(t, NODE_RIGHT)} ${down(path[t]) + lane}`)
      .join("");

  function drawThreads({ best, alone }, isBest, known) {
    for (const [t, fromTags] of threads.entries())
      for (const [i, toTags] of fromTags.entries())
        for (const [j, thread] of toTags.entries()) {
          const isPointer = isBest && t + 1 <= now("step") && best.back[t + 1][j] === i;
          thread.classList.toggle("mdx-pointer", isPointer);
          thread.classList.toggle("mdx-gone", now("barred")[i][j] && !isPointer);
        }
    lines.best.setAttribute("d", through(best.path, known, -LANE));
    lines.alone.setAttribute("d", through(alone, T, LANE));
    for (const t of places(T))
      for (const k of places(K)) {
        nodes[t][k].box.classList.toggle("mdx-is-best", t >= T - known && best.path[t] === k);
        nodes[t][k].box.classList.toggle("mdx-is-alone", alone[t] === k);
      }
  }

  function writeAnswers({ best, alone }, known) {
    for (const t of places(T)) {
      const traced = t >= T - known;
      answers.best.cells[t].textContent = traced ? names[best.path[t]] : "?";
      const differs = traced && best.path[t] !== alone[t];
      answers.alone.cells[t].textContent = `${differs ? "≠ " : ""}${names[alone[t]]}`;
      answers.alone.cells[t].classList.toggle("mdx-differs", differs);
    }
  }

  /* Where a path cannot be: broken rules of the scheme, else forbidden transitions. */
  function faultsOf(path) {
    const named = path.map((k) => names[k]);
    if (scheme)
      return brokenAt(named, scheme).map((t) =>
        t === T ? `${named[T - 1]} at the end` : `${named[t]} ${t ? `after ${named[t - 1]}` : "at the start"}, at ${quoted(tokens[t])}`,
      );
    const [from, to] = [[K, ...path], [...path, K]];
    return places(T + 1)
      .filter((t) => now("barred")[from[t]][to[t]])
      .map((t) => `${nameOf(from[t], "start")} → ${nameOf(to[t], "end")} is forbidden`);
  }

  function impossible(path) {
    const faults = faultsOf(path);
    if (!faults.length) return scheme ? ` It is a possible ${scheme} sequence.` : "";
    return ` Impossible${scheme ? ` in ${scheme}` : ""}: ${faults.join("; ")}.`;
  }

  function writeWords({ links, logZ, best, alone }, known) {
    const chance = (score) => probabilityText(Math.exp(score / 100 - logZ));
    bestWords.textContent =
      known < T
        ? "The best path is not traced back yet: step forward."
        : `Best path: score ${scoreText(best.score)}; log Z ${scoreText(100 * logZ)}; ` +
          `probability exp(score − log Z) = ${chance(best.score)}.${impossible(best.path)}`;
    const score = pathScore(alone, now("emit"), links);
    const different = places(T).filter((t) => best.path[t] !== alone[t]);
    const where = different.map((t) => `${quoted(tokens[t])} ${names[alone[t]]}, not ${names[best.path[t]]}`);
    const against =
      known < T ? "" : different.length ? ` It differs at ${count(different.length, "word")}: ${where.join("; ")}.` : " It is the best path.";
    aloneWords.textContent =
      `Each word alone: score ${scoreText(score)}, probability ${chance(score)}.${against}${impossible(alone)}`;
    if (known === T) speak(`${wordsOf(chosen)} ${scoreText(now(chosen.key)[chosen.row][chosen.column])}. Best path: ${best.path.map((k, t) => `${tokens[t]} ${names[k]}`).join(", ")}. ${bestWords.textContent} ${aloneWords.textContent}`);
  }

  /* -- Viterbi, one step -- */
  function writeStep({ links, best }, known) {
    const step = now("step");
    stepSlider.show(step);
    backward.disabled = step === 0;
    onward.disabled = step === steps() - 1;
    const isEnd = step === T;
    const t = step < T ? step : 2 * T - step; // the column whose sums are listed; T for the end
    const traced = step > T ? best.path[t] : null; // the row whose back-pointer is followed
    const emit = now("emit");
    const termsAt = (j) => {
      if (t === 0) return edges ? [links[K][j], emit[0][j]] : [emit[0][j]];
      if (isEnd) return edges ? [best.delta[T - 1][j], links[j][K]] : [best.delta[T - 1][j]];
      const i = best.back[t][j];
      return [best.delta[t - 1][i], links[i][j], emit[t][j]];
    };
    const others = (j) =>
      places(K)
        .filter((i) => i !== best.back[t][j])
        .flatMap((i) => {
          const sum = now("barred")[i][j] ? "forbidden" : scoreText(best.sums[t][j][i]);
          return [element("small", { textContent: `from ${names[i]} ${sum}` }), " "];
        });
    const inside = t > 0 && !isEnd;
    const row = (j) => {
      const pointed = traced === null ? isEnd && j === best.path[T - 1] : j === traced;
      const cells = [header(names[j], "row"), element("td", { textContent: sumText(termsAt(j)) })];
      cells.push(element("td", { textContent: inside ? `← ${names[best.back[t][j]]}` : isEnd && pointed ? "largest" : "" }));
      cells.push(element("td", {}, ...(inside ? others(j) : [])));
      return element("tr", { className: pointed ? "mdx-pointed" : "" }, ...cells);
    };
    const what = isEnd
      ? edges ? "δ at the last word + end" : "δ at the last word"
      : t ? "δ before + transition + emission" : edges ? "start + emission" : "emission";
    const titles = ["tag", `${what}${inside ? ", the largest" : ""}`, "comes from", "other sums"];
    table.replaceChildren(element("tr", {}, ...titles.map((title) => header(title, "col"))), ...places(K).map(row));
    const tracedTag = names[best.path[T - known]];
    stepWords.textContent = isEnd
      ? `The end: the largest sum, ${scoreText(best.score)}, is the score of the best path; its last tag is ${tracedTag}.`
      : step > T
        ? `Back: ${names[traced]} at ${quoted(tokens[t])} came from ${tracedTag}, so ${quoted(tokens[t - 1])} is ${tracedTag}.` +
          (known === T ? " The best path is complete." : "")
        : `${quoted(tokens[t])}: for each tag the best score δ of a path that ends there` +
          (t ? ", and the tag it comes from." : "; there is no word before.");
    if (known < T) speak(`step ${step + 1} of ${steps()}. ${stepWords.textContent} ${step > T ? "" : places(K).map((j) => `${names[j]}: ${sumText(termsAt(j))}${inside ? ` from ${names[best.back[t][j]]}` : ""}`).join("; ")}`);
  }

  function writeChosen() {
    const { key, row, column } = chosen;
    const value = now(key)[row][column];
    const isLink = key === "links";
    const isBarred = isLink && now("barred")[row][column];
    chosenWords.textContent = wordsOf(chosen);
    chosenReading.textContent = isBarred ? "forbidden" : scoreText(value);
    range.value = value;
    range.disabled = isBarred;
    range.setAttribute("aria-valuetext", chosenReading.textContent);
    forbid.disabled = !isLink;
    forbid.checked = isBarred;
    forbidWords.textContent = isLink ? `forbid ${nameOf(row, "start")} → ${nameOf(column, "end")} (score −10,000)` : "forbid: choose a transition";
    for (const [name, rows] of Object.entries(fieldsOf))
      for (const [r, inputs] of rows.entries())
        for (const [c, input] of inputs.entries()) input?.classList.toggle("mdx-is-chosen", name === key && r === row && c === column);
  }

  /* -- events -- */
  function change(values) {
    for (const [key, value] of Object.entries(values)) model.set(key, value);
    redraw();
  }

  function replaced(rows, row, column, value) {
    return rows.map((line, r) => (r === row ? line.map((old, c) => (c === column ? value : old)) : line));
  }

  function put({ key, row, column }, value) {
    if (key === "links" && now("barred")[row][column]) return;
    const inside = Math.max(-100 * LARGEST, Math.min(100 * LARGEST, value));
    change({ [key]: replaced(now(key), row, column, inside) });
  }

  const bar = ({ row, column }, isBarred) => change({ barred: replaced(now("barred"), row, column, isBarred) });

  /* One field of each line can be reached by Tab, the others by arrow keys: a line is a tag, or a row of the matrix. */
  const lineOf = ({ key, row, column }) =>
    (key === "emit" ? places(T).map((t) => fieldsOf.emit[t][column]) : fieldsOf.links[row]).filter(Boolean);

  function rest(spot) {
    const own = fieldsOf[spot.key][spot.row][spot.column];
    for (const input of lineOf(spot)) input.tabIndex = input === own ? 0 : -1;
  }

  function choose(spot) {
    chosen = spot;
    rest(spot);
    writeChosen();
  }

  function onKey(event, spot) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const side = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const by = { ArrowUp: 10, ArrowDown: -10 }[event.key];
    const isLink = spot.key === "links";
    const line = lineOf(spot);
    if (side) line.at((line.indexOf(event.target) + side) % line.length).focus();
    else if (by) put(spot, now(spot.key)[spot.row][spot.column] + by * (event.shiftKey ? 10 : 1));
    else if (isLink && event.key.toLowerCase() === "x") bar(spot, !now("barred")[spot.row][spot.column]);
    else if (event.key.length > 1 || /[\d.,+-]/.test(event.key)) return; // other letters would empty the field
    event.preventDefault();
    if (by) event.target.select();
  }

  range.addEventListener("input", () => put(chosen, Number(range.value)));
  forbid.addEventListener("change", () => bar(chosen, forbid.checked));
  rules.addEventListener("click", () => {
    const name = (k) => names[k] ?? null;
    const ruled = (i, j) => (edges || (i < K && j < K)) && (i < K || j < K) && !mayFollow(name(i), name(j), scheme);
    change({ barred: now("barred").map((row, i) => row.map((old, j) => old || ruled(i, j))) });
  });
  for (const [by, turn] of [[-1, backward], [1, onward]])
    turn.addEventListener("click", () => change({ step: Math.max(0, Math.min(steps() - 1, now("step") + by)) }));
  reset.addEventListener("click", () => change(structuredClone(start)));

  for (const k of places(K)) rest({ key: "emit", row: 0, column: k });
  for (const i of froms) rest({ key: "links", row: i, column: 0 });
  redraw();
}

export default { render };
