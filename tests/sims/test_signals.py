"""Signals that ask to stop: raised at once, and again where Python dropped the exception."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import localnoise as ln
from localnoise.sims import cli
from localnoise.sims.runtime.commands import COMMANDS
from localnoise.sims.runtime.console import progress
from localnoise.sims.runtime.stopping import Interrupting, asked_to_stop, heed
from localnoise.sims.tools import sample


def send() -> None:
    """Send this process a signal, and give Python a moment to handle it."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass


class Dropping:
    """An object whose finaliser meets a signal: Python prints the exception and goes on."""

    def __del__(self) -> None:
        send()


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The handler of the command line, and what Python drops meanwhile."""
    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: dropped.append(found.exc_type))
    before = signal.signal(signal.SIGINT, Interrupting())
    yield dropped
    signal.signal(signal.SIGINT, before)


def test_a_dropped_signal_is_raised_at_the_next_progress(interrupting: list[Any]) -> None:
    with progress() as bars:
        bar = bars.add_task("draw", total=9)
        bars.update(bar, completed=1)
        Dropping()
        assert interrupting == [KeyboardInterrupt]  # and the program goes on
        with pytest.raises(KeyboardInterrupt):
            bars.update(bar, completed=2)
        with pytest.raises(KeyboardInterrupt):
            bars.advance(bar)


def test_commands_end_by_a_dropped_signal_and_leave_no_output(
    interrupting: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = np.random.default_rng(0).normal(size=(200, 1, 3, 3)).astype("float32")
    ln.UnitGrid((3, 3), 1, parents=2).learn(d).save(tmp_path / "g.h5")
    kept = ln.UnitGrid.sample

    def dropping(*given: Any, **more: Any) -> Any:
        Dropping()
        return kept(*given, **more)

    monkeypatch.setattr(ln.UnitGrid, "sample", dropping)
    with pytest.raises(KeyboardInterrupt):
        sample.sample(tmp_path / "g.h5", tmp_path / "n.h5", count=50)
    assert interrupting == []  # noted, and raised where nothing can drop it
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.h5"]


def test_without_a_signal_nothing_is_raised_and_noting_still_works(interrupting: list[Any]) -> None:
    heed()
    with asked_to_stop() as asked:
        send()
        heed()  # noted by whom asked: it looks itself
        assert asked == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            send()


def test_the_command_line_ends_with_130(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    COMMANDS.mount({"learn": lambda: send()})
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("sys.argv", ["localnoise", "learn"])
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        COMMANDS.mount({})
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended.value.code == 130
    assert "interrupted; finished work is kept" in capfd.readouterr().err
