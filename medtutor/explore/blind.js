/* Blind test: is a picture real or drawn, and is the score better than a coin's?

   State: pictures [real, drawn] (one byte a pixel, base64), counts (of either kind), h, w, n (pictures of a round),
   seed, round (0, 1, …), answers (0 real, 1 drawn, as they were given).  */

const NAMES = ["real", "drawn"];
const Z = 1.959963984540054; // 95 % of a normal distribution lie within ± Z

/* ---- arithmetic, free of drawing; tests compare it with scipy, and the deal with Python's ---- */

/* The n pictures of a round: {kind, which, again (shown in an earlier round)}; as `deal` in blind.py. */
function deal(seed, round, n, counts) {
  let x = seed;
  const random = () => {
    x = (x + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
  const shuffled = (number) => {
    const order = Array.from({ length: number }, (_, at) => at);
    for (let last = number - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  };
  const orders = counts.map(shuffled);
  const used = [0, 0];
  const third = Math.floor(n / 3);
  let dealt;
  for (let past = 0; past <= round; past++) {
    let kinds, ofDrawn;
    do {
      kinds = Array.from({ length: n }, () => (random() < 0.5 ? 1 : 0));
      ofDrawn = kinds.reduce((sum, kind) => sum + kind, 0);
    } while (ofDrawn < third || ofDrawn > n - third);
    dealt = kinds.map((kind) => {
      const again = used[kind] >= counts[kind];
      return { kind, which: orders[kind][used[kind]++ % counts[kind]], again };
    });
  }
  return dealt;
}

/* Wilson's 95 % interval of a share, k of n. */
function wilson(k, n) {
  const [p, z2] = [k / n, Z * Z];
  const middle = (p + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z / (1 + z2 / n)) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  return { low: k === 0 ? 0 : middle - half, high: k === n ? 1 : middle + half };
}

/* How often a coin has k or more of n right. */
function coinReaches(k, n) {
  let [ways, sum] = [1, 0]; // ways to have i right
  for (let i = 0; i <= n; i++) {
    if (i >= k) sum += ways;
    ways = (ways * (n - i)) / (i + 1);
  }
  return sum / 2 ** n;
}

/* The fewest right answers of n whose interval lies above 1/2. */
function enough(n) {
  let k = 0;
  while (k <= n && wilson(k, n).low <= 0.5) k++;
  return k;
}

/* table[kind][called], and how many are right. */
function score(kinds, answers) {
  const table = [[0, 0], [0, 0]];
  for (const [at, kind] of kinds.entries()) table[kind][answers[at]]++;
  return { table, right: table[0][0] + table[1][1] };
}

export const arithmetic = { deal, wilson, coinReaches, enough, score };

/* ---- the explorer ---- */

function render({ model, el }) {
  const stored = model.get("pictures").map(bytes);
  const [counts, h, w, n] = ["counts", "h", "w", "n"].map(model.get);
  const now = (key) => model.get(key);
  const percent = (part) => `${Math.round(100 * part)}\u00a0%`;
  let dealt;

  const canvasOf = ({ kind, which }, canvas) =>
    raster(h, w, (at) => greyColour(stored[kind][which * h * w + at] / 255), canvas);

  /* -- parts: the test -- */
  const button = (textContent, keys = "") =>
    element("button", { type: "button", textContent, aria: keys ? { keyshortcuts: keys } : {} });
  const answers = [button("Real (R)", "R ArrowLeft"), button("Drawn (D)", "D ArrowRight")];
  const back = button("Back");
  const picture = board({ tabIndex: 0, aria: { role: "application" } });
  const title = element("div", { className: "mdx-title" });
  const progress = element("progress", { max: n, aria: { label: "pictures answered" } });
  const test = element(
    "div",
    { className: "mdx-test" },
    element("section", { className: "mdx-picture" }, title, picture.holder),
    element(
      "section",
      { className: "mdx-asking" },
      element("p", { className: "mdx-ask", textContent: "Is this picture real, or did a network draw it?" }),
      element("div", { className: "mdx-answers" }, ...answers, back),
      progress,
      element("p", {
        className: "mdx-caption",
        textContent:
          "Keys: R or ← real, D or → drawn. Each picture is real or drawn by the toss of a coin; you hear what was what at the end. " +
          `${enough(n)} of ${n} right would tell you from a coin.`,
      }),
      element("p", { className: "mdx-caption", textContent: "This test needs sight; its result is text and tables." }),
    ),
  );

  /* -- parts: the result -- */
  const verdict = element("p", { className: "mdx-verdict", tabIndex: -1 });
  const scale = drawn("svg", { viewBox: "0 0 320 58", role: "img", class: "mdx-scale" });
  const tableBox = element("div");
  const worth = element("p", { className: "mdx-caption" });
  const wrongTitle = element("div", { className: "mdx-title" });
  const gallery = element("div", { className: "mdx-gallery" });
  const again = button("Again, with other pictures");
  const result = element(
    "div",
    { className: "mdx-result" },
    verdict,
    element("div", { className: "mdx-panels" }, element("section", {}, scale, worth), element("section", {}, tableBox)),
    wrongTitle,
    gallery,
    again,
  );
  const { spoken, speak } = speaker();

  el.classList.add("mdx-of-blind");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Blind test: real or drawn");
  el.append(test, result, spoken);

  /* -- the test -- */
  function ask() {
    const at = now("answers").length;
    const done = at === n;
    test.hidden = done;
    result.hidden = !done;
    if (done) return tell();
    title.textContent = `picture ${at + 1} of ${n}`;
    picture.holder.setAttribute("aria-label", `picture ${at + 1} of ${n}, undisclosed; press R for real, D for drawn`);
    paint(picture.below, grid(h, w), canvasOf(dealt[at]));
    progress.value = at;
    back.disabled = at === 0;
  }

  function answer(called) {
    if (now("answers").length === n) return;
    model.set("answers", [...now("answers"), called]);
    ask();
    const at = now("answers").length;
    if (at < n) speak(`${NAMES[called]}. Picture ${at + 1} of ${n}.`);
    else verdict.focus();
  }

  /* -- the result -- */
  function tell() {
    const kinds = dealt.map(({ kind }) => kind);
    const { table, right } = score(kinds, now("answers"));
    const { low, high } = wilson(right, n);
    const interval = `95 % interval ${percent(low)} to ${percent(high)}`;
    let meaning = "It holds 50 %: this round cannot tell your eye from a coin.";
    if (low > 0.5) meaning = "It lies above 50 %: you tell them apart.";
    if (high < 0.5) meaning = "It lies below 50 %: you see a difference, and call it by the wrong name.";
    verdict.textContent = `${right} of ${n} right, ${percent(right / n)}; ${interval}. ${meaning}`;
    const chance = 100 * coinReaches(right, n);
    const repeated = dealt.filter(({ again }) => again).length;
    worth.textContent =
      `A coin has ${right} or more right in ${chance < 0.1 ? "fewer than 0.1" : decimals(chance, 1)} % of rounds.` +
      (repeated ? ` ${repeated} of these pictures had been shown in an earlier round.` : "");
    drawScale(right / n, low, high);
    tableBox.replaceChildren(tableOf(table));
    showWrong();
    speak(verdict.textContent);
  }

  function drawScale(share, low, high) {
    const x = (part) => 20 + 280 * part;
    const word = (part, y, textContent) =>
      Object.assign(drawn("text", { x: x(part), y, "text-anchor": "middle" }), { textContent });
    const line = (x1, x2, y1, y2, name) => drawn("line", { x1: x(x1), x2: x(x2), y1, y2, class: name });
    scale.setAttribute("aria-label", `right answers ${percent(share)}, interval from ${percent(low)} to ${percent(high)}, guessing 50 %`);
    scale.replaceChildren(
      line(0, 1, 34, 34, "mdx-axis"),
      ...[0, 0.5, 1].map((part) => line(part, part, 30, 38, "mdx-axis")),
      ...[0, 0.5, 1].map((part) => word(part, 53, part === 0.5 ? "50 % a coin" : percent(part))),
      line(0.5, 0.5, 4, 34, "mdx-coin"),
      line(low, high, 18, 18, "mdx-interval"),
      ...[low, high].map((part) => line(part, part, 12, 24, "mdx-interval")),
      drawn("circle", { cx: x(share), cy: 18, r: 6, class: "mdx-dot" }),
    );
  }

  function tableOf(table) {
    const head = (textContent, scope) => element("th", { textContent, scope });
    const cell = (number, right) =>
      element("td", {}, element("strong", { textContent: number }), element("small", { textContent: right ? "right" : "wrong" }));
    return element(
      "table",
      {},
      element("caption", { className: "mdx-title", textContent: "What was what" }),
      element("tr", {}, element("td"), head("called real", "col"), head("called drawn", "col")),
      ...table.map((row, kind) =>
        element("tr", {}, head(`${row[0] + row[1]} ${NAMES[kind]}`, "row"), ...row.map((number, called) => cell(number, called === kind))),
      ),
    );
  }

  function showWrong() {
    const wrong = dealt.map((one, at) => ({ ...one, at })).filter(({ kind, at }) => now("answers")[at] !== kind);
    wrongTitle.textContent = wrong.length ? `Called by the wrong name: ${wrong.length}` : "None was called by the wrong name.";
    gallery.replaceChildren(
      ...wrong.map((one) => {
        const words = `${one.at + 1}: ${NAMES[one.kind]}, called ${NAMES[1 - one.kind]}`;
        const canvas = element("canvas", { className: "mdx-thumb", aria: { role: "img", label: `picture ${words}` } });
        return element("figure", {}, canvasOf(one, canvas), element("figcaption", { textContent: words, aria: { hidden: true } }));
      }),
    );
  }

  /* -- events -- */
  for (const [called, pressed] of answers.entries()) pressed.addEventListener("click", () => answer(called));
  back.addEventListener("click", () => {
    model.set("answers", now("answers").slice(0, -1));
    ask();
    if (back.disabled) picture.holder.focus(); // a button that cannot be pressed any more loses the focus
    speak(`Picture ${now("answers").length + 1} of ${n}.`);
  });
  again.addEventListener("click", () => begin(now("round") + 1));
  el.addEventListener("keydown", (event) => {
    const called = { r: 0, ArrowLeft: 0, d: 1, ArrowRight: 1 }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (called === undefined || test.hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    answer(called);
  });

  function begin(round) {
    dealt = deal(now("seed"), round, n, counts);
    model.set("round", round);
    model.set("answers", []);
    ask();
    if (round) {
      picture.holder.focus();
      speak(`Round ${round + 1}. Picture 1 of ${n}.`);
    }
  }

  begin(now("round"));
}

export default { render };
