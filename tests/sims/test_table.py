"""The module of tables, and the files that a figure is written to."""

import io
from pathlib import Path

import pytest
from matplotlib.text import Text
from PIL import Image

from localnoise.sims.reports.figures import DOUBLE, KINDS, drawn, error_bars, kinds, legend, lettered
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, sentence, texts
from localnoise.sims.results.statistics import over_seeds
from localnoise.sims.runtime.console import PlainConsole


def test_labels_and_columns_stand_where_they_are_said_to() -> None:
    labelled = texts(["a\nb", "c"], [["1", ""], ["2", "3"]], ["one", "two"])
    assert as_markdown(labelled) == "| | a b | c |\n|---|---:|---:|\n| one | 1 |  |\n| two | 2 | 3 |"
    plain = texts(["", "c", "c"], [["x", "1", "2"]])  # heads may be empty, and repeat
    assert as_markdown(plain, left=(0, 2)) == "|  | c | c |\n|---|---:|---|\n| x | 1 | 2 |"
    assert as_markdown(texts(["a"], [], [])) == "| | a |\n|---|---:|"


def test_a_terminal_gets_the_same_cells_in_groups() -> None:
    out = io.StringIO()
    table = texts(["a", "b"], [["1", "2"], ["3", "[red]4"], ["5", "6"]], ["x", "y", "z"]).rename_axis("arm")
    PlainConsole(file=out, width=60).print(as_terminal(table, "Said", groups=[True, True, False]))
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert [line.split() for line in lines if line] == [
        ["Said"], ["arm", "a", "b"], ["─" * len(lines[2])], ["x", "1", "2"], ["y", "3", "[red]4"], ["z", "5", "6"]
    ]  # fmt: skip
    assert lines.index("") == 5  # between the groups


def test_accuracies_and_names_are_written_one_way() -> None:
    assert accuracy(None) == ""
    assert accuracy(over_seeds([0.7, 0.72, 0.74], 10)) == ".720 ±.050"
    assert sentence("no noise") == "No noise"
    assert sentence("PGD 0.1") == "PGD 0.1"


def test_a_figure_is_written_in_three_kinds_always_the_same(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        with drawn(tmp_path / name, (DOUBLE, 2.0)) as figure:
            panels = figure.subplots(1, 2)
            error_bars(panels[0], [1.0, 2.0], [over_seeds([0.5, 0.6], 9), over_seeds([0.4], 9)], label="no noise")
            lettered(panels, ["First"])
            legend(figure)
        assert {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()} == {8.0}
    assert kinds("one.png") == ["one.png", "one.pdf", "one.svg"]
    assert Image.open(tmp_path / "one.png").width == DOUBLE * 200
    for kind in KINDS:
        assert (tmp_path / f"one{kind}").read_bytes() == (tmp_path / f"two{kind}").read_bytes()
    with drawn(tmp_path / "alone.svg", (DOUBLE, 2.0), alone=True):
        pass
    assert {path.name for path in tmp_path.glob("alone*")} == {"alone.svg"}


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_a_report_says_what_it_is_doing_once_it_takes_long(
    seconds: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from time import sleep

    from localnoise.sims.tools import report

    monkeypatch.setattr(report, "_LONG", seconds)
    with report._slowly("making tables") as on_progress:
        on_progress(1, 2)
        sleep(0.2)
    assert ("making tables ..." in capsys.readouterr().err) == (seconds == 0)
