"""The part of an audit on certificates: what a vote over noisy activations certifies, and what it covers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigvalsh
from torch import Tensor, nn

from localnoise import Repair
from localnoise.certificate import ABSTAINS, largest_radius, log_volume
from localnoise.sims.auditing.smoothing import (
    Array,
    Smoothed,
    grid_noise,
    isotropic,
    norms,
    of_equal_accuracy,
    searched,
)
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import Network, folded, training
from localnoise.sims.models.orthogonal import lipschitz
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.tasks.fashion import LAYER

LOCAL, ISOTROPIC = "local", "isotropic"
PLAIN, REPAIRED = "displacements", "what a repair leaves"
HELD = 500  # training inputs on which the noise is chosen
BALLS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0)  # of inputs, l2
RADII = tuple(float(r) for r in np.round(np.arange(0, 3.21, 0.2), 2))
_TARGETS, _SHARE = (1.0, 1.6, 2.3), 0.6  # scales let this share of held-out displacements lie within these radii
_FEW = 300  # draws where noises are chosen
_TRIES = 4  # variances of the isotropic noise
_SEARCHED = 4096  # neurons beyond which no counterexample is searched: the covariance is dense there

Read = Callable[[Tensor], Array]
Results = dict[str, Any]


def certificate_part(
    bench: Testbed,
    source: Source,
    severities: Sequence[float],
    *,
    images: int,
    learned: int,
    draws: int,
    alpha: float,
    epochs: int,
    floors: Sequence[float],
    repaired: bool,
    stage: Stage,
    variance: float | None = None,
) -> Results:
    """Certify the votes of test inputs under noise that is made for one source; and under isotropic noise.

    severities : levels of the source, at which training displacements are made in equal shares, and at each of which
        test displacements are held against the ellipsoids.
    floors : of the noise, in shares of the displacements' mean square; one is chosen on held-out training inputs.
    repaired : a repair, which learned each level as a source of its own, stands before the noise; what it leaves must
        be covered.
    variance : of the noise, a neuron; None: scales are tried that let it cover displacements.
    """
    network = bench.network
    labels, total = bench.train[1], min(learned, len(bench.train[0]) - HELD)
    own, away = slice(0, total), slice(total, total + HELD)

    stage("learn the repair" if repaired else "displace", 0, 0)
    read = mended(bench, source, severities, total) if repaired else plain(network)
    h_all = read(bench.train[0][: total + HELD])
    moved_all = np.empty_like(h_all)
    for one, rows in by_level(source, severities, total + HELD):
        moved_all[rows] = read(bench.altered(one, rows=rows))
    d_all = moved_all - h_all
    h, d, h_held, d_held = h_all[own], d_all[own], h_all[away], d_all[away]
    power = float(np.square(d, dtype=np.float64).mean())

    raw, lies = training.activations(network.front, bench.train[0][:1]), network.arrangement
    given = torch.from_numpy(h)
    if lies is not None:
        given = lies.added(torch.zeros_like(raw).expand(len(h), *raw.shape[1:]), given)

    def train(noise: Any) -> Smoothed:
        return Smoothed.trained(bench, noise, given, labels[own], epochs)

    def trial(net: Smoothed) -> tuple[float, float]:
        """Clean accuracy of the vote, and certified coverage, of few draws, on held-out training inputs."""
        found = net.vote(_FEW, alpha, bench.seed).certify(h_held)
        right = found.winner == labels[away].numpy()
        return float(right.mean()), float((right & (norms(net.noise, d_held) < found.radius)).mean())

    candidates = []
    for at, floor in enumerate(floors):
        stage("train under noise", at, len(floors))
        unit = grid_noise(d, 1.0, floor)
        farthest = float(np.quantile(norms(unit, d_held), _SHARE))
        scales = [farthest / target for target in _TARGETS]
        if variance is not None:
            scales = [float((variance / (power * (1 + floor))) ** 0.5)]
        for scale in scales:
            net = train(grid_noise(d, scale, floor))
            candidates.append((*trial(net), floor, scale, net))
    accuracy, covered, floor, scale, net = max(candidates, key=lambda one: (one[1], one[0]))
    out: Results = {
        "floor": floor, "scale": scale, "chosen/accuracy": accuracy, "chosen/coverage": covered, "learned": total,
        "power": power, "variance": scale**2 * power * (1 + floor), "draws": draws, "alpha": alpha,
        "largest": largest_radius(draws, alpha), "epochs": epochs,
    }  # fmt: skip
    stage("match isotropic noise", 0, 0)
    spread, even = of_equal_accuracy(
        lambda v: train(isotropic(h, v)), lambda one: trial(one)[0], accuracy, out["variance"] / 2, _TRIES
    )
    out["isotropic"] = spread
    x, y = bench.test[0][:images], bench.test[1][:images].numpy()
    h_test = read(x)
    out["images"] = len(y)
    with torch.no_grad():
        out["undefended/clean"] = float((network(x).argmax(1).numpy() == y).mean())
    constant = None if repaired or h_test[0].size > _SEARCHED else lipschitz(network.front)
    if constant is not None:
        out["lipschitz"] = constant
    displaced = {}
    for level in severities:
        moved = bench.modified_test(source.name, level, len(y))
        with torch.no_grad():
            out[f"undefended/{level:g}"] = float((network(moved).argmax(1).numpy() == y).mean())
        displaced[level] = read(moved) - h_test
    for at, (name, tried) in enumerate({LOCAL: net, ISOTROPIC: even}.items()):
        stage(f"certify, {name}", at, 2)
        began = process_time()
        vote = tried.vote(draws, alpha, bench.seed + 10)
        found = vote.certify(h_test)
        out[f"{name}/seconds"] = (process_time() - began) / len(y)
        right = found.winner == y
        out |= _measured(name, tried, found, right, displaced, h_test)
        if constant is not None:
            out |= _of_inputs(name, tried, found, right, constant)
        if name == LOCAL and h_test[0].size <= _SEARCHED:
            stage("search for counterexamples", 0, 0)
            sure = found.winner != ABSTAINS
            out["searched"] = int(sure.sum())
            out["contradicted"] = int(searched(tried, vote, found, h_test, bench.seed + 20).sum())
    return out


def _of_inputs(name: str, net: Smoothed, found: Any, right: npt.NDArray[np.bool_], constant: float) -> Results:
    """Certified accuracy against every change of the input: the ellipsoid holds a ball, and the front's reach is in it.

    d' Sigma^-1 d <= |d|^2 / lambda_min and |d| <= L |x - x'|, so that a radius R certifies R sqrt(lambda_min) / L.
    """
    smallest = float(np.sqrt(eigvalsh(net.noise.covariance(), subset_by_index=(0, 0))[0]))
    radius = found.radius * smallest / constant
    out: Results = {f"{name}/inputs/{r:g}": float((right & (radius > r)).mean()) for r in BALLS}
    return out | {f"{name}/smallest": smallest}


def plain(network: Any) -> Read:
    """Return what reads inputs as activations at the cut, (T, C, H, W)."""

    def read(x: Tensor) -> Array:
        h = folded(network, training.activations(network.front, x))
        return np.ascontiguousarray(h.numpy(), np.float32)

    return read


def by_level(source: Source, levels: Sequence[float], count: int) -> Iterator[tuple[Source, npt.NDArray[np.int64]]]:
    """Yield a source at each level, and which of the first `count` training inputs it displaces: each a share."""
    for at, level in enumerate(levels):
        yield replace(source, level=float(level)), np.arange(at, count, len(levels))


def mended(bench: Testbed, source: Source, levels: Sequence[float], count: int) -> Read:
    """Return what reads inputs as activations at the cut, with a repair of the task's own layer on the way, gated.

    Of the paper's networks the repair stands where noise enters by default, and the cut may lie behind it: layers in
    between run once, too. Of other tasks it stands at the cut.
    """
    network, inner, between = bench.network, bench.network, nn.Identity()
    if isinstance(network, Network) and isinstance(bench.layer, int) and bench.layer > LAYER:
        earlier = bench.task.network(bench.seed, bench.activation, LAYER)
        assert isinstance(earlier, Network)
        earlier.load(network.weights())
        earlier.front.requires_grad_(False).eval()
        inner, between = earlier, network.front[len(earlier.front) :]  # type: ignore[index, arg-type]
    first = plain(inner)
    h = first(bench.train[0][:count])
    repair = Repair((h.shape[2], h.shape[3]), h.shape[1])
    for one, rows in by_level(source, levels, count):
        repair.learn(f"{one.name}@{one.level:g}", first(bench.altered(one, rows=rows)), h[rows])

    def read(x: Tensor) -> Array:
        fixed = np.asarray(repair(first(x))[0], np.float32)
        with torch.no_grad():
            return np.ascontiguousarray(between(torch.from_numpy(fixed)).numpy(), np.float32)

    return read


def _measured(
    name: str, net: Smoothed, found: Any, right: npt.NDArray[np.bool_], displaced: dict[float, Array], h: Array
) -> Results:
    out: Results = {f"{name}/certified/{r:g}": float((right & (found.radius > r)).mean()) for r in RADII}
    out[f"{name}/abstained"] = found.abstained
    out[f"{name}/radius"] = float(np.median(found.radius[right])) if right.any() else 0.0
    out[f"{name}/ball"] = float(np.exp(log_volume(net.noise, out[f"{name}/radius"])))
    for level, d in displaced.items():
        inside = norms(net.noise, d) < found.radius
        out[f"{name}/covered/{level:g}"] = float((right & inside).mean())
        out[f"{name}/inside/{level:g}"] = float(inside.mean())
        out[f"{name}/norm/{level:g}"] = float(np.median(norms(net.noise, d)))
    return out
