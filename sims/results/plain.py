"""Settings as plain values: what a record stores, and what a configuration's key is made of."""

from dataclasses import fields, is_dataclass
from typing import Any

LATER = {"later": True}  # metadata of a field that older records lack: at its default it is no part of the key
AS_TRACE = {"recorded": "trace"}  # metadata of a field that records know by its earlier name


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries, sequences as lists, all else as it is; fields marked `LATER` only off their default.

    Examples
    --------
    >>> from localnoise.sims.evaluation.source import Source
    >>> plain((Source.default("rotate"),))
    [{'name': 'rotate', 'level': 1.6, 'trace': 0.5}]
    """
    if is_dataclass(value) and not isinstance(value, type):
        said = {field.name: (field, getattr(value, field.name)) for field in fields(value)}
        return {
            field.metadata.get("recorded", name): plain(own)
            for name, (field, own) in said.items()
            if not (field.metadata.get("later") and own == field.default)
        }
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value
