"""Dense block times tile, the inner loop of every sweep: samples innermost, so that it vectorises unreordered.

Rows are named by indices, not by views: a view costs as much as a vector loop over a short tile.
"""

from localnoise.kernels.flags import ZERO, kernel
from localnoise.kernels.registers import BLOCK, LINE, add_block, add_line, add_linked_block, add_linked_line


@kernel
def copy_row(out, row, x, first):
    """out[row, :] = x[first, :]; a slice assignment takes as long to compile as all else in this file."""
    for t in range(out.shape[1]):
        out[row, t] = x[first, t]


@kernel
def scale_row(out, row, x, first, scale):
    """out[row, :] = scale x[first, :]."""
    for t in range(out.shape[1]):
        out[row, t] = scale * x[first, t]


@kernel
def add_rows(out, row, W, i, column, x, first, width):
    """out[row + i + r, :] += sum_j W[i + r, column + j] x[first + j, :] for r < 4, j < width."""
    t, block, line = 0, BLOCK // out.itemsize, LINE // out.itemsize
    while t + block <= out.shape[1]:
        add_block(out, row + i, W, i, column, x, first, width, t)
        t += block
    while t + line <= out.shape[1]:
        add_line(out, row + i, W, i, column, x, first, width, t)
        t += line
    if t < out.shape[1]:
        add_columns(out, row + i, W, i, column, x, first, width, t)


@kernel
def add_columns(out, r, W, i, column, x, first, width, start):
    """The few columns from `start` on of `add_rows`: all inputs of a column at a time, with the same sums."""
    for t in range(start, out.shape[1]):
        a, b, c, d = out[r, t], out[r + 1, t], out[r + 2, t], out[r + 3, t]
        for j in range(width):
            k, xj = column + j, x[first + j, t]
            a += W[i, k] * xj
            b += W[i + 1, k] * xj
            c += W[i + 2, k] * xj
            d += W[i + 3, k] * xj
        out[r, t], out[r + 1, t], out[r + 2, t], out[r + 3, t] = a, b, c, d


@kernel
def add_row(out, row, W, i, column, x, first, width):
    """As `add_rows`, of row i alone: four inputs at a time, with the same sums."""
    r, j = row + i, 0
    while j + 4 <= width:
        k, s = column + j, first + j
        a0, a1, a2, a3 = W[i, k], W[i, k + 1], W[i, k + 2], W[i, k + 3]
        for t in range(out.shape[1]):
            out[r, t] = out[r, t] + a0 * x[s, t] + a1 * x[s + 1, t] + a2 * x[s + 2, t] + a3 * x[s + 3, t]
        j += 4
    while j < width:
        a = W[i, column + j]
        for t in range(out.shape[1]):
            out[r, t] += a * x[first + j, t]
        j += 1


@kernel
def add_product(out, row, W, column, x, first, width):
    """out[row + i, :] += sum_j W[i, column + j] x[first + j, :] for all rows i of W, j < width. Cost O(m width T)."""
    m = W.shape[0]
    for i in range(0, m - 3, 4):
        add_rows(out, row, W, i, column, x, first, width)
    for i in range(m - m % 4, m):
        add_row(out, row, W, i, column, x, first, width)


@kernel
def add_products(out, row, W, x, units, rows):
    """out[row + i, :] += sum_k sum_j W[i, k m + j] x[rows[units[k]] m + j, :]; -1: missing. W : (m, K m).

    The sum's order, k by k, is that of as many calls of `add_product`; four rows of it stay in registers throughout.
    """
    m, many = W.shape[0], units.shape[0]
    block, line = BLOCK // out.itemsize, LINE // out.itemsize
    for i in range(0, m - 3, 4):
        t = 0
        while t + block <= out.shape[1]:
            add_linked_block(out, row + i, W, i, x, units, rows, many, m, t)
            t += block
        while t + line <= out.shape[1]:
            add_linked_line(out, row + i, W, i, x, units, rows, many, m, t)
            t += line
        if t < out.shape[1]:
            for k in range(many):
                if units[k] >= 0:
                    add_columns(out, row + i, W, i, k * m, x, rows[units[k]] * m, m, t)
    for i in range(m - m % 4, m):
        for k in range(many):
            if units[k] >= 0:
                add_row(out, row, W, i, k * m, x, rows[units[k]] * m, m)


@kernel
def add_scalars(out, row, w, x, units, rows):
    """out[row, :] += sum_k w[k] x[rows[units[k]], :], the product where every block is one number; -1: missing, last.

    Four neighbours at a time, one pass over the tile; the sum's order is that of `add_row`.
    """
    many = 0
    while many < units.shape[0] and units[many] >= 0:
        many += 1
    k = 0
    while k + 4 <= many:
        p, q, r, s = rows[units[k]], rows[units[k + 1]], rows[units[k + 2]], rows[units[k + 3]]
        a, b, c, d = w[k], w[k + 1], w[k + 2], w[k + 3]
        for t in range(out.shape[1]):
            out[row, t] = out[row, t] + a * x[p, t] + b * x[q, t] + c * x[r, t] + d * x[s, t]
        k += 4
    while k < many:
        p, a = rows[units[k]], w[k]
        for t in range(out.shape[1]):
            out[row, t] += a * x[p, t]
        k += 1


@kernel
def multiply_lower(out, row, S, x, first):
    """out[row + i, :] = sum_{j <= i} S[i, j] x[first + j, :]: private noise through its triangular factor."""
    m = S.shape[0]
    for i in range(0, m - 3, 4):  # the four rows' own triangle, then what lies left of it
        r, s = row + i, first + i
        s00, s10, s11 = S[i, i], S[i + 1, i], S[i + 1, i + 1]
        s20, s21, s22 = S[i + 2, i], S[i + 2, i + 1], S[i + 2, i + 2]
        s30, s31, s32, s33 = S[i + 3, i], S[i + 3, i + 1], S[i + 3, i + 2], S[i + 3, i + 3]
        for t in range(out.shape[1]):
            x0, x1, x2, x3 = x[s, t], x[s + 1, t], x[s + 2, t], x[s + 3, t]
            out[r, t] = s00 * x0
            out[r + 1, t] = s10 * x0 + s11 * x1
            out[r + 2, t] = s20 * x0 + s21 * x1 + s22 * x2
            out[r + 3, t] = s30 * x0 + s31 * x1 + s32 * x2 + s33 * x3
        add_rows(out, row, S, i, ZERO, x, first, i)
    for i in range(m - m % 4, m):
        s = S[i, i]
        for t in range(out.shape[1]):
            out[row + i, t] = s * x[first + i, t]
        add_row(out, row, S, i, ZERO, x, first, i)
