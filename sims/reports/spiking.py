"""Tables and figures of `localnoise spiking`, from its records."""

import tomllib
from collections.abc import Callable, Iterable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from localnoise.sims.reports.figures import drawn
from localnoise.sims.reports.intervals import Estimate, over_seeds
from localnoise.sims.reports.records import Record
from localnoise.sims.spiking.arms import VARIABILITIES
from localnoise.sims.spiking.variability import binned

COLOURS = {
    "structured": "#D55E00", "quiet": "#E69F00", "independent": "#56B4E9",
    "membrane": "#009E73", "poisson": "#CC79A7", "none": "#000000",
}  # fmt: skip
MEASURES = {
    "rate": "rate\n(Hz)", "fano": "Fano\nfactor", "correlation": "noise\ncorrelation",
    "correlation.spread": "its SD\nover pairs", "slope.signal": "slope on signal\ncorrelation",
    "participation": "participation\nratio", "alignment": "alignment\nwith change",
    "alignment.random": "random\ndirection",
}  # fmt: skip


def tables(records: Iterable[Record]) -> list[Table]:
    """Return the tables of all parts that the records hold."""
    own = list(records)
    made: dict[str, list[Callable[[list[Record]], Table]]] = {
        "field": [_fields],
        "learning": [_lessons],
        "variability": [_variability],
        "defence": [partial(_defence, which=0), partial(_defence, which=1)],
    }
    of = {part: [r for r in own if r.config["part"] == part] for part in made}
    return [make(of[part]) for part, several in made.items() if of[part] for make in several]


def write(records: Iterable[Record], out: Path, title: str) -> list[str]:
    """Write the figures and the tables as Markdown into `out`; returns their names."""
    own, names = list(records), ["tables.md"]
    (out / "tables.md").write_text("\n\n".join(markdown(table) for table in tables(own)) + "\n")
    drawings = {"variability": figure_of_variability, "defence": figure_of_defence, "learning": figure_of_learning}
    for part, draw in drawings.items():
        found = [r for r in own if r.config["part"] == part]
        if found:
            draw(found, out / f"{part}.png", title)
            names.append(f"{part}.png")
    return names


def markdown(table: Table) -> str:
    """A table as Markdown."""
    heads = [str(column.header).replace("\n", " ") for column in table.columns]
    cells = [list(column.cells) for column in table.columns]
    rows = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in zip(*cells, strict=True)]
    rule = "|---|" + "---:|" * (len(heads) - 1)
    return "\n".join([f"{table.title}:", "", "| " + " | ".join(heads) + " |", rule, *rows])


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_edge=False, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left", no_wrap=True)
    return table


def _fields(records: list[Record]) -> Table:
    heads = (
        "difference to\nNumba (SD)",
        "mean z²",
        "median of\nNumba's",
        "95 % of\nNumba's",
        "p",
        "largest z",
        "entries",
    )
    table = _table("Field in Brian2", "grid", "seed", "draws", *heads)
    for record in sorted(records, key=lambda r: (r.config["order"], r.config["signal"], r.config["seed"])):
        c, r = record.config, record.results
        middle, high = np.percentile(r["field.numba_mean_square_z"], [50, 95])
        z = (r["field.mean_square_z"], middle, high, r["field.p"], r["field.largest_z"])
        texts = [f"{r['field.difference']:.0e}", *(f"{float(value):.2f}" for value in z), f"{r['field.entries']:,}"]
        name = c["order"] + (", signal-dependent" if c["signal"] == "local" else "")
        table.add_row(name, str(c["seed"]), f"{r['field.draws']:,}", *texts)
    return table


def _lessons(records: list[Record]) -> Table:
    heads = ("weights to\nfixed point", "to the\nregression", "mean z²", "covariance\nerror", "if it were\ndiagonal")
    table = _table("Rules in Brian2", "causal\nshare", "seed", "lms to Numba's", *heads)
    for record in sorted(records, key=lambda r: (r.config["causal"], r.config["seed"])):
        c, r = record.config, record.results
        shares = [f"{r[name]:.3f}" for name in ("stdp.error", "stdp.regression_error")]
        more = [f"{r[name]:.3f}" for name in ("stdp.covariance_error", "stdp.independent_error")]
        z = f"{r['stdp.mean_square_z']:.2f}"
        table.add_row(f"{c['causal']:g}", str(c["seed"]), f"{r['lms.difference']:.0e}", *shares, z, *more)
    return table


def _variability(records: list[Record]) -> Table:
    source = records[0].config["source"]
    table = _table(f"Variability, field of {source['name']} {source['level']:g}", "variability", *MEASURES.values())
    for name, kind in VARIABILITIES.items():
        own = [r.results for r in records if r.config["variability"] == name]
        if own:
            table.add_row(kind.label, *(_text([float(r[m]) for r in own]) for m in MEASURES))
    return table


def _defence(records: list[Record], which: int) -> Table:
    found = accuracies(records)
    threats = list(dict.fromkeys(threat for _, _, threat in found))
    title = ("Accuracy by one trial of Brian2's spikes", "Accuracy by ten trials of the table's counts")[which]
    heads = [t.replace("_", " ").replace("@", "\n") for t in threats]
    table = _table(title, "variability", "field of", *heads)
    for name, learned in dict.fromkeys((n, s) for n, s, _ in found):
        cells = [_share(found.get((name, learned, t)), which) for t in threats]
        table.add_row(VARIABILITIES[name].label, learned.replace("_", " ").replace("@", " "), *cells)
    return table


def accuracies(records: list[Record]) -> dict[tuple[str, str, str], tuple[Estimate, Estimate]]:
    """(variability, source, threat) -> accuracy by one trial of Brian2's spikes, by ten trials of the table's."""
    values: dict[tuple[str, str, str], list[tuple[float, float, int]]] = {}
    for record in records:
        c, r = record.config, record.results
        field = VARIABILITIES[c["variability"]].field != "none"
        learned = "@".join((c["sources"][0]["name"], f"{c['sources'][0]['level']:g}")) if field else ""
        for name in r:
            if name.startswith("accuracy."):
                threat = name.removeprefix("accuracy.")
                own = float(r[name]), float(r[f"table10.{threat}"]), len(r[f"correct.{threat}"])
                values.setdefault((c["variability"], learned, threat), []).append(own)
    return {
        place: (over_seeds([a for a, _, _ in own], own[0][2]), over_seeds([b for _, b, _ in own], own[0][2]))
        for place, own in values.items()
    }


def _share(pair: tuple[Estimate, Estimate] | None, which: int) -> str:
    return "" if pair is None else f"{pair[which].mean:.3f} ± {pair[which].half_width:.3f}"


def _text(values: list[float]) -> str:
    mean = float(np.mean(values))
    size = "," if abs(mean) >= 1000 else ""
    digits = 0 if abs(mean) >= 100 else 1 if abs(mean) >= 10 else 2 if abs(mean) >= 1 else 3
    if len(values) < 2:
        return f"{mean:{size}.{digits}f}"
    return f"{mean:{size}.{digits}f} ± {over_seeds(values, 1).half_width:{size}.{digits}f}"


def published(quantity: str) -> list[dict[str, Any]]:
    """What the literature states of a quantity: low, high, area, source, status."""
    text = files("localnoise.sims.spiking").joinpath("published.toml").read_text()
    return [one for one in tomllib.loads(text)["finding"] if one["quantity"] == quantity]


def figure_of_variability(records: list[Record], path: Path, title: str) -> None:
    """Variance against mean, noise correlation against distance and signal correlation, dimensions, alignment."""
    own = {name: [r.results for r in records if r.config["variability"] == name] for name in VARIABILITIES}
    own = {name: found for name, found in own.items() if found}
    with drawn(path, (9.2, 5.6)) as figure:
        panels = figure.subplots(2, 3)
        _variance(panels[0, 0], own)
        _correlation(panels[0, 1], own, "distance", np.arange(0.5, 14, 2), "distance (units' pitch)")
        _correlation(panels[0, 2], own, "signal", np.linspace(-1, 1, 9), "signal correlation")
        _histogram(panels[1, 0], own)
        _bars(panels[1, 1], own, "participation", "participation ratio of the noise")
        _bars(panels[1, 2], own, "alignment", "variance along stimulus change\n(1: as along any direction)")
        source = records[0].config["source"]
        what = f"field of {source['name'].replace('_', ' ')} {source['level']:g}, {title} budget"
        _legend(figure, own, what)


def _legend(figure: Figure, own: dict[str, Any], title: str) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=3, title=title, markerscale=2)


def _variance(axes: Any, own: dict[str, Any]) -> None:
    for name, found in own.items():
        mean, variance = (np.concatenate([r[key][:400] for r in found]) for key in ("mean", "variance"))
        shown = variance > 0
        axes.loglog(mean[shown], variance[shown], ".", ms=2, c=COLOURS[name], label=VARIABILITIES[name].label)
    axes.axline((1, 1), (10, 10), c="#333333", lw=0.8, ls="--", label="Fano factor 1 (Poisson)")
    axes.set(xlabel="mean count (spikes in 250 ms)", ylabel="variance (spikes²)")


def _correlation(axes: Any, own: dict[str, Any], against: str, edges: Any, label: str) -> None:
    for name, found in own.items():
        x, y = (np.concatenate([r[f"pairs.{key}"] for r in found]) for key in (against, "noise"))
        mean, error, _ = binned(x, y, edges)
        axes.errorbar((edges[1:] + edges[:-1]) / 2, mean, 1.96 * error, c=COLOURS[name], marker="o", ms=3, lw=1)
    stated = published("noise correlation")
    axes.axhspan(min(f["low"] for f in stated), max(f["high"] for f in stated), color="#999999", alpha=0.2, lw=0)
    axes.set(xlabel=label, ylabel="noise correlation $r_{sc}$\n(grey: published means)")


def _histogram(axes: Any, own: dict[str, Any]) -> None:
    edges = np.linspace(-1, 1, 41)
    for name, found in own.items():
        r = np.concatenate([one["pairs.noise"] for one in found])
        axes.stairs(np.histogram(r, edges, density=True)[0], edges, color=COLOURS[name])
    axes.set(xlabel="noise correlation $r_{sc}$ of a pair", ylabel="density", yscale="log")


def _bars(axes: Any, own: dict[str, Any], measure: str, label: str) -> None:
    for place, (name, found) in enumerate(own.items()):
        values = [float(r[measure]) for r in found]
        axes.plot([place] * len(values), values, "o", c=COLOURS[name], mec="#333333", mew=0.5, ms=5)
    axes.set_yscale("log")
    axes.set_xticks(range(len(own)), list(own), rotation=30)
    axes.set(ylabel=label)


def figure_of_defence(records: list[Record], path: Path, title: str) -> None:
    """Accuracy on clean images and under each threat, by kind of variability: one trial filled, ten trials hollow."""
    found = accuracies(records)
    threats = list(dict.fromkeys(threat for _, _, threat in found))
    with drawn(path, (2.6 + 1.7 * len(threats), 3.6)) as figure:
        axes = figure.subplots()
        for index, (name, kind) in enumerate(VARIABILITIES.items()):
            shift = (index - (len(VARIABILITIES) - 1) / 2) * 0.13
            for x, threat in enumerate(threats):
                for (arm, _, against), pair in found.items():
                    if (arm, against) == (name, threat):
                        for step, estimate in enumerate(pair):
                            spread = [[estimate.mean - estimate.low], [estimate.high - estimate.mean]]
                            axes.errorbar(
                                [x + shift + 0.05 * step], [estimate.mean], spread, fmt="o", ms=5, c=COLOURS[name],
                                mfc="white" if step else COLOURS[name], elinewidth=1,
                            )  # fmt: skip
            axes.plot([], [], "o", c=COLOURS[name], label=kind.label)
        axes.set_xticks(range(len(threats)), [t.replace("_", " ").replace("@", "\n") for t in threats])
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="accuracy (share of images right)", ylim=(0, 1), title=f"Rate read-out, {title} budget")
        figure.legend(loc="outside right center", frameon=False, title="● one trial   ○ mean of ten")


def figure_of_learning(records: list[Record], path: Path, title: str) -> None:
    """Weights that spikes have taught against their fixed point."""
    with drawn(path, (4.4, 3.4)) as figure:
        axes = figure.subplots()
        for colour, causal in zip(("#0072B2", "#D55E00"), (0.0, 1.0), strict=True):
            for index, r in enumerate(r.results for r in records if r.config["causal"] == causal):
                label = ("post before pre: regression", "pre before post: with shot noise")[int(causal)]
                point, learned = r["stdp.fixed_point"], r["stdp.weights"]
                axes.plot(point, learned, ".", ms=4, c=colour, label=None if index else label)
        axes.axline((0, 0), slope=1, c="#333333", lw=0.8)
        axes.set(xlabel="fixed point of the weight, derived", ylabel="weight learned from spikes")
        axes.set_title(f"Spike-timing plasticity, {title} budget")
        figure.legend(loc="outside lower center", frameon=False)
