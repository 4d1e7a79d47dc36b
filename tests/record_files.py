"""Files of records that tests write."""

import sqlite3
from pathlib import Path

import numpy as np

from localnoise.sims.results.records import RecordFile


def filled(path: Path, count: int, size: int = 500) -> RecordFile:
    file = RecordFile(path)
    configs = [{"seed": index, "fingerprint": "f" * 64} for index in range(count)]
    file.append_all([(one, {"x": float(one["seed"]), "hits": np.arange(size) * one["seed"]}, 0.1) for one in configs])
    return file


def seeds(file: RecordFile) -> list[int]:
    return [record.config["seed"] for record in file]


def raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
