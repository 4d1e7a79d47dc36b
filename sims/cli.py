"""The command line: `localnoise COMMAND`. Each command is a module that also runs as a script.

Exit codes: 0 done; 1 an error, stated in one sentence; 2 a wrong option or argument; 130 interrupted.
"""

import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.text import Text

from localnoise import __version__, plugins
from localnoise.errors import LocalnoiseError, PluginError, listed
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.choices import OptionError
from localnoise.sims.runtime.console import console, errors, show_warnings_plainly
from localnoise.sims.runtime.renamed import Command
from localnoise.sims.runtime.stopping import Interrupting


def build(arguments: list[str]) -> typer.Typer:
    """Return the application for these arguments: the command that they name is imported, ours are else only listed."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich", help=_HELP)
    app.callback()(_options)
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    known = commands.ours() if named in commands.ours() else commands.listed()
    for name, (panel, summary, _) in known.items():
        if name != named:
            app.command(name, cls=_Command, rich_help_panel=panel)(_shown(summary))
        else:
            _enter(app, name, panel)
    return app


def _enter(app: typer.Typer, name: str, panel: str | None = None) -> None:
    command: Any = commands.find(name)
    if isinstance(command, typer.Typer):  # a group of commands
        app.add_typer(command, name=name, rich_help_panel=panel)
    else:
        app.command(name, cls=_Command, rich_help_panel=panel)(command)


class _Command(Command):
    """A command that says of an unknown option which other commands have it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(error, "option_name", "")  # of an unknown option, whosever copy of click
            others = owners(option) if option else []
            if others:
                said = listed((f"`localnoise {name}`" for name in others), 80)
                error.message = f"No such option: {option}. {option} is an option of {said}"  # type: ignore[attr-defined]
                error.possibilities = []  # type: ignore[attr-defined]
            raise


def owners(option: str) -> list[str]:
    """Return the commands that have exactly this option. All are imported: only a command that failed asks."""
    found = list[str]()
    for name in commands.listed():
        app = typer.Typer()
        app.callback()(_options)  # so that it is a group, of one command
        try:
            _enter(app, name)
        except (ImportError, PluginError):  # of a package that not everyone has
            continue
        group: Any = typer.main.get_command(app)
        made = group.commands[name]
        parts = {f"{name} {part}": one for part, one in getattr(made, "commands", {}).items()} or {name: made}
        found += [called for called, one in parts.items() if any(option in each.opts for each in one.params)]
    return found


def main() -> None:
    """Run the command line; errors become one sentence unless --debug is given."""
    arguments = sys.argv[1:]
    interrupting = Interrupting()
    for number in (signal.SIGINT, signal.SIGTERM):  # a scheduler's stop ends workers as Ctrl-C does
        signal.signal(number, interrupting)
    show_warnings_plainly()
    try:
        names, sys.argv[1:] = plugged(arguments)
        plugins.load(*names)
        build(sys.argv[1:])()
    except (LocalnoiseError, OSError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        errors.print(Text("error: ", "bold red"), end="")
        errors.print(str(error) or type(error).__name__, soft_wrap=True)
        sys.exit(2 if isinstance(error, OptionError) else 1)
    except (KeyboardInterrupt, SystemExit) as end:  # of an interruption Typer makes an exit with 130
        if isinstance(end, SystemExit) and end.code != _INTERRUPTED:
            raise
        errors.print("interrupted; finished work is kept, the same command goes on (a sweep with --resume)")
        sys.exit(_INTERRUPTED)


def plugged(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take the modules of --plugin out, wherever it stands: they are imported before the command, which may need them.

    Returns
    -------
    modules, rest : list of str
    """
    modules, rest, left = [], [], iter(arguments)
    for argument in left:
        if argument == "--plugin":
            modules.append(next(left, ""))
        elif argument.startswith("--plugin="):
            modules.append(argument.partition("=")[2])
        else:
            rest.append(argument)
            if argument == "--":
                rest += left
    return modules, rest


_INTERRUPTED = 130
_HELP = """Grids of processing units that learn structured noise from their neighbors, and the robustness it gives.

Examples:

    localnoise demo

    localnoise fit --train rotate --parents 8 -o rotate.h5

    localnoise inspect rotate.h5
"""


def _shown(summary: str) -> Callable[[], None]:
    def command() -> None:
        """Stand in the list of commands."""

    command.__doc__ = summary
    return command


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"localnoise {__version__}")
        raise typer.Exit


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            help="Module of your own: rules, orders, trainings, perturbations, attacks, defenses, tasks, export "
            "formats, back ends, commands; may be repeated."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """Options of all commands."""


if __name__ == "__main__":
    main()
