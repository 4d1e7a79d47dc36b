"""Repairs of several layers in turn: the first one's word on what has happened goes on to the later ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.network.layers import Words
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.windows import Shape
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_deciding import Members

Word = Members | str | None  # each input's source, or -1; a source that is known of all; None: nobody has decided yet


def undone(chip: ChipRepair, h: Any, word: Word) -> tuple[Words, Word]:
    """Return repaired words of a network's words h, like h, and what later layers are told.

    Words beyond the bits that the repair reads saturate: logits have more.
    """
    config, top = chip.config, 2 ** (chip.formats.activation_bits - 1)
    shaped = np.asarray(h, np.int32).reshape(-1, config.channels, *config.shape)
    read = np.clip(shaped, -top, top - 1)
    fixed, member = chip.words(read, chip.likeliest(read, word))
    said: Word = word if isinstance(word, str) else chip.verdict(member)
    return fixed.reshape(np.shape(h)).astype(np.int16), said


def run(program: Program, repairs: Sequence[ChipRepair], x: Words, word: Word = None) -> tuple[Words, Word]:
    """Return the words that a program with repairs gives for input words x, (T, ...), and the last word on each.

    Parameters
    ----------
    repairs : sequence of ChipRepair
        One for each mix, and one more where the output is repaired.
    word : str, optional
        The source, where it is known.
    """
    seen, at = {0: x}, 0
    for chip, mix in zip(repairs, program.mixes, strict=False):
        for _ in program.through(seen, at, mix):
            pass
        fixed, word = undone(chip, seen[program.layers[mix].inputs[0]], word)
        seen, at = {mix + 1: fixed}, mix + 1
    *_, last = program.through(seen, at, len(program.layers))
    if len(repairs) > len(program.mixes):
        last, word = undone(repairs[-1], last, word)
    return last, word


def refuse_unlike(program: Program, repairs: Sequence[ChipRepair]) -> None:
    """Raise an ArgumentError unless these repairs are one for each mix, and maybe one more of the output.

    All know the same sources; each reads the words that are there.
    """
    mixes, first = program.mixes, repairs[0]
    if len(repairs) - len(mixes) not in (0, 1):
        raise ArgumentError(
            f"{len(repairs)} repairs for a program of {len(mixes)} mixes: expected one for each, and at most one of "
            "the output"
        )
    for chip in repairs[1:]:
        if chip.sources != first.sources:
            raise ArgumentError(
                f"a later repair knows {', '.join(chip.sources)}: expected the sources of the first, "
                f"{', '.join(first.sources)}"
            )
    for chip, mix in zip(repairs, mixes, strict=False):
        layer = program.layers[mix]
        refuse_other(chip, layer.place.removesuffix(" mix"), *program.layouts[layer.inputs[0]])
    if len(repairs) > len(mixes):
        shape, bits, scale = program.layouts[-1]
        reads = min(bits, repairs[-1].formats.activation_bits)
        refuse_other(repairs[-1], program.layers[-1].place, shape, reads, scale)


def refuse_other(chip: ChipRepair, place: str, shape: Shape, bits: int, scale: int) -> None:
    """Raise an ArgumentError unless a repair reads these words at a place."""
    own = (chip.config.channels, *chip.config.shape)
    if own != shape and not (shape[1:] == (1, 1) and own == (1, 1, shape[0])):
        raise ArgumentError(
            f"place={place!r} gives {shape}, and the chip's units lie on {own}: expected a grid of this layer"
        )
    reads = chip.formats.activation_bits, chip.field.activation_scale
    if (bits, scale) != reads:
        raise ArgumentError(
            f"place={place!r} gives words of {bits} bits at scale {scale}, and the repair reads {reads[0]} at scale "
            f"{reads[1]}: expected the same"
        )
