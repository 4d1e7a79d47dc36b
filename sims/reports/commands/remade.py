"""Which command a folder of records belongs to: experiment.json beside them, else what the records tell."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from localnoise.errors import ArgumentError, FileFormatError, choose, listed
from localnoise.files import write_text
from localnoise.records import Record
from localnoise.sims.reports.commands import REPORTS, Report
from localnoise.sims.reports.records import RecordFile, key

NAME = "experiment.json"
_SETTINGS = ("data", "fingerprint", "base_epochs", "epochs", "draws", "network", "activation", "layer")


def keep(report: Report, configs: Iterable[dict[str, Any]], folder: Path) -> None:
    """Write which report belongs to a folder's records, and of which configurations; the last command counts."""
    content = {"command": report.name, "report": report.model_dump(), "records": [key(config) for config in configs]}
    write_text(folder / NAME, json.dumps(content, indent=1) + "\n")


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
    if any("part" in record.config for record in records):
        return REPORTS["spiking"].of(records), records
    if all("threats" not in record.config and "arm" in record.config for record in records):
        return REPORTS["retention"].of(records), records
    if any("arm" not in record.config for record in records):
        raise FileFormatError(f"{path}: no records of an experiment or a sweep; expected a file that localnoise wrote")
    fitting = [name for name in REPORTS if name not in ("spiking", "retention")]
    if not command:
        raise ArgumentError(f"{path} does not say which command wrote it: expected --as with {', '.join(fitting)}")
    choose("--as", command, fitting)
    _of_one_setting(records, path)
    return REPORTS[command].of(records), records


def _read(file: Path) -> tuple[Report, set[str]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return REPORTS[content["command"]].model_validate(content["report"]), set(map(str, content["records"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise FileFormatError(
            f"{file}: damaged or edited ({what[:120]}); remove it, and name the command with --as"
        ) from None


def _of_one_setting(records: list[Record], path: Path) -> None:
    """Refuse to set results of different settings beside one another."""
    for name in _SETTINGS:
        values = {json.dumps(record.config.get(name)) for record in records}
        if len(values - {"null"}) > 1:
            raise ArgumentError(
                f"{path} holds records of several settings ({name}: {listed(sorted(values))}): expected one; run "
                f"the command again in its folder, which then says in {NAME} what belongs together"
            )
