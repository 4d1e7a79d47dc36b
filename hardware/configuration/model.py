"""One unit's share of a chip grid, and what all units share: the model behind JSON, HDF5 and NIR.

A unit draws, channel by channel (`hardware.words`),

    acc    = bias_i + 2^lift[0] G_i h_R + 2^lift[1] (B_i eta_P + L_i eta) + 2^lift[2] s_i xi_i
    eta_i  = word(round(acc 2^-fraction)),        a value of eta_i 2^-scale

with xi from its own generator. Its private factor S is (I - L)^-1 diag(s), applied from the left as I - L; its gain is
in the weights and the scale. A weight's value is its integer times 2^(lift - fraction).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.fitting.fit import Fit, fit
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.learners import Learner
from localnoise.hardware.learning import RULES, refuse_overflow, start
from localnoise.hardware.rewarding import OnChipReward
from localnoise.validate import as_seed

FORMAT, VERSION = "localnoise.configuration", 2
WITHOUT_CHECKSUM = 1  # the version before, which is still read
Ints = npt.NDArray[np.integer[Any]]
PER_UNIT = ("V", "mean", "bias", "mean_bias", "power", "states")  # a learner's state


@final
@dataclass(frozen=True, kw_only=True)
class Unit:
    """The contents of one unit. m channels, r readers, k parents, those that exist.

    Attributes
    ----------
    id : int
        In row-major order.
    position : tuple of int
        (y, x).
    place : int
        In the order of the sweep.
    core : int or None
        Of the target chip; None where its placement is not known.
    parents, readers : tuple of int
        Ids; -1 for an empty reader slot between others.
    G, B, L, s : integers
        (m, r m), (m, k m), (m, m), (m,).
    bias : (m,) integers
        Added to a channel's sum.
    lift : (3,) integers
        Left shifts of what comes from readers, from parents and own channels, and from the noise.
    fraction, scale : int
        Bits that rounding drops; fraction bits of a word.
    generator : int
        State of its generator before the first draw.
    learned : dict of arrays, or None
        The learner's state: masters `V` and their means, (m, (r + k + 1) m), biases and their means, power, generator.
    """

    id: int
    position: tuple[int, int]
    place: int
    core: int | None
    parents: tuple[int, ...]
    readers: tuple[int, ...]
    G: Ints
    B: Ints
    L: Ints
    s: Ints
    bias: Ints
    lift: Ints
    fraction: int
    scale: int
    generator: int
    learned: dict[str, Any] | None


@final
@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A chip grid, the stream that it draws, and the chip that it was meant for.

    Attributes
    ----------
    chip : ChipGrid
        With the rule and the state of its learner, where it learns.
    seed : int
        Of that stream.
    target : str
        Name of a chip profile.
    core : (N,) int or None
        Each unit's core.
    limits : tuple of dict
        "limit", "used", "available", "unit", "verdict" of each limit of the target.
    """

    chip: ChipGrid
    seed: int
    target: str
    core: Ints | None
    limits: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return self.chip.config.units

    @cached_property
    def places(self) -> Ints:
        """Each unit's place in the order of the sweep, (N,)."""
        out = np.empty(len(self), np.int64)
        out[self.chip.field.order] = np.arange(len(self))
        return out

    @cached_property
    def generators(self) -> Ints:
        """Each unit's generator before the first draw, (N,) uint32."""
        return states(GENERATORS[self.chip.formats.generator], len(self), self.seed)

    def __iter__(self) -> Iterator[Unit]:
        chip, f = self.chip, self.chip.field
        if chip.config.narrow:
            raise ArgumentError(
                f"share={chip.config.share!r}, rank={chip.config.rank!r}: units hold no weights of links by "
                "themselves; expected a grid without; hardware.configuration.narrow has what is shared"
            )
        for u in range(f.units):
            readers, parents = f.readers[u], f.parents[u][f.parents[u] >= 0]
            there = columns(f, u)
            R = f.G.shape[2]
            learned = None
            if chip.state is not None:
                learned = {name: chip.state[name][u] for name in PER_UNIT}
                learned |= {name: learned[name][:, there] for name in ("V", "mean")}
            yield Unit(
                id=u, position=divmod(u, chip.config.shape[1]), place=int(self.places[u]),
                core=None if self.core is None else int(self.core[u]),
                parents=tuple(parents.tolist()), readers=tuple(readers.tolist()),
                G=f.G[u][:, there[there < R]], B=f.B[u][:, : len(parents) * f.channels], L=f.L[u], s=f.s[u],
                bias=f.bias[u], lift=f.lift[u], fraction=int(f.fraction[u]), scale=int(f.scale[u]),
                generator=int(self.generators[u]), learned=learned,
            )  # fmt: skip


def named(configuration: Configuration) -> dict[str, Any]:
    """Return what a document says of each unit beside its integers: who, where, with which generator."""
    units = np.arange(len(configuration))
    return {
        "id": units,
        "position": np.stack(np.divmod(units, configuration.chip.config.shape[1]), axis=1),
        "place": configuration.places,
        "core": np.full(len(units), None) if configuration.core is None else configuration.core,
        "generator": configuration.generators,
    }


def columns(field: Any, unit: int) -> Ints:
    """Columns of [G, B, L] that belong to links of `unit` that exist, and to its own channels."""
    m = field.channels
    linked = np.concatenate([field.readers[unit], field.parents[unit]]) >= 0
    return np.flatnonzero(np.concatenate([np.repeat(linked, m), np.ones(m, bool)]))


def configure(chip: ChipGrid, *, seed: int = 0, target: str = "ideal", learner: Learner | None = None) -> Configuration:
    """Return the configuration of a chip grid for a chip.

    Parameters
    ----------
    chip : ChipGrid
        The grid in integers.
    seed : int
        Stream of the generators.
    target : str
        Name of a profile, or the path of its file: gives cores and limits.
    learner : OnChip or None
        The units learn by this rule, going on from where the chip grid is if it learned by the same one. None: as the
        chip grid is.

    Returns
    -------
    Configuration
        Unit by unit.

    Raises
    ------
    ArgumentError, FileFormatError
        As `load_profile`; a learner from rewards, which C99 alone holds.
    """
    if isinstance(learner, OnChipReward):
        raise ArgumentError(
            f"learner={learner.rule!r}: a configuration holds the state of learners from displacements; expected "
            f"{' or '.join(RULES)}, or format c99"
        )
    if learner is not None and (chip.rule != learner or chip.state is None):
        learned = ChipGrid(chip.config, chip.formats, chip.field)
        learned.provenance = dict(chip.provenance)
        refuse_overflow(chip.field, chip.formats, chip.config.shape[1])
        learned.rule, learned.state = learner, start(chip.field, chip.formats, learner)
        chip = learned
    found = fit(chip, target, learner=chip.rule.rule if chip.rule else "none")
    placement = found.demand.placement
    core = None if placement is None else np.asarray(placement.core)
    return Configuration(
        chip=chip, seed=int(as_seed(seed)), target=found.profile.name, core=core, limits=limits_of(found)
    )


def limits_of(found: Fit) -> tuple[dict[str, Any], ...]:
    """Return what is used of each limit of a chip, as documents hold it."""
    return tuple(
        {
            "limit": row.limit,
            "used": row.used,
            "available": list(value) if isinstance(value := row.available.value, tuple) else value,
            "unit": row.available.unit,
            "status": row.available.status,
            "verdict": row.verdict,
        }
        for row in found.rows
    )
