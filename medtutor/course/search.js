/* Finds sections that hold all the words asked for; a word is found by its beginning, or inside another. */
"use strict";
{
  const MOST = 50;
  const field = document.getElementById("page_search");
  const found = document.getElementById("page_found");
  const results = document.getElementById("page_results");
  const cells = courseIndex.cells.map((cell) => ({ ...cell, page: courseIndex.pages[cell.page] }));
  const wordsOf = (asked) => asked.trim().split(/\s+/).filter(Boolean);
  const pattern = (words, begin) =>
    new RegExp(words.map((word) => begin + word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "giu");
  const BEGIN = "(?<![\\p{L}\\p{N}])";

  function points(cell, words) {
    let sum = 0;
    for (const word of words) {
      const whole = pattern([word], BEGIN);
      const count = (text) => (text.match(whole) || []).length;
      const here = (cell.kind === "text" ? 2 : 1) * Math.min(3, count(cell.words))
        + 6 * Math.min(1, count(cell.section)) + 3 * Math.min(1, count(cell.page.title));
      const inside = cell.words.toLowerCase().includes(word.toLowerCase()) ? 0.5 : 0;
      if (!here && !inside) return 0;
      sum += here || inside;
    }
    return sum;
  }

  /* The best cell of each section, best section first. */
  function search(asked) {
    const words = wordsOf(asked);
    const sections = new Map();
    for (const cell of words.length ? cells : []) {
      const score = points(cell, words);
      const name = `${cell.page.file} ${cell.section}`;
      const known = sections.get(name);
      if (score && (!known || score > known.score)) sections.set(name, { cell, score });
    }
    return [...sections.values()].sort((a, b) => b.score - a.score).map((each) => each.cell);
  }

  function marked(text, words) {
    const first = Math.max(0, text.search(pattern(words, "")));
    const from = first < 60 ? 0 : text.lastIndexOf(" ", first - 40) + 1;
    const end = text.length < from + 220 ? text.length : text.lastIndexOf(" ", from + 220);
    const part = text.slice(from, Math.max(end, first + 40));
    const line = document.createElement("p");
    line.append(from ? "… " : "");
    let at = 0;
    for (const hit of part.matchAll(pattern(words, ""))) {
      const mark = document.createElement("mark");
      mark.textContent = hit[0];
      line.append(part.slice(at, hit.index), mark);
      at = hit.index + hit[0].length;
    }
    line.append(part.slice(at), from + part.length < text.length ? " …" : "");
    return line;
  }

  function item(cell, words) {
    const entry = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${cell.page.file}#${encodeURIComponent(cell.anchor)}`;
    link.textContent = cell.section;
    const where = document.createElement("p");
    where.className = "facts";
    where.textContent = cell.page.title;
    const text = marked(cell.words, words);
    if (cell.kind === "code") text.className = "in-code";
    entry.append(link, where, text);
    return entry;
  }

  function show() {
    const words = wordsOf(field.value);
    const list = search(field.value);
    const count = list.length === 1 ? "1 section" : `${list.length || "No"} sections`;
    const most = list.length > MOST ? `; the first ${MOST}` : "";
    found.textContent = words.length ? `${count} with ${words.map((word) => `“${word}”`).join(" and ")}${most}` : "";
    results.replaceChildren(...list.slice(0, MOST).map((cell) => item(cell, words)));
  }

  field.value = new URLSearchParams(location.search).get("q") || "";
  field.addEventListener("input", show);
  if (!field.value) field.focus();
  show();
}
