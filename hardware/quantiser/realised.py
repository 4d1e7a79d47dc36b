"""The noise that the integers chosen so far realise, and the next unit's best integers given that."""

from typing import Any

import numpy as np

from localnoise import UnitGrid
from localnoise.field import Field
from localnoise.gain import factor as dense_factor
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.feedback import damped, factors_of, round_row
from localnoise.hardware.quantiser.target import Floats, Target
from localnoise.hardware.words import NEAR, OWN

_KEEP = 1e-3  # pull of a refitted G towards its float weights, in mean powers of the activations
PULL = 0.3  # the same of B and L, in mean variances of the parents


class Unfed:
    """Rounding to the nearest, each weight by itself."""

    def __init__(self, t: Target, formats: Formats) -> None:
        self.t, self.limit = t, formats.weight_limit

    def round(self, u: int, bits: Any) -> tuple[Any, Any, Any]:
        """B (m, K m), L (m, m), s (m,) of unit u as integers; bits (3,) are its fractions."""
        near, own = 2.0 ** bits[NEAR], 2.0 ** bits[OWN]
        B, L = (np.clip(np.rint(w * near), -self.limit, self.limit) for w in (self.t.B[u], self.t.L[u]))
        return B, L, np.clip(np.rint(self.t.s[u] * own), 1, self.limit)


class Covariance:
    """The target covariance and the realised one, in squared words, unit-major: 16 n^2 bytes."""

    def __init__(self, field: Field, t: Target, formats: Formats) -> None:
        self.t, self.limit, self.parents = t, formats.weight_limit, field.parents
        self.noise = 1 / 6 if formats.rounding == "stochastic" else 1 / 12  # variance that rounding a word adds
        self.variance = formats.normal_deviation**2
        root = dense_factor(field) * np.ldexp(1.0, np.repeat(t.scale, field.channels))[:, None]
        self.wanted = root @ root.T
        self.realised = np.zeros_like(self.wanted)

    def round(self, u: int, bits: Any) -> tuple[Any, Any, Any]:
        """As `Unfed.round`, for the parents as they were realised; the unit's own covariance joins the realised."""
        m = self.t.s.shape[1]
        above = self.parents[u][self.parents[u] >= 0]
        z, own = (above[:, None] * m + np.arange(m)).reshape(-1), np.arange(u * m, u * m + m)
        p, regressors = len(z), np.concatenate((z, own))
        fine, step = 2.0 ** int(bits[NEAR]), 2.0 ** -int(bits[OWN])
        B, L, s = np.zeros(self.t.B[u].shape), np.zeros((m, m)), np.zeros(m)
        of_parents = self.realised[z]  # a copy, gathered once for all rows of the unit
        moments = np.zeros((p + m, p + m))
        moments[:p, :p] = of_parents[:, z]
        for i, row in enumerate(own):
            H, given = moments[: p + i, : p + i], np.append(self.t.B[u, i, :p], self.t.L[u, i, :i])
            if len(given):  # what the parents became asks for other weights; where H says little, they stay
                wanting = self.wanted[row, regressors[: p + i]] - H @ given
                given = given + np.linalg.solve(damped(H, PULL), wanting)
            whole = round_row(given * fine, H, self.limit)
            rounded = whole / fine
            explained = rounded @ H @ rounded
            missing = (self.wanted[row, row] - explained - self.noise) / self.variance
            s[i] = np.clip(np.rint(np.sqrt(max(missing, self.t.s[u, i] ** 2 / 2)) / step), 1, self.limit)
            joint = rounded[:p] @ of_parents + rounded[p:] @ self.realised[own[:i]]
            joint[row] = explained + (s[i] * step) ** 2 * self.variance + self.noise
            self.realised[row], self.realised[own[:i], row], of_parents[:, row] = joint, joint[own[:i]], joint[z]
            moments[p + i, : p + i + 1] = moments[: p + i + 1, p + i] = joint[regressors[: p + i + 1]]
            B[i, :p], L[i, :i] = whole[:p], whole[p:]
        self.realised[:, own] = self.realised[own].T
        return B, L, s


class Means:
    """The mean that a signal-dependent field should have on the calibration activations, and the realised one."""

    def __init__(self, grid: UnitGrid, t: Target, words: Any) -> None:
        self.t, self.field = t, grid.field
        T, m, units = words.shape
        self.h = np.ascontiguousarray(words.transpose(2, 1, 0).reshape(units * m, T), np.float64)
        activation = np.ldexp(self.h, -t.activation_scale).reshape(units, m, T).transpose(2, 1, 0)
        shaped = activation.reshape(T, m, *grid.config.shape).astype(np.float32)
        mean = grid.mean(shaped).reshape(T, m, units).transpose(2, 1, 0).reshape(units * m, T)
        self.wanted = mean * np.ldexp(1.0, np.repeat(t.scale, m))[:, None]
        self.realised = np.zeros_like(self.wanted)

    def round(self, u: int, B: Floats, L: Floats, bits: int, limit: int, feedback: bool) -> tuple[Any, Any]:
        """G (m, R m) as integers, a (m,) in words, of unit u; B and L are its rounded weights. Cost O(T (R m)^2)."""
        m, fine = self.t.a.shape[1], 2.0**bits
        above = self.field.parents[u]
        z = (above[above >= 0][:, None] * m + np.arange(m)).reshape(-1)
        read = self.field.readers[u]
        r = (read[read >= 0][:, None] * m + np.arange(m)).reshape(-1)
        columns = (np.flatnonzero(read >= 0)[:, None] * m + np.arange(m)).reshape(-1)
        h = self.h[r]
        centred = h - h.mean(axis=1, keepdims=True)
        H = centred @ centred.T / h.shape[1]
        ridge = _KEEP * np.trace(H) / len(H) * np.eye(len(H))
        factors, inverse = factors_of(H), np.linalg.inv(H + ridge)
        G, a, own = np.zeros(self.t.G[u].shape), np.zeros(m), slice(u * m, u * m + m)
        for i in range(m):
            known = B[i, : len(z)] @ self.realised[z] + L[i, :i] @ self.realised[own][:i]
            y, g = self.wanted[u * m + i] - known, self.t.G[u, i, columns]
            if feedback:
                g = inverse @ (centred @ y / h.shape[1] + ridge @ g)
            whole = round_row(g * fine, H, limit, factors if feedback else [])
            explained = (whole / fine) @ h
            a[i] = (y - explained).mean()
            self.realised[u * m + i] = known + explained + a[i]
            G[i, columns] = whole
        return G, a
