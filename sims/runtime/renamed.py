"""Options under names of earlier versions: they work for one more version, with a warning that names the new one."""

from typing import Any

from typer.core import TyperCommand

from localnoise.errors import LocalnoiseError
from localnoise.sims.runtime.choices import show_choices
from localnoise.sims.runtime.console import errors
from localnoise.sims.runtime.spoken import speak

RENAMED = {
    "--arms": "--defenses",
    "--budget": "--preset",
    "--source": "--train",
    "--sources": "--train",
    "--threat": "--test",
    "--threats": "--test",
    "--trace": "--variance",
    "--traces": "--variances",
    "--fan-in": "--parents",
    "--output": "--out",  # of a folder
    "--out": "--output",  # of a file
    "-o": "--out",  # which stands for --output elsewhere
    "--workers": "--jobs",
    "--full": "--data=full",
    "--keep": "--cache",  # of trained networks; `fit --keep` writes displacements
    "--defense": "--defenses",  # where several are meant
    "--radius": "--signal-radius",  # of what a unit reads; --radius is that of its parents
}


class Command(TyperCommand):
    """A command that also takes the earlier names of its options, and whose errors name the options that were given."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        show_choices(self.params)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LocalnoiseError as error:
            speak(error, ctx)
            raise

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments after renaming them."""
        own = {flag for parameter in self.params for flag in parameter.opts}
        return super().parse_args(ctx, renamed(args, own))


def renamed(arguments: list[str], own: set[str]) -> list[str]:
    """Return the arguments with every option that is not the command's `own` under its new name, if it has one."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    out = []
    for place, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        new = RENAMED.get(flag, flag)
        if place < end and flag not in own and new.partition("=")[0] in own:
            errors.print(f"warning: {flag} is now {new}; the old name goes with the next version")
            argument = f"{new}{equals}{value}"
        out.append(argument)
    return out
