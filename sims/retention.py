"""How much of the central method's robustness the local rules keep: the README's table, on the full data set."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.files import write_text
from localnoise.sims.console import console, show
from localnoise.sims.data import load
from localnoise.sims.experiments.cells import crossed
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.source import Source
from localnoise.sims.reports import figures, tables
from localnoise.sims.reports.summary import summarise

ARMS = (
    "none",
    "identity",
    "diagonal",
    "full",
    "raster-1",
    "multiscale-4",
    "multiscale-8",
    "hubs-8",
    "signal-8",
    "bank-8",
    "augmentation",
)
SOURCES = ("rotate", "obstruction", "line_blur", "brighten", "pgd")


def retention(
    out: Annotated[Path, typer.Option(help="Folder for the record, tables and figures.")] = Path("results/retention"),
    data: Annotated[str, typer.Option(help="full or embedded.")] = "full",
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the four IDX files of the full set.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds 0, 1, ..., each with its own network.")] = 3,
    sources: Annotated[str, typer.Option(help="Comma-separated: modifications and pgd.")] = ",".join(SOURCES),
    arms: Annotated[str, typer.Option(help="Comma-separated arms.")] = ",".join(ARMS),
    mixed: Annotated[
        str, typer.Option(help="Arms also trained on all modifications at once.")
    ] = "signal-8,bank-8,augmentation",
    jobs: Annotated[int, typer.Option(help="Processes, each with one thread and about 4 GiB.")] = 2,
    mix: Annotated[bool, typer.Option("--mix", help="Go on in a record that other code began.")] = False,
) -> None:
    """Compare local with central noise on every source, with 95 % intervals over seeds; hours on the full set.

    Interrupt it whenever you like: finished cells are kept, and the same command goes on.

    Examples
    --------
        localnoise retention

        localnoise retention --data embedded --seeds 2 --sources rotate --arms none,full,multiscale-8
    """
    cells = crossed(
        range(seeds),
        tuple(map(Source.default, sources.split(","))),
        tuple(arms.split(",")),
        tuple(filter(None, mixed.split(","))),
    )
    chosen = Settings(data=data, fingerprint=load(data, data_dir).fingerprint)
    records = conduct(cells, chosen, out, data_dir=data_dir, jobs=jobs, mix=mix)
    summary = summarise(records)
    show(tables.terminal(summary, f"Accuracy on Fashion-MNIST, {data} set, {_count(seeds)}"))
    console.print(tables.footnote(summary))
    text = "\n\n".join(
        (
            "Accuracy on the modified test set:\n\n" + tables.markdown(summary, lambda entry: entry.accuracy),
            "Accuracy of the same nets on the clean test set:\n\n"
            + tables.markdown(summary, lambda entry: entry.clean),
            "Retention of the central gain:\n\n" + tables.markdown(summary, lambda entry: entry.retention),
            "Accuracy less that of augmentation with the same sources, paired by seed:\n\n"
            + tables.markdown(summary, lambda entry: entry.lead),
        )
    )
    write_text(out / "tables.md", text + "\n")
    figures.accuracies(summary, out / "accuracy.png", f"{data} set, {_count(seeds)}".capitalize())
    if any(entry.retention for entry in summary.entries.values()):
        figures.retentions(summary, out / "retention.png", f"{data} set, {_count(seeds)}".capitalize())
    console.print(f"{out / 'tables.md'} and figures")


def _count(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


if __name__ == "__main__":
    typer.run(retention)
