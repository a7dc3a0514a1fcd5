/* Agreement explorer: a sentence, the entities that are true in it, and what each model calls.

   State: sentences [[token]], between (what stands between two tokens), models [name], types [name], colours [of a type],
   truth [sentence][[start, end, type]] in tokens, called [model][sentence] likewise, and what is in view: sentence, list
   (0 all sentences, 1 where models disagree, 2 where a model is wrong).  */

/* ---- arithmetic, free of drawing; tests compare it with medtutor.metrics ---- */

const touches = ([start, end], [from, to]) => start < to && from < end;
const equal = (one, other) => one.every((part, at) => part === other[at]);

/* What each called entity is to the truth, and the true ones that none of them touches.
   "found" same tokens and type, "ends" same type but other ends, "type" another type, "extra" touches nothing true */
function compared(truth, called) {
  const remarks = called.map((one) => {
    const touched = truth.filter((other) => touches(one, other));
    if (touched.some((other) => equal(one, other))) return "found";
    if (!touched.length) return "extra";
    return touched.some(([, , type]) => type === one[2]) ? "ends" : "type";
  });
  return { remarks, missed: truth.filter((one) => !called.some((other) => touches(one, other))) };
}

/* {found, called, true} over the sentences of a list. */
function counted(truth, called, list) {
  const total = (of) => list.reduce((sum, at) => sum + of(at), 0);
  return {
    found: total((at) => compared(truth[at], called[at]).remarks.filter((remark) => remark === "found").length),
    called: total((at) => called[at].length),
    true: total((at) => truth[at].length),
  };
}

/* Entity F1; null where no entity is true. */
const f1 = ({ found, called, true: real }) => (real ? (2 * found) / (called + real) : null);

const disagree = (rows) => rows.some((row) => row.length !== rows[0].length || row.some((one, at) => !equal(one, rows[0][at])));

/* The sentences that belong to list 0, 1 and 2. */
function listsOf(truth, called) {
  const all = [...truth.keys()];
  const rows = (at) => called.map((model) => model[at]);
  return [all, all.filter((at) => disagree(rows(at))), all.filter((at) => disagree([truth[at], ...rows(at)]))];
}

/* A sentence cut where an entity of any row begins or ends, and at every token outside of all: [[start, end]]. */
function pieces(length, rows) {
  const spans = rows.flat();
  const cuts = new Set(spans.flatMap(([start, end]) => [start, end]));
  const free = (at) => !spans.some((span) => touches(span, [at, at + 1]));
  const starts = [...Array(length).keys()].filter((at) => !at || cuts.has(at) || free(at) || free(at - 1));
  return starts.map((start, at) => [start, starts[at + 1] ?? length]);
}

export const arithmetic = { compared, counted, f1, disagree, listsOf, pieces };

/* ---- words ---- */

const REMARKS = {
  found: ["✓", "found"],
  ends: ["✗ ends", "other ends"],
  type: ["✗ type", "other type"],
  extra: ["✗ extra", "extra"],
};
const LONGEST = 70; // letters of a sentence in the list

const shortened = (text) => (text.length > LONGEST ? `${[...text].slice(0, LONGEST).join("")}…` : text);

/* ---- the explorer ---- */

function render({ model, el }) {
  const [sentences, between, models] = ["sentences", "between", "models"].map(model.get);
  const [types, colours, truth, called] = ["types", "colours", "truth", "called"].map(model.get);
  const now = (key) => model.get(key);
  const start = { sentence: now("sentence"), list: now("list") };
  const lists = listsOf(truth, called);
  const words = (at, [from, to]) => sentences[at].slice(from, to).join(between);
  const textOf = (at) => sentences[at].join(between);

  /* -- parts -- */
  const listChoice = element("select");
  for (const [at, name] of ["all sentences", "where models disagree", "where a model is wrong"].entries()) {
    if (at === 1 && models.length < 2) continue;
    const textContent = `${name} (${lists[at].length})`;
    listChoice.append(element("option", { value: at, textContent, disabled: !lists[at].length }));
  }
  const sentenceChoice = element("select");
  const button = (textContent) => element("button", { type: "button", textContent });
  const [previous, next, reset] = ["◀ Previous", "Next ▶", "Reset"].map(button);
  const place = element("p", { className: "mdx-place" });
  const text = element("div", { className: "mdx-text", aria: { role: "img" } });
  const key = element("p", {
    className: "mdx-caption",
    textContent:
      "An underline names its type. ✓ found: same words and type; ✗ ends: right type, other ends; ✗ type: another type; " +
      "✗ extra: nothing true there; missed, dashed: true and not touched.",
  });

  const header = (textContent = "") => element("th", { textContent, scope: "col" });
  const kinds = [...Object.keys(REMARKS), "missed"];
  const ranges = [header(), header()];
  const rows = models.map((name) => {
    const cells = [...kinds, "here", "all"].map(() => element("td"));
    return { row: element("tr", {}, element("th", { scope: "row", textContent: name }), ...cells), cells };
  });
  const table = element(
    "table",
    { className: "mdx-counts" },
    element("caption", { className: "mdx-title", textContent: "entities of this sentence, and F1 = 2 found ÷ (called + true)" }),
    element("tr", {}, element("td"), ...kinds.map((kind) => header(REMARKS[kind]?.[1] ?? kind)), ...ranges),
    ...rows.map(({ row }) => row),
  );
  const { spoken, speak } = speaker();

  el.classList.add("mdx-of-agreement");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Agreement explorer");
  el.append(
    element(
      "div",
      { className: "mdx-controls" },
      labelled("list", listChoice),
      labelled("sentence", sentenceChoice),
      element("div", { className: "mdx-buttons" }, previous, next, reset),
    ),
    place,
    text,
    key,
    table,
    spoken,
  );

  /* -- what a change redraws -- */
  const list = () => lists[now("list")];

  function redraw() {
    listChoice.value = now("list");
    sentenceChoice.replaceChildren(
      ...list().map((at) =>
        element("option", { value: at, textContent: `${at + 1}${disagree(called.map((rows) => rows[at])) ? " ≠" : ""}: ${shortened(textOf(at))}` }),
      ),
    );
    show();
  }

  function show() {
    const at = now("sentence");
    sentenceChoice.value = at;
    const nth = list().indexOf(at);
    previous.disabled = nth === 0;
    next.disabled = nth === list().length - 1;
    place.textContent = `Sentence ${at + 1} of ${sentences.length}; ${nth + 1} of ${list().length} in the list`;
    const judged = called.map((rows) => compared(truth[at], rows[at]));
    drawText(at, judged);
    writeCounts(at, nth, judged);
    const said = [heard("truth", at, truth[at]), ...models.map((name, m) => heard(name, at, called[m][at], judged[m]))];
    text.setAttribute("aria-label", `${textOf(at)} ${said.join(" ")}`);
    speak(`${place.textContent}. ${textOf(at)} ${said.join(" ")}`);
  }

  /* truth: aspirin, drug. CRF: aspirin, drug, found; missed: chest pain, disease. */
  function heard(name, at, spans, judged) {
    const one = (span, n) => `${words(at, span)}, ${types[span[2]]}${judged ? `, ${REMARKS[judged.remarks[n]][1]}` : ""}`;
    const missed = judged?.missed.map((span) => `missed: ${words(at, span)}, ${types[span[2]]}`) ?? [];
    return `${name}: ${[...spans.map(one), ...missed].join("; ") || "no entity"}.`;
  }

  function drawText(at, judged) {
    const rows = [
      truth[at].map((span) => ({ span, sign: "", kind: "true" })),
      ...called.map((model, m) => [
        ...model[at].map((span, n) => ({ span, sign: ` ${REMARKS[judged[m].remarks[n]][0]}`, kind: judged[m].remarks[n] })),
        ...judged[m].missed.map((span) => ({ span, sign: " missed", kind: "missed" })),
      ]),
    ];
    const spans = rows.map((row) => row.map(({ span }) => span));
    const columns = pieces(sentences[at].length, spans).map((piece) => {
      const cells = rows.map((row) => under(row.find(({ span }) => touches(span, piece)), piece));
      return element("div", { className: "mdx-piece" }, element("span", { className: "mdx-token", textContent: words(at, piece) }), ...cells);
    });
    text.classList.toggle("mdx-spaced", between !== "");
    text.replaceChildren(...columns);
    nameLines();
  }

  function under(entity, [from, to]) {
    if (!entity) return element("span", { className: "mdx-under" });
    const { span, sign, kind } = entity;
    const label = element("span", { className: "mdx-under mdx-marked" }, from === span[0] ? `${types[span[2]]}${sign}` : "");
    label.classList.add(`mdx-${kind}`);
    label.classList.toggle("mdx-goes-on", from !== span[0]);
    label.classList.toggle("mdx-last", to === span[1]);
    label.style.borderTopColor = colours[span[2]];
    return label;
  }

  /* The readers' names beside each line of the wrapped text. */
  function nameLines() {
    for (const old of text.querySelectorAll(".mdx-names")) old.remove();
    const columns = [...text.querySelectorAll(".mdx-piece")];
    const tops = columns.map((column) => column.offsetTop);
    for (const [at, column] of columns.entries()) column.classList.toggle("mdx-line-start", tops[at] !== tops[at - 1]);
    for (const top of new Set(tops)) {
      const names = ["", "truth", ...models].map((name) => element("span", { textContent: name, title: name }));
      const box = element("div", { className: "mdx-names" }, ...names);
      box.style.top = `${top}px`;
      text.append(box);
    }
  }

  function writeCounts(at, nth, judged) {
    const [here, all] = [list().slice(0, nth + 1), list()];
    ranges[0].textContent = `F1 up to here (${here.length})`;
    ranges[1].textContent = `F1 of the list (${all.length})`;
    for (const [m, { cells }] of rows.entries()) {
      const { remarks, missed } = judged[m];
      for (const [k, kind] of kinds.entries())
        cells[k].textContent = kind === "missed" ? missed.length : remarks.filter((remark) => remark === kind).length;
      for (const [k, part] of [here, all].entries()) {
        const counts = counted(truth, called[m], part);
        const value = f1(counts);
        const how = value === null ? "no true entity" : `2 × ${counts.found} ÷ (${counts.called} + ${counts.true})`;
        cells[kinds.length + k].replaceChildren(value === null ? "–" : decimals(value, 3), element("small", { textContent: how }));
      }
    }
  }

  /* -- events -- */
  function turn(by) {
    model.set("sentence", list()[list().indexOf(now("sentence")) + by]);
    show();
  }

  function chooseList(value) {
    model.set("list", value);
    if (!list().includes(now("sentence"))) model.set("sentence", list().find((at) => at > now("sentence")) ?? list()[0]);
    redraw();
  }

  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
  listChoice.addEventListener("change", () => chooseList(Number(listChoice.value)));
  sentenceChoice.addEventListener("change", () => {
    model.set("sentence", Number(sentenceChoice.value));
    show();
  });
  reset.addEventListener("click", () => {
    for (const [name, value] of Object.entries(start)) model.set(name, value);
    redraw();
  });
  new ResizeObserver(nameLines).observe(el);
  redraw();
}

export default { render };
