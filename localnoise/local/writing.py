"""A layer of units as one HDF5 file (format localnoise.units, schema 1).

Attributes `config`, `provenance` (JSON); data set `W` (N, p, m); group `rule` with `name`, `options` (JSON), `seen`, a
data set for all else that the rule keeps, and, where a plug-in's rule learned it, `plugin` (JSON).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, listed
from localnoise.files import hdf5
from localnoise.local.rules.base import UNIT_RULES
from localnoise.rules.base import options_of
from localnoise.saving import CHECKSUMMED, packed, versions, write_array

FORMAT, SCHEMA = "localnoise.units", 1


def save(layer: Any, path: str | Path) -> Path:
    """Write a layer to `path`; see `LocalLayer.save`."""
    rule: Any = layer.rule
    if rule.name not in UNIT_RULES or type(rule) is not UNIT_RULES[rule.name]:
        raise ArgumentError(
            f"rule {rule.name!r} is not one of localnoise's or a plug-in's ({listed(UNIT_RULES)}): load could not go "
            f"on learning with it; register its class, @localnoise.local.UNIT_RULES.register({rule.name!r})"
        )
    with hdf5(path, libver=CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA, "config": packed("config", layer.config)})
        file.attrs["provenance"] = packed("provenance", versions() | layer.provenance)
        write_array(file, "W", layer.W)
        group = file.create_group("rule")
        group.attrs.update({"name": np.bytes_(rule.name), "options": packed("rule", options_of(rule))})
        if not UNIT_RULES.is_ours(rule.name):
            group.attrs["plugin"] = packed("plugin", asdict(UNIT_RULES.origin(rule.name)))
        for name, value in layer.state.items():
            if name == "seen":
                group.attrs["seen"] = value
            else:
                write_array(group, name, value)
    return Path(path)
