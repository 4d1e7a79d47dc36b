"""Names that commands take: rules, orders, trainings, perturbations, attacks, defenses, tasks, chips."""

import inspect
import re
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Annotated, Any

import typer

from localnoise.sims.runtime import commands
from localnoise.sims.runtime.choices import one_of
from localnoise.sims.runtime.console import console, show
from localnoise.sims.runtime.tables import terminal_table

Rows = list[tuple[str, str]]
_EARLIER = {"networks": "tasks"}
_NUMBER = re.compile(r"(?<![A-Za-z0-9])\d+")  # the number of a name such as multiscale-8


def _said(thing: object) -> str:
    """Return what a part says of itself in a list: its `summary`, else its docstring's first line."""
    return getattr(thing, "summary", "") or (inspect.getdoc(thing) or "").partition("\n")[0]


def _of(registry: Mapping[str, Any]) -> Rows:
    return [(name, _said(registry[name])) for name in registry]


def _plainly(said: str) -> str:
    """Return what an order's docstring says it returns as a list says it."""
    said = said.removeprefix("Return the units ")
    return said[:1].upper() + said[1:]


def _rules(every: bool) -> Rows:
    """Rules by which units learn: --rule."""
    from localnoise.rules import RULES

    return _of(RULES.available())


def _orders(every: bool) -> Rows:
    """In which order units stand, and so which are parents: --order."""
    from localnoise.orders import ORDERS

    return [(name, _plainly(said)) for name, said in _of(ORDERS.available())]


def _trainings(every: bool) -> Rows:
    """Ways in which networks learn, by backpropagation or by local rules: --training."""
    from localnoise.nn.local import LOCAL_RULES
    from localnoise.nn.local.base import BACKPROP

    said = "All layers lower the last one's loss; its gradient crosses them backward."
    return [(BACKPROP, said), *_of(LOCAL_RULES.available())]


def _perturbations(every: bool) -> Rows:
    """Perturbations of inputs: NAME@LEVEL of --train and --test."""
    from localnoise.sims.perturbations import HELD_OUT, MODIFICATIONS, PAPER

    usual = MODIFICATIONS if every else [name for name in MODIFICATIONS if name in PAPER or name not in HELD_OUT]
    return [(name, f"{MODIFICATIONS[name].description} Default level {MODIFICATIONS[name].level:g}.") for name in usual]


def _attacks(every: bool) -> Rows:
    """Attacks on inputs: NAME@EPS of --train and --test."""
    from localnoise.sims.attacks import EPS, PGD
    from localnoise.sims.attacks.registry import ATTACKS

    return [(name, _said(ATTACKS[name]) or _said(ATTACKS[name](PGD(), EPS))) for name in ATTACKS]


def _defenses(every: bool) -> Rows:
    """Defenses that experiments compare, noise, trainings and repairs: --defenses."""
    from localnoise.sims.defenses import DEFENSES

    names = [name for name in DEFENSES if every or not name.startswith(("chip-", "wires-", "mix-"))]
    return [(name, DEFENSES[name].summary or DEFENSES[name].label) for name in names]


def _tasks(every: bool) -> Rows:
    """Networks with their data: --task."""
    from localnoise.sims.tasks import TASKS, find

    return [(name, find(name).description) for name in TASKS]


def _chips(every: bool) -> Rows:
    """Chips that a grid or a network is to fit: --chip."""
    from localnoise.hardware.chips.profile import load_profile, profile_names

    rows = []
    for name in profile_names():
        profile = load_profile(name)
        known = sum(figure.status != "unknown" for figure in profile.limits.values())
        limits = f": {profile.kind}, {known} of {len(profile.limits)} limits published" * (profile.kind != name)
        rows.append((name, f"{profile.title}{limits}."))
    return rows


KINDS: dict[str, Callable[[bool], Rows]] = {
    "rules": _rules,
    "orders": _orders,
    "trainings": _trainings,
    "perturbations": _perturbations,
    "attacks": _attacks,
    "defenses": _defenses,
    "tasks": _tasks,
    "chips": _chips,
}


def families(rows: Rows) -> Rows:
    """Return rows in which neighbors that differ by one number, and say the same, are one.

    Examples
    --------
    >>> families([("none", "No noise."), ("signal-4", "K parents."), ("signal-8", "K parents.")])
    [('none', 'No noise.'), ('signal-K', 'K parents. K = 4, 8.')]
    """
    out = []
    for (family, said), group in groupby(rows, lambda row: (_NUMBER.sub("K", row[0], count=1), row[1])):
        names = [name for name, _ in group]
        numbers = [found[0] for name in names if (found := _NUMBER.search(name))]
        out.append((names[0], said) if len(names) == 1 else (family, f"{said} K = {', '.join(numbers)}."))
    return out


@commands.register(
    "list",
    "Start",
    "List what commands take by name: rules, orders, perturbations, attacks, defenses, tasks, chips, ...",
)
def names(
    kind: Annotated[
        str, one_of(KINDS, made=typer.Argument, earlier=_EARLIER, help="What to list; nothing: what there is to list.")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Each name for itself; also chip grids, mixtures, held-out corruptions.")
    ] = False,
) -> None:
    """List names that commands take, each with what it stands for.

    Examples
    --------
        localnoise list

        localnoise list defenses

        localnoise list perturbations --all
    """
    if not kind:
        show(terminal_table(["list", "what it is"], [(name, _said(one)) for name, one in KINDS.items()], left=(0, 1)))
        return
    of = KINDS[kind]
    rows, everything = of(every), of(True)
    show(terminal_table(["name", "what it is"], rows if every else families(rows), left=(0, 1)))
    hidden = len(everything) - len(rows)
    if hidden:
        console.print(f"{hidden} more with --all")
