"""A noise as tensors and plain values, which a `state_dict` holds and `torch.load(..., weights_only=True)` reads."""

from typing import Any

import numpy as np
import torch

import localnoise
from localnoise.bank import Bank
from localnoise.central import AffineNoise, CentralNoise
from localnoise.errors import ArgumentError
from localnoise.files import temporary_folder


def packed(noise: Any) -> dict[str, Any]:
    """Return a noise as tensors and plain values; of a grid its file, without the statistics of its rule.

    Raises
    ------
    ArgumentError
        The noise is of a kind that has no file.
    """
    if isinstance(noise, Bank):
        shares = [float(share) for share in noise.shares]
        return {
            "kind": "bank",
            "members": [packed(one) for one in noise.members],
            "clean": noise.clean,
            "shares": shares,
        }
    if isinstance(noise, AffineNoise):
        a, G = (torch.from_numpy(np.array(part)) for part in (noise.a, noise.G))
        return {"kind": "affine", "a": a, "G": G, "residual": packed(noise.residual)}
    if isinstance(noise, CentralNoise):
        factor = None if noise.factor is None else torch.from_numpy(np.array(noise.factor))
        layout = [noise.channels, *noise.shape]
        return {"kind": "central", "name": noise.kind, "factor": factor, "layout": layout, "seen": int(noise.seen)}
    if not hasattr(noise, "save"):
        raise ArgumentError(
            f"noise is {type(noise).__name__}: expected one that a state_dict can hold: a grid, a chip grid, a central "
            "noise or a Bank of them"
        )
    with temporary_folder() as folder:
        noise.save(folder / "noise.h5", state=False)
        content = np.frombuffer((folder / "noise.h5").read_bytes(), np.uint8)
    chip = not isinstance(noise, localnoise.UnitGrid)
    return {"kind": "chip" if chip else "grid", "file": torch.from_numpy(content.copy())}


def unpacked(state: dict[str, Any]) -> Any:
    """Return the noise that `packed` took apart.

    Raises
    ------
    ArgumentError
        The state is of no kind that is known.
    """
    kind = state.get("kind")
    if kind == "bank":
        return Bank([unpacked(one) for one in state["members"]], state["clean"], state["shares"])
    if kind == "affine":
        return AffineNoise(state["a"].numpy(), state["G"].numpy(), unpacked(state["residual"]))
    if kind == "central":
        factor = None if state["factor"] is None else state["factor"].numpy()
        channels, height, width = state["layout"]
        return CentralNoise(state["name"], factor, channels, (height, width), state["seen"])
    if kind not in ("grid", "chip"):
        raise ArgumentError(f"state_dict: a noise of kind {kind!r}: expected grid, chip, central, affine or bank")
    with temporary_folder() as folder:
        path = folder / "noise.h5"
        path.write_bytes(state["file"].cpu().numpy().tobytes())
        return localnoise.load(path) if kind == "grid" else localnoise.hardware.load_chip(path)
