"""A description of the images: a table and contact sheets, for `localnoise data`."""

from pathlib import Path
from typing import Annotated

import typer

from localnoise.errors import MissingDependencyError
from localnoise.files import as_folder
from localnoise.sims import perturbations
from localnoise.sims.data import contact_sheet, describe, load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations import corruptions
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.choices import one_of
from localnoise.sims.runtime.console import console, show
from localnoise.sims.runtime.tables import terminal_table

_SEED = 5  # of draws that show what the modifications do: no angle near zero, no square on the background alone


@commands.register("data", "Start", "Describe the data set; draw contact sheets of classes and modifications.")
def data(
    images: Annotated[
        str,
        one_of(
            ("embedded", "full"), "--data", help="A subset that ships, or all 60,000 + 10,000, downloaded if need be."
        ),
    ] = "embedded",
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the four IDX files; implies full.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("results/data"),
) -> None:
    """Describe the data set and draw contact sheets of its classes and of the modifications.

    Examples
    --------
        localnoise data

        localnoise data --data-dir fashion-mnist --out figures
    """
    as_folder("out", out)
    dataset = load("full" if data_dir else images, data_dir)
    description = describe(dataset)
    rows = [
        ["" if row.label is None else row.label, row.name, f"{row.train:,}", f"{row.test:,}", f"{row.mean_pixel:.3f}"]
        for row in description.rows
    ]
    heads = ["label", "class", "training", "test", "mean pixel"]
    show(terminal_table(heads, rows, f"Fashion-MNIST: {description.source}", left=(1,)))
    console.print(f"SHA-256 {description.fingerprint}")
    out.mkdir(parents=True, exist_ok=True)
    contact_sheet(dataset, out / "classes.png")
    leave_out = _cannot_be_drawn()
    perturbations.figure(to_tensor(dataset.test_images[:2]), out / "modifications.png", _SEED, leave_out)
    console.print(f"figures {out / 'classes.png'}, {out / 'modifications.png'}")


def _cannot_be_drawn() -> list[str]:
    """Name the modifications that ask for a library that is missing, and say so."""
    try:
        corruptions.library()
    except MissingDependencyError as error:
        names = [corruption.name for corruption in corruptions.CORRUPTIONS]
        console.print(f"Without {', '.join(names)}: {error}")
        return names
    return []


if __name__ == "__main__":
    typer.run(data)
