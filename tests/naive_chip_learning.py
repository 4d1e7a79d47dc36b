"""On-chip learning in Python's integers, one unit at a time: the oracle of the integer kernel."""

from naive_chip import bytes_of


def clip(value, limit):
    return max(-limit, min(limit, value))


def half_up(value, bits):
    """round half up(value 2^-bits), bits of either sign."""
    return value << -bits if bits <= 0 else (value + 2 ** (bits - 1)) >> bits


def innovation(own, masters, bias, z, shifts, fraction, extra, limit, top):
    total = bias
    for master, word, lift in zip(masters, z, shifts, strict=True):
        total += (clip(half_up(master, extra), limit) * word) << lift
    guess = max(-top - 1, min(top, half_up(total, fraction)))
    return max(-top - 1, min(top, own - guess))


def rounded(product, down, random):
    """floor(product 2^-down + r), r a half, or the 32 random bits, of which the last are lost where down is small."""
    if down <= 0:
        return product << -down
    down = min(down, 62)
    if random is None:
        return (product + 2 ** (down - 1)) >> down
    return (product + (random << (down - 32) if down > 32 else random % 2**down)) >> down


def moved(rule, e, word, fine, shift, step, random):
    if rule.rule == "sign-lms":
        return ((e > 0) - (e < 0)) * ((word > 0) - (word < 0)) * step
    return rounded(e * word, shift - fine, random)


def learn_unit(field, formats, rule, state, u, d, h):
    """Learn unit u from words d, h (T, m, N); returns what `state` holds of it."""
    m, limit, top, extra = field.channels, formats.weight_limit, formats.word_limit, rule.extra
    V, mean = ([[int(x) for x in row] for row in state[name][u]] for name in ("V", "mean"))
    bias, mean_bias, power = ([int(x) for x in state[name][u]] for name in ("bias", "mean_bias", "power"))
    generator, F = int(state["states"][u]), int(field.fraction[u])
    R, K = field.readers.shape[1] * m, field.parents.shape[1] * m
    shifts = [int(field.lift[u, 0])] * R + [int(field.lift[u, 1])] * K
    near = int(field.lift[u, 1])
    for t in range(len(d)):
        now = state["seen"] + t
        rounds = 0
        while (now + rule.halving) // 2 ** (rounds + 1) >= rule.halving:
            rounds += 1
        k = min(rule.memory, max((now + 1).bit_length() - 2, 0))
        z = [int(h[t, c, r]) if r >= 0 else 0 for r in field.readers[u] for c in range(m)]
        z += [int(d[t, c, p]) if p >= 0 else 0 for p in field.parents[u] for c in range(m)]
        loud = (top + 1) ** 2 >> 4
        e = []
        for i in range(m):
            random = None
            if rule.stochastic:
                generator, drawn = bytes_of(formats.generator, generator, 4)
                random = int.from_bytes(bytes(drawn), "little")
            exponent = extra - rule.rate - rounds
            step = 2**exponent if exponent >= 0 else 1
            if exponent < 0 and random is not None:
                step = int(random % 2 ** min(-exponent, 31) == 0)
            for source, masters, means, own, lifts in (
                (z, V[i][: R + K], mean[i][: R + K], int(d[t, i, u]), shifts),
                (e, V[i][R + K : R + K + i], mean[i][R + K : R + K + i], None, [near] * i),
            ):
                first = own is not None
                target = own if first else e[i]
                error = innovation(
                    target, masters, bias[i] if first else 0, source[: len(masters)], lifts, F, extra, limit, top
                )
                shift = (loud + sum(w * w for w in source[: len(masters)])).bit_length() + rule.rate
                for j, lift in enumerate(lifts):
                    change = moved(rule, error, source[j], F - lift + extra, shift, step, random)
                    masters[j] = clip(masters[j] + change, limit << extra)
                    means[j] += half_up((masters[j] << 8) - means[j], k)
                if first and R:
                    change = moved(rule, error, 1, F, shift, (step << F) >> extra, random)
                    bias[i] = clip(bias[i] + change, (top + 1) << F)
                    mean_bias[i] += half_up((bias[i] << 8) - mean_bias[i], k)
                known = mean_bias[i] >> 8 if first else 0
                rest = innovation(target, means, known, source[: len(masters)], lifts, F, extra + 8, limit, top)
                where = slice(0, R + K) if first else slice(R + K, R + K + i)
                V[i][where], mean[i][where] = masters, means
                if first:
                    e.append(rest)
            power[i] += half_up((rest * rest << 8) - power[i], k)
    return V, bias, mean, mean_bias, power, generator


def reward_unit(field, formats, rule, state, u, d, h, told):
    """Reward unit u for the words d, h (T, m, N) that it drew; returns its masters and its generator's state."""
    m, limit, top = field.channels, formats.weight_limit, formats.word_limit
    V, generator, F = [[int(x) for x in row] for row in state["V"][u]], int(state["states"][u]), int(field.fraction[u])
    lifts = [int(field.lift[u, 0])] * (field.readers.shape[1] * m) + [int(field.lift[u, 1])] * (
        field.parents.shape[1] * m
    )
    weights = [[int(x) for x in (*field.G[u, i], *field.B[u, i])] for i in range(m)]
    for t in range(len(d)):
        z = [int(h[t, c, r]) if r >= 0 else 0 for r in field.readers[u] for c in range(m)]
        z += [int(d[t, c, p]) if p >= 0 else 0 for p in field.parents[u] for c in range(m)]
        shift = (((top + 1) ** 2 >> 4) + sum(w * w for w in z)).bit_length() + rule.rate + 4
        for i in range(m):
            random = None
            if rule.stochastic:
                generator, drawn = bytes_of(formats.generator, generator, 4)
                random = int.from_bytes(bytes(drawn), "little")
            total = int(field.bias[u, i]) + sum(
                (w * x) << lift for w, x, lift in zip(weights[i], z, lifts, strict=True)
            )
            total += sum((int(field.L[u, i, j]) * int(d[t, j, u])) << int(field.lift[u, 1]) for j in range(i))
            guess = max(-top - 1, min(top, half_up(total, F)))
            e = max(-top - 1, min(top, int(d[t, i, u]) - guess))
            for j, lift in enumerate(lifts):
                step = rounded(int(told[t]) * e * z[j], shift - (F - lift + rule.extra), random)
                V[i][j] = clip(V[i][j] + step, limit << rule.extra)
    return V, generator
