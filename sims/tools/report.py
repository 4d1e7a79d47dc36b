"""Results of an experiment or a sweep, made again from its records: tables and figures, or one page to look through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Annotated

import typer

from localnoise.errors import ArgumentError
from localnoise.files import as_output, write_text
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, errors
from localnoise.sims.runtime.options import Force

DRAWN = ("front.png", "importance.png", "parallel.png", "retention.png", "table.md")  # in the folder for figures
_LONG = 5.0  # seconds after which progress is shown


@commands.register("report", "Evaluate", "Make tables, figures and pages again, from records.")
def report(
    record: Annotated[
        Path,
        typer.Argument(
            help="File of records of a sweep or an experiment, or the --out folder of compare, transfer, retention, ..."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Of a sweep: HTML file to write. Default: report.html.",
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Of a sweep: folder for figures for print, and the front as table.md.")
    ] = None,
    command: Annotated[
        str, typer.Option("--as", help="Command that wrote an experiment's records, where they do not say so.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Of an experiment: folder for tables and figures. Default: the record's own.")
    ] = None,
    force: Force = False,
) -> None:
    """Make tables, figures and pages of records, also of those that are still being written.

    A sweep becomes one self-contained page. Records of compare, transfer, repair, stream, tradeoff, retention, paper,
    train, audit, bits, wires and spiking become the tables and figures that these commands end with.

    Examples
    --------
        localnoise report results/sweep/quick.sqlite -o report.html

        localnoise report study.sqlite -o report.html --figures figures

        localnoise report results/compare

        localnoise report results/retention --out figures

        localnoise report transfer.sqlite --as transfer --out figures
    """
    from localnoise.sims.experiments.conduct import publish
    from localnoise.sims.results.records import NAME
    from localnoise.sims.sweeps.keeping import is_sweep
    from localnoise.sims.tools.remade import remade

    path = record / NAME if record.is_dir() else record
    if is_sweep(path):
        if command:
            raise ArgumentError(f"--as {command}: expected none with a sweep, whose record says what it is; drop it")
        if out is not None:
            raise ArgumentError(
                f"--out {out}: expected with an experiment; a sweep's page is a file, --output report.html"
            )
        _page(path, output or Path("report.html"), figures, force=force)
        return
    if figures is not None:
        raise ArgumentError(f"--figures {figures}: expected with a sweep; of an experiment they go to --out")
    if output is not None and out is not None:
        raise ArgumentError(f"--output {output}: expected with a sweep; of an experiment all goes to --out")
    if output is not None:
        errors.print("warning: of an experiment --output is now --out; the old name goes with the next version")
    with _slowly("making tables and figures"):
        publish(*remade(path, command), out or output or path.parent)


@contextmanager
def _slowly(what: str) -> Iterator[Callable[[int, int], None]]:
    """Report progress to standard error once `what` has taken five seconds; yield what is told (done, of)."""
    from localnoise.sims.runtime.console import follow, progress

    bars = progress()
    bar = bars.add_task(what, total=None)
    late = Timer(_LONG, lambda: bars.start() if errors.is_terminal else errors.print(f"{what} ..."))
    late.daemon = True
    late.start()
    try:
        yield follow(bars, bar)
    finally:
        late.cancel()
        late.join()
        bars.stop()


def _kinds(name: str) -> list[str]:
    from localnoise.sims.reports.figures import kinds

    return kinds(name) if name.endswith(".png") else [name]


def _page(record: Path, output: Path, figures: Path | None, *, force: bool) -> None:
    from localnoise.sims.sweeps.figures import figures as draw
    from localnoise.sims.sweeps.page import write_page
    from localnoise.sims.sweeps.summary import content_of, markdown

    as_output("output", output, "a page", inputs={"record": record}, force=force)
    for place in [] if figures is None else [figures / kind for name in DRAWN for kind in _kinds(name)]:
        kind = "a table" if place.suffix == ".md" else "a figure"
        as_output("figures", place, kind, inputs={"record": record, "output": output}, force=force)
    with _slowly("reading trials"):
        content = content_of(record)
    with _slowly("drawing figures"):
        drawn = draw(content, figures) if figures is not None and content.trials else []
        if figures is not None and drawn:
            write_text(figures / "table.md", markdown(record) + "\n")
    with _slowly("preparing grids to explore") as on_progress:
        write_page(content, output, on_progress)
    size = output.stat().st_size / 2**20
    console.print(f"{output}: {len(content.trials)} trials, {len(content.grids)} grids to explore, {size:.1f} MiB")
    if drawn:
        console.print(f"{figures}: {', '.join(kind for path in drawn for kind in _kinds(path.name))}")


if __name__ == "__main__":
    typer.run(report)
