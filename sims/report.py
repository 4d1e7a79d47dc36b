"""What a sweep found: figures, and one page to look through, with the grids of its best trials."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.files import as_output, write_text
from localnoise.sims.console import console
from localnoise.sims.options import Force

DRAWN = ("front.png", "importance.png", "parallel.png", "retention.png", "table.md")  # in the folder for figures


def report(
    record: Annotated[Path, typer.Argument(help="HDF5 file that `localnoise sweep` writes or wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path("report.html"),
    figures: Annotated[
        Path | None, typer.Option(help="Folder for figures for print, and the front as table.md.")
    ] = None,
    force: Force = False,
) -> None:
    """Write one self-contained page of a sweep, also of one that is still running, and figures.

    Examples
    --------
        localnoise report results/sweep/quick.h5 -o report.html

        localnoise report study.h5 -o report.html --figures figures
    """
    from localnoise.sims.reports.page import write_page
    from localnoise.sims.reports.sweeping import figures as draw
    from localnoise.sims.sweeps.summary import content_of, markdown

    as_output("output", output, "a page", inputs={"record": record}, force=force)
    for place in [] if figures is None else [figures / name for name in DRAWN]:
        kind = "a table" if place.suffix == ".md" else "a figure"
        as_output("figures", place, kind, inputs={"record": record, "output": output}, force=force)
    content = content_of(record)
    drawn = draw(content, figures) if figures is not None and content.trials else []
    if figures is not None and drawn:
        write_text(figures / "table.md", markdown(record) + "\n")
    write_page(content, output)
    size = output.stat().st_size / 2**20
    console.print(f"{output}: {len(content.trials)} trials, {len(content.grids)} grids to explore, {size:.1f} MiB")
    if drawn:
        console.print(f"{figures}: {', '.join(path.name for path in drawn)}")


if __name__ == "__main__":
    typer.run(report)
