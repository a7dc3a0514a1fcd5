/* Plane explorer: a generator and a discriminator of points in the plane, played step by step.

   State: presets {name: settings}, preset (the name it starts with), seed, r1 (what the cure's switch gives), and world:
   hidden, latent, batch, modes, radius, spread. Settings: rate_G, rate_D, beta1, d_steps, loss, r1, as in medtutor.nn.plane.
   Points are rows of a flat array, and a network is a list of {W, b, m inputs, n outputs}; D(x) is a logit.  */

/* ---- arithmetic, free of drawing; tests compare it with medtutor.nn.plane ---- */

const BELOW = 0.2; // the slope of the leaky ReLU below 0
const [FACTOR, PRIME] = [48271, 2147483647]; // Park, Miller and Stockmeyer, Communications of the ACM 36 (1993), 108-110

/* Random numbers that another program can repeat: x ← 48271 x mod (2³¹ − 1), and normal ones by Box and Muller. */
function stream(seed) {
  let at = seed;
  const uniform = () => (at = (FACTOR * at) % PRIME) / PRIME;
  for (let unlike = 0; unlike < 10; unlike++) uniform(); // the first numbers of small seeds are alike
  const filled = (length, number) => {
    const made = new Float64Array(length);
    for (let i = 0; i < length; i++) made[i] = number();
    return made;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return {
    normals: (length) => filled(length, normal),
    integers: (below, length) => filled(length, () => Math.floor(below * uniform())),
  };
}

function centres({ modes, radius }) {
  const angle = (mode) => (2 * Math.PI * mode) / modes;
  return Array.from({ length: modes }, (_, mode) => [radius * Math.cos(angle(mode)), radius * Math.sin(angle(mode))]);
}

function ring(count, random, world) {
  const middle = centres(world);
  const which = random.integers(world.modes, count);
  return random.normals(2 * count).map((offset, i) => middle[which[i >> 1]][i % 2] + world.spread * offset);
}

/* How many Gaussians hold a quarter of their share of the points within three spreads. */
function modesReached(points, world) {
  const count = points.length / 2;
  const within = ([x, y]) => {
    let held = 0;
    for (let i = 0; i < count; i++) held += Math.hypot(points[2 * i] - x, points[2 * i + 1] - y) <= 3 * world.spread;
    return held;
  };
  return centres(world).filter((centre) => within(centre) >= count / (4 * world.modes)).length;
}

function mlp(sizes, random) {
  return sizes.slice(1).map((n, k) => {
    const m = sizes[k];
    return { W: random.normals(m * n).map((w) => w * Math.sqrt(2 / m)), b: new Float64Array(n), m, n };
  });
}

const slope = (h) => (h > 0 ? 1 : BELOW);

/* a b of matrices row after row, `inner` columns of a and rows of b; four columns at once, which is twice as fast. */
function product(a, b, inner) {
  const rows = a.length / inner;
  const columns = b.length / inner;
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    let j = 0;
    for (; j + 3 < columns; j += 4) {
      let s = 0;
      let t = 0;
      let u = 0;
      let v = 0;
      for (let k = 0, at = j; k < inner; k++, at += columns) {
        const factor = a[i * inner + k];
        s += factor * b[at];
        t += factor * b[at + 1];
        u += factor * b[at + 2];
        v += factor * b[at + 3];
      }
      const to = i * columns + j;
      out[to] = s;
      out[to + 1] = t;
      out[to + 2] = u;
      out[to + 3] = v;
    }
    for (; j < columns; j++) {
      let s = 0;
      for (let k = 0; k < inner; k++) s += a[i * inner + k] * b[k * columns + j];
      out[i * columns + j] = s;
    }
  }
  return out;
}

function transposed(a, columns) {
  const rows = a.length / columns;
  const out = new Float64Array(a.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j];
  return out;
}

/* delta Wᵀ, and hᵀ delta */
const before = (delta, { W, n }) => product(delta, transposed(W, n), n);
const outer = (h, delta, { m }) => product(transposed(h, m), delta, h.length / m);

function bent(values, h) {
  for (let i = 0; i < values.length; i++) values[i] *= slope(h[i]);
  return values;
}

/* [h_0 = x, h_1, …, h_L]: what goes into each layer, and what comes out. */
function forward(net, x) {
  const h = [x];
  for (const [k, layer] of net.entries()) {
    const z = product(h[k], layer.W, layer.m);
    for (let i = 0; i < z.length; i++) z[i] += layer.b[i % layer.n];
    h.push(k < net.length - 1 ? bent(z, z) : z);
  }
  return h;
}

/* From delta = dL/dh_L: the gradients of all layers, added to `sums` where given, and dL/dx. */
function backward(net, h, delta, sums = null) {
  const gradients = [];
  for (let k = net.length - 1; k >= 0; k--) {
    const { n } = net[k];
    const gradient = { W: outer(h[k], delta, net[k]), b: new Float64Array(n) };
    for (let i = 0; i < delta.length; i++) gradient.b[i % n] += delta[i];
    gradients.unshift(gradient);
    delta = before(delta, net[k]);
    if (k > 0) bent(delta, h[k]);
  }
  return { gradients: sums ? added(sums, gradients, 1) : gradients, delta };
}

/* sums + weight · gradients, in place */
function added(sums, gradients, weight) {
  for (const [k, layer] of sums.entries())
    for (const name of ["W", "b"])
      for (let i = 0; i < layer[name].length; i++) layer[name][i] += weight * gradients[k][name][i];
  return sums;
}

/* R1 = mean |grad D|² / 2 over the points x, and its gradients, as plane.r1_penalty has them. */
function r1Penalty(D, x) {
  const count = x.length / 2;
  const h = forward(D, x);
  const deltas = [new Float64Array(count).fill(1)];
  for (let k = D.length - 1; k > 0; k--) deltas.unshift(bent(before(deltas[0], D[k]), h[k]));
  let u = before(deltas[0], D[0]).map((g) => g / count);
  const R1 = (count * u.reduce((sum, g) => sum + g * g, 0)) / 2;
  const gradients = D.map((layer, k) => {
    const gradient = { W: outer(u, deltas[k], layer), b: new Float64Array(layer.n) };
    u = bent(product(u, layer.W, layer.m), h[k + 1]);
    return gradient;
  });
  return { R1, gradients };
}

const adamOf = (net) => ({
  t: 0,
  moments: net.map(({ W, b }) => Object.fromEntries(Object.entries({ W, b }).map(([name, w]) => [name, [w.map(() => 0), w.map(() => 0)]]))),
});

function adamStep(net, adam, gradients, rate, beta1, beta2 = 0.999) {
  adam.t += 1;
  const [scale1, scale2] = [1 - beta1 ** adam.t, 1 - beta2 ** adam.t];
  for (const [k, layer] of net.entries())
    for (const name of ["W", "b"]) {
      const [w, g, [m, v]] = [layer[name], gradients[k][name], adam.moments[k][name]];
      for (let i = 0; i < w.length; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        w[i] -= (rate * (m[i] / scale1)) / (Math.sqrt(v[i] / scale2) + 1e-8);
      }
    }
}

const sigma = (a) => (1 + Math.tanh(a / 2)) / 2;
const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
const mean = (values, number) => values.reduce((sum, value) => sum + number(value), 0) / values.length;

function dLoss(real, fake) {
  return {
    L: mean(real, (a) => softplus(-a)) + mean(fake, softplus),
    ofReal: real.map((a) => (sigma(a) - 1) / real.length),
    ofFake: fake.map((a) => sigma(a) / fake.length),
  };
}

function gLoss(fake, loss) {
  return loss === "minimax"
    ? { L: -mean(fake, softplus), delta: fake.map((a) => -sigma(a) / fake.length) }
    : { L: mean(fake, (a) => softplus(-a)), delta: fake.map((a) => (sigma(a) - 1) / fake.length) };
}

/* A game at its start; world: hidden, latent, batch, modes, radius, spread. */
function newGame(seed, world) {
  const random = stream(seed);
  const { hidden, latent } = world;
  const [G, D] = [[latent, hidden, hidden, 2], [2, hidden, hidden, 1]].map((sizes) => mlp(sizes, random));
  return { world, random, G, D, adamG: adamOf(G), adamD: adamOf(D), t: 0, dCount: 0, dSince: 0, lossD: NaN, lossG: NaN };
}

const draw = ({ G, random, world }, count) => forward(G, random.normals(count * world.latent)).at(-1);

function dStep(game, settings) {
  const { D, world, random } = game;
  const x = ring(world.batch, random, world);
  const [h, hFake] = [forward(D, x), forward(D, draw(game, world.batch))];
  const { L, ofReal, ofFake } = dLoss(h.at(-1), hFake.at(-1));
  const { gradients } = backward(D, hFake, ofFake, backward(D, h, ofReal).gradients);
  game.lossD = L;
  if (settings.r1) {
    const penalty = r1Penalty(D, x);
    game.lossD += settings.r1 * penalty.R1;
    added(gradients, penalty.gradients, settings.r1);
  }
  adamStep(D, game.adamD, gradients, settings.rate_D, settings.beta1);
  game.dCount += 1;
  game.dSince += 1;
}

function gStep(game, settings) {
  const { G, D, world, random } = game;
  const h = forward(G, random.normals(world.batch * world.latent));
  const hD = forward(D, h.at(-1));
  const { L, delta } = gLoss(hD.at(-1), settings.loss);
  game.lossG = L;
  adamStep(G, game.adamG, backward(G, h, backward(D, hD, delta).delta).gradients, settings.rate_G, settings.beta1);
  game.t += 1;
  game.dSince = 0;
}

/* The step whose turn it is: d_steps of D, one of G. */
const turn = (game, settings) => (game.dSince < settings.d_steps ? dStep : gStep)(game, settings);

function play(game, settings, steps) {
  const end = game.t + steps;
  while (game.t < end) turn(game, settings);
}

/* Where each drawn point should go for a smaller loss of G. */
function pull(D, x, loss) {
  const h = forward(D, x);
  return backward(D, h, gLoss(h.at(-1), loss).delta).delta.map((d) => (-d * x.length) / 2);
}

/* Line segments [x, y, x, y] where values on a grid (side × side, rows from the top) cross the level, by marching squares;
   x and y in cells. */
function contour(values, side, level) {
  const segments = [];
  const round = [[0, 0], [1, 0], [1, 1], [0, 1]]; // the corners of a cell
  for (let row = 0; row + 1 < side; row++)
    for (let column = 0; column + 1 < side; column++) {
      const above = round.map(([x, y]) => values[(row + y) * side + column + x] - level);
      const crossings = [];
      for (let at = 0; at < 4; at++) {
        const next = (at + 1) % 4;
        if (above[at] > 0 === above[next] > 0) continue;
        const part = above[at] / (above[at] - above[next]);
        const [[x, y], [toX, toY]] = [round[at], round[next]];
        crossings.push([column + x + part * (toX - x), row + y + part * (toY - y)]);
      }
      for (let at = 0; at < crossings.length; at += 2) segments.push([...crossings[at], ...crossings[at + 1]]);
    }
  return segments;
}

export const arithmetic = {
  stream,
  ring,
  modesReached,
  mlp,
  forward,
  backward,
  r1Penalty,
  newGame,
  draw,
  dStep,
  gStep,
  play,
  pull,
  contour,
};

/* ---- the explorer ---- */

const REACH = 3.2; // the plane is shown from −3.2 to 3.2
const CELLS = 28; // D is asked at the middle of so many cells a side
const [SHOWN, PULLED] = [256, 48]; // drawn points, and those of them with an arrow
const [PULL_LENGTH, LONGEST] = [0.35, 0.9]; // an arrow is a pull of 1 times this, and no longer than that
const FRAME = 6; // milliseconds of a frame for steps; the rest is for drawing
const REMEMBERED = 240; // points of a curve; every second one is dropped when there are more
const LOSS_RANGE = [-1, 4];
const INK = "#16191d";
const RATES = [0.001, 0.002, 0.005, 0.01];
const RATIOS = [0.03, 0.1, 0.3, 1, 2.5, 5, 10]; // D's learning rate by G's
const D_STEPS = [1, 2, 3, 4, 5];
const BETAS = [0, 0.5, 0.9];
const LOSSES = ["non-saturating", "minimax"];

const ratioText = (ratio) => (ratio < 1 ? `1 : ${Math.round(1 / ratio)}` : `${ratio} : 1`);
const nearest = (values, wanted) =>
  values.reduce((best, value, at) => (Math.abs(Math.log(value / wanted)) < Math.abs(Math.log(values[best] / wanted)) ? at : best), 0);

/* A game's pictures come from points of its own: the same latent vectors at every step, so that points can be followed. */
function render({ model, el }) {
  const [presets, world] = [model.get("presets"), model.get("world")];
  const names = Object.keys(presets);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const real = ring(SHOWN, stream(7), world);
  const shownZ = stream(8).normals(SHOWN * world.latent);
  const cellPoints = new Float64Array(2 * CELLS * CELLS);
  for (let at = 0; at < CELLS * CELLS; at++) {
    cellPoints[2 * at] = ((at % CELLS) + 0.5) * ((2 * REACH) / CELLS) - REACH;
    cellPoints[2 * at + 1] = REACH - (Math.floor(at / CELLS) + 0.5) * ((2 * REACH) / CELLS);
  }
  let seed = model.get("seed");
  let settings = { ...presets[model.get("preset")] };
  let game = newGame(seed, world);
  let history = [];
  let stride = 1; // steps between two points of the curves
  let playing = false;
  let [drawnAt, spokenAt] = [0, 0];

  /* -- parts -- */
  const cell = (className, ...content) => element("div", { className }, ...content);
  const button = (textContent, act) => {
    const made = element("button", { type: "button", textContent });
    made.addEventListener("click", act);
    return made;
  };
  const playButton = button("▶ Play", () => (playing ? pause() : start()));
  playButton.className = "mdx-playing"; // as wide with either word
  const buttons = cell(
    "mdx-buttons",
    button("D step", () => once(dStep)),
    button("G step", () => once(gStep)),
    playButton,
    button("Restart", () => restart(seed)),
    button("New seed", () => restart(seed + 1)),
  );
  const presetChoice = radios(
    names.map((name) => [element("span", { textContent: name })]),
    (at) => {
      settings = { ...presets[names[at]] };
      restart(seed);
    },
  );
  const changed = (values) => {
    settings = { ...settings, ...values };
    refresh();
    report(true);
  };
  const sliders = {
    rate_G: slider("G's learning rate", RATES, (rate) => String(rate), (at) =>
      changed({ rate_G: RATES[at], rate_D: RATES[at] * RATIOS[nearest(RATIOS, settings.rate_D / settings.rate_G)] }),
    ),
    ratio: slider("learning rates D : G", RATIOS, ratioText, (at) => changed({ rate_D: settings.rate_G * RATIOS[at] })),
    d_steps: slider("D steps to a G step", D_STEPS, String, (at) => changed({ d_steps: D_STEPS[at] })),
    beta1: slider("Adam's β₁", BETAS, String, (at) => changed({ beta1: BETAS[at] })),
  };
  const lossChoice = radios(
    LOSSES.map((name) => [element("span", { textContent: name })]),
    (at) => changed({ loss: LOSSES[at] }),
  );
  const cure = element("input", { type: "checkbox" });
  cure.addEventListener("change", () => changed({ r1: cure.checked ? model.get("r1") : 0 }));

  const canvas = element("canvas", { width: SIDE, height: SIDE, aria: { role: "img" } });
  const context = canvas.getContext("2d");
  const heat = document.createElement("canvas");
  const sentence = element("p", { className: "mdx-sentence" });
  const { spoken, speak } = speaker();
  const curves = {
    modes: chart("modes reached", [0, world.modes], [["modes", "mdx-line-modes"]], [0, world.modes / 2, world.modes]),
    losses: chart("losses", LOSS_RANGE, [["lossD", "mdx-line-d"], ["lossG", "mdx-line-g"]], [-1, 0, 1, 2, 3, 4], Math.log(4)),
  };

  el.classList.add("mdx-of-plane");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Plane GAN explorer");
  el.append(
    cell(
      "mdx-controls",
      group("start with", "mdx-choices", ...presetChoice.parts),
      group("generator's loss", "mdx-choices", ...lossChoice.parts),
      group("cure", "mdx-choices", element("label", {}, cure, element("span", { textContent: `R1, weight ${model.get("r1")}` }))),
      group("settings", "mdx-sliders", ...Object.values(sliders).map(({ label }) => label)),
    ),
    buttons,
    sentence,
    cell("mdx-panels", cell("mdx-plane", canvas, legend()), cell("mdx-charts", curves.modes.figure, curves.losses.figure)),
    spoken,
  );

  /* -- what is drawn once -- */
  function sign(kind) {
    const parts = {
      real: drawn("circle", { cx: 8, cy: 8, r: 4, class: "mdx-real" }),
      drawn: drawn("path", { d: "M8 2.5L13 12.5H3Z", class: "mdx-drawn" }),
      pull: drawn("path", { d: "M1 8H14M10 4.5L14 8L10 11.5", class: "mdx-pull" }),
      half: drawn("path", { d: "M1 11C6 3 10 3 15 8", class: "mdx-half" }),
    };
    return drawn("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, parts[kind]);
  }

  function legend() {
    const words = {
      real: "real point",
      drawn: "drawn point",
      pull: "where its loss pulls it",
      half: "D = ½",
    };
    const scale = element("span", { className: "mdx-scale", aria: { hidden: true } });
    const colours = [0, 0.25, 0.5, 0.75, 1].map((p) => css(heatColour(p)));
    scale.style.background = `linear-gradient(to right, ${colours.join(",")})`;
    return element(
      "p",
      { className: "mdx-legend" },
      ...Object.entries(words).map(([kind, text]) => element("span", {}, sign(kind), ` ${text}`)),
      element("span", {}, "D: drawn 0 ", scale, " 1 real"),
    );
  }

  function chart(title, [low, high], lines, ticks, level = null) {
    const [left, right, top, bottom] = [30, 312, 8, 112];
    const up = (value) => bottom - ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * (bottom - top);
    const paths = lines.map(([, className]) => drawn("path", { class: className }));
    const end = drawn("text", { x: right, y: bottom + 18, "text-anchor": "end" });
    const marks = ticks.flatMap((tick) => [
      drawn("path", { class: "mdx-grid", d: `M${left} ${up(tick)}H${right}` }),
      drawn("text", { x: left - 5, y: up(tick) + 5, "text-anchor": "end" }, decimals(tick, 0)),
    ]);
    const own = level === null ? [] : [drawn("path", { class: "mdx-level", d: `M${left} ${up(level)}H${right}` })];
    const svg = drawn("svg", { viewBox: "0 0 320 134", class: "mdx-plot", "aria-hidden": "true" }, ...marks, ...own, ...paths, end);
    svg.append(drawn("text", { x: left, y: bottom + 18 }, "0"));
    const caption = element("p", { className: "mdx-caption" }, element("span", { className: "mdx-title", textContent: title }));
    if (level !== null) {
      const key = (className, words) =>
        element("span", {}, drawn("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" }, drawn("path", { class: className, d: "M0 4H26" })), ` ${words}`);
      caption.append(key("mdx-line-d", "D"), key("mdx-line-g", "G"), key("mdx-level", "log 4: D cannot tell"));
    }
    const show = () => {
      const last = Math.max(1, game.t);
      const across = (t) => left + (t / last) * (right - left);
      for (const [at, [name]] of lines.entries()) {
        const known = history.filter((note) => Number.isFinite(note[name]));
        paths[at].setAttribute("d", known.map((note, i) => `${i ? "L" : "M"}${across(note.t).toFixed(1)} ${up(note[name]).toFixed(1)}`).join(""));
      }
      end.textContent = count(last, "G step");
    };
    return { figure: element("section", {}, caption, svg), show };
  }

  function heatColour(p) {
    return signedColour(0.62 * (2 * p - 1));
  }

  /* -- what a step changes -- */
  const shownPoints = () => forward(game.G, shownZ).at(-1);
  const onCanvas = (value, isDown) => ((isDown ? REACH - value : value + REACH) / (2 * REACH)) * SIDE;

  function note() {
    if (game.t % stride === 0 && history.at(-1)?.t !== game.t) history.push(noted());
    if (history.length <= REMEMBERED) return;
    stride *= 2;
    history = history.filter(({ t }) => t % stride === 0);
  }

  const noted = () => ({ t: game.t, modes: modesReached(shownPoints(), world), lossD: game.lossD, lossG: game.lossG });

  function paintPlane(points) {
    const p = forward(game.D, cellPoints).at(-1).map(sigma);
    raster(CELLS, CELLS, (at) => heatColour(p[at]), heat);
    context.imageSmoothingEnabled = true;
    context.drawImage(heat, 0, 0, SIDE, SIDE);
    paintHalf(p);
    for (let at = 0; at < SHOWN; at++) paintReal(onCanvas(real[2 * at]), onCanvas(real[2 * at + 1], true));
    paintPulls(points);
    for (let at = 0; at < SHOWN; at++) paintDrawn(onCanvas(points[2 * at]), onCanvas(points[2 * at + 1], true));
  }

  function paintHalf(p) {
    const size = SIDE / CELLS;
    context.beginPath();
    for (const [x, y, toX, toY] of contour(p, CELLS, 0.5)) {
      context.moveTo((x + 0.5) * size, (y + 0.5) * size);
      context.lineTo((toX + 0.5) * size, (toY + 0.5) * size);
    }
    stroked(3);
  }

  /* Dark with a white edge, so that it shows on every colour. */
  function stroked(width) {
    for (const [colour, extra] of [["#fff", 3], [INK, 0]]) {
      context.strokeStyle = colour;
      context.lineWidth = width + extra;
      context.stroke();
    }
  }

  function paintReal(x, y) {
    context.beginPath();
    context.arc(x, y, 5, 0, 7);
    context.fillStyle = "#fff";
    context.fill();
    context.strokeStyle = INK;
    context.lineWidth = 1.5;
    context.stroke();
  }

  function paintDrawn(x, y) {
    context.beginPath();
    context.moveTo(x, y - 8);
    context.lineTo(x + 7, y + 6);
    context.lineTo(x - 7, y + 6);
    context.closePath();
    context.fillStyle = INK;
    context.fill();
    context.strokeStyle = "#fff";
    context.lineWidth = 1.5;
    context.stroke();
  }

  function paintPulls(points) {
    const from = points.subarray(0, 2 * PULLED);
    const pulls = pull(game.D, from, settings.loss);
    context.beginPath();
    for (let at = 0; at < PULLED; at++) {
      const [px, py] = [pulls[2 * at], pulls[2 * at + 1]];
      const size = Math.hypot(px, py);
      if (size < 1e-9) continue;
      const length = Math.min(LONGEST, PULL_LENGTH * size);
      const [ux, uy] = [px / size, py / size];
      const [x, y] = [onCanvas(from[2 * at]), onCanvas(from[2 * at + 1], true)];
      const reach = (length / (2 * REACH)) * SIDE;
      const [tipX, tipY] = [x + ux * reach, y - uy * reach];
      context.moveTo(x, y);
      context.lineTo(tipX, tipY);
      const barb = Math.min(9, reach / 2);
      for (const turn of [-1, 1]) {
        context.moveTo(tipX, tipY);
        context.lineTo(tipX - barb * (ux + 0.6 * turn * uy), tipY + barb * (uy - 0.6 * turn * ux));
      }
    }
    stroked(2);
  }

  function lossText(value) {
    return Number.isFinite(value) ? decimals(value) : "not yet";
  }

  function redraw() {
    const points = shownPoints();
    const modes = modesReached(points, world);
    paintPlane(points);
    curves.modes.show();
    curves.losses.show();
    sentence.textContent =
      `Seed ${seed}, step ${whole(game.t)} of G, ${whole(game.dCount)} of D. Loss of D ${lossText(game.lossD)}, ` +
      `of G ${lossText(game.lossG)}. Modes reached: ${modes} of ${world.modes}.`;
    return modes;
  }

  function report(aloud) {
    const modes = redraw();
    if (!aloud) return;
    canvas.setAttribute(
      "aria-label",
      `The plane: ${world.modes} Gaussians of real points on a ring of radius ${world.radius}, ${SHOWN} drawn points on ` +
        `${modes} of them, and where D takes a point for real.`,
    );
    speak(sentence.textContent);
  }

  function refresh() {
    const same = (a, b) => a === b || Math.abs(a - b) < 1e-9;
    const preset = names.findIndex((name) => Object.entries(presets[name]).every(([key, value]) => same(settings[key], value)));
    if (preset >= 0) presetChoice.mark(preset);
    else for (const part of presetChoice.parts) part.querySelector("input").checked = false;
    lossChoice.mark(LOSSES.indexOf(settings.loss));
    cure.checked = settings.r1 > 0;
    sliders.rate_G.show(nearest(RATES, settings.rate_G));
    sliders.ratio.show(nearest(RATIOS, settings.rate_D / settings.rate_G));
    sliders.d_steps.show(D_STEPS.indexOf(settings.d_steps));
    sliders.beta1.show(BETAS.indexOf(settings.beta1));
  }

  /* -- events -- */
  function once(step) {
    pause();
    step(game, settings);
    note();
    report(true);
  }

  function restart(next) {
    pause();
    seed = next;
    game = newGame(seed, world);
    history = [noted()];
    stride = 1;
    refresh();
    report(true);
  }

  function start() {
    playing = true;
    playButton.textContent = "⏸ Pause";
    spokenAt = game.t;
    requestAnimationFrame(frame);
  }

  function pause() {
    if (!playing) return;
    playing = false;
    playButton.textContent = "▶ Play";
    report(true);
  }

  /* Steps for part of a frame, then the picture; with reduced motion a picture a second. */
  function frame(now) {
    if (!playing || !el.isConnected) return;
    const until = performance.now() + FRAME;
    do {
      turn(game, settings);
      note();
    } while (performance.now() < until);
    if (!calm || now - drawnAt > 1000) {
      drawnAt = now;
      const aloud = game.t - spokenAt >= 500;
      if (aloud) spokenAt = game.t;
      report(aloud);
    }
    requestAnimationFrame(frame);
  }

  restart(seed);
}

export default { render };
