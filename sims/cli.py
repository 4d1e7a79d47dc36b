"""The command line: `localnoise COMMAND`. Each command is a module that also runs as a script.

Exit codes: 0 done; 1 an error, stated in one sentence; 2 a wrong option or argument; 130 interrupted.
"""

import importlib
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.text import Text

from localnoise import __version__, plugins
from localnoise.errors import LocalnoiseError, listed
from localnoise.sims.runtime.choices import OptionError
from localnoise.sims.runtime.console import console, errors, show_warnings_plainly
from localnoise.sims.runtime.renamed import Command
from localnoise.sims.runtime.stopping import Interrupting

# panel: {command: (module:function, help)}. A module is imported when its command is asked for: torch takes seconds,
# `--help` should not.
PANELS = {
    "Start": {
        "demo": (
            "demo:demo",
            "Train, learn, defend, repair and compare on the embedded images: about 3 minutes on 2 cores.",
        ),
        "list": (
            "tools.names:names",
            "List what commands take by name: rules, orders, perturbations, attacks, defenses, tasks, chips, ...",
        ),
        "data": ("tools.showdata:data", "Describe the data set; draw contact sheets of classes and modifications."),
    },
    "Learn": {
        "fit": ("tools.fit:fit", "Learn a grid from the displacements that a perturbation causes; write it to HDF5."),
        "learn": ("tools.learn:learn", "Learn a grid from displacements in an HDF5 or .npy file, however large."),
        "train": ("train:train", "Train a task's networks by local rules, nothing crossing a layer backward; compare."),
        "sample": ("tools.sample:sample", "Draw noise from a grid into an HDF5 or .npy file, however much."),
        "inspect": ("tools.inspection:inspect", "Summarise a fitted grid in text and one figure."),
    },
    "Evaluate": {
        "compare": (
            "compare:compare",
            "Compare any defenses on any perturbations, under the paper's protocol or a reviewer's.",
        ),
        "retention": (
            "retention:retention",
            "Compare local with central noise on every source, with intervals: hours.",
        ),
        "paper": ("paper:paper", "Rerun the paper's study, side by side with what it states."),
        "transfer": ("transfer:transfer", "Which noise helps against which perturbation: heat maps."),
        "repair": (
            "repair:repair",
            "Repair a trained network, its weights untouched: learn, test, one table.",
        ),
        "stream": (
            "stream:stream",
            "Corruptions that come and go on a stream: repair beside adaptation at test time.",
        ),
        "tradeoff": ("tradeoff:tradeoff", "What robustness costs: clean against robust accuracy, by noise variance."),
        "report": (
            "tools.report:report",
            "Make tables, figures and pages again, from records.",
        ),
    },
    "Chip": {
        "demo-chip": (
            "demochip:demo_chip",
            "A network with its noise on an emulated Cortex-M4, image in, class out: three minutes.",
        ),
        "quantise": ("tools.quantise:quantise", "Quantise a grid for a chip: integers, emulated to the bit."),
        "chip": ("tools.chip:chip", "Chips: their published limits, and whether a quantised grid fits."),
        "export": (
            "tools.export:export",
            "Export a chip grid as C99, Verilog, JSON, HDF5 or NIR; a network as C99.",
        ),
        "verify": ("tools.verify:verify", "Run an exported artefact and compare it with the emulator, to the bit."),
        "classify": (
            "tools.classify:classify",
            "Run inputs through an exported network: image in, class out.",
        ),
        "audit": (
            "tools.audit:audit",
            "Judge a device from its words; or, with --task, what a network's noise certifies.",
        ),
        "bits": ("bits:bits", "How many bits robustness needs: chip grids beside floating point."),
        "wires": ("wires:wires", "How many wires robustness needs: pruned chip grids beside what chips hold."),
    },
    "Spikes": {
        "spiking": ("spikes:spiking", "The grid in Brian2: checked, learned by spikes, beside cortex, as a defense."),
    },
    "Search": {
        "sweep": (
            "sweep:sweep",
            "Search hyperparameters for several goals at once, here or on a Dask cluster.",
        ),
    },
}
COMMANDS = {name: command for panel in PANELS.values() for name, command in panel.items()}


def build(arguments: list[str]) -> typer.Typer:
    """Return the application for these arguments: the command that they name is imported, the others only listed."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich", help=_HELP)
    app.callback()(_options)
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    for panel, commands in PANELS.items():
        for name, (place, summary) in commands.items():
            command: Any = _listed(summary) if name != named else _imported(place)
            if isinstance(command, typer.Typer):  # a group of commands
                app.add_typer(command, name=name, rich_help_panel=panel)
            else:
                app.command(name, cls=_Command, rich_help_panel=panel)(command)
    return app


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
    for name, (place, _) in COMMANDS.items():
        app = typer.Typer()
        try:
            command = _imported(place)
        except ImportError:  # of a package that not everyone has
            continue
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
            app.callback()(_options)  # so that it is a group of one command
        group: Any = typer.main.get_command(app)
        made = group.commands[name]
        parts = {f"{name} {part}": one for part, one in getattr(made, "commands", {}).items()} or {name: made}
        found += [called for called, one in parts.items() if any(option in each.opts for each in one.params)]
    return found


def _imported(place: str) -> Any:
    module, function = place.split(":")
    return getattr(importlib.import_module(f"localnoise.sims.{module}"), function)


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
_HELP = """Grids of processing units that learn structured noise from their neighbours, and the robustness it gives.

Examples:

    localnoise demo

    localnoise fit --train rotate --parents 8 -o rotate.h5

    localnoise inspect rotate.h5
"""


def _listed(summary: str) -> Callable[[], None]:
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
            "formats, back ends; may be repeated."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """Options of all commands."""


if __name__ == "__main__":
    main()
