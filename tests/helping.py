"""Commands run in this process: torch is imported once, not once a command."""

import io
import os
import signal
import sys
import traceback
import warnings
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner, Result

from localnoise.sims.cli import build, main


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def invoked(*command: str) -> Result:
    return CliRunner().invoke(build(list(command)), list(command), env={"COLUMNS": "100", "NO_COLOR": "1"})


@cache
def help_of(*command: str) -> str:
    """Return what a command's `--help` prints."""
    done = CliRunner().invoke(build(list(command)), [*command, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return done.stdout


def run_command(*arguments: object, cwd: Path | None = None, columns: int = 100) -> Done:
    """Run `localnoise ARGUMENTS`, with its own folder, streams, warnings and signal handlers, as a process has them."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        stack.enter_context(mock.patch.object(sys, "argv", ["localnoise", *map(str, arguments)]))
        stack.enter_context(mock.patch.dict(os.environ, {"COLUMNS": str(columns), "NO_COLOR": "1"}))
        stack.enter_context(warnings.catch_warnings())
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        if cwd is not None:
            stack.enter_context(chdir(cwd))
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # as the interpreter ends
            traceback.print_exc()
            code = 1
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Done(code, out.getvalue(), err.getvalue())
