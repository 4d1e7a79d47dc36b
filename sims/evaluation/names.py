"""Names of what moves images, each with one meaning: `pgd` is PGD with averaged gradients, wherever it is written."""

import difflib
import math
from collections.abc import Iterable, Sequence

from localnoise.errors import ArgumentError, short
from localnoise.sims.attacks import ATTACKS, PAPER_ATTACKS
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.perturbations.modification import parts_of
from localnoise.validate import as_variance

CLEAN, WORST = "clean", "adaptive"  # no change; the worst case over the attacks of an attacker who knows the noise


def as_name(argument: str, value: str, *others: str) -> str:
    """Return `value` if it is a modification, an attack, or one of `others`.

    Raises
    ------
    ArgumentError
        It is not; the nearest name is suggested, for an attack of the paper its own.
    """
    if value in others or value in MODIFICATIONS or value in ATTACKS:
        return value
    names = (*others, *MODIFICATIONS, *ATTACKS)
    parts = [part.partition("@")[0] for part in parts_of(str(value))]
    for one in parts if len(parts) > 1 else []:
        if one not in MODIFICATIONS:
            near = difflib.get_close_matches(one, list(MODIFICATIONS), n=1)
            raise ArgumentError(
                f"{argument}={short(repr(value))}: {one!r} is no modification: a mixture is made of those alone, such "
                f"as motion_blur@3+brightness@3{f'; did you mean {near[0]!r}?' if near else ''}"
            )
    own = [name for name in MODIFICATIONS if not MODIFICATIONS.is_ours(name)]  # of the task, of plug-ins
    near = [f"art-{value}"] if value in PAPER_ATTACKS else difflib.get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ArgumentError(
        f"{argument}={short(repr(value))}: expected {', '.join([*others, *own, ''])}a modification such as rotate "
        f"(`localnoise list perturbations` shows them), or an attack: {', '.join(ATTACKS)}{hint}"
    )


def check_level(name: str, level: float) -> None:
    """Raise an ArgumentError unless a modification has the level, or an attack this eps."""
    if name in MODIFICATIONS:
        MODIFICATIONS[name].checked(level)
    elif (name in ATTACKS or name == WORST) and not 0 <= level < math.inf:
        raise ArgumentError(f"{name}@{level:g}: expected an eps >= 0, in the units of the inputs")


def check_eps(attacks: Iterable[tuple[str, float]], bounds: tuple[float, float] | None) -> None:
    """Raise an ArgumentError if an attack's eps is wider than the inputs' bounds; None: there are none."""
    if bounds is None:
        return
    low, high = bounds
    for name, level in attacks:
        if (name in ATTACKS or name == WORST) and level > high - low:
            raise ArgumentError(
                f"{name}@{level:g}: expected an eps from 0 to {high - low:g}, "
                f"{'pixels' if high - low == 1 else 'inputs'} run from {low:g} to {high:g}"
            )


def name_and_level(text: str) -> tuple[str, float | None]:
    """Split "rotate@2" into a name and a level; without a level it is None.

    Of a mixture, "motion_blur@3+brightness@2", the level is the last part's, and the name all that comes before it.

    Raises
    ------
    ArgumentError
        The level is no number.
    """
    *earlier, last = parts_of(text.strip())
    name, _, level = last.partition("@")
    try:
        return "+".join([*earlier, name]), float(level) if level else None
    except ValueError:
        raise ArgumentError(f"{text!r}: expected NAME or NAME@LEVEL, such as rotate@1.6") from None


def in_full(name: str) -> str:
    """Return a mixture's name with the level of each part but the last one, which has one of its own."""
    *earlier, last = parts_of(name)
    known = [
        one if "@" in one or one not in MODIFICATIONS else f"{one}@{MODIFICATIONS[one].level:g}" for one in earlier
    ]
    return "+".join([*known, last])


def check_shapes(names: Iterable[str], shape: Sequence[int]) -> None:
    """Raise an ArgumentError if a modification does not take inputs (N, ...) of a task's shape."""
    for name in names:
        if name in MODIFICATIONS:
            MODIFICATIONS[name].check_shape("inputs of the task", shape)


def variances_of(text: str) -> list[float]:
    """Noise variances from "2,0.5".

    Raises
    ------
    ArgumentError
        One of them is no number > 0.
    """
    try:
        return [as_variance(float(part)) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(f"traces={text!r}: expected numbers > 0, separated by commas, such as 2,0.5") from None
