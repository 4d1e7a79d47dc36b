"""What `golden/` keeps of published records and of files of earlier versions: python tests/pinned.py [RECORD ...].

`published.json`: of every published record and column, a hash of the values, their types and the rows that have them.
`tables/NAME.md`: the tables that `localnoise report` makes of it. `grids/`: small grids of each kind, and `draws.json`
what is drawn from them. They are written once, by the version that is to be held fast, and read by every later one. Of
records that are named what is kept is written anew, after they were published again.
"""

import hashlib
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import localnoise as ln
from localnoise.hardware import Formats, load_chip, quantise

GOLDEN = Path(__file__).parent / "golden"
PUBLISHED = Path(__file__).parents[1] / "benchmarks" / "published"
KEPT = 5000  # entries of an array: of longer ones a second hash is kept of these, in single precision
REPORTS = {  # of which command an experiment's records are; those of speeds are no experiment's
    "adaptive-10": ["compare"],
    "adaptive-10-again": ["compare"],
    "audit": [""],
    "augmentation-whole": ["compare"],
    "chip": ["bits", "wires"],
    "chip-network": ["compare"],
    "chip-network-pgd": ["compare"],
    "local": ["train"],
    "local-equal": ["train"],
    "local-robust": ["train"],
    "one-net": ["compare"],
    "paper": ["paper"],
    "paper-10": ["paper"],
    "penalty-adaptive": ["tradeoff"],
    "repair": ["repair"],
    "repair-adaptive": ["repair"],
    "repair-ablation": ["repair-ablation"],
    "repair-beside": ["repair"],
    "repair-varied": ["repair-ablation"],
    "repair-bits": ["repair-ablation"],
    "repair-front": ["repair-front"],
    "repair-watch": ["repair"],
    "stream": ["stream"],
    "retention": [""],
    "retention-local": [""],
    "retention-conv3": [""],
    "rewarded": ["compare"],
    "rewarded-5": ["compare"],
    "rewarded-steps": ["compare"],
    "rewarded-ten": ["compare"],
    "rewarded-tradeoff": ["tradeoff"],
    "spiking": [""],
    "sweep-bits-and-wires": [],
    "sweep-rules": [],
    "tradeoff": ["tradeoff"],
    "tradeoff-10": ["tradeoff"],
    "transfer": ["transfer"],
    "transfer-adaptive": ["transfer"],
    "transfer-attacks": ["transfer"],
    "watch": [""],
    "watch-attacks": ["compare"],
    "watch-chip": ["bits"],
}


def published(name: str) -> Path:
    """The file of a published record."""
    return PUBLISHED / f"{name}.sqlite"


def names() -> list[str]:
    return sorted(path.stem for path in PUBLISHED.glob("*.sqlite"))


def columns(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Hash of each column of rows; `NAME[:5000]` of what is kept of long arrays."""
    found: dict[str, Any] = defaultdict(hashlib.sha256)
    for index, row in enumerate(rows):
        for name, value in row.items():
            found[name].update(f"{index} ".encode() + said(value))
            if isinstance(value, np.ndarray) and value.size > KEPT:
                found[f"{name}[:{KEPT}]"]
        for name, value in row.items():
            if f"{name}[:{KEPT}]" in found:
                found[f"{name}[:{KEPT}]"].update(f"{index} ".encode() + said(np.float32(value[:KEPT])))
    return {name: digest.hexdigest()[:12] for name, digest in sorted(found.items())}


def said(value: Any) -> bytes:
    """A value as bytes that differ where its type does."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str} {value.shape} ".encode() + value.tobytes()
    return f"{type(value).__name__} {value!r} ".encode()


def tables(name: str) -> str:
    """Every table that a report makes of a published record; figures are made, and not drawn."""
    from localnoise.sims.sweeps.summary import markdown
    from localnoise.sims.tools.report import report

    if name.startswith("sweep-"):
        return markdown(published(name)) + "\n"
    texts = []
    with tempfile.TemporaryDirectory() as folder, patch("matplotlib.figure.Figure.savefig", _undrawn):
        for command in REPORTS[name]:
            out = Path(folder) / (command or "own")
            report(published(name), command=command, out=out)
            texts += [path.read_text() for path in sorted(out.rglob("*.md"))]
    return "\n\n".join(texts)


def _undrawn(self: Any, *given: Any, **options: Any) -> None:
    """Draw nothing."""


def grids() -> dict[str, Any]:
    """A small grid of each kind that a file can hold."""
    d, h = np.random.default_rng(0).normal(size=(2, 60, 2, 3, 4)).cumsum(axis=4).astype(np.float32)
    plain = ln.UnitGrid((3, 4), 2, parents=3).learn(d)
    signal = ln.UnitGrid((3, 4), 2, parents=3, signal="local").learn(d, h)
    wide = ln.UnitGrid((3, 4), 2, order="raster", boundary="periodic", dtype="float64").learn(d, rule="lms")
    return {
        "plain": plain,
        "signal": signal,
        "periodic-float64": wide.normalise(0.7, "local"),
        "sign-lms": ln.UnitGrid((3, 4), 2, order="raster", signal="local", radius=1).learn(d, h, rule="sign-lms"),
        "chip": quantise(plain),
        "chip-signal": quantise(signal, Formats(rounding="stochastic"), h=h, d=d),
    }


def draws(path: Path) -> list[float] | list[int]:
    """Three draws from a grid's file, for activations where it reads them; a chip's in words."""
    h = np.tanh(np.arange(3 * 24) / 9).reshape(3, 2, 3, 4).astype(np.float32)
    if path.stem.startswith("chip"):
        chip = load_chip(path)
        words = np.rint(8 * h).astype(np.int64) if chip.field.signal else None
        return [int(word) for word in np.ravel(chip.words(3, 7, 0, words))]
    grid = ln.load(path)
    drawn = grid.perturb(h, seed=7) if grid.config.signal == "local" else grid.sample(3, seed=7)
    return [float(f"{value:.7g}") for value in np.ravel(drawn)]


def main(named: list[str]) -> None:
    if unknown := set(named) - set(names()):
        raise SystemExit(f"record {unknown.pop()!r} is not published: expected some of {', '.join(names())}")
    (GOLDEN / "tables").mkdir(parents=True, exist_ok=True)
    (GOLDEN / "grids").mkdir(exist_ok=True)
    before = json.loads((GOLDEN / "published.json").read_text()) if named else {}
    found = before | {name: columns(ln.read_records(published(name))) for name in named or names()}
    (GOLDEN / "published.json").write_text(json.dumps(dict(sorted(found.items())), indent=0) + "\n")
    for name in REPORTS if not named else REPORTS.keys() & set(named):
        (GOLDEN / "tables" / f"{name}.md").write_text(tables(name))
    if named:
        return
    for name, grid in grids().items():
        grid.save(GOLDEN / "grids" / f"{name}.h5")
    drawn = {path.stem: draws(path) for path in sorted((GOLDEN / "grids").glob("*.h5"))}
    (GOLDEN / "draws.json").write_text(json.dumps(drawn) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
