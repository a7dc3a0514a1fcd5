"""A GAN on points in the plane, in numpy: two small networks, forward and backward written out.

    gan = PlaneGAN(seed=0)
    gan.play(2000)
    modes_reached(gan.draw(1000))

D(x) is a logit: sigma(D(x)) is the discriminator's probability that x is real. A network is a list of layers
[W, b] with h_{k+1} = leaky(h_k W + b), the last one without `leaky`. Points are rows.

Sources: Goodfellow et al., NeurIPS 2014, arXiv:1406.2661 (the game, its value and both losses of the
generator); Metz et al., ICLR 2017, arXiv:1611.02163, section 3.3.1 (Gaussians on a ring); Mescheder, Geiger
and Nowozin, ICML 2018, arXiv:1801.04406, equation 9 (R1); Kingma and Ba, ICLR 2015, arXiv:1412.6980,
algorithm 1 (Adam); Heusel et al., NeurIPS 2017, arXiv:1706.08500 (a learning rate for each player).
"""

from itertools import pairwise

import numpy as np

MODES, RADIUS, SPREAD = 8, 2.0, 0.15  # of the ring of Gaussians
BELOW = 0.2  # the slope of the leaky ReLU below 0
LOSSES = ("non-saturating", "minimax")


# The data


def centres(modes=MODES, radius=RADIUS):
    """The centres of Gaussians evenly on a ring, the first one on the right.  ->  (modes, 2)"""
    angle = 2 * np.pi * np.arange(modes) / modes
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ring(n, rng, modes=MODES, radius=RADIUS, spread=SPREAD):
    """n points of Gaussians on a ring, each with standard deviation `spread` in x and y.  ->  (n, 2)"""
    which = rng.integers(modes, size=n)
    return centres(modes, radius)[which] + spread * rng.standard_normal((n, 2))


def modes_reached(points, modes=MODES, radius=RADIUS, spread=SPREAD):
    """How many of the Gaussians are reached: a quarter of their share, n / 4 modes, lies within 3 spreads.

    points (n, 2). Of a Gaussian in the plane 98.9 % lie within 3 standard deviations.
    """
    distance = np.linalg.norm(points[:, None] - centres(modes, radius), axis=2)  # (n, modes)
    share = (distance <= 3 * spread).mean(axis=0)
    return int((share >= 1 / (4 * modes)).sum())


# A network


def mlp(sizes, rng):
    """Layers [W, b] of e.g. sizes (2, 32, 32, 1): W normal with variance 2 / inputs (He), b zero."""
    return [[rng.standard_normal((m, n)) * np.sqrt(2 / m), np.zeros(n)] for m, n in pairwise(sizes)]


def leaky(z):
    """The leaky ReLU: z above 0, 0.2 z below."""
    return np.where(z > 0, z, BELOW * z)


def slope(h):
    """The derivative of `leaky` where its value is h: 1 above 0, 0.2 below."""
    return np.where(h > 0, 1.0, BELOW)


def forward(net, x):
    """What goes into each layer, and at last what comes out.  ->  [h_0 = x, h_1, ..., h_L]"""
    h = [x]
    for W, b in net[:-1]:
        h.append(leaky(h[-1] @ W + b))
    W, b = net[-1]
    return [*h, h[-1] @ W + b]


def backward(net, h, delta):
    """From delta = dL/dh_L to the gradients of all layers.  ->  [[dL/dW, dL/db], ...], dL/dx"""
    gradients = []
    for k in reversed(range(len(net))):
        gradients.insert(0, [h[k].T @ delta, delta.sum(axis=0)])
        delta = delta @ net[k][0].T
        if k > 0:
            delta = delta * slope(h[k])
    return gradients, delta


class Adam:
    """Adam for one network: each weight moves by its gradient's running mean over its running size.

    m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
    w = w - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + 1e-8)
    """

    def __init__(self, net, rate, beta1=0.5, beta2=0.999):
        self.net, self.rate, self.beta1, self.beta2, self.t = net, rate, beta1, beta2, 0
        self.m, self.v = ([[np.zeros_like(w) for w in layer] for layer in net] for _ in range(2))

    def step(self, gradients):
        self.t += 1
        for layer, g, m, v in zip(self.net, gradients, self.m, self.v, strict=True):
            for i in range(2):  # W, b
                m[i] = self.beta1 * m[i] + (1 - self.beta1) * g[i]
                v[i] = self.beta2 * v[i] + (1 - self.beta2) * g[i] ** 2
                size = np.sqrt(v[i] / (1 - self.beta2**self.t)) + 1e-8
                layer[i] = layer[i] - self.rate * (m[i] / (1 - self.beta1**self.t)) / size


# The losses


def sigma(a):
    """The logistic function 1 / (1 + exp(-a)), without overflow."""
    return (1 + np.tanh(a / 2)) / 2


def d_loss(real, fake):
    """L_D = -mean log sigma(D(x)) - mean log(1 - sigma(D(G(z)))) of logits.  ->  L_D, dL/dreal, dL/dfake"""
    L = np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    return L, (sigma(real) - 1) / real.size, sigma(fake) / fake.size


def g_loss(fake, loss="non-saturating"):
    """L_G of the logits of drawn points.  ->  L_G, dL/dfake

    non-saturating   -mean log sigma(D(G(z)))
    minimax          mean log(1 - sigma(D(G(z)))), which has hardly a slope where D is sure
    """
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; use {LOSSES[0]!r} or {LOSSES[1]!r}")
    if loss == "minimax":
        return -np.logaddexp(0, fake).mean(), -sigma(fake) / fake.size
    return np.logaddexp(0, -fake).mean(), (sigma(fake) - 1) / fake.size


def r1_penalty(D, x):
    """R1 = mean |grad_x D(x)|^2 / 2 over the points x (n, 2).  ->  R1, [[dR1/dW, dR1/db], ...]

    `leaky` bends nowhere but at 0: grad_x D is a product of weights and slopes, and its gradient takes the
    same two walks through the layers, back with delta, and on with u, that starts as grad_x D.
    """
    h, n = forward(D, x), len(x)
    delta = [np.ones((n, 1))]
    for k in reversed(range(1, len(D))):
        delta.insert(0, (delta[0] @ D[k][0].T) * slope(h[k]))
    u = delta[0] @ D[0][0].T  # (n, 2), grad_x D
    R1, gradients = (u**2).sum() / (2 * n), []
    for k, (W, b) in enumerate(D):
        gradients.append([u.T @ delta[k] / n, np.zeros_like(b)])
        u = (u @ W) * slope(h[k + 1])
    return R1, gradients


# The game


class PlaneGAN:
    """A generator that draws points and a discriminator that tells them from the ring's, step by step.

    seed       a number, or a random generator such as np.random.default_rng(0)
    rate_G, rate_D   learning rates;  beta1  of both Adams
    d_steps    D steps before each G step
    loss       of the generator, "non-saturating" or "minimax"
    r1         the weight of R1 in D's loss
    hidden     units of the two hidden layers of both;  latent  numbers in z;  batch  points a step
    spread     standard deviation of the eight Gaussians

    After a step: `L_D`, `L_G` the losses before it, `t` the G steps so far.
    Raises ValueError for settings that no game can be played with.
    """

    def __init__(
        self,
        seed=0,
        *,
        rate_G=2e-3,
        rate_D=5e-3,
        beta1=0.5,
        d_steps=1,
        loss="non-saturating",
        r1=0.0,
        hidden=32,
        latent=2,
        batch=64,
        spread=SPREAD,
    ):
        _check(rate_G=rate_G, rate_D=rate_D, spread=spread, hidden=hidden, latent=latent, batch=batch)
        if not (0 <= beta1 < 1 and r1 >= 0 and d_steps >= 1):
            raise ValueError(
                f"beta1 is {beta1}, r1 {r1}, d_steps {d_steps}; "
                "0 <= beta1 < 1, r1 >= 0 and d_steps >= 1 are wanted"
            )
        g_loss(np.zeros(1), loss)  # refuses an unknown one
        self.rng = seed if hasattr(seed, "standard_normal") else np.random.default_rng(seed)
        self.G = mlp((latent, hidden, hidden, 2), self.rng)
        self.D = mlp((2, hidden, hidden, 1), self.rng)
        self.adam_G, self.adam_D = Adam(self.G, rate_G, beta1), Adam(self.D, rate_D, beta1)
        self.loss, self.r1, self.d_steps = loss, r1, d_steps
        self.latent, self.batch, self.spread = latent, batch, spread
        self.t, self.L_D, self.L_G = 0, np.nan, np.nan

    def z(self, n):
        """n latent vectors, standard normal.  ->  (n, latent)"""
        return self.rng.standard_normal((n, self.latent))

    def draw(self, n):
        """n points that the generator draws.  ->  (n, 2)"""
        return forward(self.G, self.z(n))[-1]

    def probability(self, x):
        """sigma(D(x)), the probability that the points x (n, 2) are real, in D's opinion.  ->  (n,)"""
        return sigma(forward(self.D, x)[-1])[:, 0]

    def pull(self, x):
        """Where each drawn point x (n, 2) should go for a smaller L_G: -n dL_G/dx.  ->  (n, 2)"""
        h = forward(self.D, x)
        _, delta = g_loss(h[-1], self.loss)
        return -len(x) * backward(self.D, h, delta)[1]

    def d_step(self):
        """One step of D on a batch of real and a batch of drawn points."""
        x, fake = ring(self.batch, self.rng, spread=self.spread), self.draw(self.batch)
        h, h_fake = forward(self.D, x), forward(self.D, fake)
        self.L_D, delta, delta_fake = d_loss(h[-1], h_fake[-1])
        parts = [backward(self.D, h, delta)[0], backward(self.D, h_fake, delta_fake)[0]]
        if self.r1:
            R1, gradients = r1_penalty(self.D, x)
            self.L_D += self.r1 * R1
            parts.append([[self.r1 * g for g in layer] for layer in gradients])
        self.adam_D.step([[sum(g) for g in zip(*layer, strict=True)] for layer in zip(*parts, strict=True)])

    def g_step(self):
        """One step of G: D's opinion of the drawn points goes back through D, which stays, into G."""
        h = forward(self.G, self.z(self.batch))
        h_D = forward(self.D, h[-1])
        self.L_G, delta = g_loss(h_D[-1], self.loss)
        _, delta = backward(self.D, h_D, delta)  # dL_G/dx of the drawn points
        self.adam_G.step(backward(self.G, h, delta)[0])
        self.t += 1

    def play(self, steps, every=0, watch=None):
        """`steps` times: d_steps D steps, one G step. `watch(self)` every so many.  ->  list"""
        notes = []
        for step in range(1, steps + 1):
            for _ in range(self.d_steps):
                self.d_step()
            self.g_step()
            if every and step % every == 0:
                notes.append(watch(self))
        return notes


def _check(**sizes):
    for name, size in sizes.items():
        if not (np.ndim(size) == 0 and size > 0):
            raise ValueError(f"{name} is {size!r}; a number above 0 is wanted")


# The theory, on two Gaussians in one dimension


def normal(x, m=0.0, s=1.0):
    """The density of the normal distribution with mean m and standard deviation s."""
    return np.exp(-(((x - m) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi))


def optimal_D(p, q):
    """D*(x) = p(x) / (p(x) + q(x)): the best discriminator's probability, of data p from drawings q."""
    return p / (p + q)


def game_value(m, D=None):
    """V = E_p log sigma(D) + E_q log(1 - sigma(D)) for data p = N(0, 1), drawings q = N(m, 1).

    m, at most 20 in size;  D takes x (n,) and returns logits; by default the best, log p(x) - log q(x), with
    which V = 2 JSD(p, q) - log 4. By the trapezoid rule.
    """
    x = _line(m)
    p, q = normal(x), normal(x, m)
    D = np.log(p) - np.log(q) if D is None else D(x)
    return np.trapezoid(-p * np.logaddexp(0, -D) - q * np.logaddexp(0, D), x)


def jensen_shannon(m):
    """JSD(p, q) of p = N(0, 1) and q = N(m, 1), in nats, 0 to log 2; m at most 20 in size.

    JSD = KL(p, (p + q) / 2) / 2 + KL(q, (p + q) / 2) / 2, by the trapezoid rule.
    """
    x = _line(m)
    p, q = normal(x), normal(x, m)
    return np.trapezoid(p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)), x) / 2


def _line(m):
    """Points so close and so far that the trapezoid rule has ten digits."""
    if not abs(m) <= 20:
        raise ValueError(f"m is {m}; at most 20 in size is wanted, beyond the Gaussians share nothing")
    return np.linspace(min(0, m) - 10, max(0, m) + 10, 4001)
