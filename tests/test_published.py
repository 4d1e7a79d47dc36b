"""Published records give the rows and the tables, and files of grids the draws, that earlier versions gave."""

import json

import pinned
import pytest

import localnoise as ln

ROWS = json.loads((pinned.GOLDEN / "published.json").read_text())
DRAWS = json.loads((pinned.GOLDEN / "draws.json").read_text())


def test_every_published_record_is_held_fast() -> None:
    assert pinned.names() == sorted(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_read_as_they_were(name: str) -> None:
    """Of correlations of pairs of neurons, which are cut since, as much as was kept."""
    expected = dict(ROWS[name])
    for column in [column for column in expected if column.startswith("pairs.") and column.endswith("]")]:
        expected[column.partition("[")[0]] = expected.pop(column)
    assert pinned.columns(ln.read_records(pinned.published(name))) == expected


def test_published_records_take_five_megabytes_at_most() -> None:
    assert sum(pinned.published(name).stat().st_size for name in ROWS) < 5e6


@pytest.mark.parametrize("name", pinned.REPORTS)
def test_tables_are_made_as_they_were(name: str) -> None:
    assert pinned.tables(name) == (pinned.GOLDEN / "tables" / f"{name}.md").read_text()


@pytest.mark.parametrize("name", DRAWS)
def test_grids_of_earlier_versions_draw_what_they_drew(name: str) -> None:
    found = pinned.draws(pinned.GOLDEN / "grids" / f"{name}.h5")
    assert found == (DRAWS[name] if name.startswith("chip") else pytest.approx(DRAWS[name], rel=1e-5, abs=1e-6))
