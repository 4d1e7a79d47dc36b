"""Changes that would make a grid fit: the most members, parents, radius, rank, channels or weight bits that do.

Each candidate is placed and measured as the grid itself is; nothing is guessed. First the formats are brought down to
the chip's own widths, where these are exceeded. Then each of members of a bank, parents, radius, rank, channels and
weight bits is lowered by itself, to the largest value that fits; if none suffices alone, channels and parents together,
most channels first. Cost: up to K + radius + r + m + bits measurements, or m K, of O(N K) each.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from localnoise.errors import ArgumentError
from localnoise.hardware.chips.profile import Profile
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats

Change = dict[str, int]
Fits = Callable[[Wiring, Formats], bool]
_WIDTHS = ("weight_bits", "word_bits", "accumulator_bits")


def suggestions(wiring: Wiring, formats: Formats, profile: Profile, fits: Fits) -> tuple[Change, ...]:
    """Alternatives, each a dict of settings that would fit together; none where even the smallest grid would not.

    fits : tells whether a wiring in some formats exceeds nothing.
    """
    narrowed = narrow(formats, profile)
    if narrowed is None:
        return ()
    formats, forced = narrowed
    if forced and fits(wiring, formats):
        return (forced,)
    found = []
    for candidates in (_members(wiring), _parents(wiring), _radii(wiring), _ranks(wiring), _channels(wiring)):
        found += [forced | change for change, smaller in candidates if fits(smaller, formats)][:1]
    for bits in range(formats.weight_bits - 1, 1, -1):
        if fits(wiring, replace(formats, weight_bits=bits)):
            found.append(forced | {"weight_bits": bits})
            break
    return tuple(found) or tuple(_together(wiring, formats, forced, fits))


def narrow(formats: Formats, profile: Profile) -> tuple[Formats, Change] | None:
    """Formats at most as wide as the chip's, and what changed; None where they cannot be so narrow."""
    limits = {name: profile.limit(name) for name in _WIDTHS}
    forced = {
        name: int(limit) for name, limit in limits.items() if limit is not None and limit < getattr(formats, name)
    }
    widths: dict[str, Any] = {**forced}
    try:
        return replace(formats, **widths), forced
    except ArgumentError:
        return None


def _together(wiring: Wiring, formats: Formats, forced: Change, fits: Fits) -> Iterator[Change]:
    for fewer, narrower in _channels(wiring):
        for change, smaller in _parents(narrower):
            if fits(smaller, formats):
                yield forced | fewer | change
                return


def _parents(wiring: Wiring) -> Iterator[tuple[Change, Wiring]]:
    for count in range(wiring.parents.shape[1] - 1, 0, -1):
        yield {"parents": count}, wiring.with_parents(count)


def _radii(wiring: Wiring) -> Iterator[tuple[Change, Wiring]]:
    for radius in range(int(wiring.lengths()[1].max(initial=0)) - 1, 0, -1):
        yield {"radius": radius}, wiring.within(radius)


def _channels(wiring: Wiring) -> Iterator[tuple[Change, Wiring]]:
    for count in range(wiring.channels - 1, 0, -1):
        yield {"channels": count}, wiring.with_channels(count)


def _members(wiring: Wiring) -> Iterator[tuple[Change, Wiring]]:
    for count in range(wiring.members - 1, 0, -1):
        yield {"members": count}, wiring.with_members(count)


def _ranks(wiring: Wiring) -> Iterator[tuple[Change, Wiring]]:
    for rank in range((wiring.narrow.rank if wiring.narrow else 0) - 1, 0, -1):
        yield {"rank": rank}, wiring.with_rank(rank)
