"""Write a chip grid as an artefact: a folder with all that is needed to build it, to run it and to check it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from localnoise.errors import ArgumentError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export import manifest
from localnoise.hardware.export.exporters import EXPORTERS, LEVEL
from localnoise.hardware.export.folder import replaceable, written_into
from localnoise.hardware.export.naming import USUAL, as_identifier
from localnoise.hardware.learners import Learner, said_of
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.program import Program
from localnoise.hardware.repair import ChipRepair
from localnoise.validate import as_seed


def export(
    chip: ChipGrid | ChipBank | ChipRepair | Program | ChipDefense,
    folder: str | Path,
    kind: str = "c99",
    *,
    seed: int | None = None,
    learner: Learner | None = None,
    force: bool = False,
    **options: Any,
) -> Path:
    """Write a chip grid, bank, repair or network as an artefact, and itself beside it, which `verify` compares it with.

    A bank goes to every format: its draws, and whose turn each is. A grid with `share` or `rank` goes
    to C99, JSON and HDF5; a repair, and a network with or without its defense, to C99.

    Parameters
    ----------
    chip : ChipGrid, ChipBank, ChipRepair, Program or ChipDefense
        What is exported.
    folder : str or Path
        Where to: made if it is not there, else empty, but see `force`.
    kind : str
        "c99": tables, a freestanding runtime, and its header. "verilog": tables, engines, and their top module.
        "json", "hdf5", "nir": the configuration, unit by unit (`hardware.configuration`). Or the name of a plug-in's
        format (`hardware.export.exporters`).
    seed : int, optional
        Of the generators: the stream that the artefact draws. None: a network's noise keeps its own, else 0.
    learner : OnChip, OnChipReward or None
        Adds learning on the chip by this rule, going on from where the chip grid is if it learned by the same one; from
        rewards, from the chip grid's weights.
    force : bool
        Replace an artefact that is there: the files that its manifest names, if none was edited. Others stay.
    **options
        Of some kinds alone: `name` of C99 and Verilog (`hardware.export.naming`); `selftest`, the draws that a unit's
        self-test takes, and its `level`, of C99 (`hardware.audit.selftest`); `engines` and `loaded` of Verilog
        (`hardware.export.verilog.write`); `target`, a chip profile, of configurations.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ArgumentError
        Unknown kind, a learner where the kind has none, a bank or a grid with `share` or `rank` where the kind holds
        none, or a folder that is not empty (`folder.written_into`).
    """
    exporter = _exporter(kind, options)
    if seed is None:
        seed = chip.seed if isinstance(chip, ChipDefense) else 0
    if isinstance(chip, ChipRepair) and not getattr(exporter, "repairs", False):
        able = [other for other, each in EXPORTERS.available().items() if getattr(each, "repairs", False)]
        raise ArgumentError(f"kind={kind!r} holds no repair: expected {' or '.join(able)}")
    given: Any = chip
    if not isinstance(given, (ChipGrid, ChipBank, ChipRepair, Program, ChipDefense)):
        program = isinstance(getattr(given, "program", None), Program)
        raise ArgumentError(
            f"chip is {type(given).__name__}: expected a chip grid, bank, repair or network in integers; "
            + ("export its program: export(chip.program, ...)" if program else "quantise it first")
        )
    if isinstance(chip, (Program, ChipDefense)):
        return _export_network(chip, Path(folder), exporter, kind, seed, learner, force, options)
    one = chip.members[0] if isinstance(chip, ChipBank) else chip
    if isinstance(chip, ChipBank) and not getattr(exporter, "banks", False):
        able = [other for other, each in EXPORTERS.available().items() if getattr(each, "banks", False)]
        raise ArgumentError(
            f"kind={kind!r} holds no bank: expected {' or '.join(able)}; or export each member by itself"
        )
    if one.config.narrow and not getattr(exporter, "narrow", False):
        able = [other for other, each in EXPORTERS.available().items() if getattr(each, "narrow", False)]
        raise ArgumentError(
            f"kind={kind!r} holds no grid with share={one.config.share!r}, rank={one.config.rank!r}: expected "
            f"{' or '.join(able)}; or quantise grid.widened(), which takes the memory of an untied grid"
        )
    target = Path(folder)
    with written_into(target, force) as fresh:
        exporter.write(chip, fresh, int(as_seed(seed)), learner, **options)
        chip.save(fresh / "chip.h5")
        more: dict[str, Any] = {
            "name": options.get("name", USUAL),
            "learner": said_of(learner),
            "words": None,
            "activations": None,
            "provenance": chip.provenance,
        }
        if isinstance(one, ChipRepair):
            more["sources"] = one.sources
        else:
            more["words"] = {"bits": one.formats.word_bits, "scales": one.field.scale.tolist(), "zero_point": 0}
        if isinstance(one, ChipRepair) or one.field.signal:
            said = {"bits": one.formats.activation_bits, "scale": one.field.activation_scale, "zero_point": 0}
            more["activations"] = said
        if options.get("selftest"):
            more["selftest"] = {"draws": options["selftest"], "level": options.get("level", LEVEL)}
        if not EXPORTERS.is_ours(kind):
            more["plugin"] = asdict(EXPORTERS.origin(kind))
        manifest.write(fresh, kind, int(seed), more)
    return target


def _export_network(
    chip: Program | ChipDefense,
    target: Path,
    exporter: Any,
    kind: str,
    seed: int,
    learner: Any,
    force: bool,
    options: Any,
) -> Path:
    _refuse_for_networks(exporter, kind, learner)
    program = chip.program if isinstance(chip, ChipDefense) else chip
    if isinstance(chip, ChipDefense) and chip.seed != int(as_seed(seed)):
        given, chip = chip, ChipDefense(program, chip.chip, chip.draws, vote=chip.vote, seed=seed, later=chip.later)
        chip.provenance = dict(given.provenance)
    with written_into(target, force) as fresh:
        exporter.write(chip, fresh, int(seed), learner, **options)
        chip.save(fresh / "chip.h5", state=False)
        said = [{"bits": bits, "scale": scale, "zero_point": 0} for _, bits, scale in program.layouts]
        more: dict[str, Any] = {
            "name": options.get("name", USUAL),
            "learner": None,
            "words": said[-1],
            "activations": said[0],
            "layers": [{"place": one.place} | own for one, own in zip(program.layers, said[1:], strict=True)],
            "provenance": program.provenance,
        }
        if isinstance(chip, ChipDefense):
            more["defense"] = {"draws": chip.draws, "vote": chip.vote, "chip": repr(chip.chip)}
            more["defense"] |= {"later": [repr(one) for one in chip.later]} if chip.later else {}
        manifest.write(fresh, kind, int(seed), more)
    return target


def check_network_export(
    folder: str | Path, kind: str = "c99", *, learner: Learner | None = None, force: bool = False, **options: Any
) -> None:
    """Raise what `export` of any network would, given these arguments: before there is one, which takes long to make.

    Parameters
    ----------
    folder, kind, learner, force, **options
        As `export` takes them.

    Raises
    ------
    ArgumentError
        As `export`.
    """
    _refuse_for_networks(_exporter(kind, options), kind, learner)
    if "name" in options:
        as_identifier(options["name"], "C")
    replaceable(Path(folder), force)


def _exporter(kind: str, options: dict[str, Any]) -> Any:
    exporter = EXPORTERS.find(kind)
    for name in options.keys() - set(exporter.options):
        owners = [other for other, each in EXPORTERS.available().items() if name in each.options]
        if owners:
            raise ArgumentError(f"{name}={options[name]!r}: not of format {kind}; expected with {', '.join(owners)}")
        told = "kind, which names the format" if name == "format" else ", ".join(exporter.options) or "no option"
        raise ArgumentError(f"{name}={options[name]!r}: no option of format {kind}; expected {told}")
    return exporter


def _refuse_for_networks(exporter: Any, kind: str, learner: Learner | None) -> None:
    if not getattr(exporter, "networks", False):
        able = [other for other, each in EXPORTERS.available().items() if getattr(each, "networks", False)]
        raise ArgumentError(f"kind={kind!r} holds no network: expected {' or '.join(able)}")
    if learner is not None:
        raise ArgumentError("learner was given with a network, which does not learn on a chip: expected none")
