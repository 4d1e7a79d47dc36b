"""Which command a folder of records belongs to: experiment.json beside them, else what the records tell."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from localnoise.errors import ArgumentError, FileFormatError, choose, listed
from localnoise.records import Record
from localnoise.sims.auditing.reported import Audit
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports.commands import (
    Ablation,
    Bits,
    Compare,
    Front,
    Paper,
    Repair,
    Report,
    Retention,
    Tradeoff,
    Train,
    Transfer,
    Wires,
)
from localnoise.sims.results.experiment import NAME, damaged, kept
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.spiking.reported import Spiking
from localnoise.sims.streaming.reported import Stream

REPORTS: dict[str, type[Report]] = {
    report.name: report
    for report in (
        Ablation,
        Audit,
        Bits,
        Compare,
        Front,
        Paper,
        Repair,
        Retention,
        Spiking,
        Stream,
        Tradeoff,
        Train,
        Transfer,
        Wires,
    )
}
_SETTINGS = ("data", "fingerprint", "base_epochs", "epochs", "draws", "network", "activation", "layer", "training")
_STREAM = ("data", "fingerprint", "base_epochs", "activation", "layer", "stream", "tuned")  # its networks are two


def remade(path: Path, command: str = "") -> tuple[Report, list[Record]]:
    """Return the report of a file of records, and its records; `command` names it where nothing else does.

    Raises
    ------
    ArgumentError
        No command is named that these records are of, or they are of several settings.
    FileFormatError
        experiment.json is damaged, or there are no records.
    """
    file = path.with_name(NAME)
    records = list(RecordFile(path))
    if not command and file.exists():
        report, keys = _read(file)
        found = [record for record in records if key(record.config) in keys]
        if found:
            return report, found
    if not records:
        raise FileFormatError(f"{path}: holds no record that can be read; expected one of an experiment or a sweep")
    if any(record.config.get("experiment") == "audit" for record in records):
        return REPORTS["audit"].of(records), records
    if any("part" in record.config for record in records):
        return REPORTS["spiking"].of(records), records
    if any(record.config.get("experiment") == "stream" for record in records):
        _of_one_setting(records, path, _STREAM)
        return REPORTS["stream"].of(records), records
    if all("threats" not in record.config and "arm" in record.config for record in records):
        return REPORTS["retention"].of(records), records
    if any("arm" not in record.config for record in records):
        raise FileFormatError(f"{path}: no records of an experiment or a sweep; expected a file that localnoise wrote")
    fitting = [name for name in sorted(REPORTS) if name not in ("audit", "spiking", "stream", "retention")]
    if not command:
        raise ArgumentError(f"{path} does not say which command wrote it: expected --as with {', '.join(fitting)}")
    choose("--as", command, fitting)
    if command != Train.name:
        _of_one_setting(records, path)
    if command not in (Ablation.name, Front.name):  # whose rows say from how many images
        _of_one_number(records, path)
    return REPORTS[command].of(records), records


def _read(file: Path) -> tuple[Report, set[str]]:
    command, settings, keys = kept(file)
    try:
        return REPORTS[command].model_validate(settings), keys
    except ValidationError as error:
        raise damaged(file, error.errors()[0]["msg"]) from None
    except KeyError:
        raise damaged(file, f"command {command!r}") from None


def _of_one_number(records: list[Record], path: Path) -> None:
    """Refuse to take a net of an arm for another one, that learned the same from more or fewer images."""
    found: dict[tuple[Any, ...], set[Any]] = {}
    for record in records:
        sources = record.config["sources"]
        place = record.config["arm"], *((one["name"], one["level"]) for one in sources)
        found.setdefault(place, set()).update(one["images"] for one in sources if one.get("images") is not None)
    for (arm, *_), counts in found.items():
        if len(counts) > 1:
            raise ArgumentError(
                f"{path} holds nets of arm {arm!r} that learned from {listed(sorted(map(str, counts)))} images of each "
                f"source: expected one number; run the command again in its folder, which then says in {NAME} what "
                "belongs together"
            )


def _of_one_setting(records: list[Record], path: Path, names: Sequence[str] = _SETTINGS) -> None:
    """Refuse to set results of different settings beside one another."""
    for name in names:
        usual = BACKPROP if name == "training" else None  # which records of backpropagation do not say
        values = {json.dumps(record.config.get(name, usual)) for record in records}
        if len(values - {"null"}) > 1:
            raise ArgumentError(
                f"{path} holds records of several settings ({name}: {listed(sorted(values))}): expected one; run "
                f"the command again in its folder, which then says in {NAME} what belongs together"
            )
