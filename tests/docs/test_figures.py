"""Pictures that pages show of published records are what these records give; so are the tables beside them."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.testing.compare import compare_images
from pages import page
from tiers import some_slow

from benchmarks import redraw, rewards
from localnoise.errors import ArgumentError

NAMES = [name for name in redraw.SHOWN if redraw.record_of(name).exists()]


DRAWN = [name for name in NAMES if redraw.SHOWN[name].drawn]


@pytest.mark.parametrize("name", some_slow(DRAWN, DRAWN[::2]))
def test_a_picture_is_that_of_its_record(name: str, tmp_path: Path) -> None:
    """To the eye: fonts and rounding may differ by a little between machines."""
    drawn = redraw.draw(name, tmp_path)
    for path in drawn:
        assert (redraw.PUBLISHED / path.name).stat().st_size > 0
    (png,) = (path for path in drawn if path.suffix == ".png")
    assert compare_images(str(redraw.PUBLISHED / png.name), str(png), tol=5) is None
    assert f"../benchmarks/published/{png.name})" in page(redraw.SHOWN[name].page)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_written_where_they_stand(name: str) -> None:
    text = page(redraw.SHOWN[name].page)
    assert redraw.rewritten(name, text) == text
    wrong = text
    for right, other in (("| .9", "| .1"), ("| .7", "| .3"), ("| 0.", "| 9."), ("| +0", "| +1"), ("| -0", "| -1")):
        wrong = wrong.replace(right, other)
    assert wrong != text
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    block = text.partition(begin)[2].partition(end)[0]
    spoiled = text.replace(block, wrong.partition(begin)[2].partition(end)[0])
    assert redraw.rewritten(name, spoiled) == text


def test_a_page_without_a_place_for_the_tables_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"docs/results/local.md has 0 tables between <!-- local --> and"):
        redraw.rewritten("local", "no table\n")


@pytest.mark.parametrize(
    ("module", "given", "said"),
    [
        (redraw, ["lokal"], "did you mean 'local'"),
        (redraw, ["speed"], "record='speed': expected one of 'adaptive-10'"),
        (rewards, ["signal", "--rows", "lesson, no pears"], "did you mean 'lesson, no pairs'"),
        (rewards, ["signal", "--draws", "2,none"], "draws='none': expected a whole number >= 1"),
        (rewards, ["signal", "--shuffles", "0"], "shuffles=0: expected a whole number >= 1"),
        (rewards, ["pilot", "--rows", "lesson, no pairs"], "expected none with the pilot alone"),
        (rewards, ["signals"], "did you mean 'signal'"),
    ],
)
def test_what_draws_and_measures_them_refuses_bad_input(
    module: Any, given: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["it", *given])
    with pytest.raises(SystemExit):
        module.main()
    assert said in capsys.readouterr().err
