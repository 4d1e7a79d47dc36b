"""The store of a sweep: records by one writer, the study's text, grids of the trials on the front; all in one place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localnoise.errors import ArgumentError, FileFormatError, short
from localnoise.files import write_bytes
from localnoise.records import Record
from localnoise.sims.results.locks import locked
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.study_files import parse_study
from localnoise.sims.sweeps.trials import Trial

Entry = tuple[dict[str, Any], dict[str, Any], float]


class TrialStore:
    """The records of a sweep, and beside them NAME.journal (Optuna's) and NAME-grids/.

    Parameters
    ----------
    path : Path
        SQLite file; its first record is the study. One of an earlier version, in HDF5, goes on in SQLite beside it.
    """

    def __init__(self, path: Path) -> None:
        self.file = RecordFile(path)
        self.path = self.file.path
        self.by_key: dict[str, Record] = {}

    @property
    def journal(self) -> Path:
        """Optuna's journal, unless a database is named."""
        return self._beside(".journal")

    @property
    def grids(self) -> Path:
        """Folder of grids."""
        return self._beside("-grids")

    def _beside(self, ending: str) -> Path:
        """Return NAME and an ending; what else may follow a dot belongs to the name: rate-0.1 is not rate-0.2."""
        name = self.path.stem if self.path.suffix in (".sqlite", ".h5") else self.path.name
        return self.path.with_name(name + ending)

    def grid(self, trial: Trial) -> Path:
        """File of a trial's grid (its first seed and source)."""
        return self.grids / f"{trial.key}.h5"

    def begin(self, study: Study, text: str, *, resume: bool) -> None:
        """Write the study as the first record, or hold it against the one that is there.

        Raises
        ------
        ArgumentError
            The file exists and `resume` is not asked for, or it holds another study.
        """
        if not self.file.exists():
            self.file.append({"kind": "study", "name": study.name}, {"text": text}, 0.0)
            return
        if not resume:
            raise ArgumentError(
                f"out={str(self.path)!r} exists: expected a new file; add --resume to go on, or name another with --out"
            )
        before, _ = study_in(self.path)
        for name in Study.model_fields:
            if name != "trials" and getattr(before, name) != getattr(study, name):
                raise ArgumentError(
                    f"{self.path} holds a study whose {name} differs ({short(repr(getattr(before, name)))} there, "
                    f"{short(repr(getattr(study, name)))} here): expected the same; name another file with --out"
                )
        for record in self.file:
            self.by_key[key(record.config)] = record

    def add(self, entries: list[Entry]) -> None:
        """Append finished cells, on disk before this returns; one that is there already stays."""
        fresh = [entry for entry in entries if key(entry[0]) not in self.by_key]
        if fresh:
            self.file.append_all(fresh)
            for config, results, seconds in fresh:
                self.by_key[key(config)] = Record(config, results, {}, seconds)

    def keep_grid(self, trial: Trial, content: bytes) -> None:
        """Write a trial's grid."""
        if content:
            write_bytes(self.grid(trial), content)

    def drop_grid(self, trial: Trial) -> None:
        """Remove the grid of a trial that ended off the front."""
        self.grid(trial).unlink(missing_ok=True)


def study_in(path: Path) -> tuple[Study, str]:
    """The study that a file of records holds, and its text.

    Raises
    ------
    FileFormatError
        No such file, or no sweep's.
    """
    first = _first(path)
    if first is None or first.config.get("kind") != "study" or "text" not in first.results:
        raise FileFormatError(f"{path}: no record of a sweep; expected a file that localnoise sweep wrote")
    return parse_study(str(first.results["text"]), str(path))


def is_sweep(path: Path) -> bool:
    """Return whether a file of records is a sweep's.

    Raises
    ------
    FileFormatError
        No such file, or no records.
    """
    first = _first(path)
    return first is not None and first.config.get("kind") == "study"


def _first(path: Path) -> Record | None:
    file = RecordFile(path)
    if not file.exists():
        raise FileFormatError(
            f"{path}: no such file; expected a file of records, such as results/sweep/quick.sqlite or an --out "
            "folder's record.sqlite"
        )
    return next(iter(file), None)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a file's lock; the system gives it back even when this process is killed.

    Raises
    ------
    ArgumentError
        Another sweep holds it.
    LockedError
        The folder takes no lock: it is not ours to write, or its file system has none.
    """
    held = ArgumentError(
        f"out={str(path)!r} is being written by another sweep: expected a file of its own; wait for it, or name "
        "another with --out"
    )
    with locked(path, "lock", wait=0, held=held):
        yield
