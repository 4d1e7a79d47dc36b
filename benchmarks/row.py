"""One row of the table: ours against a peer, as a ratio with the target that it should meet."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.clock import Job, interleaved, once

Check = Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A comparison: what is timed, and what the ratio should be.

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
    scale : float
        The peer does one part in `scale` of the work, where all of it would take minutes: its time is multiplied.
    """

    name: str
    ours: Job
    peer: Job
    peer_name: str
    faster: bool = True
    bound: float
    aim: float
    check: Check | None = None
    scale: float = 1.0
    seconds: float = 6.0
    least: int = 5


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a row: seconds, or bytes where memory is compared.

    Attributes
    ----------
    first : float or None
        Seconds of the first call: what compiling costs, and the call itself.
    repeats : int
        Of which ours and peer are the medians.
    """

    name: str
    peer_name: str
    ours: float
    peer: float
    faster: bool = True
    bound: float
    aim: float
    first: float | None = None
    repeats: int = 1
    unit: str = "s"
    checked: str = ""

    @property
    def ratio(self) -> float:
        """As the row defines it."""
        return self.peer / self.ours if self.faster else self.ours / self.peer

    @property
    def met(self) -> bool:
        """Return whether the ratio is within the bound."""
        return self.ratio >= self.bound if self.faster else self.ratio <= self.bound


def run(row: Row | Result) -> Result:
    """Call once, check, then time; what has been measured already is given back."""
    if isinstance(row, Result):
        return row
    first = once(row.ours)  # before the check, which may call the same kernels
    checked = row.check() if row.check is not None else ""
    times = interleaved({"ours": row.ours, "peer": row.peer}, row.seconds, row.least)
    ours, peer = times["ours"], row.scale * times["peer"].steady
    return Result(
        name=row.name, peer_name=row.peer_name, ours=ours.steady, peer=peer, faster=row.faster,
        bound=row.bound, aim=row.aim, first=first, repeats=ours.repeats, checked=checked,
    )  # fmt: skip
