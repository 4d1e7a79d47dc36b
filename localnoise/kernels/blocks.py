"""Dense block times tile, the inner loop of every sweep: samples innermost, so that it vectorises unreordered."""

from localnoise.kernels.flags import kernel


@kernel
def add_product(out, row, W, column, x, first, width):
    """out[row + i, :] += sum_j W[i, column + j] x[first + j, :] for all rows i of W and j < width. Cost O(m width T).

    Two output rows by four inputs at a time: eight fused multiply-adds for six loads and two stores.
    """
    m, tile = W.shape[0], out.shape[1]
    for i in range(0, m - 1, 2):
        y0, y1 = out[row + i], out[row + i + 1]
        w0, w1 = W[i], W[i + 1]
        j = 0
        while j + 4 <= width:
            k = column + j
            x0, x1, x2, x3 = x[first + j], x[first + j + 1], x[first + j + 2], x[first + j + 3]
            a0, a1, a2, a3 = w0[k], w0[k + 1], w0[k + 2], w0[k + 3]
            b0, b1, b2, b3 = w1[k], w1[k + 1], w1[k + 2], w1[k + 3]
            for t in range(tile):
                y0[t] = y0[t] + a0 * x0[t] + a1 * x1[t] + a2 * x2[t] + a3 * x3[t]
                y1[t] = y1[t] + b0 * x0[t] + b1 * x1[t] + b2 * x2[t] + b3 * x3[t]
            j += 4
        while j < width:
            xj, aj, bj = x[first + j], w0[column + j], w1[column + j]
            for t in range(tile):
                y0[t] += aj * xj[t]
                y1[t] += bj * xj[t]
            j += 1
    if m % 2 == 1:
        y = out[row + m - 1]
        for j in range(width):
            xj, wj = x[first + j], W[m - 1, column + j]
            for t in range(tile):
                y[t] += wj * xj[t]


@kernel
def multiply_lower(out, S, x, first):
    """out[i, :] = sum_{j <= i} S[i, j] x[first + j, :]: the unit's private noise through its triangular factor."""
    tile = out.shape[1]
    for i in range(S.shape[0]):
        y, s, x0 = out[i], S[i, 0], x[first]
        for t in range(tile):
            y[t] = s * x0[t]
        for j in range(1, i + 1):
            s, xj = S[i, j], x[first + j]
            for t in range(tile):
                y[t] += s * xj[t]


@kernel
def gather_tile(buffer, activity, first, count):
    """Transpose activity[first : first + count] of shape (C, N) each to buffer[u C + c, t]; the rest becomes zero."""
    channels, units = activity.shape[1], activity.shape[2]
    for u in range(units):
        for c in range(channels):
            row = buffer[u * channels + c]
            for t in range(count):
                row[t] = activity[first + t, c, u]
            for t in range(count, buffer.shape[1]):
                row[t] = 0


@kernel
def scatter_tile(activity, first, count, buffer, gain):
    """activity[first + t, c, u] = gain[u] buffer[u C + c, t] for t < count, the inverse of `gather_tile`."""
    channels, units = activity.shape[1], activity.shape[2]
    for t0 in range(0, count, 16):
        t1 = min(t0 + 16, count)
        for c in range(channels):
            for u in range(units):
                row, g = buffer[u * channels + c], gain[u]
                for t in range(t0, t1):
                    activity[first + t, c, u] = g * row[t]
