"""A surprise as one HDF5 file (format localnoise.surprise, schema 1).

Attributes `neighbors`, `regions`, `provenance` (JSON); data sets `centre` (C, H, W), `unit_mean` and `unit_deviation`
(H, W), `unit_ranks` (n, H, W), `mean` (p,), `whitening` (p, p), `ranks` (n',); group `law`, a grid without statistics.
"""

from pathlib import Path
from typing import Any

import numpy as np

from localnoise.files import hdf5
from localnoise.saving import CHECKSUMMED, packed, versions, write_array, write_grid

FORMAT, SCHEMA = "localnoise.surprise", 1


def save(surprise: Any, path: str | Path) -> Path:
    """Write a surprise to `path`; see `Surprise.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA, "neighbors": int(surprise.neighbors)})
        file.attrs["regions"] = int(surprise.regions)
        file.attrs["provenance"] = packed("provenance", versions() | surprise.provenance)
        units, image = surprise.units, surprise.image
        write_array(file, "centre", surprise.centre)
        for name in ("mean", "deviation", "ranks"):
            write_array(file, f"unit_{name}", getattr(units, name))
        for name in ("mean", "whitening", "ranks"):
            write_array(file, name, getattr(image, name))
        write_grid(file.create_group("law"), surprise.law, state=False)
    return Path(path)
