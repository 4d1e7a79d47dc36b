"""One record, and how it becomes a flat row."""

from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_BYTES = 2**30  # of all arrays of a file, unless its reader allows for more


@dataclass(frozen=True)
class Record:
    """One finished result: what was asked, what came out, what made it, and the seconds that it took."""

    config: dict[str, Any]
    results: dict[str, Any]
    provenance: dict[str, Any]
    seconds: float


def flat(record: Record) -> dict[str, Any]:
    """Return a record as one row: results and `seconds` under their names, the rest under dotted ones."""
    row = {"seconds": record.seconds} | record.results

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for name, part in value.items():
                add(f"{prefix}.{name}", part)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for index, part in enumerate(value):
                add(f"{prefix}.{index}", part)
        else:
            row[prefix] = value

    add("config", record.config)
    add("provenance", record.provenance)
    return row


def plain_value(value: Any) -> Any:
    """Return a number or a text as Python's own."""
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode() if isinstance(value, bytes) else value
