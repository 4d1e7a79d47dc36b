"""The part of `localnoise export` that is about the artefact: options of its format, fit to a chip, self-test."""

from pathlib import Path
from typing import Any

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, ChipGrid, ChipRepair
from localnoise.hardware.export import export
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.export.naming import USUAL
from localnoise.hardware.export.verilog.placed import must_load
from localnoise.hardware.fitting.network import check_network_fits
from localnoise.hardware.fitting.repair import check_repair_fits
from localnoise.hardware.learners import Learner, learner_of
from localnoise.hardware.network import ChipDefense, Program
from localnoise.sims.reports.fits import required_fit

_USUAL = {"engines": 1, "loaded": False, "name": USUAL, "selftest": 0}


def options_of(**asked: Any) -> dict[str, Any]:
    """Return those of `engines`, `loaded`, `name` and `selftest` that were asked for: no format has all of them."""
    return {option: value for option, value in asked.items() if value != _USUAL[option]}


def asked_learner(rule: str, rate: int | None) -> Learner | None:
    """Return the learner of a rule, None for no rule.

    Raises
    ------
    ArgumentError
        A rate without a rule, or one that the rule cannot have.
    """
    if rate is not None and not rule:
        raise ArgumentError(
            f"rate={rate}: the first step of a learner, and none was asked for; add --learner, or leave --rate out"
        )
    return learner_of(rule, **({} if rate is None else {"rate": rate})) if rule else None


def write(
    held: ChipGrid | ChipBank | ChipRepair | Program | ChipDefense,
    folder: Path,
    kind: str,
    chip: str,
    *,
    seed: int | None,
    learner: Learner | None,
    force: bool,
    options: dict[str, Any],
) -> Path:
    """Export what fits the profile `chip`; returns the folder.

    Raises
    ------
    ArgumentError
        It does not fit, or as `localnoise.hardware.export.export`.
    """
    if isinstance(held, (Program, ChipDefense)):
        check_network_fits(held, chip)
    elif isinstance(held, ChipRepair):
        check_repair_fits(held, chip)
    else:
        required_fit(held, chip, "none" if learner is None else learner.rule)
    if kind in EXPORTERS and "target" in EXPORTERS[kind].options:
        options = options | {"target": chip}
    if kind == "verilog" and "loaded" not in options and isinstance(held, ChipGrid) and must_load(held, chip):
        raise ArgumentError(
            f"chip={chip!r}: its block RAM has no room for this grid's weights; expected --load-weights, which puts "
            "them into single-port RAM"
        )
    return export(held, folder, kind, seed=seed, learner=learner, force=force, **options)


def costs_of_selftest(held: Any, draws: int) -> str:
    """Return a sentence on the memory that an exported self-test takes."""
    from localnoise.hardware.audit.selftest import SelfTest  # SciPy's distributions come with it

    test = SelfTest(held, draws)
    return (
        f"Self-test: {test.state_bytes:,} bytes of RAM for each unit that is tested at a time, "
        f"{test.table_bytes:,} bytes of tables in flash, beside what fits were counted of; {draws:,} draws a unit"
    )
