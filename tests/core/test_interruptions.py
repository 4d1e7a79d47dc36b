"""Ctrl-C at every line of learning and normalising: the grid is as before, or as after, and goes on."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import localnoise as ln

PACKAGE = str(Path(ln.__file__).parent)
rng = np.random.default_rng(0)
D = rng.normal(size=(400, 2, 3, 3)).astype("f4")
D += np.roll(D, 1, 3)
H = rng.normal(size=D.shape).astype("f4")


class Interrupter:
    """Raises KeyboardInterrupt at the given line, counted from 0, that runs inside the package."""

    def __init__(self, line: int) -> None:
        self.left = line

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.left -= 1
            if self.left == -1:
                raise KeyboardInterrupt
        return self


def interrupted(action: Callable[[], Any], line: int) -> bool:
    """Whether the action was interrupted at that line; else it ran to its end."""
    before = sys.gettrace()
    sys.settrace(Interrupter(line))
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def learned(signal: str) -> ln.UnitGrid:
    grid = ln.UnitGrid(shape=(3, 3), channels=2, parents=2, signal=signal)
    return grid.learn(D, H if signal == "local" else None).normalise(0.5)


def content(grid: ln.UnitGrid) -> dict[str, bytes]:
    """Everything of a grid that a file would hold."""
    parts = {name: getattr(grid.field, name) for name in ("a", "G", "B", "S", "gain")}
    parts |= {f"state {name}": value for name, value in (grid.state or {}).items()}
    return {name: np.asarray(value).tobytes() for name, value in parts.items()} | {"rule": repr(grid.rule).encode()}


ACTIONS: dict[str, Callable[[ln.UnitGrid, Any], Any]] = {
    "go on": lambda grid, h: grid.learn(D[::-1], h),
    "another rule": lambda grid, h: grid.learn(D[:300], None if h is None else h[:300], rule="lms"),
    "sign": lambda grid, h: grid.learn(D[:300], None if h is None else h[:300], rule="sign-lms"),
    "louder": lambda grid, _: grid.normalise(2.0),
    "homeostatic": lambda grid, _: grid.normalise(2.0, scope="local"),
    "assign": lambda grid, _: grid.field.assign(2 * grid.field.weights, 2 * grid.field.S),
    "one unit": lambda grid, _: setattr(grid[1, 1], "gain", 3.0),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::localnoise.errors.FewDisplacementsWarning")
@pytest.mark.parametrize("signal", ["none", "local"])
@pytest.mark.parametrize("name", ACTIONS)
def test_interrupted_at_every_line_a_grid_is_as_before_or_as_after(name: str, signal: str) -> None:
    action, h = ACTIONS[name], H if signal == "local" else None
    old = content(learned(signal))
    grid = learned(signal)
    action(grid, h)
    new = content(grid)
    assert new != old
    line = 0
    while True:
        grid = learned(signal) if line == 0 or content(grid) != old else grid
        if not interrupted(lambda grid=grid: action(grid, h), line):  # type: ignore[misc]
            break
        assert content(grid) in (old, new), f"line {line}"
        line += 1
    assert line > 3
    assert content(grid) == new
