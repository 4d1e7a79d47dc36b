"""The part of an audit on structure: how a defense's noise lies, and how much of what corruptions do it covers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigh

from localnoise import central
from localnoise.central import CentralNoise
from localnoise.certificate import log_volume
from localnoise.errors import ArgumentError
from localnoise.sims.defenses import named
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import folded, training
from localnoise.sims.runtime.stage import Stage

MOST = 4096  # neurons of a dense covariance
LEADING = 256  # directions that are found
CONTROLS = ("diagonal", "central", "shuffled")
Results = dict[str, Any]
Floats = npt.NDArray[np.float64]


def structure_part(
    bench: Testbed, defense: str, source: Source, threats: Sequence[tuple[str, float]], *, images: int, learned: int,
    stage: Stage,
) -> Results:  # fmt: skip
    """Learn a defense's noise from one source, and hold the displacements of test inputs by others against it.

    Raises
    ------
    ArgumentError
        The defense has no noise of its own; a layer of more than 4,096 neurons.
    """
    arm, network = named(defense), bench.network
    if arm.build is None:
        raise ArgumentError(
            f"defense={defense!r} has no noise whose structure could be told: expected a grid's, or full"
        )
    stage(f"displace by {source.name}", 0, 0)
    h = _read(network, bench.train[0][:learned])
    d = _read(network, bench.altered(source, count=len(h))) - h
    if d[0].size > MOST:
        raise ArgumentError(
            f"layer={bench.layer!r} has {d[0].size:,} neurons: expected at most {MOST:,} for a structure"
        )
    stage(f"learn {arm.label}", 0, 0)
    noise = arm.build(d, h, source.variance)
    out = told(noise)
    controls = {"diagonal": central.diagonal(d), "central": central.full(d), "shuffled": central.shuffled(d)}
    x = bench.test[0][:images]
    h_test, vectors = _read(network, x), out.pop("vectors")
    size = max(min(round(out["dimensions"]), LEADING), 1)
    out |= {"leading": size, "images": len(x), "learned": len(h)}
    gradients = _gradients(bench, x)
    along = np.einsum("ti,ij,tj->t", gradients, _covariance(noise), gradients, optimize=True)
    out["gradient/noise"] = float(along.mean() / (out["variance"] * np.square(gradients).sum(axis=1).mean()))
    displaced = {}
    for at, (name, level) in enumerate(threats):
        stage(f"displace by {name}", at, len(threats))
        displaced[f"{name}@{level:g}"] = _read(network, bench.modified_test(name, level, len(x))) - h_test
    densities = {kind: best_densities(one, displaced) for kind, one in {"noise": noise, **controls}.items()}
    lengths = np.square(gradients).sum(axis=1)
    for threat, moved in displaced.items():
        flat = moved.reshape(len(moved), -1).astype(np.float64)
        whole = np.square(flat).sum()
        out[f"inside/{threat}"] = float(np.square(flat @ vectors[:, :size]).sum() / whole)
        out |= {f"density/{kind}/{threat}": densities[kind][threat] for kind in densities}
        out[f"dimensions/{threat}"] = participation(flat @ flat.T)  # it has the spectrum of flat' flat
        share = np.square((flat * gradients).sum(axis=1)).sum() / (lengths * np.square(flat).sum(axis=1)).sum()
        out[f"gradient/{threat}"] = float(share * flat.shape[1])
        out[f"map/{threat}"] = np.square(moved).mean(axis=(0, 1)).astype(np.float32)
    return out


def told(noise: Any) -> Results:
    """Return a noise's variance map, spectrum, effective dimensions, correlations by distance, and directions."""
    sigma = _covariance(noise)
    C, H, W = _layout(noise)
    few = min(LEADING, len(sigma))
    values, vectors = eigh(sigma, subset_by_index=(len(sigma) - few, len(sigma) - 1))
    variance = np.diagonal(sigma)
    return {
        "variance": float(variance.mean()),
        "map": variance.reshape(C, H, W).mean(axis=0).astype(np.float32),
        "spectrum": values[::-1].astype(np.float64),
        "dimensions": participation(sigma),
        "correlation": by_distance(sigma, (C, H, W)),
        "neurons": len(sigma),
        "vectors": vectors[:, ::-1],
    }


def participation(sigma: Floats) -> float:
    """Return the effective dimensions (sum lambda)^2 / sum lambda^2 of a covariance."""
    return float(np.trace(sigma) ** 2 / np.square(sigma).sum())


def by_distance(sigma: Floats, layout: tuple[int, int, int]) -> Floats:
    """Return the mean correlation of one channel at two units, by their distance rounded to whole units, from 0 on."""
    C, H, W = layout
    y, x = np.divmod(np.arange(H * W), W)
    apart = np.rint(np.hypot(y[:, None] - y, x[:, None] - x)).astype(int).ravel()
    scale = 1 / np.sqrt(np.diagonal(sigma))
    total = np.zeros(apart.max() + 1)
    for c in range(C):
        own = slice(c * H * W, (c + 1) * H * W)
        correlation = sigma[own, own] * scale[own, None] * scale[own]
        total += np.bincount(apart, correlation.ravel(), len(total))
    return np.asarray(total / (C * np.bincount(apart)), np.float64)


def best_densities(noise: Any, displaced: Mapping[str, npt.NDArray[np.floating[Any]]]) -> dict[str, float]:
    """Return the mean log density per neuron of displacements by name, the noise at the gain that suits each best.

    With s^2 = d' Sigma^-1 d / n on average it is -1/2 log(2 pi e s^2) less the log scale: what is left is structure.
    """
    every = np.concatenate(list(displaced.values()))
    n = every[0].size
    squares = np.split(np.asarray(noise.mahalanobis(every)) / n, np.cumsum([len(d) for d in displaced.values()])[:-1])
    scale = log_volume(noise, 1.0)
    return {
        name: float(-0.5 * np.log(2 * math.pi * math.e * own.mean()) - scale)
        for name, own in zip(displaced, squares, strict=True)
    }


def _gradients(bench: Testbed, x: torch.Tensor) -> Floats:
    """Return the gradients of the margin of the first class over the second, (T, n), at the layer as it lies."""
    network = bench.network
    h = training.activations(network.front, x).requires_grad_(True)
    top = network.back(h).topk(2, dim=1).values
    (gradient,) = torch.autograd.grad((top[:, 0] - top[:, 1]).sum(), h)
    return np.asarray(folded(network, gradient).flatten(1).numpy(), np.float64)


def _read(network: Any, x: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(folded(network, training.activations(network.front, x)).numpy(), np.float32)


def _covariance(noise: Any) -> Floats:
    sigma: Floats = noise.covariance()
    return sigma


def _layout(noise: Any) -> tuple[int, int, int]:
    if isinstance(noise, CentralNoise):
        return (noise.channels, *noise.shape)
    return (noise.config.channels, *noise.config.shape)
