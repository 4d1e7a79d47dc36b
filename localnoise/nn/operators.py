"""The draw and its adjoint as torch operators: compilation, export and checkpointing see one call for each.

    localnoise::eta(h, seed, start, noise)            eta ~ N(mu(h), Sigma), like h; autograd through mu
    localnoise::pull_back(g, seed, start, noise)      diag(gain) G' (I - B)^-T g, what the mean adds to a gradient
    localnoise::advance(position, h)                  where a counted stream stands; moves it on by len(h)

`seed` and `start` are int64 scalars on the CPU, `noise` the number by which `number_of` knows a noise of this process.
NumPy and torch share memory on the CPU: no copy of the draw, which runs on torch's threads (`team`). On other devices
the draw is made there, of another stream of the same law (`levels`); a chip's grid, whose integers are the CPU's, is
copied.
"""

from itertools import count
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch import Tensor

from localnoise.bank import Bank
from localnoise.central import CentralNoise
from localnoise.errors import ArgumentError
from localnoise.kernels import threads
from localnoise.nn import levels, team
from localnoise.nn.recomputing import place

_noises: WeakValueDictionary[int, Any] = WeakValueDictionary()
_numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
_next = count(1)
_WORD = 2**64


def number_of(noise: Any) -> int:
    """Return the number by which the operators know a noise; it counts for this process, as long as the noise lives."""
    if noise not in _numbers:
        _numbers[noise] = next(_next)
        _noises[_numbers[noise]] = noise
    return _numbers[noise]


def reads(noise: Any) -> bool:
    """Return whether a noise's draw depends on the activation."""
    if isinstance(noise, Bank):
        return any(map(reads, noise.members))
    if isinstance(noise, CentralNoise):
        return False
    return bool(getattr(getattr(noise, "field", None), "signal", True))


def off_cpu(h: Tensor) -> bool:
    """Return whether a tensor lies on another device, where torch draws instead of the kernels."""
    return h.device.type != "cpu"


def as_word(seed: int) -> int:
    """Return a seed below 2^64 as the int64 of the same bits."""
    return seed - _WORD if seed >= _WORD // 2 else seed


@torch.library.custom_op("localnoise::eta", mutates_args=())
def eta(h: Tensor, seed: Tensor, start: Tensor, noise: int) -> Tensor:
    """Return one draw for each activation h (T, C, H, W), like h; presentation t is number start + t of the seed."""
    made = _made(noise)
    where = int(seed) % _WORD, int(start)
    if off_cpu(h):
        there = levels.drawn(made, h, *where, reads=reads(made))
        if there is not None:
            return there.contiguous()
    with threads.on(team.torchs()):
        drawn = made.perturb(_numpy(h), *where) if reads(made) else made.sample(len(h), *where)
    return torch.from_numpy(drawn).to(h)


@eta.register_fake
def _(h: Tensor, seed: Tensor, start: Tensor, noise: int) -> Tensor:
    return torch.empty_like(h, memory_format=torch.contiguous_format)


@torch.library.custom_op("localnoise::pull_back", mutates_args=())
def pull_back(gradient: Tensor, seed: Tensor, start: Tensor, noise: int) -> Tensor:
    """Return what the mean adds to the gradient of h, (T, C, H, W)."""
    made = _made(noise)
    if off_cpu(gradient):
        there = levels.pulled(made, gradient, int(seed) % _WORD, int(start))
        if there is not None:
            return there.contiguous()
    where = (int(seed) % _WORD, int(start)) if isinstance(made, Bank) else ()
    with threads.on(team.torchs()):
        pulled = made.pull_back(_numpy(gradient), *where)
    return torch.from_numpy(pulled).to(gradient)


@pull_back.register_fake
def _(gradient: Tensor, seed: Tensor, start: Tensor, noise: int) -> Tensor:
    return torch.empty_like(gradient, memory_format=torch.contiguous_format)


@torch.library.custom_op("localnoise::advance", mutates_args=("position",))
def advance(position: Tensor, h: Tensor) -> Tensor:
    """Return the position at which h is drawn, and move on; a forward that is computed again stands where it stood."""
    return place(position, h)


@advance.register_fake
def _(position: Tensor, h: Tensor) -> Tensor:
    return torch.empty_like(position)


def _kept(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, seed, start, ctx.noise = inputs
    ctx.save_for_backward(seed, start)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    if not reads(_made(ctx.noise)):
        return None, None, None, None
    return pull_back(gradient.contiguous(), *ctx.saved_tensors, ctx.noise), None, None, None


eta.register_autograd(_backward, setup_context=_kept)


def _made(number: int) -> Any:
    made = _noises.get(number)
    if made is None:
        raise ArgumentError(
            f"noise number {number} is not of this process, or is gone: expected the layer that was compiled or "
            "exported to live; make it again where it runs"
        )
    return made


def _numpy(tensor: Tensor) -> Any:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()  # NumPy has no bfloat16
