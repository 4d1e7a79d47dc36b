"""A noise as tensors and plain values, which a `state_dict` holds and `torch.load(..., weights_only=True)` reads."""

from typing import Any

import numpy as np
import torch

import localnoise
from localnoise.bank import Bank
from localnoise.errors import ArgumentError, FileFormatError
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


def unpacked(state: Any) -> Any:
    """Return the noise that `packed` took apart.

    Raises
    ------
    ArgumentError
        The state is of no kind that is known, or damaged.
    """
    kind = state.get("kind") if isinstance(state, dict) else None
    if kind == "bank":
        members = [unpacked(one) for one in _list(entry(state, "members"))]
        return Bank(members, entry(state, "clean"), entry(state, "shares"))
    if kind not in ("grid", "chip"):
        raise ArgumentError(f"state_dict: a noise of kind {kind!r}: expected grid, chip or bank")
    content = entry(state, "file")
    if not isinstance(content, torch.Tensor) or content.dtype != torch.uint8:
        raise ArgumentError(f"state_dict: a file of {type(content).__name__}: expected a tensor of bytes (torch.uint8)")
    with temporary_folder() as folder:
        path = folder / "noise.h5"
        path.write_bytes(content.cpu().numpy().tobytes())
        try:
            return localnoise.load(path) if kind == "grid" else localnoise.hardware.load_chips(path)
        except FileFormatError as error:
            reason = str(error).removeprefix(f"{path}: ").replace(str(path), "its file")
            raise ArgumentError(f"state_dict: {reason}; expected what state_dict() of this layer returned") from error


def entry(state: Any, name: str) -> Any:
    """Return an entry of a layer's extra state.

    Raises
    ------
    ArgumentError
        There is none, or the state is no dict.
    """
    if not isinstance(state, dict) or name not in state:
        held = f"a dict of {[*map(str, state)]}" if isinstance(state, dict) else type(state).__name__
        raise ArgumentError(f"state_dict: _extra_state is {held}: expected {name!r} in it, as state_dict() returned it")
    return state[name]


def _list(members: Any) -> list[Any]:
    if not isinstance(members, list):
        raise ArgumentError(f"state_dict: members is {type(members).__name__}: expected a list of noises")
    return members


def _on_chip(noise: Any) -> bool:
    """Return whether a noise is of `localnoise.hardware`, which this part of the package does not import."""
    return type(noise).__module__.startswith("localnoise.hardware.")
