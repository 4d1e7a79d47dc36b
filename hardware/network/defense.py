"""A network on the chip with its defense: noise drawn K times behind one pass of the front, or a repair."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.network import chain
from localnoise.hardware.network.defense_saving import save_defense
from localnoise.hardware.network.entry import Entry
from localnoise.hardware.network.layers import MixWords, Words
from localnoise.hardware.network.program import Program
from localnoise.hardware.repair import ChipRepair
from localnoise.streams import Progress
from localnoise.validate import as_count, as_seed

_AT_ONCE = 64  # draws together


class ChipDefense:
    """A program with a mix, and what joins there; emulated to the bit.

    With noise, the layers up to the mix run once an input, those behind it once a draw. The scores of an input are the
    sum of its draws' logits, exact, or how many draws voted for each class; its class is the first of the largest.
    Input t of a stream takes the draws t K to t K + K - 1. A repair draws nothing: its logits are the scores. Behind
    it repairs of later layers may follow, which are told what the one before has decided (`hardware.network.chain`).

    Parameters
    ----------
    program : Program
        With a mix; with one for each repair, but for that of the output.
    chip : ChipGrid, ChipBank or ChipRepair
        On the layer before the mix.
    draws : int
        K, 1 to 1,000; 1 with a repair.
    vote : bool
        Count votes instead of adding logits: what a certificate by randomised smoothing asks for.
    seed : int
        Of the noise's stream.
    later : sequence of ChipRepair
        Repairs of later layers, in the order in which they run.

    Raises
    ------
    ArgumentError
        No mix, a chip for another layer or of other words, later repairs behind noise.
    """

    def __init__(
        self,
        program: Program,
        chip: ChipGrid | ChipBank | ChipRepair,
        draws: int = 10,
        *,
        vote: bool = False,
        seed: int = 0,
        later: Sequence[ChipRepair] = (),
    ) -> None:
        at = program.mix
        if at is None:
            raise ArgumentError("program has no mix: expected one that `defend` made")
        self.program, self.chip, self.vote, self.seed = program, chip, bool(vote), int(as_seed(seed))
        self.entry, self.draws = Entry(chip, self.seed), as_count("draws", draws, 1)
        self.later = tuple(later)
        given: Any = self.later
        if given and not all(isinstance(one, ChipRepair) for one in (chip, *given)):
            raise ArgumentError(
                f"later holds {len(self.later)} chips behind {type(chip).__name__}: expected repairs, behind a repair"
            )
        if isinstance(chip, ChipRepair):
            chain.refuse_unlike(program, self.repairs)
        mix = program.layers[at]
        assert isinstance(mix, MixWords)
        self.entry.refuse_other(mix.place.removesuffix(" mix"), *program.layouts[mix.inputs[0]])
        wrong = mix.noise_bits != self.entry.bits or (
            not self.entry.repairs and len(mix.noise_lift) != len(self.entry.scales)
        )
        finest = mix.scale + mix.fraction
        if wrong or (not self.entry.repairs and np.any(finest - self.entry.scales != mix.noise_lift)):
            raise ArgumentError(
                "chip has noise of other scales than the program's mix: expected the one it was made for"
            )
        if self.draws > (1 if self.entry.repairs else 1000):
            expected = "1 with a repair, which draws nothing" if self.entry.repairs else "1 to 1,000"
            raise ArgumentError(f"draws={self.draws}: expected {expected}")
        self.provenance: dict[str, Any] = {}

    @property
    def repairs(self) -> list[ChipRepair]:
        """The repairs of all layers in the order in which they run; none with noise."""
        return [self.chip, *self.later] if isinstance(self.chip, ChipRepair) else []

    @property
    def chips(self) -> list[ChipGrid | ChipBank | ChipRepair]:
        """Parts that join the network, in the order in which they run."""
        return [self.chip, *self.later]

    @property
    def stack(self) -> int:
        """Bytes of the exported C's stack that grow with a repaired layer: of the one that takes the most."""
        return max((one.stack for one in self.chips if isinstance(one, ChipRepair)), default=0)

    def restart(self, seed: int) -> None:
        """Draw from the stream of another seed from now on.

        Parameters
        ----------
        seed : int
            Of the noise's stream.
        """
        new = int(as_seed(seed))
        vars(self).update(seed=new, entry=Entry(self.chip, new))  # at once

    def __call__(self, x: Any, start: int = 0) -> npt.NDArray[np.float32]:
        """Return the mean logits of inputs, or each class's share of the votes.

        Parameters
        ----------
        x : (T, ...)
            Float inputs.
        start : int
            Place of the first input in the stream: input t takes the draws t K to t K + K - 1.

        Returns
        -------
        ndarray of float32, (T, N)
            Of N classes.
        """
        scores = self.scores(self.program.input_words(x), start) / self.draws
        return (scores if self.vote else np.ldexp(scores, -self.program.layouts[-1][2])).astype(np.float32)

    def scores(self, h: Any, start: int = 0, progress: Progress | None = None) -> npt.NDArray[np.int32]:
        """Return the scores of inputs: sums of their draws' logits, or votes.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers
            Input words (`program.input_words`).
        start : int
            Place of the first input in the stream: input t takes the draws t K to t K + K - 1.
        progress : callable
            Told (inputs done, all of them).

        Returns
        -------
        ndarray of int32, (T, N)
            Of N classes.
        """
        x = self.program.checked(h)
        out = np.zeros((len(x), self.program.outputs), np.int32)
        together = max(_AT_ONCE // self.draws, 1)
        for first in range(0, len(x), together):
            part = x[first : first + together]
            logits = self._logits(part, (start + first) * self.draws)
            if self.vote:
                logits = np.eye(self.program.outputs, dtype=np.int32)[logits.argmax(axis=2)]
            out[first : first + len(part)] = logits.sum(axis=1, dtype=np.int32)
            if progress is not None:
                progress(first + len(part), len(x))
        return out

    def _logits(self, x: Words, first: int) -> npt.NDArray[np.int32]:
        """Logits (T, K, N) of each draw."""
        if self.repairs:
            return self.decided(x)[0][:, None]
        program, at = self.program, self.program.mix
        assert at is not None
        mix = program.layers[at]
        assert isinstance(mix, MixWords)
        value = mix.inputs[0]
        seen = {0: x}
        for _ in program.through(seen, 0, at):
            pass
        h = np.repeat(seen[value], self.draws, axis=0)
        joined = self.entry.words(h, *program.layouts[value][1:], first)
        mixed = mix.finish(mix.rounded(h, joined))
        *_, last = program.through({at + 1: mixed}, at + 1, len(program.layers))
        return last.reshape(len(x), self.draws, -1).astype(np.int32)

    def decided(self, x: Words) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return what a network with repairs makes of inputs.

        Parameters
        ----------
        x : (T, C, H, W) int16
            Input words.

        Returns
        -------
        logits : ndarray of int32, (T, N)
            Words.
        sources : ndarray of int64, (T,)
            What the repairs took each to be: a source's index, -1 if it was left alone.
        """
        last, word = chain.run(self.program, self.repairs, x)
        return last.reshape(len(x), -1).astype(np.int32), np.asarray(word, np.int64)

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the network to HDF5, aside and renamed; `load_chips` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Whether what a grid has learned from is kept.

        Returns
        -------
        Path
            The file.
        """
        return save_defense(self, path, state=state)

    def __repr__(self) -> str:
        how = "repaired" if self.entry.repairs else f"{self.draws} draws, {'votes' if self.vote else 'mean logits'}"
        chips = ", ".join(map(repr, self.chips))
        return f"ChipDefense({self.program!r}, {chips}; {how})"


def defend(
    model: Any,
    calibration: Any,
    chip: ChipGrid | ChipBank | ChipRepair,
    place: str,
    *,
    draws: int | None = None,
    vote: bool = False,
    seed: int = 0,
    weight_bits: int = 8,
    activation_bits: int = 8,
    bounds: tuple[float, float] | None = None,
    scales: Mapping[str, int] | None = None,
    feedback: bool = True,
    later: Mapping[str, ChipRepair] | None = None,
    progress: Progress | None = None,
) -> ChipDefense:
    """Return a trained network in integers, with the noise or the repair of a chip behind the module `place`.

    As `quantise`; the later layers are fitted to activations with noise. A repair's words decide the scale before it.

    Parameters
    ----------
    model : Module
        Trained, without the noise layer.
    calibration : (T, C, H, W), (T, C, L) or (T, N)
        As `quantise` takes it.
    chip : ChipGrid, ChipBank or ChipRepair
        On the layer that ends the module `place`.
    place : str
        Of the module, as in `model.named_modules()`.
    draws : int, optional
        Default: 10 of noise, 1 of a repair.
    vote : bool
        Count votes instead of adding logits.
    seed : int
        Of the noise's stream.
    weight_bits, activation_bits, bounds, scales, feedback, progress
        As `quantise` takes them; a repair's activation bits are its own.
    later : dict of str to ChipRepair, optional
        Repairs of later layers by their modules, in the order in which they run; the last may be the network's last
        module. `repairs_behind` makes them.

    Returns
    -------
    ChipDefense
        The network, and what joins it.

    Raises
    ------
    ArgumentError
        As `quantise`; other activation bits than the repair's, or a chip for another layer.
    """
    from localnoise.hardware.network.quantiser import as_program  # torch comes with it

    entry = Entry(chip, seed)
    if entry.repairs and activation_bits != chip.formats.activation_bits:
        raise ArgumentError(
            f"activation_bits={activation_bits}: expected {chip.formats.activation_bits}, which the repair reads"
        )
    behind = dict(later or {})
    fields = {place: entry} | {name: Entry(one) for name, one in behind.items()}
    program, _ = as_program(
        model, calibration, weight_bits, activation_bits, bounds=bounds, scales=scales, feedback=feedback,
        progress=progress, fields=fields,
    )  # fmt: skip
    count = (1 if entry.repairs else 10) if draws is None else draws
    return ChipDefense(program, chip, count, vote=vote, seed=seed, later=[*behind.values()])
