"""A spool gives back what was made, makes it once, and does without where nothing can be kept."""

from pathlib import Path

import pytest
import torch

from localnoise.sims.runtime import spool
from localnoise.sims.runtime.spool import Spool


def test_what_was_made_is_read_again_exactly(tmp_path: Path) -> None:
    made, kept = [], Spool(tmp_path)

    def make() -> torch.Tensor:
        made.append(torch.rand(10, 2, 3))
        return made[-1]

    first = kept.first("a", 10, make).clone()
    again = kept.first("a", 7, make)
    assert len(made) == 1
    assert torch.equal(again, first[:7])
    again += 1  # nobody else sees it
    assert torch.equal(kept.first("a", 10, make), first)
    kept.first("b", 10, make)
    assert len(made) == 2
    assert not list(tmp_path.iterdir())  # files without a name


def test_more_rows_are_made_anew(tmp_path: Path) -> None:
    kept = Spool(tmp_path)
    kept.first("a", 3, lambda: torch.zeros(3, 2))
    assert torch.equal(kept.first("a", 5, lambda: torch.ones(5, 2)), torch.ones(5, 2))
    assert torch.equal(kept.first("a", 5, lambda: torch.zeros(5, 2)), torch.ones(5, 2))


def test_without_room_all_is_made_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, room in ((tmp_path / "missing", 2**20), (tmp_path, 3)):
        monkeypatch.setattr(spool, "_MOST", room)
        kept = Spool(folder)
        kept.first("a", 2, lambda: torch.zeros(2))
        assert torch.equal(kept.first("a", 2, lambda: torch.ones(2)), torch.ones(2))
