"""Tables and figures of `localnoise spiking`, from its records."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from localnoise.files import write_text
from localnoise.sims.reports.figures import kinds
from localnoise.sims.reports.table import as_markdown, texts
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import over_seeds
from localnoise.sims.spiking.accuracies import accuracies, gains, ordered
from localnoise.sims.spiking.arms import VARIABILITIES
from localnoise.sims.spiking.figures import figure_of_defence, figure_of_learning, figure_of_variability

T = TypeVar("T")
MEASURES = {
    "rate": "rate\n(Hz)", "fano": "Fano\nfactor", "correlation": "noise\ncorrelation",
    "correlation.spread": "its SD\nover pairs", "slope.signal": "slope on signal\ncorrelation",
    "participation": "participation\nratio", "alignment": "alignment\nwith change",
    "alignment.random": "random\ndirection",
}  # fmt: skip


def tables(records: Iterable[Record]) -> dict[str, pd.DataFrame]:
    """Return the tables of all parts that the records hold, by their titles."""
    own = list(records)
    made: dict[str, list[Callable[[list[Record]], tuple[str, pd.DataFrame]]]] = {
        "field": [_fields],
        "learning": [_lessons],
        "variability": [_variability],
        "defence": [partial(_defence, which=0), _gained, partial(_defence, which=1)],
    }
    of = {part: [r for r in own if r.config["part"] == part] for part in made}
    return dict(make(of[part]) for part, several in made.items() if of[part] for make in several)


def write(records: Iterable[Record], out: Path, title: str) -> list[str]:
    """Write the figures and the tables as Markdown into `out`; returns their names."""
    own, names = list(records), ["tables.md"]
    write_text(out / "tables.md", markdown(own) + "\n")
    drawings = {"variability": figure_of_variability, "defence": figure_of_defence, "learning": figure_of_learning}
    for part, draw in drawings.items():
        found = [r for r in own if r.config["part"] == part]
        if found:
            draw(found, out / f"{part}.png", title)
            names += kinds(f"{part}.png")
    return names


def markdown(records: Iterable[Record]) -> str:
    """The tables in Markdown, each below its title."""
    return "\n\n".join(f"{title}:\n\n{as_markdown(table)}" for title, table in tables(records).items())


def _fields(records: list[Record]) -> tuple[str, pd.DataFrame]:
    heads = (
        "difference to\nNumba (SD)",
        "mean z²",
        "median of\nNumba's",
        "95 % of\nNumba's",
        "p",
        "largest z",
        "entries",
    )
    rows = []
    for record in sorted(records, key=lambda r: (r.config["order"], r.config["signal"], r.config["seed"])):
        c, r = record.config, record.results
        middle, high = np.percentile(r["field.numba_mean_square_z"], [50, 95])
        z = (r["field.mean_square_z"], middle, high, r["field.p"], r["field.largest_z"])
        cells = [f"{r['field.difference']:.0e}", *(f"{float(value):.2f}" for value in z), f"{r['field.entries']:,}"]
        name = c["order"] + (", signal-dependent" if c["signal"] == "local" else "")
        rows.append([name, str(c["seed"]), f"{r['field.draws']:,}", *cells])
    return "Field in Brian2", texts(("grid", "seed", "draws", *heads), rows)


def _lessons(records: list[Record]) -> tuple[str, pd.DataFrame]:
    heads = ("weights to\nfixed point", "to the\nregression", "mean z²", "covariance\nerror", "if it were\ndiagonal")
    rows = []
    for record in sorted(records, key=lambda r: (r.config["causal"], r.config["seed"])):
        c, r = record.config, record.results
        shares = [f"{r[name]:.3f}" for name in ("stdp.error", "stdp.regression_error")]
        more = [f"{r[name]:.3f}" for name in ("stdp.covariance_error", "stdp.independent_error")]
        z = f"{r['stdp.mean_square_z']:.2f}"
        rows.append([f"{c['causal']:g}", str(c["seed"]), f"{r['lms.difference']:.0e}", *shares, z, *more])
    return "Rules in Brian2", texts(("causal\nshare", "seed", "lms to Numba's", *heads), rows)


def _variability(records: list[Record]) -> tuple[str, pd.DataFrame]:
    source = records[0].config["source"]
    rows = []
    for name, kind in VARIABILITIES.items():
        own = [r.results for r in records if r.config["variability"] == name]
        if own:
            rows.append([kind.label, *(_text([float(r[m]) for r in own]) for m in MEASURES)])
    title = f"Variability, field of {source['name']} {source['level']:g}"
    return title, texts(("variability", *MEASURES.values()), rows)


def _defence(records: list[Record], which: int) -> tuple[str, pd.DataFrame]:
    title = ("Accuracy by one trial of Brian2's spikes", "Accuracy by ten trials of the table's counts")[which]
    return title, _against(accuracies(records), lambda pair: f"{pair[which].mean:.3f} ± {pair[which].half_width:.3f}")


def _gained(records: list[Record]) -> tuple[str, pd.DataFrame]:
    title = "Accuracy gained over none, one trial, same images"
    return title, _against(gains(records), lambda gain: f"{gain.mean:+.3f} ± {gain.half_width:.3f}")


def _against(found: Mapping[tuple[str, str, str], T | None], text: Callable[[T], str]) -> pd.DataFrame:
    """A row for each kind of variability and field, a column for each threat."""
    threats = ordered(threat for _, _, threat in found)
    rows = [
        [VARIABILITIES[name].label, learned.replace("_", " ").replace("@", " ")]
        + ["" if (one := found.get((name, learned, threat))) is None else text(one) for threat in threats]
        for name, learned in dict.fromkeys((name, learned) for name, learned, _ in found)
    ]
    return texts(("variability", "field of", *(t.replace("_", " ").replace("@", "\n") for t in threats)), rows)


def _text(values: list[float]) -> str:
    mean = float(np.mean(values))
    size = "," if abs(mean) >= 1000 else ""
    digits = 0 if abs(mean) >= 100 else 1 if abs(mean) >= 10 else 2 if abs(mean) >= 1 else 3
    if len(values) < 2:
        return f"{mean:{size}.{digits}f}"
    return f"{mean:{size}.{digits}f} ± {over_seeds(values, 1).half_width:{size}.{digits}f}"
