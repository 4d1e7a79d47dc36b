"""One row of the table: ours against a peer, as a ratio with the target that it should meet."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.clock import Job, Timing, interleaved

Check = Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is timed, and what the ratio should be.

    Attributes
    ----------
    name : str
    ours, peer : callable
    peer_name : str
    faster : bool
        True: the ratio is the peer's time over ours, to be at least `bound`. False: ours over the peer's, at most.
    bound, aim : float
    check : callable or None
        Run before the timing: raises if the two do not do the same; returns how that was seen.
    """

    name: str
    ours: Job
    peer: Job
    peer_name: str
    faster: bool = True
    bound: float
    aim: float
    check: Check | None = None
    seconds: float = 6.0
    least: int = 5


@dataclass(frozen=True)
class Result:
    """What a row gave."""

    row: Row
    ours: Timing
    peer: Timing
    checked: str = ""

    @property
    def ratio(self) -> float:
        """As the row defines it."""
        ours, peer = self.ours.steady, self.peer.steady
        return peer / ours if self.row.faster else ours / peer

    @property
    def met(self) -> bool:
        """Whether the ratio is within the bound."""
        return self.ratio >= self.row.bound if self.row.faster else self.ratio <= self.row.bound


def run(row: Row) -> Result:
    """Check, then time."""
    checked = row.check() if row.check is not None else ""
    times = interleaved({"ours": row.ours, "peer": row.peer}, row.seconds, row.least)
    return Result(row, times["ours"], times["peer"], checked)
