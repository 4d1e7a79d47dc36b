"""Figures of repairs that differ in one thing, or in size: accuracy over what was learned, clean, and bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from localnoise.sims.defenses.repair_plan import FIRST, Repairing
from localnoise.sims.reports.figures import DOUBLE, drawn, error_bars, legend, lettered, lying_bars
from localnoise.sims.reports.table import sentence
from localnoise.sims.results.statistics import Estimate

_MEAN, _CLEAN, _LINE = "#332288", "#E69F00", "#999999"
_SHARED = {
    "none": ("#D55E00", "each unit's own"),
    "places": ("#0072B2", "ways back shared"),
    "all": ("#009E73", "all shared, laws counted once"),
}
_RADII = {0: "o", 1: "s", 2: "^", 3: "D"}
_TO_MB = 1e6
_NEAR = 0.1  # accuracy within which the undefended network is drawn with the designs
_SHORT = 9  # characters of a name that fits below a place


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One repair's accuracy and size.

    Attributes
    ----------
    value : str
    plan : Repairing or None
    mean, clean, twin : Estimate or None
        Accuracy over what was learned; clean; over what was learned, in floating point.
    each : dict
        By perturbation.
    numbers, bytes : int
    work : int or None
        Multiplications an input.
    images : int or None
        Activations of each source that it learned from, where these differ.
    less, clean_less : Estimate or None
        Accuracy less the default's, paired, over what was learned; clean.
    """

    value: str
    plan: Repairing | None
    mean: Estimate | None
    clean: Estimate | None
    twin: Estimate | None = None
    each: dict[str, Estimate | None] = field(default_factory=dict)
    numbers: int
    bytes: float
    work: float | None = None
    images: int | None = None
    less: Estimate | None = None
    clean_less: Estimate | None = None


def best(found: Sequence[Measured]) -> list[Measured]:
    """Return those that none of fewer or as many bytes beats, small ones first."""
    out: list[Measured] = []
    for one in sorted((one for one in found if one.mean), key=lambda one: (one.bytes, -_of(one.mean))):
        if not out or _of(one.mean) > _of(out[-1].mean):
            out.append(one)
    return out


def ablated(found: Sequence[Measured], undefended: Measured | None, varies: str, path: Path, title: str) -> None:
    """Accuracy over what was learned and clean against what varies; and the memory that it takes.

    What has a long name stands in a row of its own.
    """
    listed = max((len(one.value) for one in found), default=0) > _SHORT
    places, names = list(range(len(found))), [one.value for one in found]
    height = 1.3 + 0.27 * len(found) if listed else 2.9
    with drawn(path, (DOUBLE, height)) as page:
        accuracies, memory = panels = page.subplots(1, 2, sharey=listed)
        for name, colour, said in (("mean", _MEAN, "mean over what was learned"), ("clean", _CLEAN, "clean")):
            known = [(x, own) for x, one in zip(places, found, strict=True) if (own := getattr(one, name))]
            points: tuple[Any, Any] = ([x for x, _ in known], [own for _, own in known])
            bars, style = (lying_bars, "o") if listed else (error_bars, "o-")
            bars(accuracies, *points, fmt=style, color=colour, label=said)
            plain = None if undefended is None else getattr(undefended, name)
            if plain is not None:
                level = accuracies.axvline if listed else accuracies.axhline
                level(plain.mean, color=colour, ls="--", lw=0.9, label=f"{said}, undefended")
        sizes = [one.bytes / _TO_MB for one in found]
        memory.plot(*((sizes, places, "o") if listed else (places, sizes, "o-")), color=_MEAN, mec="#333333", mew=0.4)
        across, along = ("x", "y") if listed else ("y", "x")
        accuracies.set(**{f"{across}label": "Accuracy (share of images right)", f"{across}lim": (0, 1)})
        memory.set(**{f"{across}label": "Tables at 8 bits (MB)", f"{across}lim": (0, None)})
        ends = (-0.4, max(len(found) - 0.6, 0.4))
        for axes in panels[:1] if listed else panels:
            axes.set(**{f"{along}ticks": places, f"{along}ticklabels": names})
            axes.set(**{f"{along}label": sentence(varies), f"{along}lim": ends[::-1] if listed else ends})
        lettered(panels, ["Accuracy", "Memory"])
        legend(page, title, columns=2)


def front(found: Sequence[Measured], undefended: Measured | None, path: Path, title: str) -> None:
    """Accuracy over what was learned, and clean, against the bytes of the repair's tables; a line joins the best."""
    with drawn(path, (DOUBLE, 3.6)) as page:
        panels = page.subplots(1, 2, width_ratios=(5, 3))
        joined = best(found)
        panels[0].step(
            [one.bytes / _TO_MB for one in joined], [_of(one.mean) for one in joined], color=_LINE, where="post"
        )
        for axes, name in zip(panels, ("mean", "clean"), strict=True):
            axes.set_xscale("log")
            for one in found:
                _design(axes, one, getattr(one, name), (one in joined) if name == "mean" else None)
            _undefended(axes, found, None if undefended is None else getattr(undefended, name), name)
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set(xlabel="Tables of the repair at 8 bits (MB)")
            axes.margins(x=0.12)
        panels[0].set_ylabel("Accuracy (share of images right)")
        lettered(panels, ["Mean over what was learned", "Clean"])
        said = "numbers: causes of a source / parents of a law; filled: ways back bend; *: one layer alone"
        legend(page, f"{title}\n{said}", columns=3)


def _design(axes: Any, one: Measured, estimate: Estimate | None, best: bool | None) -> None:
    """Draw a design; its numbers stand above to the left where it is among the best, else below to the right."""
    plan = one.plan
    if estimate is None or plan is None:
        return
    colour, said = _SHARED[plan.share]
    fill = colour if plan.bends >= 0 else "white"
    style: Any = {"fmt": _RADII.get(plan.radius, "v"), "color": colour, "mfc": fill, "mec": colour, "mew": 0.9}
    style["ecolor"] = (colour, 0.35)  # numbers stand on them
    error_bars(axes, [one.bytes / _TO_MB], [estimate], label=f"{said}, radius {plan.radius}", **style)
    if best is not None:
        place: Any = {"xytext": (-3, 4), "ha": "right"} if best else {"xytext": (3, -8)}
        text = f"{plan.causes}/{plan.parents}{'*' * (plan.layers == FIRST)}"
        where = (one.bytes / _TO_MB, estimate.mean)
        axes.annotate(text, where, textcoords="offset points", fontsize=6, **place)


def _undefended(axes: Any, found: Sequence[Measured], plain: Estimate | None, name: str) -> None:
    """Set the limits by the designs, and draw the undefended network where it lies near them, else say where it is."""
    known = [own.mean for one in found if (own := getattr(one, name))]
    if plain is not None and known and plain.mean < min(known) - _NEAR:
        axes.text(0.98, 0.03, f"undefended: {plain.mean:.3f}", transform=axes.transAxes, fontsize=7, ha="right")
    elif plain is not None:
        axes.axhline(plain.mean, color="#000000", ls="--", lw=0.9, label="undefended")
        known.append(plain.mean)
    if known:  # intervals of few seeds may be wider than what is of interest
        axes.set_ylim(max(0.0, min(known) - 0.05), min(1.0, max(known) + 0.05))


def _of(estimate: Estimate | None) -> float:
    return -np.inf if estimate is None else estimate.mean
