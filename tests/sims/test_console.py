"""What reaches the terminal: texts as they are, no markup, no control codes of a file's own; pipes are not wrapped."""

import io
import shlex
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from localnoise import UnitGrid
from localnoise.sims import cli
from localnoise.sims.runtime.console import PlainConsole, command, console, plain, progress, show
from localnoise.sims.tools.inspection import inspect

NASTY = "a[/b] [red]x[/red] \x1b[31m\x1b]0;title\x07 \u202e :smile:"
SHOWN = "a[/b] [red]x[/red] \\x1b[31m\\x1b]0;title\\x07 \\u202e :smile:"


def printed(*parts: object, **options: object) -> str:
    out = io.StringIO()
    PlainConsole(file=out, **options).print(*parts)
    return out.getvalue()


def test_texts_cells_and_titles_are_shown_as_they_are() -> None:
    assert plain(NASTY) == SHOWN
    assert plain("two\nlines\tand a tab é") == "two\nlines\tand a tab é"
    assert printed(NASTY) == SHOWN + "\n"
    table = Table(NASTY, title=NASTY)
    table.add_row(NASTY)
    assert printed(table, width=400).count(SHOWN) == 3


def test_a_pipe_is_not_wrapped_and_a_terminal_is() -> None:
    line = "localnoise report " + "/".join(["a long folder"] * 30) + " -o report.html"
    assert printed(line, width=80) == line + "\n"
    assert printed(Text(line), width=80) == line + "\n"
    assert printed(line, width=80, force_terminal=True, no_color=True).count("\n") > 1
    assert not printed(line, width=80, force_terminal=True, soft_wrap=True).count("\n") > 1


def test_progress_shows_descriptions_as_they_are() -> None:
    bars = progress()
    bars.add_task(NASTY, total=2)
    out = io.StringIO()
    PlainConsole(file=out, width=300).print(bars.get_renderable())
    assert SHOWN in out.getvalue()


def test_a_command_is_printed_as_a_shell_takes_it() -> None:
    assert shlex.split(command("inspect", Path("my grids/it's.h5"))) == ["localnoise", "inspect", "my grids/it's.h5"]


@pytest.mark.parametrize("name", ["g[/b].h5", "[red]g[/red].h5", "g\x1b[2J.h5"])
def test_a_grid_of_any_name_and_provenance_is_inspected(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = UnitGrid((3, 3), 1, parents=2).learn(np.random.default_rng(0).normal(size=(50, 1, 3, 3)))
    grid.provenance = {"dataset": NASTY, "long": "x" * 150}
    grid.save(tmp_path / name)
    inspect(tmp_path / name, unit="", figure=None)
    said = capsys.readouterr().out
    assert SHOWN in said
    assert "x" * 150 in said
    assert plain(f"figure {(tmp_path / name).with_suffix('.png')}") in said
    assert "\x1b" not in said


@pytest.mark.parametrize("name", ["no[/b]such.h5", "[red]none.h5", "g\x1b[2J.h5"])
def test_errors_name_files_as_they_are(
    name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("sys.argv", ["localnoise", "inspect", name])
    with pytest.raises(SystemExit):
        cli.main()
    said = capfd.readouterr().err
    assert plain(f"error: {name}: no such file") in said
    assert "\x1b" not in said


def test_usage_errors_name_options_as_they_are() -> None:
    done = CliRunner().invoke(cli.build(["inspect"]), ["inspect", "x.h5", "--[/b]", "\x1b[2J"])
    assert done.exit_code == 2
    assert "\x1b[2J" not in done.output


def test_show_takes_tables_and_texts(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("number")
    table.add_row("1" * 200)
    show(table)
    show("and [a] text")
    said = capsys.readouterr().out
    assert "1" * 200 in said
    assert "and [a] text\n" in said
    assert console.is_terminal is False
