"""Signals that ask a long run to stop: noted, and looked at where stopping is safe."""

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
