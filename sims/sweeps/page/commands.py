"""Lines to type to take a grid, or a unit of it, out of the page and into Python or onto a chip."""

import shlex
from pathlib import Path


def commands(path: Path, chip: bool, signal: bool) -> dict[str, str]:
    """Return the shell line that exports the grid unit by unit, and the Python line of one unit, {y} and {x} open."""
    file = shlex.quote(str(path))
    if chip:
        shell = f"localnoise export {file} --format json --out units"
        python = f"from localnoise.hardware import load_chip\nload_chip({str(path)!r}).realised[{{y}}, {{x}}]"
        return {"shell": shell, "python": python}
    calibration = " --activations RUN.h5:h" if signal else ""
    shell = f"localnoise quantise {file}{calibration} -o chip.h5 && localnoise export chip.h5 --format json --out units"
    return {"shell": shell, "python": f"import localnoise as ln\nln.load({str(path)!r})[{{y}}, {{x}}]"}
