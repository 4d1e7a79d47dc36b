"""The contact sheet of the modifications: every image where its row and column say."""

import sys

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError
from localnoise.sims.data import load
from localnoise.sims.data.mosaic import starts
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations import HELD_OUT, MODIFICATIONS, PAPER, apply, figure
from localnoise.sims.perturbations.sheet import groups, levels
from localnoise.sims.tools import showdata

QUICK = [name for name, modification in MODIFICATIONS.items() if not modification.whole]
SLOW = [name for name in MODIFICATIONS if name not in QUICK]


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return to_tensor(load().test_images[:2])


def test_groups_hold_every_modification_once():
    named = groups()
    assert [name for members in named.values() for name in members] == [*PAPER, *HELD_OUT, *named["further"]]
    assert sorted(name for members in named.values() for name in members) == sorted(MODIFICATIONS)


def test_levels_rise_to_the_default():
    assert levels("fog") == [1, 2, 3, 4, 5]
    assert levels("elastic") == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])


def test_starts_keep_images_apart_and_groups_more_so():
    assert starts([3]) == [0, 30, 60]
    assert starts([2, 1, 2]) == [0, 30, 66, 102, 132]


@pytest.mark.parametrize("library", [True, False])
def test_figure_shows_each_modification_of_each_image(images, tmp_path, library):
    image = pytest.importorskip("matplotlib.image")
    if library:
        pytest.importorskip("imagecorruptions")
    leave_out = [] if library else SLOW
    figure(images, tmp_path / "sheet.png", 9, leave_out)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    picture = image.imread(tmp_path / "sheet.png")[..., 0]
    drawn = [[name for name in members if name not in leave_out] for members in groups().values()]
    tops, lefts = starts([len(names) for names in drawn if names]), starts([6, 6])
    height, width = 4 * (tops[-1] + 28), 4 * (lefts[-1] + 28)
    body = picture[picture.shape[0] - 18 - height :, picture.shape[1] - 18 - width :]
    for top, name in zip(tops, (name for names in drawn for name in names), strict=True):
        shown = [images, *(apply(name, images, level, seed=9) for level in levels(name))]
        for column, left in enumerate(lefts):
            seen = body[4 * top : 4 * (top + 28), 4 * left : 4 * (left + 28)][2::4, 2::4]
            expected = shown[column % 6][column // 6, 0].numpy()
            np.testing.assert_allclose(seen, expected, atol=2 / 255)  # 256 steps of the colour map, then of the PNG


def test_figure_of_no_images(images, tmp_path):
    with pytest.raises(ArgumentError, match="at least one"):
        figure(images[:0], tmp_path / "sheet.png")


def test_data_command_draws_the_rest_without_the_library(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)  # as if it were not installed
    showdata.data(out=tmp_path)
    assert (tmp_path / "modifications.png").stat().st_size > 0
    printed = capsys.readouterr().out
    assert "Without brightness, " in printed
    assert "pip install 'localnoise[robustness]'" in printed
