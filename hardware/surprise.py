"""Surprise in integers: innovations and scores of units as a chip computes them, beside what they are when all is well.

    d_u = h_u 2^lift - centre_u,   e_ui = word(round((law_ui [d_P(u); d_u,c<=i]) 2^-f)),   Q_u = sum of e^2 nearby

The arithmetic is that of a repair's law (`hardware.repair`): exact sums, rounded half up, words of 2^-F standard
deviations, F = max(word_bits - 6, 0). Q_u sums the squares of all channels of a unit and of its neighbors up to a
Chebyshev distance, exactly. A chip that raises an alarm compares Q_u with two integers, `limits(p)`. z and p-values are
read off Q_u, and the statistics of a whole off sums of e, |e|, e^2 and neighbors' products, by whoever reads them, in
floating point.
"""

from typing import Any, final

import numpy as np
import numpy.typing as npt

from localnoise import Surprise
from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.hardware.fitting.cost import Operations
from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.repair_rows import finest_scale, quantised_centre, quantised_law
from localnoise.hardware.repair_ranges import check_formats
from localnoise.hardware.repair_words import CENTRE_BITS, fraction_of, lift_of
from localnoise.repair.member import Member
from localnoise.surprise.calibration import Floats, ImageScale, UnitScale
from localnoise.surprise.detector import Surprised, judged, needed_for
from localnoise.surprise.statistics import image_statistics, unit_scores
from localnoise.validate import as_activity

_CHUNK = 512


@final
class ChipSurprise:
    """A quantised surprise, emulated to the bit. Made by `quantise_surprise`.

    Attributes
    ----------
    config : GridConfig
    formats : Formats
    parents : (N, K) int32
    centre : (N, m) int16
    law, law_bits : (N, m, (K + 1) m) int16, (N, m) int8
    activation_scale : int
        An activation word's fraction bits.
    neighbors, regions : int
    units, image
        The calibration, of the integers' own scores.
    """

    def __init__(self, config: GridConfig, formats: Formats, neighbors: int, regions: int, **arrays: Any) -> None:
        self.config, self.formats, self.neighbors, self.regions = config, formats, neighbors, regions
        self.parents, self.centre = arrays["parents"], arrays["centre"]
        self.law, self.law_bits = arrays["law"], arrays["law_bits"]
        self.activation_scale = int(arrays["activation_scale"])
        self.units: UnitScale | None = None
        self.image: ImageScale | None = None

    def words(self, h: Any) -> npt.NDArray[np.int32]:
        """Return innovation words (T, C, H, W) of activations h, which become activation words first."""
        from localnoise.hardware.kernels.surprise import innovations

        c, formats = self.config, self.formats
        x = as_activity("h", h, c.channels, c.shape, "float32")
        words = to_words(x, self.activation_scale, formats.activation_bits).transpose(0, 2, 1)
        out = np.empty((len(x), c.units, c.channels), np.int32)
        top, lift = np.int64(2 ** (formats.word_bits - 1)), np.int64(lift_of(formats))
        innovations(
            out, np.ascontiguousarray(words), self.parents, self.centre, self.law, self.law_bits, lift, top,
            parts=max(len(x), 1),
        )  # fmt: skip
        return np.ascontiguousarray(out.transpose(0, 2, 1)).reshape(len(x), c.channels, *c.shape)

    def measured(self, h: Any) -> tuple[Floats, Floats]:
        """Return scores of units (T, H, W) and statistics of wholes (T, p), in the float surprise's measure."""
        scores, statistics, step = [], [], 2.0 ** -fraction_of(self.formats)
        for first in range(0, max(len(h), 1), _CHUNK):
            e = self.words(h[first : first + _CHUNK]) * step
            scores.append(unit_scores(e, self.neighbors))
            statistics.append(image_statistics(e, self.neighbors, self.regions))
        return np.concatenate(scores), np.concatenate(statistics)

    def __call__(self, h: Any) -> Surprised:
        """Return how surprising activations h (T, C, H, W) are."""
        assert self.units is not None
        assert self.image is not None
        return judged(self.units, self.image, *self.measured(h))

    def limits(self, p: float) -> npt.NDArray[np.int64]:
        """Return for each unit the least and the most Q_u that has a two-sided p-value above p, (2, H, W).

        Raises
        ------
        ArgumentError
            Fewer clean activations were held out than such a p-value needs: how many.
        """
        assert self.units is not None
        ranks, n = self.units.ranks, len(self.units.ranks)
        cut = int(np.floor(p * (n + 1) / 2))
        if not 0 < p < 1 or cut < 1:
            raise ArgumentError(f"p={p!r}: expected a probability of at least 2 / {n + 1}, the held-out activations")
        square = 4.0 ** fraction_of(self.formats) * self.config.channels * self._near()
        edges = np.stack([np.ceil(ranks[cut - 1] * square), np.floor(ranks[n - cut] * square)])
        return np.asarray(edges, np.int64)

    @property
    def operations(self) -> Operations:
        """Operations an activation: every weight once, a square a neuron, sums over neighborhoods; nothing random."""
        N, m, formats = self.config.units, self.config.channels, self.formats
        links = int((self.parents >= 0).sum())
        weights = links * m * m + N * (m * (m + 1) // 2)
        near = int(self._near().sum())
        read = weights * formats.weight_bits + N * m * (CENTRE_BITS + 1 + 8)
        read += (links + N) * m * formats.activation_bits + near * 2 * formats.word_bits
        return Operations(
            multiplies=weights + N * m,
            adds=weights + 3 * N * m + near,
            shifts=2 * N * m,
            read_bits=read,
            write_bits=N * 2 * formats.word_bits,
            random_bytes=0,
            random_words=0,
            generator_steps=0,
            messages=0,
            hops=0,
            neurons=N * m,
        )

    @property
    def bytes(self) -> int:
        """Bytes of weights, centres, scales of rows, wires and two limits a unit."""
        f, N, m = self.formats, self.config.units, self.config.channels
        links = int((self.parents >= 0).sum())
        weights = links * m * m + N * (m * (m + 1) // 2)
        return int(weights * (1 if f.weight_bits <= 8 else 2) + N * m * 3 + 2 * self.parents.size + 8 * N)

    def _near(self) -> Floats:
        """Units within the distance of each one, (H, W)."""
        (H, W), n = self.config.shape, self.neighbors
        rows, columns = (
            np.minimum(np.arange(side) + n + 1, side) - np.maximum(np.arange(side) - n, 0) for side in (H, W)
        )
        return np.asarray(np.outer(rows, columns), np.float64)


def quantise_surprise(surprise: Surprise, held: Any, formats: Formats | None = None) -> ChipSurprise:
    """Return a surprise in integers, calibrated anew on the integers' own scores.

    Parameters
    ----------
    surprise : Surprise
    held : (T, C, H, W)
        Clean activations that were not learned.
    formats : Formats
        Default: 8-bit weights and activations, innovations of 12 bits.

    Raises
    ------
    ArgumentError
        Formats too narrow for a row; a law that shares weights; too few held-out activations.
    """
    formats = Formats() if formats is None else formats
    check_formats(formats)
    c = surprise.config
    if c.narrow:
        raise ArgumentError("surprise shares or reduces its weights (share=, rank=): expected a law without")
    own = as_activity("held", held, c.channels, c.shape, "float32").reshape(-1, c.channels, *c.shape)
    least = needed_for(c, surprise.regions)
    if len(own) < least:
        raise ArgumentError(
            f"held has {len(own)} activations: expected at least {least:,} clean ones that were not learned, by which "
            "scores in integers are calibrated"
        )
    scale = finest_scale(float(np.abs(own).max()), formats)
    kept = np.empty((0, *own.shape[1:]), np.float16)
    member = Member(source="clean", law=surprise.law, centre=surprise.centre, back=None, kept=kept)
    law, bits = quantised_law(member, formats, scale, True)
    chip = ChipSurprise(
        c,
        formats,
        surprise.neighbors,
        surprise.regions,
        parents=np.ascontiguousarray(surprise.law.field.parents, np.int32),
        centre=quantised_centre(member, formats, scale),
        law=law,
        law_bits=bits,
        activation_scale=scale,
    )
    scores, statistics = chip.measured(own)
    half = len(own) // 2
    chip.units, chip.image = UnitScale.of(scores), ImageScale.of(statistics[:half], statistics[half:])
    return chip
