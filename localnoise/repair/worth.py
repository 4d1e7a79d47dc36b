"""Worth of a repair, as far as the laws can tell: the decision that loses least is not always the likeliest cause.

    g_t(h') = c_t + sum_s v_ts l_s(h') / n

l_s is the log density of the likeliest cause of source s. A map for each source t says what its repair is expected to
be worth, in right decisions, given what *all* laws make of h': where a milder or another displacement is taken for t,
the law of t expects it, but the others' surprises are not those that t has. Where the likeliest source is not worth
enough, nothing is repaired. Where layers are repaired in turn, each asks this of the sources that it decides about, by
its own laws, and lets the others pass. What must be expected of a repair is more for a source that is easily taken for
clean (`localnoise.repair.thresholds`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from localnoise.repair.gate import Floats
from localnoise.validate import as_share

LEAST = 0.04  # share of decisions
_PRIOR = 5.0  # examples of worth 0 that a map starts from, in every direction


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Expected worth of repairs over S sources, the first one clean.

    Attributes
    ----------
    offset : (S,)
        c.
    slope : (S, S)
        v, a row for each source that is likeliest.
    least : float
        Share of right decisions above which a repair is made.
    more : (S,)
        What a source's repair must be expected to bring beyond that, since it is easily taken for clean.
    """

    offset: Floats
    slope: Floats
    least: float
    more: Floats

    @classmethod
    def of_all(cls, sources: int, passed: Collection[int] = ()) -> "Worth":
        """Return the maps of S sources by which every repair pays; some are asked about elsewhere."""
        offset = np.full(sources, 0.5)
        offset[[*passed]] = 1.0
        return cls(offset=offset, slope=np.zeros((sources, sources)), least=0.0, more=np.zeros(sources))

    @property
    def excess(self) -> Floats:
        """The offsets less what they must exceed, (S,): a repair is made where this and v l are above 0."""
        return np.asarray(self.offset - self.least - self.more)

    def asking(self, more: Floats) -> "Worth":
        """Return the same maps, asked for so much more."""
        return replace(self, more=np.array(more, np.float64))

    def of(self, density: Floats, likeliest: npt.NDArray[np.int64]) -> Floats:
        """Return the expected worth (T,) of repairs by the likeliest sources (T,), given log densities (T, S)."""
        return np.asarray(self.offset[likeliest] + (self.slope[likeliest] * density).sum(axis=1))

    @property
    def passed(self) -> npt.NDArray[np.bool_]:
        """Which sources are asked about elsewhere, (S,): they are worth 1, whatever the laws say."""
        return np.asarray((self.offset >= 1) & (self.slope == 0).all(axis=1))

    def kept(self, weights: Floats, density: Floats, sources: list[npt.NDArray[np.int64]]) -> Floats:
        """Return members' weights (T, J), those of zeros where the likeliest source is not worth enough.

        Where the likeliest one is asked about elsewhere, others, which nobody would ask about, have no say.

        density : (T, J), log densities per neuron of the members;  sources : the members of each source, clean first.
        """
        likeliest = np.stack([weights[:, own].sum(axis=1) for own in sources], axis=1).argmax(axis=1)
        enough = self.of(by_source(density, sources), likeliest) > (self.least + self.more)[likeliest]
        out: Floats = weights * enough[:, None]
        if (passed := self.passed).any():
            others = [member for t, own in enumerate(sources) if not passed[t] for member in own]
            out[np.ix_(passed[likeliest], others)] = 0
        return out


def by_source(density: Floats, sources: list[npt.NDArray[np.int64]]) -> Floats:
    """Return the log density of each source's likeliest member, (T, S), of those of members, (T, J)."""
    return np.stack([density[:, own].max(axis=1) for own in sources], axis=1)


def fitted(
    density: Floats,
    likeliest: npt.NDArray[np.int64],
    gain: Floats,
    least: float = LEAST,
    passed: Collection[int] = (),
) -> Worth:
    """Fit the maps by least squares; a source of few examples is worth nothing.

    Parameters
    ----------
    density : (T, S)
        Log densities per neuron of each source's likeliest member.
    likeliest : (T,)
        The source that the gate gives most.
    gain : (T,)
        1 where the repair turned a wrong decision into the right one, -1 the reverse, else 0.
    least : float
        In [0, 1).
    passed : collection of int
        Sources that are asked about elsewhere: they are worth 1.
    """
    least = as_share("least", least)
    sources = density.shape[1]
    offset, slope = np.zeros(sources), np.zeros((sources, sources))
    for t in range(sources):
        if t in passed:
            offset[t] = 1.0
            continue
        own = density[likeliest == t]
        if not len(own):
            continue  # never seen: worth nothing
        mean, unit = own.mean(axis=0), own.std(axis=0)
        unit = np.where(unit > 0, unit, 1)
        z = np.concatenate([np.ones((len(own), 1)), (own - mean) / unit], axis=1)
        found = np.linalg.solve(z.T @ z + _PRIOR * np.eye(z.shape[1]), z.T @ gain[likeliest == t])
        slope[t] = found[1:] / unit
        offset[t] = found[0] - slope[t] @ mean
    return Worth(offset=offset, slope=slope, least=least, more=np.zeros(sources))
