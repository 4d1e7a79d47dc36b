"""A noise as tensors and plain values, which a `state_dict` holds and `torch.load(..., weights_only=True)` reads."""

from typing import Any

import numpy as np
import torch

import localnoise
from localnoise.bank import Bank
from localnoise.errors import ArgumentError
from localnoise.files import temporary_folder


def packed(noise: Any) -> dict[str, Any]:
    """Return a noise as tensors and plain values: its file, without the statistics of its rules.

    Raises
    ------
    ArgumentError
        The noise is of a kind that has no file.
    """
    if type(noise) is Bank and any(_on_chip(member) for member in noise.members):
        shares = [float(share) for share in noise.shares]
        members = [packed(one) for one in noise.members]
        return {"kind": "bank", "members": members, "clean": noise.clean, "shares": shares}
    if not hasattr(noise, "save"):
        raise ArgumentError(
            f"noise is {type(noise).__name__}: expected one that a state_dict can hold: a grid, a chip grid, a central "
            "noise or a Bank of them"
        )
    with temporary_folder() as folder:
        noise.save(folder / "noise.h5", state=False)
        content = np.frombuffer((folder / "noise.h5").read_bytes(), np.uint8)
    return {"kind": "chip" if _on_chip(noise) else "grid", "file": torch.from_numpy(content.copy())}


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
    if kind not in ("grid", "chip"):
        raise ArgumentError(f"state_dict: a noise of kind {kind!r}: expected grid, chip or bank")
    with temporary_folder() as folder:
        path = folder / "noise.h5"
        path.write_bytes(state["file"].cpu().numpy().tobytes())
        return localnoise.load(path) if kind == "grid" else localnoise.hardware.load_chips(path)


def _on_chip(noise: Any) -> bool:
    """Return whether a noise is of `localnoise.hardware`, which this part of the package does not import."""
    return type(noise).__module__.startswith("localnoise.hardware.")
