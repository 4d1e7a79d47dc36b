"""Signals that ask a long run to stop: noted, and looked at where stopping is safe; none is ever lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """Signals that ask to stop are noted, not raised: raised inside a finaliser, Python would drop the exception.

    A second one is taken at once, as before.
    """
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if current_thread() is not main_thread():  # only the main thread may set handlers, and only it gets signals
        yield asked
        return

    def note(number: int, frame: object) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    try:
        for number in before:
            signal.signal(number, note)
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupting:
    """A handler of signals that raises a KeyboardInterrupt, and remembers it.

    Raised inside a finaliser, a weak reference's callback or one from C, the exception is dropped: Python prints it and
    goes on. `heed` then raises it again, at the next step that a long call tells of.

    Attributes
    ----------
    noted : list of int
        Signals that came.
    """

    def __init__(self) -> None:
        self.noted: list[int] = []

    def __call__(self, number: int, frame: object) -> None:
        """Handle a signal."""
        self.noted.append(number)
        raise KeyboardInterrupt


def heed() -> None:
    """Raise a KeyboardInterrupt if `Interrupting` handles SIGINT and has noted a signal: nobody acted on it yet."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, Interrupting) and handler.noted and current_thread() is main_thread():
        raise KeyboardInterrupt
