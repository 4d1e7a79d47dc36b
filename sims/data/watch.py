"""Motion of a smartwatch: seven exercises of the shoulder by ten people, as windows of six channels.

Burns, Leung, Hardisty, Whyne, Henry and McLachlin, "Shoulder physiotherapy exercise recognition: machine learning the
inertial signals from a smartwatch", Physiological Measurement 39, 2018 (arXiv 1802.01489). The package `seglearn`
(Burns and Whyne 2018, BSD) ships 140 series at 50 Hz as a pickle; the unpickler that reads it knows arrays alone.
"""

import hashlib
import io
import pickle
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import DataError, MissingDependencyError

SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
SCALE = np.array([1, 1, 1, 2, 2, 2], np.float32)  # one g, two rad/s: a window's values are about 1
WINDOW, STEP = 128, 64  # samples: 2.56 s, each half in two windows
SUBJECTS, LEFT_OUT = 10, 2  # people, and how many of them each split is tested on


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """Windows of one split.

    Attributes
    ----------
    x : ndarray of float32, (N, 6, 128)
        Acceleration in g, then angular velocity in units of 2 rad/s.
    y : ndarray of int64, (N,)
        The exercise, 0 .. 6.
    subject : ndarray of int64, (N,)
        The person, 1 .. 10.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    subject: npt.NDArray[np.int64]


def windows(seed: int, part: str) -> Windows:
    """Return the windows of people who are in "train" or in "test" under a split; five splits test each person once.

    Raises
    ------
    MissingDependencyError
        `seglearn` is not installed.
    DataError
        Its file is another one than that of version 1.2.5.
    """
    own = everything()
    order = np.argsort(np.random.PCG64(0).random_raw(SUBJECTS), kind="stable") + 1
    first = LEFT_OUT * (seed % (SUBJECTS // LEFT_OUT))
    tested = np.isin(own.subject, order[first : first + LEFT_OUT])
    rows = tested if part == "test" else ~tested
    return Windows(x=own.x[rows], y=own.y[rows], subject=own.subject[rows])


@cache
def everything() -> Windows:
    """Return all windows, series by series."""
    held = _unpickled(_file())
    parts, labels, people = [], [], []
    for series, label, subject in zip(held["X"], held["y"], held["subject"], strict=True):
        cuts = np.lib.stride_tricks.sliding_window_view(np.asarray(series, np.float32) / SCALE, WINDOW, axis=0)[::STEP]
        parts.append(cuts)
        labels += [int(label)] * len(cuts)
        people += [int(subject)] * len(cuts)
    return Windows(x=np.concatenate(parts), y=np.array(labels), subject=np.array(people))


def _file() -> Path:
    """Return the file that seglearn ships; the package itself is not imported, for it brings scikit-learn along."""
    found = find_spec("seglearn")
    places = [] if found is None else list(found.submodule_search_locations or ())
    if not places:
        raise MissingDependencyError(
            "seglearn, which ships the motion of a smartwatch, is not installed: pip install 'localnoise[watch]'"
        )
    return Path(places[0]) / "data" / "watch_dataset.npy"


class _Arrays(pickle.Unpickler):
    """Reads arrays, numbers and texts, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("_codecs", "encode"): _encoded,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return known[module, name]


def _encoded(text: str, encoding: str) -> bytes:
    """Return the bytes of an array as the pickle of Python 2 holds them."""
    return text.encode(encoding)


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); reinstall seglearn") from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise DataError(f"{path}: another file than that of seglearn 1.2.5; install that version")
    header = 10 + int.from_bytes(content[8:10], "little")
    held: dict[str, Any] = _Arrays(io.BytesIO(content[header:])).load().item()
    return held
