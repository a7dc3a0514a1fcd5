/* Moves through the slides of a page that `medtutor present` has made; works from a file, without a network. */
"use strict";
(() => {
  const find = (query, root = document) => root.querySelector(query);
  const slides = [...document.querySelectorAll(".slide")];
  const stills = slides.map((slide) => slide.innerHTML); // before an explorer comes to life
  const titles = slides.map((slide) => find("h1, h2", slide).textContent);
  const deck = find(".deck"), panel = find(".panel"), root = document.documentElement;
  const LARGE = 1.3; // an explorer's letters of 14 pixels become 18
  let at = 0, step = 0, speaker = null;
  const timer = { since: 0, kept: 0 }; // milliseconds; since: 0 while it stands still

  const stepsOf = (slide) => Number(slide.dataset.steps);

  function show(place, wanted = 0) {
    at = Math.min(Math.max(place, 0), slides.length - 1);
    step = Math.min(wanted, stepsOf(slides[at]));
    for (const [number, slide] of slides.entries()) {
      slide.classList.toggle("current", number === at);
      slide.inert = number !== at;
    }
    for (const part of slides[at].querySelectorAll(".part")) {
      const waits = Number(part.dataset.step) > step;
      part.classList.toggle("waiting", waits);
      part.inert = waits;
    }
    find(".bar-number").textContent = `${at + 1} / ${slides.length}`;
    find(".bar-progress").style.width = `${(100 * (at + 1)) / slides.length}%`;
    history.replaceState(null, "", `#${slides[at].dataset.name}${step ? `.${step}` : ""}`);
    showLarger();
    tellNotes();
  }

  function say() {
    find(".spoken").textContent = `Slide ${at + 1} of ${slides.length}: ${titles[at]}`;
  }

  function goTo(place, wanted = 0) {
    if (slides[at].contains(document.activeElement)) document.activeElement.blur();
    show(place, wanted);
    say();
  }

  const next = () => (step < stepsOf(slides[at]) ? show(at, step + 1) : at + 1 < slides.length && goTo(at + 1));
  const back = () => (step ? show(at, step - 1) : at && goTo(at - 1, stepsOf(slides[at - 1])));

  function fromAddress() {
    const [name, wanted] = decodeURIComponent(location.hash.slice(1)).split(".");
    show(Math.max(slides.findIndex((slide) => slide.dataset.name === name), 0), Number(wanted) || 0);
  }

  /* The notes: the same in the panel below the slide and in a window of their own. */

  const NOTES = `<div class="speaking"><p class="speaking-row"><span class="speaking-time" role="timer">0:00</span>
    <button data-does="pause">Pause</button><button data-does="zero">From zero</button>
    <button data-does="back">Back</button><button data-does="next">Next</button>
    <span class="speaking-plan"></span></p><h2 class="speaking-now"></h2><div class="speaking-notes"></div>
    <h2 class="speaking-then"></h2><div class="speaking-next" inert></div></div>`;

  const elapsed = () => timer.kept + (timer.since ? Date.now() - timer.since : 0);

  function clock(milliseconds) {
    const seconds = Math.floor(milliseconds / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  const places = () => [panel.hidden ? null : panel, speaker && !speaker.closed ? speaker.document.body : null];

  function tellNotes() {
    for (const place of places()) {
      if (!place || !find(".speaking", place)) continue;
      find(".speaking-now", place).textContent = `${at + 1} of ${slides.length}: ${titles[at]}`;
      find(".speaking-notes", place).innerHTML = find(".notes", slides[at]).innerHTML || "<p>No notes.</p>";
      find(".speaking-then", place).textContent = at + 1 < slides.length ? `Next: ${titles[at + 1]}` : "The last slide";
      const preview = find(".speaking-next", place);
      preview.innerHTML = at + 1 < slides.length ? `<section class="slide ${tightness(at + 1)}">${stills[at + 1]}</section>` : "";
    }
    tick();
  }

  const tightness = (place) => (slides[place].classList.contains("tight") ? "tight" : "");

  function tick() {
    for (const place of places()) {
      if (!place || !find(".speaking", place)) continue;
      find(".speaking-time", place).textContent = clock(elapsed());
      find("[data-does=pause]", place).textContent = timer.since ? "Pause" : "Go on";
      find(".speaking-plan", place).textContent = `planned: this slide from minute ${slides[at].dataset.begins}`;
    }
  }
  setInterval(tick, 500);

  function startTimer() {
    if (!timer.since && !timer.kept) timer.since = Date.now();
  }

  function pause() {
    if (timer.since) Object.assign(timer, { kept: elapsed(), since: 0 });
    else timer.since = Date.now();
    tick();
  }

  function zero() {
    Object.assign(timer, { kept: 0, since: Date.now() });
    tick();
  }

  function notes() {
    panel.hidden = !panel.hidden;
    panel.innerHTML = panel.hidden ? "" : NOTES;
    startTimer();
    scale();
    tellNotes();
  }

  function openSpeaker() {
    speaker = window.open("", "medtutor-notes", "popup,width=900,height=800");
    if (!speaker) return panel.hidden && notes(); // the browser forbids windows
    const styles = [...document.querySelectorAll("style")].map((style) => style.outerHTML).join("");
    speaker.document.open();
    speaker.document.write(`<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Notes</title>${styles}
      <body style="padding:16px;font-size:20px">${NOTES}</body></html>`);
    speaker.document.close();
    speaker.document.documentElement.style.colorScheme = root.style.colorScheme;
    speaker.document.addEventListener("keydown", onKey);
    speaker.document.addEventListener("click", onClick);
    startTimer();
    tellNotes();
  }

  /* The window. */

  function scale() {
    const height = innerHeight - (panel.hidden ? 0 : panel.offsetHeight);
    const factor = Math.floor(Math.min(innerWidth, (height * 16) / 9)) / 1280; // whole pixels: no seam at the edge
    const [x, y] = [(innerWidth - 1280 * factor) / 2, (height - 720 * factor) / 2].map(Math.floor);
    deck.style.transform = `translate(${x}px, ${y}px) scale(${factor})`;
  }

  function dark() {
    const isDark = root.style.colorScheme ? root.style.colorScheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.style.colorScheme = isDark ? "light" : "dark";
    if (speaker && !speaker.closed) speaker.document.documentElement.style.colorScheme = root.style.colorScheme;
  }

  function overview() {
    const dialog = find("dialog.overview"), list = find("ol", dialog);
    list.replaceChildren(...titles.map((title, place) => {
      const [item, button] = [document.createElement("li"), document.createElement("button")];
      button.textContent = title;
      if (place === at) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => { dialog.close(); goTo(place); });
      item.append(button);
      return item;
    }));
    dialog.showModal();
    find("[aria-current]", list).focus();
  }

  /* Explorers fit a slide in small letters; in large ones they are scrolled. */
  function larger() {
    const slide = slides[at];
    if (!find(".mdx", slide)) return;
    const large = slide.classList.toggle("larger");
    for (const explorer of slide.querySelectorAll(".mdx")) {
      if (large) explorer.dataset.fitted = explorer.style.zoom;
      explorer.style.zoom = large ? LARGE : explorer.dataset.fitted;
    }
    showLarger();
  }

  function showLarger() {
    const button = find("[data-does=larger]");
    button.disabled = !find(".mdx-still, .mdx", slides[at]);
    button.setAttribute("aria-pressed", slides[at].classList.contains("larger"));
  }

  const black = () => (find(".black").hidden = !find(".black").hidden);
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  const help = () => find("dialog.help").showModal();
  const leave = () => document.activeElement.blur();

  const DOES = { next, back, notes, overview, help, pause, zero, larger };
  const KEYS = {
    ArrowRight: next, ArrowDown: next, PageDown: next, ArrowLeft: back, ArrowUp: back, PageUp: back,
    Home: () => goTo(0), End: () => goTo(slides.length - 1), Escape: leave,
    o: overview, n: notes, s: openSpeaker, f: full, d: dark, b: black, ".": black, z: larger, p: () => print(), "?": help,
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
    if (event.key === " ") {
      if (event.target.closest?.("button, summary, input, select")) return;
      event.preventDefault();
      return void (event.shiftKey ? back() : next());
    }
    if (event.target.closest?.("input, select, textarea") && event.key !== "Escape") return;
    const does = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (!does) return;
    event.preventDefault();
    does();
  }

  function onClick(event) {
    const button = event.target.closest?.("[data-does]");
    if (button) DOES[button.dataset.does]();
  }

  /* Letters as large as fit: explorers grow or shrink, else the slide is set tightly. */

  function settle(slide) {
    const body = find(".body", slide);
    const fits = () => body.scrollHeight <= body.clientHeight && body.scrollWidth <= body.clientWidth;
    for (const image of body.querySelectorAll(".picture img")) image.style.maxHeight = `${2.2 * image.naturalHeight}px`;
    const explorers = [...body.querySelectorAll(".mdx")];
    if (!explorers.length) return void (fits() || slide.classList.add("tight"));
    for (const tight of [false, true]) {
      slide.classList.toggle("tight", tight);
      for (let zoom = 1.3; zoom > 0.55; zoom -= 0.05) {
        for (const explorer of explorers) explorer.style.zoom = zoom;
        if (fits() && (tight || zoom >= 0.9)) return;
      }
    }
  }

  root.classList.add("on");
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  addEventListener("hashchange", fromAddress);
  addEventListener("resize", scale);
  addEventListener("load", () => {
    slides.forEach(settle);
    root.dataset.settled = "yes";
  });
  slides.forEach((slide, place) => slide.setAttribute("aria-label", `${slide.getAttribute("aria-label")}: ${titles[place]}`));
  scale();
  fromAddress();
})();
