"""One method's outcome on one seed's stream, as a record holds it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.sims.results.records import Record
from localnoise.sims.streaming import measures


@dataclass(frozen=True)
class Outcome:
    """A record, as far as a report needs it.

    Attributes
    ----------
    method, network : str
    seed, stay : int
    correct : (T,) uint8
        1 where the method was right.
    starts : (S,) int64
        Where stretches begin.
    names : list of str
        What they are.
    state_bytes, parameter_bytes, gradient_bytes : int
    seconds : float
        An image.
    chosen : str
        Hyperparameters.
    """

    method: str
    network: str
    seed: int
    stay: int
    correct: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    names: list[str]
    state_bytes: int
    parameter_bytes: int
    gradient_bytes: int
    seconds: float
    chosen: str

    @classmethod
    def of(cls, record: Record) -> Self:
        """Read a record."""
        c, r = record.config, record.results
        options = {name.removeprefix("chosen."): r[name] for name in r if name.startswith("chosen.")}
        return cls(
            method=c["method"],
            network=c["network"],
            seed=c["seed"],
            stay=c["stream"]["stay"],
            correct=np.asarray(r["correct.stream"]),
            starts=np.asarray(r["stream.starts"]),
            names=str(r["stream.names"]).split(","),
            state_bytes=int(r["state_bytes"]),
            parameter_bytes=int(r["parameter_bytes"]),
            gradient_bytes=int(r["gradient_bytes"]),
            seconds=float(r["seconds_per_image"]),
            chosen=", ".join(f"{name} {_text(value)}" for name, value in options.items()),
        )

    def same_stream(self, other: "Outcome") -> bool:
        """Return whether two methods of one seed met the same stretches, of as many images."""
        same = self.seed == other.seed and self.names == other.names and len(self.correct) == len(other.correct)
        return same and bool(np.array_equal(self.starts, other.starts))

    @cached_property
    def kinds(self) -> npt.NDArray[np.str_]:
        """What each image's stretch is, (T,)."""
        own = measures.spans(self.starts, len(self.correct))
        return np.repeat(self.names, [span.stop - span.start for span in own])


def _text(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    return f"{float(value):g}"
