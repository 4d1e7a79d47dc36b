"""Progress of an engine's workers: a bar for the whole, and one for what each worker is doing."""

from rich.progress import Progress, TaskID

from localnoise.sims.runtime.console import errors


class Bars:
    """The bars that an engine's `on_progress` calls, which count what is finished.

    Parameters
    ----------
    bars : Progress
    what : str
        Name of the whole.
    of, done : int
        How many there are, and how many are finished already.
    """

    def __init__(self, bars: Progress, what: str, of: int, done: int) -> None:
        self._bars, self._of, self._shown = bars, of, dict[str, TaskID]()
        self._whole = bars.add_task(what, total=of, completed=done)

    def __call__(self, worker: str, what: str, done: int, of: int) -> None:
        """Show what a worker is doing."""
        if worker not in self._shown:
            self._shown[worker] = self._bars.add_task("")
        self._bars.update(self._shown[worker], description=f"  {what}", completed=done, total=of or None)

    def finished(self, done: int, what: str, seconds: float) -> None:
        """Show that so many are finished, the last of them `what`; in a log by a line, for bars show only their end."""
        self._bars.update(self._whole, completed=done)
        if not errors.is_terminal:
            errors.print(f"{done} of {self._of}: {what}, {seconds:.0f} s")
