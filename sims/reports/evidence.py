"""What records say beside accuracies: who broke images, how much gradients vary, and how much two halves agree."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from localnoise.sims.results.records import Record

_BROKEN, _ONE, _ALL = "adaptive.broken_by.", "adaptive.gradient.one", "adaptive.gradient.all"
_AGREED = "reward.agreement"


def evidence(records: Iterable[Record], row: Callable[[Record], str], *, broken: bool = False) -> list[str]:
    """Return lines below a table; `row` names the row that a record is of. Records of earlier versions say less.

    broken : say which attacks broke images, too.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    agreed: dict[str, list[float]] = {}
    for record in records:
        name, results = row(record), record.results
        for threat in record.config.get("threats", ()):
            if threat["name"] == "adaptive":
                found.setdefault(f"{threat['name']}@{threat['level']:g}", {}).setdefault(name, []).append(results)
        if _AGREED in results:
            agreed.setdefault(name, []).append(results[_AGREED])
    lines = [
        line
        for tested, rows in found.items()
        for line in (_broken(tested, rows) * broken, _varies(tested, rows))
        if line
    ]
    if agreed:
        each = ", ".join(f"{np.mean(values):.3f} ({name})" for name, values in agreed.items())
        lines.append(f"The steps of the noise that two halves of its draws ask for have a cosine of {each}.")
    return lines


def _broken(tested: str, rows: dict[str, list[dict[str, Any]]]) -> str:
    said = []
    for name, several in rows.items():
        counts: dict[str, int] = {}
        for results in several:
            for key, count in results.items():
                if key.startswith(_BROKEN) and count:
                    attack = key.removeprefix(_BROKEN)
                    counts[attack] = counts.get(attack, 0) + int(count)
        if counts:
            said.append(f"{name}: {', '.join(f'{attack} {count}' for attack, count in counts.items())}")
    return f"{tested} broke images by: {'; '.join(said)}." if said else ""


def _varies(tested: str, rows: dict[str, list[dict[str, Any]]]) -> str:
    said = []
    for name, several in rows.items():
        one, every = ([results[key] for results in several if key in results] for key in (_ONE, _ALL))
        if one and every:
            said.append(f"{np.mean(one):.2f}, averaged {np.mean(every):.2f} ({name})")
    return f"{tested}: an image's gradients of two draws have a cosine of {'; '.join(said)}." if said else ""
