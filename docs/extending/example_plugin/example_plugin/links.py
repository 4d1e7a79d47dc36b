"""An export format: a chip grid's links as a table, for a spreadsheet or a placement tool."""

from pathlib import Path
from typing import Any

from localnoise.hardware.export.exporters import EXPORTERS


@EXPORTERS.register("links")
class Links:
    """The links of a chip grid as links.csv: a row each, the parent, the unit, the words that the link holds."""

    options = ()

    @staticmethod
    def write(chip: Any, folder: Path, seed: int, learner: Any, **options: Any) -> None:
        """Write links.csv into the folder."""
        m = chip.field.channels
        rows = [f"{p},{u},{m * m}" for u, parents in enumerate(chip.field.parents) for p in parents if p >= 0]
        (folder / "links.csv").write_text("\n".join(["parent,unit,words", *rows]) + "\n")
