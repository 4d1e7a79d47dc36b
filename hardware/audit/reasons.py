"""From p-values that stand out to the faults that explain them, each named once."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.audit import judging, streams, together
from localnoise.hardware.audit.judging import FAMILIES
from localnoise.hardware.audit.sums import Sums
from localnoise.hardware.audit.verdict import Finding

_STUCK, _SHARED, _AGAIN = 0.02, 0.8, 0.5
_MOST_UNITS = 0.3  # of the units that are off: then the words are of another grid


class Reasons:
    """Find the faults that explain the statistics of a device.

    Parameters
    ----------
    sums : Sums
    level : float
        Of the whole device; each family has an equal share of it.
    expected, emulated : (m, N) int, int
        How often words of an emulated chip stood at their limit, and in how many draws.
    """

    def __init__(self, sums: Sums, level: float, expected: npt.NDArray[np.int64], emulated: int) -> None:
        self.sums, self.level = sums, level / len(FAMILIES)
        self.residuals = sums.residuals
        self._width = self.residuals.chip.config.shape[1]
        self._expected, self._emulated = expected, emulated

    def found(self, seed: int | None, start: int) -> list[Finding]:
        """Return the findings, weightiest first; a neuron that one explains is not named again."""
        out, blamed = self._units()
        replayed = self._replayed(blamed)
        if replayed is not None:  # the same noise twice: no other test counts its draws rightly
            return [replayed]
        shared = self._shared(blamed)
        both = {place for one in shared for place in (one.unit, one.other)}
        units = {one.unit for one in out if one.kind in ("link", "gain", "noise", "offset")}
        if len(units) > max(_MOST_UNITS * self.residuals.field.units, 3):
            p = min(one.p for one in out)
            said = (
                f"{len(units)} of {self.residuals.field.units} units are off: these are not words of this grid, or not "
                "for these activations, or draws were mixed up"
            )
            return [Finding(kind="grid", unit=None, channel=None, said=said, size=float(len(units)), p=p)]
        out = [*shared, *_merged([one for one in out if one.kind != "link" or one.unit not in both])]
        if seed is not None:
            out = self._streams(seed, start, both | {one.unit for one in out if one.kind == "stuck"}) + out
        return out

    # One neuron after the other

    def _units(self) -> tuple[list[Finding], npt.NDArray[np.bool_]]:
        """Return the faults of neurons by themselves, and which neurons, (m, N), they explain."""
        sums, z = self.sums, judging.z_of(self.sums)
        spread, mean = judging.spread(sums), judging.normal(z["mean"])
        whole, past = judging.normal(z["prediction"]), judging.normal(z["past"])
        cut = judging.cut(sums, self._expected, max(self._emulated, 1))
        each = judging.links(sums)
        link = [judging.normal(one) for one in each]
        tests = sum(p.size for p in link)
        joined = np.concatenate([p.ravel() for p in link])
        linked = judging.stand_out(joined, self.level, tests)
        ends = np.cumsum([0, *(p.size for p in link)])
        out: list[Finding] = []
        blamed = np.zeros(sums.total.shape, bool)
        off = {
            "spread": judging.stand_out(spread, self.level),
            "mean": judging.stand_out(mean, self.level),
            "prediction": judging.stand_out(whole, self.level),
            "past": np.asarray(judging.stand_out(past, self.level).any(axis=0)),
            "cut": judging.stand_out(cut, self.level),
        }
        known = np.maximum(sums.count - sums.cut, 1)
        variance = sums.square / known
        still = variance - np.square(sums.total / known) < _STUCK
        for unit in range(self.residuals.field.units):
            own = linked[ends[unit] : ends[unit + 1]].reshape(link[unit].shape)
            for channel in range(len(sums.total)):
                at = (channel, unit)
                if still[at] and (off["spread"][at] or off["mean"][at]):
                    finding = self._stuck(at, min(spread[at], mean[at]))
                elif off["cut"][at]:
                    finding = self._saturated(at, cut[at])
                elif off["prediction"][at] and abs(z["prediction"][at]) >= np.abs(each[unit][channel]).max(initial=0.0):
                    finding = self._gain(at, whole[at])
                elif own[channel].any():
                    finding = self._link(at, each[unit][channel], link[unit][channel])
                elif off["mean"][at] or off["spread"][at]:
                    finding = self._noise(at, mean[at], spread[at], variance[at])
                elif off["past"][at]:
                    finding = self._past(at, past[:, channel, unit])
                else:
                    continue
                blamed[at] = True
                out.append(finding)
        return sorted(out, key=lambda one: one.p), blamed

    def _named(self, unit: int, channel: int | None = None) -> str:
        row, column = divmod(unit, self._width)
        return f"unit ({row}, {column})" + ("" if channel is None else f", channel {channel}")

    def _finding(self, kind: str, at: tuple[int, int], said: str, p: Any, size: float | None = None) -> Finding:
        place = (at[1] // self._width, at[1] % self._width)
        return Finding(
            kind=kind, unit=place, channel=at[0], said=f"{self._named(at[1], at[0])} {said}", size=size, p=float(p)
        )

    def _stuck(self, at: tuple[int, int], p: Any) -> Finding:
        return self._finding("stuck", at, "draws no noise: its generator is stuck", p)

    def _saturated(self, at: tuple[int, int], p: Any) -> Finding:
        share = float(self.sums.cut[at] / self.sums.count)
        usual = float(self._expected[at] / max(self._emulated, 1))
        return self._finding(
            "saturation", at, f"stands at its limit in {share:.2%} of the draws, {usual:.2%} expected", p, share
        )

    def _gain(self, at: tuple[int, int], p: Any) -> Finding:
        gain = float(self.sums.predicted[at] / self.sums.prediction_square[at])
        return self._finding("gain", at, f"has a gain that is off by {gain:+.1%}", p, gain)

    def _noise(self, at: tuple[int, int], mean: Any, spread: Any, variance: Any) -> Finding:
        if mean < spread:
            shift = float(self.sums.total[at] / self.sums.count)
            return self._finding("offset", at, f"has an offset of {shift:+.3f} deviations of its noise", mean, shift)
        gain = float(np.sqrt(variance)) - 1
        return self._finding("noise", at, f"draws private noise whose deviation is off by {gain:+.1%}", spread, gain)

    def _past(self, at: tuple[int, int], p: npt.NDArray[np.float64]) -> Finding:
        lag = int(p.argmin()) + 1
        r = float(self.sums.lagged[(lag - 1, *at)] / self.sums.count)
        said = f"draws noise that is not white: correlation {r:+.3f} with the draw {lag} before"
        return self._finding("past", at, said, p.min(), r)

    def _link(self, at: tuple[int, int], z: npt.NDArray[np.float64], p: npt.NDArray[np.float64]) -> Finding:
        """Name the link that stands out most, and by how many of its weight's steps it is off."""
        channel, unit = at
        best = int(np.abs(z).argmax())
        kind, other, own = self.residuals.links(unit)[best]
        step = self.residuals.lifts(unit)[best] / self.residuals.deviation[channel, unit]
        steps = float(self.sums.cross[unit][channel, best] / self.sums.power[unit][best] / step)
        weight = int(self.residuals.weights(unit)[channel, best])
        whence = {
            "parent": f"from {self._named(other, own)}",
            "own": f"from its own channel {own}",
            "activation": f"from the activation of {self._named(other, own)}",
        }[kind]
        dead = weight and abs(steps + weight) < 0.25 * abs(weight)
        said = f"has a {'dead ' if dead else ''}link {whence} whose weight {weight} is off by about {steps:+.0f} steps"
        return self._finding("link", at, said, p[best], steps)

    # Units and draws beside each other

    def _shared(self, blamed: npt.NDArray[np.bool_]) -> list[Finding]:
        still = self.sums.kept.var(axis=0) < _STUCK  # constants go together, and are named by themselves
        kept = np.where(still, np.float32(0), self.sums.kept)
        m = kept.shape[1]
        pairs = together.neurons(kept, self.level)
        out: list[Finding] = []
        told: set[tuple[int, int]] = set()
        for first, second, r, p in zip(pairs.first, pairs.second, pairs.r, pairs.p, strict=True):
            (u, i), (v, j) = divmod(int(first), m), divmod(int(second), m)
            same = abs(r) > _SHARED
            if (u, v) in told or (not same and (blamed[i, u] or blamed[j, v])):
                continue
            told.add((u, v))
            what = "draws the noise of" if same else "draws noise that goes with that of"
            said = f"{what} {self._named(v, j)} (correlation {r:+.2f}): they share a generator"
            found = self._finding("shared", (i, u), said, p, float(r))
            out.append(replace(found, other=(v // self._width, v % self._width)))
        return out

    def _replayed(self, blamed: npt.NDArray[np.bool_]) -> Finding | None:
        if self.sums.repeated and self._chance() < self.level:
            now, before = self.sums.repeats[0]
            said = f"draw {now} is draw {before} again, word for word, and {self.sums.repeated:,} draws are such"
            return Finding(kind="replay", unit=None, channel=None, said=f"{said}: the noise is replayed")
        kept = self.sums.kept
        size = np.maximum(np.sqrt(np.square(kept).mean(axis=0)), 1.0)  # no neuron that is off speaks for all others
        sound = np.ascontiguousarray(np.where(blamed[None], 0.0, kept / size), np.float32)
        again = together.draws(sound, self.level)
        lags = (again.second - again.first)[np.abs(again.r) > _AGAIN]
        if len(lags) < 3 or np.bincount(lags).max() < len(lags) / 2:  # else units that go together make draws alike
            return None
        now, before, r = int(again.second[0]), int(again.first[0]), float(again.r[0])
        said = f"draw {now} has the private noise of draw {before} (correlation {r:+.2f}): the noise is replayed"
        return Finding(kind="replay", unit=None, channel=None, said=said, size=r, p=float(again.p[0]))

    def _chance(self) -> float:
        """Return how likely any two whole draws of a sound device are one: T^2 / 2 prod 1 / (2 sqrt(pi) sd)."""
        steps = self.residuals.deviation / np.exp2(self.residuals.field.fraction.astype(float))
        bits = np.log2(np.maximum(2 * np.sqrt(np.pi) * steps, 1.0)).sum()
        return float(min(0.5 * self.sums.count**2 * 2.0**-bits, 1.0))

    def _streams(self, seed: int, start: int, known: set[Any]) -> list[Finding]:
        owners = streams.owners(self.residuals, self.sums.kept, seed, start)
        wrong = np.flatnonzero(owners != np.arange(len(owners)))
        if len(wrong) > _MOST_UNITS * len(owners) and len(wrong) > 3:
            said = (
                f"{len(wrong)} of {len(owners)} units do not draw the stream of seed {seed} from draw {start} on: "
                "another seed, or draws that are missing before or between"
            )
            return [Finding(kind="stream", unit=None, channel=None, said=said, size=float(len(wrong)))]
        out = []
        for unit in wrong:
            place = (int(unit) // self._width, int(unit) % self._width)
            if place in known:
                continue
            whose = int(owners[unit])
            what = "that of no unit" if whose < 0 else f"that of {self._named(whose)}"
            said = f"{self._named(int(unit))} does not draw its own stream of seed {seed} but {what}"
            out.append(Finding(kind="stream", unit=place, channel=None, said=said, size=float(whose)))
        return out


def _merged(findings: list[Finding]) -> list[Finding]:
    """Return findings, of each kind one a unit: that which stands out most."""
    out: dict[tuple[str, Any], list[Finding]] = {}
    for one in findings:
        out.setdefault((one.kind, one.unit), []).append(one)
    return [
        own[0]
        if len(own) == 1
        else replace(own[0], said=f"{own[0].said}, and so do {len(own) - 1} more of its channels")
        for own in out.values()
    ]
