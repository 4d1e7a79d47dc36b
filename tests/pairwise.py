"""A few of all combinations in which every two values of any two parameters still meet: the fast tier's share."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any


def covering(cases: Sequence[Mapping[str, Any]]) -> set[int]:
    """Return the indices of cases that, taken together, hold every pair of values that any case holds.

    Greedy: again and again the case with the most pairs that are still missing, the first of equals.
    """
    pairs = [set(combinations(sorted(factors(case)), 2)) or set(factors(case)) for case in cases]
    missing, chosen = set().union(*pairs), set()
    while missing:
        best = max(range(len(cases)), key=lambda index: len(pairs[index] & missing))
        chosen.add(best)
        missing -= pairs[best]
    return chosen


def factors(case: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name every value of a case; what is itself a mapping or a tuple counts as several."""
    for name, value in case.items():
        if isinstance(value, Mapping):
            yield from factors({f"{name}.{key}": part for key, part in value.items()})
        elif isinstance(value, tuple) and value:
            yield from factors({f"{name}.{key}": part for key, part in enumerate(value)})
        else:
            yield name, repr(value)
