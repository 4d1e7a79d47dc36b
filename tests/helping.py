"""What a command's `--help` prints, run in this process: torch is imported once, not once a command."""

from functools import cache

from typer.testing import CliRunner, Result

from localnoise.sims.cli import build


def invoked(*command: str) -> Result:
    return CliRunner().invoke(build(list(command)), list(command), env={"COLUMNS": "100", "NO_COLOR": "1"})


@cache
def help_of(*command: str) -> str:
    done = CliRunner().invoke(build(list(command)), [*command, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return done.stdout
