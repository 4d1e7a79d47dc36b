"""The work of units that learn features: what a unit answers to a window of inputs, and one step of each rule.

z_u = [1; x_R(u)], p = len(z_u); a missing input reads as zero. x : (T, C, P), inputs at P places;  readers : (N, R),
the places that a unit reads;  W : (N, p, m), so that the innermost loops run over the unit's own channels;  bend : 0
for tanh, 1 for max(0, .). A unit reads z_u, its own answer and the label, and writes its own rows alone; no number
passes from unit to unit, so that units are shared among threads.
"""

import numpy as np

from localnoise.kernels.flags import kernel, shared_kernel


@kernel
def window(z, x, t, u, readers):
    """Write one presentation's z_u."""
    z[0] = 1
    at = 1
    for r in range(readers.shape[1]):
        place = readers[u, r]
        for c in range(x.shape[1]):
            z[at + c] = x[t, c, place] if place >= 0 else 0
        at += x.shape[1]


@kernel
def respond(h, slope, W, u, z, bend):
    """h = f(W_u z), and f' there."""
    h[:] = 0
    for j in range(z.shape[0]):
        row, value = W[u, j], z[j]
        for i in range(h.shape[0]):
            h[i] += row[i] * value
    for i in range(h.shape[0]):
        if bend:
            slope[i] = 1 if h[i] > 0 else 0
            h[i] = max(h[i], 0)
        else:
            h[i] = np.tanh(h[i])
            slope[i] = 1 - h[i] * h[i]


@kernel
def logits_of_head(q, V, u, h):
    """q = V_u [1; h]."""
    for k in range(q.shape[0]):
        q[k] = V[u, 0, k]
    for i in range(h.shape[0]):
        row, value = V[u, 1 + i], h[i]
        for k in range(q.shape[0]):
            q[k] += row[k] * value


@kernel
def logits_of_channels(q, h, owner, count, sharpness):
    """q_j = sharpness times the mean square of the channels that stand for class j."""
    q[:] = 0
    for i in range(h.shape[0]):
        q[owner[i]] += h[i] * h[i]
    for k in range(q.shape[0]):
        q[k] *= sharpness / count[k]


@kernel
def log_softmax(q):
    """Replace q by its log softmax."""
    top, total = q[0], 0.0
    for k in range(1, q.shape[0]):
        top = max(top, q[k])
    for k in range(q.shape[0]):
        total += np.exp(np.float64(q[k] - top))
    shift = top + np.log(total)
    for k in range(q.shape[0]):
        q[k] -= shift


@kernel
def error(q, label):
    """Replace logits by what is wrong with them: one-hot(label) - softmax(q)."""
    log_softmax(q)
    for k in range(q.shape[0]):
        q[k] = -np.exp(q[k])
    q[label] += 1


@kernel
def step(W, u, z, delta, first, scale):
    """W_u += scale z delta', but for the rows before `first`."""
    for j in range(first, z.shape[0]):
        row, value = W[u, j], scale * z[j]
        for i in range(delta.shape[0]):
            row[i] += value * delta[i]


@kernel
def square(z):
    """Sum of squares of a vector."""
    total = 0.0
    for j in range(z.shape[0]):
        total += z[j] * z[j]
    return total


@shared_kernel
def answer(out, W, x, readers, bend, worker, workers):
    """out (T, m, N) = f(W_u z_u) of every unit; O(T N m p)."""
    m, p, dtype = W.shape[2], W.shape[1], W.dtype
    z, h, slope = np.empty(p, dtype), np.empty(m, dtype), np.empty(m, dtype)
    for u in range(worker, len(W), workers):
        for t in range(len(x)):
            window(z, x, t, u, readers)
            respond(h, slope, W, u, z, bend)
            for i in range(m):
                out[t, i, u] = h[i]


@shared_kernel
def head_votes(out, V, h, worker, workers):
    """out (T, K, N) = log softmax(V_u [1; h_u]), h (T, m, N)."""
    q, own = np.empty(V.shape[2], V.dtype), np.empty(h.shape[1], V.dtype)
    for u in range(worker, len(V), workers):
        for t in range(len(h)):
            own[:] = h[t, :, u]
            logits_of_head(q, V, u, own)
            log_softmax(q)
            out[t, :, u] = q


@shared_kernel
def channel_votes(out, h, owner, count, sharpness, worker, workers):
    """out (T, K, N) = log softmax of the classes' channels, h (T, m, N)."""
    q, own = np.empty(len(count), h.dtype), np.empty(h.shape[1], h.dtype)
    for u in range(worker, h.shape[2], workers):
        for t in range(len(h)):
            own[:] = h[t, :, u]
            logits_of_channels(q, own, owner, count, sharpness)
            log_softmax(q)
            out[t, :, u] = q


@shared_kernel
def local_heads(W, V, x, labels, readers, bend, rate, worker, workers):
    """e = one-hot(y) - softmax(V_u [1; h]);  W_u += rate z (f' V_u e)' / |z|^2;  V_u += rate [1; h] e' / |[1; h]|^2."""
    (N, p, m), classes, dtype = W.shape, V.shape[2], W.dtype
    z, h, slope, delta = np.empty(p, dtype), np.empty(m, dtype), np.empty(m, dtype), np.empty(m, dtype)
    q, z_head = np.empty(classes, dtype), np.empty(m + 1, dtype)
    for u in range(worker, N, workers):
        for t in range(len(x)):
            window(z, x, t, u, readers)
            respond(h, slope, W, u, z, bend)
            logits_of_head(q, V, u, h)
            error(q, labels[t])
            for i in range(m):
                delta[i] = 0
                for k in range(classes):
                    delta[i] += V[u, 1 + i, k] * q[k]
                delta[i] *= slope[i]
            z_head[0] = 1
            z_head[1:] = h
            step(V, u, z_head, q, 0, dtype.type(rate / square(z_head)))
            step(W, u, z, delta, 0, dtype.type(rate / square(z)))


@shared_kernel
def channels(W, x, labels, readers, bend, owner, count, sharpness, rate, worker, workers):
    """e = one-hot(y) - softmax(q), q of the classes' channels;  W_u += rate z (f' 2 sharpness h e / count)' / |z|^2."""
    (N, p, m), classes, dtype = W.shape, len(count), W.dtype
    z, h, slope, delta = np.empty(p, dtype), np.empty(m, dtype), np.empty(m, dtype), np.empty(m, dtype)
    q = np.empty(classes, dtype)
    for u in range(worker, N, workers):
        for t in range(len(x)):
            window(z, x, t, u, readers)
            respond(h, slope, W, u, z, bend)
            logits_of_channels(q, h, owner, count, sharpness)
            error(q, labels[t])
            for i in range(m):
                delta[i] = slope[i] * 2 * sharpness * h[i] * q[owner[i]] / count[owner[i]]
            step(W, u, z, delta, 0, dtype.type(rate / square(z)))


@shared_kernel
def softhebb(W, mean, x, readers, seen, rate, sharpness, worker, workers):
    """W_uk += rate |1 - |W_uk||^(1/2) y_k (c - v_k W_uk), y = softmax(sharpness v), all but the winner's negative.

    c = (z - mean) / |z - mean| without the constant, v = W_u c;  mean (N, p): the running mean of z. The constant's
    row of W makes the unit answer to z - mean: it is set at the end, and read by no step.
    """
    (N, p, m), dtype = W.shape, W.dtype
    z, v, y, squares = np.empty(p, dtype), np.empty(m, dtype), np.empty(m, dtype), np.empty(m, dtype)
    for u in range(worker, N, workers):
        for t in range(len(x)):
            window(z, x, t, u, readers)
            size = 0.0
            for j in range(p):
                mean[u, j] += (z[j] - mean[u, j]) / (seen + t + 1)
                z[j] -= mean[u, j]
                size += z[j] * z[j]
            if size <= 0:  # the first presentation is its own mean
                continue
            scale = dtype.type(1 / np.sqrt(size))
            for i in range(m):
                v[i], squares[i] = 0, 0
            for j in range(1, p):
                z[j] *= scale
                for i in range(m):
                    v[i] += W[u, j, i] * z[j]
                    squares[i] += W[u, j, i] * W[u, j, i]
            winner, total = 0, 0.0
            for i in range(m):
                if v[i] > v[winner]:
                    winner = i
            for i in range(m):
                y[i] = np.exp(sharpness * (v[i] - v[winner]))
                total += y[i]
            for i in range(m):
                own = rate * np.sqrt(abs(1 - np.sqrt(squares[i]))) * y[i] / total
                y[i] = own if i == winner else -own
            for j in range(1, p):
                for i in range(m):
                    W[u, j, i] += y[i] * (z[j] - v[i] * W[u, j, i])
        for i in range(m):
            total = 0.0
            for j in range(1, p):
                total += W[u, j, i] * mean[u, j]
            W[u, 0, i] = -total
