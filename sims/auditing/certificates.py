"""The part of an audit on certificates: what a vote over noisy activations certifies, and what it covers."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigvalsh
from torch import Tensor

from localnoise.certificate import ABSTAINS, largest_radius, log_volume
from localnoise.sims.auditing.reading import Read, by_level, mended, plain
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
from localnoise.sims.models import training
from localnoise.sims.models.orthogonal import lipschitz
from localnoise.sims.runtime.stage import Stage

LOCAL, ISOTROPIC = "local", "isotropic"
PLAIN, REPAIRED = "displacements", "what a repair leaves"
HELD = 500  # training inputs on which the noise is chosen; of few inputs a fifth
BALLS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0)  # of inputs, l2
RADII = tuple(float(r) for r in np.round(np.arange(0, 3.21, 0.2), 2))
_TARGETS, _SHARE = (1.0, 1.6, 2.3), 0.6  # scales let this share of held-out displacements lie within these radii
_FEW = 300  # draws where noises are chosen
_TRIES = 4  # variances of the isotropic noise
_SEARCHED = 4096  # neurons beyond which no counterexample is searched: the covariance is dense there

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
    held = min(HELD, len(bench.train[0]) // 5)
    total = min(learned, len(bench.train[0]) - held)
    stage("learn the repair" if repaired else "displace", 0, 0)
    read = mended(bench, source, severities, total) if repaired else plain(bench.network)
    given = _Given.of(bench, source, severities, read, total, held, alpha, epochs)
    net, out = _chosen(given, floors, variance, stage)
    out |= {"draws": draws, "alpha": alpha, "largest": largest_radius(draws, alpha), "images": images}
    stage("match isotropic noise", 0, 0)
    out["isotropic"], even = of_equal_accuracy(
        lambda v: given.train(isotropic(given.h, v)),
        lambda one: given.trial(one)[0],
        out["chosen/accuracy"],
        out["variance"] / 2,
        _TRIES,
    )
    return out | _tested(bench, source, severities, read, {LOCAL: net, ISOTROPIC: even}, out, stage, not repaired)


@dataclass(frozen=True)
class _Given:
    """Training inputs at the cut, and how displacements move them: what noises are learned from and chosen on.

    Attributes
    ----------
    h, d : arrays of float32, (T, C, H, W)
        Activations, displacements.
    h_held, d_held : arrays of float32, (held, C, H, W)
        The same of others, on which noises are chosen.
    behind : Tensor, (T, ...)
        What the later layers read of h.
    """

    bench: Testbed
    h: Array
    d: Array
    h_held: Array
    d_held: Array
    behind: Tensor
    alpha: float
    epochs: int

    @classmethod
    def of(
        cls,
        bench: Testbed,
        source: Source,
        severities: Sequence[float],
        read: Read,
        total: int,
        held: int,
        alpha: float,
        epochs: int,
    ) -> Self:
        """Read `total` training inputs and the next `held`, each displaced at one of the severities."""
        h = read(bench.train[0][: total + held])
        moved = np.empty_like(h)
        for one, rows in by_level(source, severities, total + held):
            moved[rows] = read(bench.altered(one, rows=rows))
        d = moved - h
        behind, lies = torch.from_numpy(h[:total]), bench.network.arrangement
        if lies is not None:
            raw = training.activations(bench.network.front, bench.train[0][:1])
            behind = lies.added(torch.zeros_like(raw).expand(total, *raw.shape[1:]), behind)
        return cls(bench, h[:total], d[:total], h[total:], d[total:], behind, alpha, epochs)

    def train(self, noise: Any) -> Smoothed:
        """Train later layers under a noise."""
        return Smoothed.trained(self.bench, noise, self.behind, self.bench.train[1][: len(self.h)], self.epochs)

    def trial(self, net: Smoothed) -> tuple[float, float]:
        """Return clean accuracy of the vote, and certified coverage, of few draws, on held-out training inputs."""
        found = net.vote(_FEW, self.alpha, self.bench.seed).certify(self.h_held)
        right = found.winner == self.bench.train[1][len(self.h) : len(self.h) + len(self.h_held)].numpy()
        return float(right.mean()), float((right & (norms(net.noise, self.d_held) < found.radius)).mean())


def _chosen(given: _Given, floors: Sequence[float], variance: float | None, stage: Stage) -> tuple[Smoothed, Results]:
    """Return the network under the noise, of all floors and scales, that covers most of the held-out displacements."""
    power = float(np.square(given.d, dtype=np.float64).mean())
    candidates = []
    for at, floor in enumerate(floors):
        stage("train under noise", at, len(floors))
        if variance is None:
            farthest = float(np.quantile(norms(grid_noise(given.d, 1.0, floor), given.d_held), _SHARE))
            scales = [farthest / target for target in _TARGETS]
        else:
            scales = [float((variance / (power * (1 + floor))) ** 0.5)]
        for scale in scales:
            net = given.train(grid_noise(given.d, scale, floor))
            candidates.append((*given.trial(net), floor, scale, net))
    accuracy, covered, floor, scale, net = max(candidates, key=lambda one: (one[1], one[0]))
    return net, {
        "floor": floor, "scale": scale, "chosen/accuracy": accuracy, "chosen/coverage": covered,
        "learned": len(given.h), "power": power, "variance": scale**2 * power * (1 + floor), "epochs": given.epochs,
    }  # fmt: skip


def _tested(
    bench: Testbed,
    source: Source,
    severities: Sequence[float],
    read: Read,
    nets: dict[str, Smoothed],
    plan: Results,
    stage: Stage,
    bounded: bool,
) -> Results:
    """Return what the votes of networks certify and cover on test inputs; `bounded`: of the front's inputs, too."""
    network, (images, labels) = bench.network, bench.test
    x, y = images[: plan["images"]], labels[: plan["images"]].numpy()
    h = read(x)
    out: Results = {"images": len(y)}
    with torch.no_grad():
        out["undefended/clean"] = float((network(x).argmax(1).numpy() == y).mean())
    constant = lipschitz(network.front) if bounded and h[0].size <= _SEARCHED else None
    if constant is not None:
        out["lipschitz"] = constant
    displaced = {}
    for level in severities:
        moved = bench.modified_test(source.name, level, len(y))
        with torch.no_grad():
            out[f"undefended/{level:g}"] = float((network(moved).argmax(1).numpy() == y).mean())
        displaced[level] = read(moved) - h
    for at, (name, net) in enumerate(nets.items()):
        stage(f"certify, {name}", at, len(nets))
        began = process_time()
        vote = net.vote(plan["draws"], plan["alpha"], bench.seed + 10)
        found = vote.certify(h)
        out[f"{name}/seconds"] = (process_time() - began) / len(y)
        right = found.winner == y
        out |= _measured(name, net, found, right, displaced, h)
        if constant is not None:
            out |= _of_inputs(name, net, found, right, constant)
        if name == LOCAL and h[0].size <= _SEARCHED:
            stage("search for counterexamples", 0, 0)
            out["searched"] = int((found.winner != ABSTAINS).sum())
            out["contradicted"] = int(searched(net, vote, found, h, bench.seed + 20).sum())
    return out


def _of_inputs(name: str, net: Smoothed, found: Any, right: npt.NDArray[np.bool_], constant: float) -> Results:
    """Certified accuracy against every change of the input: the ellipsoid holds a ball, and the front's reach is in it.

    d' Sigma^-1 d <= |d|^2 / lambda_min and |d| <= L |x - x'|, so that a radius R certifies R sqrt(lambda_min) / L.
    """
    smallest = float(np.sqrt(eigvalsh(net.noise.covariance(), subset_by_index=(0, 0))[0]))
    radius = found.radius * smallest / constant
    out: Results = {f"{name}/inputs/{r:g}": float((right & (radius > r)).mean()) for r in BALLS}
    return out | {f"{name}/smallest": smallest}


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
