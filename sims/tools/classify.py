"""Classify a task's test inputs by an exported network: image in, class out."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from localnoise.hardware.export.running import classify as run
from localnoise.sims import tasks
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, progress
from localnoise.sims.runtime.options import Images, one_of
from localnoise.validate import as_count

_SHADES = " .:-=+*#%@"


@commands.register("classify", "Chip", "Run inputs through an exported network: image in, class out.")
def classify(
    folder: Annotated[Path, typer.Argument(help="Folder that `localnoise export` wrote of a task's network.")],
    task: Annotated[str, typer.Argument(help="Task whose test inputs are classified: a name, or my_task.py.")],
    images: Annotated[int, typer.Option(help="Test inputs to classify, the first ones.")] = 10,
    on: Annotated[str, one_of(("cortex-m", "host"), help="cortex-m: a Cortex-M4, emulated; host: this computer.")] = (
        "cortex-m"
    ),
    data: Images = "full",
    shown: Annotated[int, typer.Option("--show", help="Images to draw in letters.")] = 0,
) -> None:
    """Run test inputs through an exported network, one by one as a device does: image in, class out.

    The artefact is built and its code is run. Each input's scores are held against the emulator's.

    Exits with 1 where any score differs from the emulator's.

    Examples
    --------
        localnoise classify firmware v2 --images 5 --show 2

        localnoise classify firmware my_task.py --on host --images 1000
    """
    found = tasks.find(task)
    inputs, labels = (part[: as_count("images", images, 1)] for part in found.data(data).pair("test"))
    with progress() as bars:
        bar = bars.add_task(f"classify on {on}", total=len(inputs))

        def each(t: int, own: int, scores: Any) -> None:
            bars.update(bar, completed=t + 1)
            if t < shown and inputs.ndim == 4:
                bars.console.print(Text(_drawn(inputs[t])))
            if t < max(shown, 10):
                verdict = "right" if own == int(labels[t]) else f"wrong, it is {int(labels[t])}"
                bars.console.print(f"input {t}: class {own} ({verdict}); scores {' '.join(map(str, scores.tolist()))}")

        classes, different, cost = run(folder, inputs.numpy(), on, each, task)
    right = int((classes == labels.numpy()).sum())
    console.print(
        f"{right} of {len(classes):,} inputs right; of {len(classes) - different:,} the scores are the emulator's"
    )
    if cost:
        console.print(f"{on}: {cost}")
    if different:
        raise typer.Exit(1)


def _drawn(image: Any) -> str:
    """Return an image's first channel in letters, every second row: letters are twice as high as wide."""
    rows = image[0][::2].clamp(0, 1).mul(len(_SHADES) - 1).round().int().tolist()
    return "\n".join("".join(_SHADES[shade] for shade in row) for row in rows)


if __name__ == "__main__":
    typer.run(classify)
