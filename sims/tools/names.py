"""Names that commands take: rules, orders, trainings, perturbations, attacks, defenses, tasks, chips."""

import inspect
from collections.abc import Callable
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from localnoise.errors import choose
from localnoise.sims.runtime.console import console, show

Rows = list[tuple[str, str]]


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _rules(every: bool) -> Rows:
    from localnoise.rules import RULES

    return [(name, _first_line(rule)) for name, rule in RULES.available().items()]


def _orders(every: bool) -> Rows:
    from localnoise.orders import ORDERS

    return [(name, _first_line(order)) for name, order in ORDERS.available().items()]


def _trainings(every: bool) -> Rows:
    from localnoise.nn.local import LOCAL_RULES
    from localnoise.nn.local.base import BACKPROP

    said = "All layers lower the last one's loss; its gradient crosses them backward."
    return [(BACKPROP, said), *((name, _first_line(rule)) for name, rule in LOCAL_RULES.available().items())]


def _perturbations(every: bool) -> Rows:
    from localnoise.sims.perturbations import HELD_OUT, MODIFICATIONS, PAPER

    usual = MODIFICATIONS if every else [name for name in MODIFICATIONS if name in PAPER or name not in HELD_OUT]
    return [(name, f"{MODIFICATIONS[name].description} Default level {MODIFICATIONS[name].level:g}.") for name in usual]


def _attacks(every: bool) -> Rows:
    from localnoise.sims.attacks import EPS, PGD
    from localnoise.sims.attacks.registry import ATTACKS

    return [(name, _first_line(ATTACKS[name](PGD(), EPS))) for name in ATTACKS]


def _defenses(every: bool) -> Rows:
    from localnoise.sims.defenses import DEFENSES

    names = [name for name in DEFENSES if every or not name.startswith(("chip-", "wires-", "mix-"))]
    return [(name, DEFENSES[name].label) for name in names]


def _tasks(every: bool) -> Rows:
    from localnoise.sims.tasks import TASKS, find

    return [(name, find(name).description) for name in TASKS]


def _chips(every: bool) -> Rows:
    from localnoise.hardware.chips.profile import load_profile, profile_names

    return [(name, load_profile(name).title) for name in profile_names()]


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


def names(
    kind: Annotated[str, typer.Argument(metavar="|".join(KINDS), help="What to list.")],
    every: Annotated[bool, typer.Option("--all", help="Also chip grids, mixtures, held-out corruptions.")] = False,
) -> None:
    """List names that commands take, each with what it stands for.

    Examples
    --------
        localnoise list defenses

        localnoise list perturbations --all
    """
    rows = KINDS[choose("kind", kind, KINDS)](every)
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "what it is"):
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    show(table)
    hidden = len(KINDS[kind](True)) - len(rows)
    if hidden:
        console.print(f"{hidden} more with --all")
