"""Margins of a repaired network: it is asked for its decisions on clean inputs, which should stay as they were."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise.cautions import warn_of_share
from localnoise.errors import ArgumentError
from localnoise.nn.loading import Batches
from localnoise.nn.naming import check_device, whole
from localnoise.nn.repairing import RepairLayer
from localnoise.nn.repairs import attach_repairs
from localnoise.nn.tapping import evaluating
from localnoise.repair import Repair
from localnoise.repair.calibration import FINE, least_margins
from localnoise.repair.gate import FLOOR
from localnoise.validate import as_share


def calibrate_repairs(
    model: nn.Module,
    repairs: Mapping[str, Repair],
    inputs: Any,
    most: float = 0.005,
    chunk: int = 500,
    attach: Callable[[nn.Module, Mapping[str, Repair]], nn.Module] = attach_repairs,
) -> None:
    """Find margins with which at most a share of clean decisions changes, one for each source, without labels.

    A source that is easily taken for clean asks for a large one, others for none. Cost: two passes, and some tens of
    passes of the few inputs that are repaired.

    Parameters
    ----------
    model : Module
        Without repairs.
    repairs : dict of str to Repair
        As `attach_repairs` takes them; margins are set in those that decide.
    inputs : Tensor (T, ...), DataLoader, or iterable of batches
        Clean, and not learned from.
    most : float
        Share of inputs that may be decided otherwise than by the network alone.
    chunk : int
        Inputs that go through the network at once.
    attach : callable
        (model, repairs) -> a copy that repairs in another way than `attach_repairs` has it.

    Raises
    ------
    ArgumentError
        No inputs, a share outside [0, 1), or decisions that change where nothing is repaired.
    """
    model = whole(model)
    most = as_share("most", most)
    if not isinstance(inputs, Tensor):
        inputs = torch.cat([x.clone() for x, _ in Batches(inputs, check_device(model, None), "inputs")])
    if not len(inputs):
        raise ArgumentError("inputs has 0 inputs: expected some hundreds of clean ones")
    if not inputs.isfinite().all():
        raise ArgumentError("inputs holds values that are not finite: expected clean ones")
    warn_of_share("inputs", len(inputs), most, stacklevel=3)
    with evaluating(model), torch.no_grad():
        alone = torch.cat([model(x).argmax(1) for x in inputs.split(chunk)])
    named = [*repairs.values()]
    deciding = [repair for place, repair in enumerate(named) if not place or repair.among]
    with asking_anew(deciding):
        mended = attach(model, repairs).eval()
        layers = [part for part in mended.modules() if isinstance(part, RepairLayer)]
        voices = [layer for layer in layers if layer.decides]
        names, rows = named[0].sources, torch.arange(0)

        def blame(margins: npt.NDArray[np.float64], everything: bool) -> npt.NDArray[np.int64]:
            nonlocal rows
            for repair in deciding:
                repair.margins = dict(zip(names, margins.tolist(), strict=True))
            for layer in layers:
                layer.decide_as_now()
            out, touched = np.full(len(inputs), FINE), []
            for own in (torch.arange(len(inputs)) if everything else rows).split(chunk):
                with torch.no_grad():
                    now = mended(inputs[own]).argmax(1)
                # all that decide: what one layer has repaired already, another may leave alone
                said = torch.stack([_known(layer) for layer in voices]).sum(dim=0)
                bad = now != alone[own]
                out[own[bad].numpy()] = 1 + said[bad, 1:].argmax(1).cpu().numpy()
                touched.append(own[(said[:, 1:].sum(1) > FLOOR).cpu()])
            rows = torch.cat(touched)
            return out

        least_margins(blame, len(names), most)


@contextmanager
def asking_anew(repairs: Sequence[Repair]) -> Iterator[None]:
    """Let repairs ask for no margin, to find new ones; where that fails they ask for what they asked before."""
    before = [{name: getattr(repair, name) for name in ("worth", "margin", "margins")} for repair in repairs]
    for repair in repairs:
        repair.margin, repair.margins = 0.0, {}
    try:
        yield
    except BaseException:
        for repair, own in zip(repairs, before, strict=True):
            vars(repair).update(own)
        raise


def _known(layer: RepairLayer) -> Tensor:
    assert layer.posterior is not None
    return layer.posterior
