"""Pictures that pages show of published records are what these records give; so are the tables beside them."""

from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images
from pages import page

from benchmarks import redraw
from localnoise.errors import ArgumentError

NAMES = [name for name in redraw.SHOWN if redraw.record_of(name).exists()]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_that_of_its_record(name: str, tmp_path: Path) -> None:
    """To the eye: fonts and rounding may differ by a little between machines."""
    drawn = redraw.draw(name, tmp_path)
    for path in drawn:
        assert (redraw.PUBLISHED / path.name).stat().st_size > 0
    (png,) = (path for path in drawn if path.suffix == ".png")
    assert compare_images(str(redraw.PUBLISHED / png.name), str(png), tol=5) is None
    assert f"(../../benchmarks/published/{png.name})" in page(redraw.SHOWN[name].page)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_written_where_they_stand(name: str) -> None:
    text = page(redraw.SHOWN[name].page)
    assert redraw.rewritten(name, text) == text
    wrong = text.replace("| .9", "| .1").replace("| 0.", "| 9.").replace("| +0", "| +1").replace("| -0", "| -1")
    assert wrong != text
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    block = text.partition(begin)[2].partition(end)[0]
    spoiled = text.replace(block, wrong.partition(begin)[2].partition(end)[0])
    assert redraw.rewritten(name, spoiled) == text


def test_a_page_without_a_place_for_the_tables_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"docs/results/local.md has 0 tables between <!-- local --> and"):
        redraw.rewritten("local", "no table\n")
