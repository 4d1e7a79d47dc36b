"""A trained defense as a chip runs it: layers, noise or repair in integers, from the predictor that an experiment made.

What is on at test is exported. An arm whose noise is on at training only leaves its retrained layers, and no noise.
"""

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise import Bank, UnitGrid
from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, ChipGrid, Formats
from localnoise.hardware import quantise as to_chip
from localnoise.hardware.network import (
    ChipDefense,
    Program,
    calibrated_again,
    defend,
    expecting_again,
    quantise,
    repairs_behind,
)
from localnoise.nn import NoiseLayer, Predictor, RepairLayer
from localnoise.nn.attaching import Followed
from localnoise.sims.defenses import Defense, named, repairing_name
from localnoise.sims.defenses.integer_arms import fitted
from localnoise.sims.defenses.repaired_network import Mended
from localnoise.sims.models import folded, training
from localnoise.streams import Progress

CALIBRATION = 512  # inputs that a network's layers are calibrated on
ACTIVATIONS = 2048  # and activations that a grid which reads them is calibrated on
Held = Mapping[str, list[Tensor]]
Pair = tuple[Tensor, Tensor]
FRONT = "0"  # the module that holds the layers up to the noise


def arm_for_chip(name: str) -> str:
    """Return the arm in floating point that is trained for a chip in the place of this one.

    Raises
    ------
    ArgumentError
        An unknown name, or an arm that has no form in integers.
    """
    arm = fitted(named(name))
    return arm.name if arm.repair is None else repairing_name(arm.repair)


def bits_of(name: str) -> int:
    """Return the bits of a defense's weights on the chip: those that its name says, or 8."""
    plan = named(name).repair
    return 8 if plan is None or not plan.bits else plan.bits


class Stream(nn.Module):
    """The noise of a network in integers, where a predictor has its noise layer: its stream, counted in draws.

    Attributes
    ----------
    seed : int or None
        None: nothing is drawn.
    position : int
        Draws that were made.
    """

    noise = None  # a chip's grid is a part of its network
    constant: Any

    def __init__(self, draws: bool, seed: int, twin: Any) -> None:
        super().__init__()
        self.active, self.seed, self.position = draws, seed if draws else None, 0
        self._twin = (twin,)  # a tuple: its buffers are not this one's
        if hasattr(twin, "constant"):  # a gate: an attacker goes around the twin's, whose gradients are asked for
            self.constant = twin.constant

    def reseed(self, seed: int) -> None:
        """Begin the stream of a seed, and the twin's."""
        self.seed, self.position = seed if self.active else None, 0
        self._twin[0].reseed(seed)

    def forward(self, h: Tensor) -> Tensor:
        """Return h: the network itself adds the noise."""
        return h


class Deployed(Predictor):
    """A network in integers as the deployed predictor; logits are the mean of its draws' logits, or their votes.

    An attacker's gradients are those of the float twin, which differs by rounding alone, and so is the loss that they
    climb; what an attack finds is judged on the integers, and so is every step of an attack without gradients.

    Parameters
    ----------
    twin : Predictor
        In floating point, with its own draws.
    made : Program or ChipDefense
        What became of it (`on_chip`).
    """

    def __init__(self, twin: Predictor, made: Program | ChipDefense) -> None:
        drawn = isinstance(made, ChipDefense) and not made.entry.repairs
        stream: Any = Stream(drawn, made.seed if isinstance(made, ChipDefense) else 0, twin.noise)
        super().__init__(nn.Identity(), stream, nn.Identity(), made.draws if isinstance(made, ChipDefense) else 1)
        self.made, self._twin = made, (twin,)  # a tuple: its modules are not this one's

    def decide(self, h: Tensor) -> Tensor:
        """Return logits of inputs; `front` is the identity."""
        if torch.is_grad_enabled() and h.requires_grad:
            (twin,) = self._twin
            twin.draws = self.draws
            found: Tensor = twin(h)
            return found
        x = h.detach().cpu().float().numpy()
        noise: Any = self.noise
        if not isinstance(self.made, ChipDefense) or not noise.active:
            return torch.from_numpy(self.made(x)).to(h.device)
        drawn = copy(self.made)
        drawn.draws = self.draws
        drawn.restart(noise.seed)
        first = -(-noise.position // self.draws)  # draws are numbered input by input
        noise.position = (first + len(x)) * self.draws
        return torch.from_numpy(drawn(x, first)).to(h.device)


def deployed(
    arm: Defense, twin: Predictor, network: Any, inputs: Tensor, bounds: Any, seed: int, held: Held | None = None,
    clean: Tensor | None = None, pairs: Sequence[Pair] = (),
) -> Deployed:  # fmt: skip
    """Return the predictor of an arm in integers, from its float twin and training inputs; the rest as in `on_chip`."""
    x = inputs[torch.from_numpy(np.random.default_rng(seed).permutation(len(inputs))[:ACTIVATIONS])]
    own = bits_of(arm.name.partition(":")[2])
    given: dict[str, Any] = {"bounds": bounds, "weight_bits": arm.deployed, "own_bits": own, "seed": seed}
    made = on_chip(twin, network, x, held=held, clean=clean, pairs=pairs, **given)
    return Deployed(twin, made)


def on_chip(
    predictor: Predictor,
    network: Any,
    inputs: Tensor,
    *,
    bounds: tuple[float, float] | None,
    weight_bits: int = 8,
    activation_bits: int = 8,
    own_bits: int = 8,
    draws: int | None = None,
    vote: bool = False,
    seed: int = 0,
    held: Held | None = None,
    clean: Tensor | None = None,
    pairs: Sequence[Pair] = (),
    progress: Progress | None = None,
) -> Program | ChipDefense:
    """Return a predictor in integers.

    Parameters
    ----------
    predictor : Predictor
        In evaluation mode; of it the front, what its noise adds at test, and the back.
    network : CutNetwork
        That it was made from: it knows how activations lie on the grid.
    inputs : Tensor
        Training inputs, in random order; the first `CALIBRATION` calibrate.
    own_bits : int
        Of the weights of a noise or repair in floating point; one in integers has its own.
    draws : int, optional
        Default: the predictor's, 1 of a repair.
    held : dict of str to list of Tensor, optional
        Of a repair, inputs on which it is calibrated behind the integer layers (`repairs_behind`). None: it is
        calibrated behind the float network's.
    clean : Tensor, optional
        Of a repair, clean inputs on which its margins grow behind the integer layers (`calibrated_again`). None: they
        stay as they are.
    pairs : sequence of (Tensor, Tensor), optional
        Of a repair that asks for worth, inputs altered and unaltered, on which it learns that anew (`expecting_again`).

    Raises
    ------
    ArgumentError
        A noise that has no form in integers, or a network that cannot be quantised.
    """
    noise: Any = predictor.noise
    repairs = isinstance(noise, Mended)
    model = nn.Sequential(predictor.front, _unrepaired(predictor.back)).eval()
    few = inputs[:CALIBRATION]
    how: dict[str, Any] = {
        "weight_bits": weight_bits, "activation_bits": activation_bits, "bounds": bounds, "progress": progress,
    }  # fmt: skip
    if not (repairs or noise.active):
        program: Program = quantise(model, few, **how).program
        return program
    formats = Formats(weight_bits=own_bits, activation_bits=activation_bits)
    if isinstance(noise, Mended):
        return _mended(noise, predictor.back, model, few, held, formats, clean, pairs, seed, how)
    chip = _noise(noise, network, predictor.front, inputs[:ACTIVATIONS], formats)
    count = predictor.draws if draws is None else draws
    return defend(model, few, chip, FRONT, draws=count, vote=vote, seed=seed, **how)


def _mended(
    noise: Mended, back: nn.Module, model: nn.Module, few: Tensor, held: Held | None, formats: Formats,
    clean: Tensor | None, pairs: Sequence[Pair], seed: int, how: dict[str, Any],
) -> ChipDefense:  # fmt: skip
    """Return a repaired network in integers, its repairs calibrated behind what integers give, if inputs are held."""
    named_later = [f"1.{name}" for name, part in back.named_modules() if _repairs(part)]
    places = [FRONT, *named_later[: len(noise.repairs) - 1]]
    repairs = dict(zip(places, noise.repairs, strict=True))
    if held is None:
        if len(repairs) > 1:
            raise ArgumentError(
                f"defense repairs {len(repairs)} layers, and held is None: expected inputs of each source, on "
                "which later layers are calibrated"
            )
        return defend(model, few, to_chip(noise.repairs[0], formats), FRONT, seed=seed, **how)
    chips = repairs_behind(model, few, repairs, held, formats, **how)
    first = chips.pop(FRONT)
    made = defend(model, few, first, FRONT, later=chips, seed=seed, **how)
    if pairs:
        return expecting_again(made, pairs)
    return made if clean is None else calibrated_again(made, clean)


def _unrepaired(back: nn.Module) -> nn.Module:
    """Return later layers without what repairs them."""
    found = [name for name, part in back.named_modules() if _repairs(part)]
    bare = deepcopy(back) if found else back
    for name in found:
        part: Any = bare.get_submodule(name)
        bare.set_submodule(name, part.module)
    return bare


def _repairs(part: nn.Module) -> bool:
    return isinstance(part, Followed) and isinstance(part.noise, RepairLayer)


def _noise(noise: Any, network: Any, front: nn.Module, inputs: Tensor, formats: Formats) -> ChipGrid | ChipBank:
    """Return what a predictor draws at test, on the chip."""
    own = noise.noise if isinstance(noise, NoiseLayer) else noise
    members = own.members if isinstance(own, Bank) else [own]
    if all(isinstance(one, ChipGrid) for one in members):
        if len(members) == 1:
            return members[0]  # type: ignore[no-any-return]
        raise ArgumentError(
            "defense is a bank of grids in integers, whose words have scales of their own: expected one source, or "
            "a defense without bits in its name"
        )
    if not all(isinstance(one, UnitGrid) for one in members):
        raise ArgumentError(
            f"defense draws {type(members[0]).__name__}, which no chip here holds: expected a local grid, such as "
            "multiscale-8"
        )
    h = None
    if members[0].field.signal:
        h = folded(network, training.activations(front, inputs)).numpy()
    made: ChipGrid | ChipBank = to_chip(own, formats, h=h)
    return made
