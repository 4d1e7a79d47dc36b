"""Reading a program's file: see `hardware.network.saving` for its layout. Every number in it is doubted."""

import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from localnoise.errors import ArgumentError, FileFormatError, short
from localnoise.hardware.network.layers import KINDS
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.saving import NETWORK_SCHEMA
from localnoise.hardware.texts import from_json
from localnoise.hdf5 import Budget, member

_MOST_BYTES, _MOST_LAYERS = 2**30, 10_000


def read_program(source: Path, file: Any) -> Program:
    """Read the program of an open file.

    Raises
    ------
    FileFormatError
        Another schema, layers that do not belong together, or an integer out of its range.
    """
    schema = int(file.attrs.get("schema", -1))
    if schema != NETWORK_SCHEMA:
        raise FileFormatError(
            f"{source}: schema {schema}, this version reads {NETWORK_SCHEMA}; use the version that wrote it"
        )
    budget = Budget(source, _MOST_BYTES)
    try:
        own, said, provenance = (_document(source, file, name, budget) for name in ("input", "layers", "provenance"))
        if not isinstance(said, list) or len(said) > _MOST_LAYERS:
            raise ArgumentError(f"layers={short(said, 40)}: expected a list of at most {_MOST_LAYERS:,}")
        layers = []
        for k, numbers in enumerate(said):
            arrays = _arrays(source, file, str(k), budget)
            kind = KINDS.get(str(numbers.pop("kind", None)) if isinstance(numbers, dict) else "")
            if kind is None:
                raise ArgumentError(f"layer {k} is of no kind that this version knows")
            layers.append(_made(kind, numbers, arrays))
        program = Program(
            shape=_typed(tuple[int, int, int], own["shape"]),
            bits=_typed(int, own["bits"]),
            scale=_typed(int, own["scale"]),
            layers=layers,
            weight_bits=min(max(_typed(int, own["weight_bits"]), 2), 8),
        )
        if "golden" in file:
            found = member(source, file, "golden")
            budget.spend(found)
            program.golden = program.checked(found[()])
    except (ArgumentError, KeyError, TypeError) as error:
        raise FileFormatError(f"{source}: {short(error.args[0], 200)}; the file was edited or damaged") from None
    program.provenance = dict(provenance)
    return program


def _document(source: Path, file: Any, name: str, budget: Budget) -> Any:
    found = member(source, file, name)
    if found.dtype != np.uint8 or found.ndim != 1:
        raise ArgumentError(f"{name} is {found.dtype} {found.shape}, expected bytes of JSON")
    budget.spend(found)
    return from_json(found[()].tobytes())


def _arrays(source: Path, file: Any, name: str, budget: Budget) -> dict[str, Any]:
    group, arrays = member(source, file, name), {}
    for key in ("weights", "bias", "fraction", "table", "noise_lift"):
        if key in group:
            found = member(source, group, key)
            budget.spend(found)
            arrays[key] = found[()]
    return arrays


def _made(kind: Any, numbers: Any, arrays: dict[str, Any]) -> Any:
    """Return the dataclass `kind` of numbers as JSON has them, each of the type that its field names."""
    if not isinstance(numbers, dict):
        raise ArgumentError(f"{short(numbers, 40)}: expected the numbers of {kind.__name__}")
    hints, given = get_type_hints(kind), dict[str, Any]()
    for one in fields(kind):
        if one.name in arrays:
            given[one.name] = arrays[one.name]
        elif one.name in numbers:
            hint = hints[one.name]
            value = numbers[one.name]
            given[one.name] = _made(hint, value, arrays) if is_dataclass(hint) else _typed(hint, value)
        else:
            raise ArgumentError(f"{one.name} of {kind.__name__} is missing")
    return kind(**given)


def _typed(hint: Any, value: Any) -> Any:
    """Return a value of JSON as `hint` says: int, bool, str, or a tuple of them."""
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if isinstance(value, list):
            kinds = (kinds[0],) * len(value) if kinds[-1] is ... else kinds
            if len(kinds) == len(value) <= 16:
                return tuple(_typed(kind, one) for kind, one in zip(kinds, value, strict=True))
    elif type(value) is hint and not isinstance(hint, types.GenericAlias):
        return value
    raise ArgumentError(f"{short(repr(value), 40)}: expected {hint}")
