"""Obviously right and slow: plain Python and dense NumPy in float64, which never call the code that they check.

Fields are read as arrays (`order`, `parents`, `readers`, `a`, `G`, `B`, `S`, `gain`). Dense vectors are unit-major:
neuron u m + c, made from (T, C, H, W) by `unit_major`.
"""

import math

import numpy as np

# White noise


# Multipliers and key increments of Philox4x32 and Philox4x64 (Salmon et al. 2011, tables 2 and 4)
PHILOX = {
    32: (0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85),
    64: (0xD2E7470EE14C6C93, 0xCA5A826395121157, 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B),
}


def philox4x32(counter, key, bits=32):
    """Philox4x32-10, or 4x64-10, on Python integers (Salmon et al. 2011, section 3.3): four words from four and two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    word, (m0, m1, w0, w1) = 2**bits, PHILOX[bits]
    for _ in range(10):
        left, right = m0 * c0, m1 * c2
        c0, c1, c2, c3 = right // word ^ c1 ^ k0, right % word, left // word ^ c3 ^ k1, left % word
        k0, k1 = (k0 + w0) % word, (k1 + w1) % word
    return c0, c1, c2, c3


def box_muller(word_radius, word_angle):
    """Two normals from two 32-bit words, and their radius."""
    radius = math.sqrt(-2 * math.log((word_radius + 0.5) / 2**32))
    signed = word_angle - 2**32 if word_angle >= 2**31 else word_angle
    angle = math.pi * signed / 2**31
    return radius * math.cos(angle), radius * math.sin(angle), radius


def normals(seed, positions, neurons):
    """(T, neurons) normals of a seed's stream at the positions given, and the radius that each was made with."""
    values, radii = [], []
    for position in positions:
        row, around = [], []
        for block in range(-(-neurons // 4)):
            words = philox4x32((position % 2**32, position // 2**32, block, 0), (seed % 2**32, seed // 2**32))
            for pair in (words[:2], words[2:]):
                x, y, radius = box_muller(*pair)
                row += [x, y]
                around += [radius, radius]
        values.append(row[:neurons])
        radii.append(around[:neurons])
    return np.array(values), np.array(radii)


# Orders and wiring


def images(first, second, height, width, periodic):
    """All (dy, dx) that lead from unit `first` to unit `second`, on a torus also around it."""
    dy, dx = second // width - first // width, second % width - first % width
    if not periodic:
        return [(dy, dx)]
    return [(dy + i * height, dx + j * width) for i in (-1, 0, 1) for j in (-1, 0, 1)]


def nearness(first, second, height, width, periodic):
    """Sort key of a neighbour: Euclidean distance, then Manhattan, then row order."""
    return min((y * y + x * x, abs(y) + abs(x), (y, x)) for y, x in images(first, second, height, width, periodic))


def chebyshev(first, second, height, width, periodic):
    """Chebyshev distance of two units."""
    return min(max(abs(y), abs(x)) for y, x in images(first, second, height, width, periodic))


def parents(order, height, width, count, radius, periodic):
    """Each unit's parents as a list: every earlier unit within the radius, nearest first, cut at `count`."""
    found = {}
    for place, unit in enumerate(order):
        near = [v for v in order[:place] if radius is None or chebyshev(unit, v, height, width, periodic) <= radius]
        near.sort(key=lambda v: nearness(unit, v, height, width, periodic))
        found[int(unit)] = [int(v) for v in near[:count]]
    return [found[unit] for unit in range(height * width)]


def hubs(near, order, height, width, far):
    """The parents `near` of each unit, and the `far` nearest earlier hubs that are not among them (no torus).

    Hubs lie on the rows and columns at multiples of 4 from the central unit; a unit looks at those within two steps of
    the one nearest to it.
    """
    place = {int(u): i for i, u in enumerate(order)}
    found = []
    for u in range(height * width):
        y, x = divmod(u, width)
        rows = [4 * (round((y - height // 2) / 4) + i) + height // 2 for i in range(-2, 3)]
        columns = [4 * (round((x - width // 2) / 4) + i) + width // 2 for i in range(-2, 3)]
        inside = [b * width + a for b in rows for a in columns if 0 <= b < height and 0 <= a < width]
        free = [v for v in inside if place[v] < place[u] and v not in near[u]]
        free.sort(key=lambda v, u=u: (*nearness(u, v, height, width, False)[:2], v))
        found.append([*near[u], *free[:far]])
    return found


def neighbours(height, width, radius, periodic):
    """Each unit's readable units as a list: itself, then all within the radius, nearest first."""
    units = range(height * width)
    near = [[v for v in units if chebyshev(u, v, height, width, periodic) <= radius] for u in units]
    return [sorted(row, key=lambda v: nearness(u, v, height, width, periodic)) for u, row in enumerate(near)]


# The field as dense algebra


def unit_major(activity):
    """(T, C, H, W) to (T, N C), float64."""
    array = np.asarray(activity, dtype=np.float64)
    return array.reshape(len(array), array.shape[1], -1).transpose(0, 2, 1).reshape(len(array), -1)


def c_order(channels, units):
    """Index array i with dense[i] in C order of (C, H, W) for a unit-major vector `dense`."""
    return np.arange(channels * units).reshape(units, channels).T.reshape(-1)


def like(flat, channels, shape):
    """(T, N C) back to (T, C, H, W): the inverse of `unit_major`."""
    return flat.reshape(len(flat), -1, channels).transpose(0, 2, 1).reshape(len(flat), channels, *shape)


def scatter(weights, links, channels):
    """(N, m, K m) blocks with links (N, K) to a dense (n, n) matrix; missing links (-1) are ignored."""
    units = len(links)
    dense = np.zeros((units * channels, units * channels))
    for u in range(units):
        for k, v in enumerate(links[u]):
            if v >= 0:
                block = weights[u][:, k * channels : (k + 1) * channels]
                dense[u * channels : (u + 1) * channels, v * channels : (v + 1) * channels] += block
    return dense


class Dense:
    """A field as dense float64 matrices: eta = gain (I - B)^-1 ([a + G h] + S xi)."""

    def __init__(self, field):
        units, m = np.shape(field.a)
        self.m = m
        self.a = np.asarray(field.a, np.float64).reshape(-1)
        self.B = scatter(np.asarray(field.B, np.float64), field.parents, m)
        self.G = scatter(np.asarray(field.G, np.float64), field.readers, m)
        self.S = scatter(np.asarray(field.S, np.float64), np.arange(units)[:, None], m)
        self.gain = np.repeat(np.asarray(field.gain, np.float64), m)
        self.propagate = np.linalg.inv(np.eye(units * m) - self.B)

    def noise(self, xi):
        return xi @ (self.gain[:, None] * self.propagate @ self.S).T

    def mean(self, h):
        return self.linear(h) + self.gain * (self.propagate @ self.a)

    def linear(self, h):
        return h @ (self.gain[:, None] * self.propagate @ self.G).T

    def pull_back(self, gradient):
        return gradient @ (self.gain[:, None] * self.propagate @ self.G)

    def covariance(self):
        factor = self.gain[:, None] * self.propagate @ self.S
        return factor @ factor.T

    def whiten(self, d, h=None):
        shifted = d / self.gain @ (np.eye(len(self.a)) - self.B).T
        if h is not None:
            shifted = shifted - self.a - h @ self.G.T
        return shifted @ np.linalg.inv(self.S).T


class Widened:
    """A narrow field with every weight written out, element by element: what `Dense` takes."""

    def __init__(self, field):
        N, m = np.shape(field.a)
        self.parents, self.readers, self.a, self.gain = field.parents, field.readers, field.a, field.gain
        self.S = np.zeros((N, m, m))
        self.B = self.written_out(field, m, field.parents, field.past, field.inward)
        self.G = self.written_out(field, m, field.readers, field.read, field.reading)
        for u in range(N):
            for i in range(m):
                for j in range(m):
                    self.S[u, i, j] = field.scale[u, i] * field.L[field.levels[u], i, j]

    @staticmethod
    def written_out(field, m, links, weights, basis):
        r, W = len(basis), np.zeros((len(links), m, links.shape[1] * m))
        for u, k, i, j in np.ndindex(len(links), links.shape[1], m, m):
            own = weights[field.kinds[u]]
            if r == 0:
                W[u, i, k * m + j] = own[i, k * m + j]
            for p in range(r):
                for q in range(r):
                    W[u, i, k * m + j] += float(field.inward[p, i]) * own[p, k * r + q] * basis[q, j]
        return W


def log_density(x, covariance):
    """Log density of N(0, covariance) at each row."""
    _, log_det = np.linalg.slogdet(covariance)
    squares = np.einsum("ti,ij,tj->t", x, np.linalg.inv(covariance), x)
    return -0.5 * (squares + log_det + len(covariance) * math.log(2 * math.pi))


def kl(target, model):
    """KL(N(0, target) || N(0, model)), natural logarithm."""
    log_ratio = np.linalg.slogdet(model)[1] - np.linalg.slogdet(target)[1]
    return 0.5 * (np.trace(np.linalg.solve(model, target)) - len(target) + log_ratio)


def residual(covariance, own, given):
    """Covariance of the neurons `own` given the neurons `given`: the Schur complement."""
    inner = covariance[np.ix_(own, own)]
    if len(given) == 0:
        return inner
    cross = covariance[np.ix_(own, given)]
    return inner - cross @ np.linalg.inv(covariance[np.ix_(given, given)]) @ cross.T


def neurons(units, channels):
    """Unit-major indices of all channels of the units, in their order."""
    return [u * channels + c for u in units for c in range(channels)]


# Learning


def regressors(field, u, d, h):
    """Z (T, p) of unit u, a missing neighbour as zeros: [1, h_R(u), d_P(u)], or d_P(u) alone. d, h : (T, m, N)."""
    signal = field.readers.shape[1] > 0
    blank = np.zeros(d.shape[:2])
    columns = [np.ones((len(d), 1))] if signal else []
    columns += [h[:, :, r] if r >= 0 else blank for r in field.readers[u]]
    columns += [d[:, :, k] if k >= 0 else blank for k in field.parents[u]]
    return np.concatenate(columns, axis=1) if columns else np.zeros((len(d), 0))


def least_squares(field, u, d, h, ridge):
    """W_u and the residual second moment R_u: ordinary least squares, the ridge as extra presentations.

    The moments of the data plus ridge I are those of the data and sqrt(T ridge) times each unit vector of neighbours
    and own channels; a missing neighbour is left out, so that its weight is zero.
    """
    T, m = d.shape[:2]
    Z, y = regressors(field, u, d, h), d[:, :, u]
    signal = field.readers.shape[1] > 0
    links = [*field.readers[u], *field.parents[u]]
    real = np.repeat([link >= 0 for link in links], m) if links else np.zeros(0, bool)
    if signal:
        real = np.concatenate([[True], real])
    extra = math.sqrt(T * ridge) * np.eye(Z.shape[1])
    if signal:
        extra[0] = 0
    rows = np.concatenate([Z, extra])[:, real]
    targets = np.concatenate([y, np.zeros((len(extra), m))])
    W = np.zeros((m, Z.shape[1]))
    W[:, real] = np.linalg.lstsq(rows, targets, rcond=None)[0].T
    rest = targets - rows @ W[:, real].T
    return W, rest.T @ rest / T + ridge * np.eye(m)


def shared_least_squares(field, units, d, h, ridge):
    """W (m, K m + R m) of units with the same neighbors: least squares over all their presentations, stacked.

    With signal dependence each unit's activity is taken about its means; the ridge is as many extra presentations.
    """
    rows, targets = [], []
    for u in units:
        Z, y = regressors(field, u, d, h), d[:, :, u]
        if field.readers.shape[1] > 0:
            Z, y = Z[:, 1:] - Z[:, 1:].mean(axis=0), y - y.mean(axis=0)
        rows.append(Z)
        targets.append(y)
    Z, y = np.concatenate(rows), np.concatenate(targets)
    extra = math.sqrt(len(Z) * ridge) * np.eye(Z.shape[1])
    Z, y = np.concatenate([Z, extra]), np.concatenate([y, np.zeros((len(extra), y.shape[1]))])
    return np.linalg.lstsq(Z, y, rcond=None)[0].T


def second_moment(field, u, d, h):
    """Sum over presentations of [z; d_u] [z; d_u]'."""
    Z = np.concatenate([regressors(field, u, d, h), d[:, :, u]], axis=1)
    total = np.zeros((Z.shape[1], Z.shape[1]))
    for z in Z:
        total += np.outer(z, z)
    return total


def average(state, z, y, t, seen, memory):
    """Polyak average of W, residual of the averaged weights, own power: the part that both gradient rules share."""
    weight = (memory + 1) / (seen + t + 1 + memory)
    state["W_mean"] = state["W_mean"] + weight * (state["W"] - state["W_mean"])
    e = y - state["W_mean"] @ z
    state["residual"] = state["residual"] + weight * (np.outer(e, e) - state["residual"])
    state["power"] = state["power"] + weight * (y**2 - state["power"])


def start(m, p, W=None):
    W = np.zeros((m, p)) if W is None else np.array(W, np.float64)
    return {"W": W, "W_mean": W.copy(), "residual": np.zeros((m, m)), "power": np.zeros(m)}


def lms(state, Z, Y, seen, rate, floor, memory):
    """Normalised LMS, one presentation after the other; updates `state`."""
    for t, (z, y) in enumerate(zip(Z, Y, strict=True)):
        e = y - state["W"] @ z
        state["W"] = state["W"] + rate * np.outer(e, z) / (floor + z @ z)
        average(state, z, y, t, seen, memory)


def sign_lms(state, Z, Y, seen, rate, halving, limit, memory):
    """Sign-sign LMS with a halving step and saturating weights; updates `state`."""
    for t, (z, y) in enumerate(zip(Z, Y, strict=True)):
        e = y - state["W"] @ z
        step = rate
        doubled = 2 * halving
        while halving + seen + t >= doubled:
            step, doubled = step / 2, 2 * doubled
        state["W"] = np.clip(state["W"] + step * np.outer(np.sign(e), np.sign(z)), -limit, limit)
        average(state, z, y, t, seen, memory)


# Features that units learn


def window(x, places):
    """[1; x_R(u)] of one presentation x (C, P): place by place all channels, 0 where there is no place."""
    return np.concatenate([[1.0], *(x[:, place] if place >= 0 else np.zeros(len(x)) for place in places)])


def answer(W, z, activation):
    """h = f(W_u z) with W_u (p, m), and f' there."""
    v = W.T @ z
    if activation == "relu":
        return np.maximum(v, 0), (v > 0).astype(float)
    return np.tanh(v), 1 - np.tanh(v) ** 2


def softmax(q):
    """Probabilities of logits."""
    e = np.exp(q - q.max())
    return e / e.sum()


def heads_learned(W, V, x, labels, readers, activation, rate):
    """W (N, p, m) and V (N, 1 + m, K) after one step a presentation."""
    W, V = W.astype(float), V.astype(float)
    for u in range(len(W)):
        for one, label in zip(x.astype(float), labels, strict=True):
            z = window(one, readers[u])
            h, slope = answer(W[u], z, activation)
            own = np.concatenate([[1.0], h])
            e = np.eye(V.shape[2])[label] - softmax(V[u].T @ own)
            back = slope * (V[u][1:] @ e)
            V[u] += rate * np.outer(own, e) / (own @ own)
            W[u] += rate * np.outer(z, back) / (z @ z)
    return W, V


def channels_learned(W, x, labels, readers, activation, classes, sharpness, rate):
    """W (N, p, m) after one step a presentation."""
    W = W.astype(float)
    m = W.shape[2]
    stands = np.array([i * classes // m for i in range(m)])
    count = np.array([(stands == k).sum() for k in range(classes)])
    for u in range(len(W)):
        for one, label in zip(x.astype(float), labels, strict=True):
            z = window(one, readers[u])
            h, slope = answer(W[u], z, activation)
            q = np.array([sharpness * (h[stands == k] ** 2).mean() for k in range(classes)])
            e = np.eye(classes)[label] - softmax(q)
            W[u] += rate * np.outer(z, slope * 2 * sharpness * h * e[stands] / count[stands]) / (z @ z)
    return W


def softhebb_learned(W, x, readers, rate, sharpness):
    """W (N, p, m) and the means (N, p) after one step a presentation."""
    W = W.astype(float)
    means = np.zeros(W.shape[:2])
    for u in range(len(W)):
        for s, one in enumerate(x.astype(float)):
            z = window(one, readers[u])
            means[u] += (z - means[u]) / (s + 1)
            c = (z - means[u])[1:]
            if not c.any():
                continue
            c /= np.linalg.norm(c)
            own = W[u][1:]
            v = own.T @ c
            y = softmax(sharpness * v)
            y = np.where(np.arange(len(v)) == v.argmax(), y, -y)
            r = rate * np.sqrt(np.abs(1 - np.linalg.norm(own, axis=0)))
            W[u][1:] += r * y * (c[:, None] - v * own)
        W[u][0] = -(W[u][1:].T @ means[u][1:])
    return W, means


# Three factors


def reinforced(field, eta, rewards, h, rate, spread, floor, decorrelate=False):
    """W (N, m, p) and S (N, m, m) after one step from rewards; eta and h (T, m, N)."""
    r = np.asarray(rewards, float)
    told = np.array([(own - np.delete(r, t).mean()) / r.std() for t, own in enumerate(r)])
    W = np.concatenate([field.a[:, :, None], field.G, field.B] if field.signal else [field.B], axis=2).astype(float)
    out, S = W.copy(), field.S.astype(float)
    m = eta.shape[1]
    for u in range(len(W)):
        total, square, power, seen = np.zeros(W.shape[1:]), np.zeros((m, m)), 0.0, []
        for t in range(len(eta)):
            z = [np.ones(1)] if field.signal else []
            for other in field.readers[u] if field.signal else ():
                z.append(h[t, :, other].astype(float) if other >= 0 else np.zeros(m))
            for other in field.parents[u]:
                z.append(eta[t, :, other] / float(field.gain[other]) if other >= 0 else np.zeros(m))
            z = np.concatenate(z)
            e = eta[t, :, u] / float(field.gain[u]) - W[u] @ z
            xi = np.linalg.solve(S[u], e)
            total += told[t] * np.outer(e, z)
            square += told[t] * (np.outer(xi, xi) - np.eye(m))
            power += floor + z @ z
            seen.append(z)
        if decorrelate:
            moment = np.mean([np.outer(z, z) for z in seen], axis=0) + floor * np.eye(len(z))
            out[u] += rate * total / len(eta) @ np.linalg.inv(moment)
        else:
            out[u] += rate * total / power
        step = spread * square / len(eta)
        S[u] = S[u] @ (np.tril(step, -1) + np.diag(np.exp(np.diag(step) / 2)))
    return out, S
