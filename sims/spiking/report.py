"""Tables and figures of `localnoise spiking`, from its records."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from localnoise.files import write_text
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, over_seeds
from localnoise.sims.spiking.accuracies import accuracies, gains, ordered
from localnoise.sims.spiking.arms import VARIABILITIES
from localnoise.sims.spiking.figures import figure_of_defence, figure_of_learning, figure_of_variability

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
        "defence": [partial(_defence, which=0), _gained, partial(_defence, which=1)],
    }
    of = {part: [r for r in own if r.config["part"] == part] for part in made}
    return [make(of[part]) for part, several in made.items() if of[part] for make in several]


def write(records: Iterable[Record], out: Path, title: str) -> list[str]:
    """Write the figures and the tables as Markdown into `out`; returns their names."""
    own, names = list(records), ["tables.md"]
    write_text(out / "tables.md", "\n\n".join(markdown(table) for table in tables(own)) + "\n")
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
    threats = ordered(threat for _, _, threat in found)
    title = ("Accuracy by one trial of Brian2's spikes", "Accuracy by ten trials of the table's counts")[which]
    heads = [t.replace("_", " ").replace("@", "\n") for t in threats]
    table = _table(title, "variability", "field of", *heads)
    for name, learned in dict.fromkeys((n, s) for n, s, _ in found):
        cells = [_share(found.get((name, learned, t)), which) for t in threats]
        table.add_row(VARIABILITIES[name].label, learned.replace("_", " ").replace("@", " "), *cells)
    return table


def _gained(records: list[Record]) -> Table:
    found = gains(records)
    threats = ordered(threat for _, _, threat in found)
    heads = [t.replace("_", " ").replace("@", "\n") for t in threats]
    table = _table("Accuracy gained over none, one trial, same images", "variability", "field of", *heads)
    for name, learned in dict.fromkeys((n, s) for n, s, _ in found):
        own = [found.get((name, learned, t)) for t in threats]
        cells = ["" if gain is None else f"{gain.mean:+.3f} ± {gain.half_width:.3f}" for gain in own]
        table.add_row(VARIABILITIES[name].label, learned.replace("_", " ").replace("@", " "), *cells)
    return table


def _share(pair: tuple[Estimate, Estimate] | None, which: int) -> str:
    return "" if pair is None else f"{pair[which].mean:.3f} ± {pair[which].half_width:.3f}"


def _text(values: list[float]) -> str:
    mean = float(np.mean(values))
    size = "," if abs(mean) >= 1000 else ""
    digits = 0 if abs(mean) >= 100 else 1 if abs(mean) >= 10 else 2 if abs(mean) >= 1 else 3
    if len(values) < 2:
        return f"{mean:{size}.{digits}f}"
    return f"{mean:{size}.{digits}f} ± {over_seeds(values, 1).half_width:{size}.{digits}f}"
