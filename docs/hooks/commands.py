"""Write the reference of the command line from the commands themselves, where the page says `<!-- commands -->`."""

import inspect
import re
from typing import Any

from typer.main import get_command

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the reference in the place of the mark."""
    return markdown.replace(MARK, reference()) if MARK in markdown else markdown


def reference() -> str:
    """Return every command's help as Markdown; importing the commands takes some seconds."""
    from localnoise.sims.cli import build

    parts = []
    for name in get_command(build([])).commands:  # type: ignore[attr-defined]
        command = get_command(build([name])).commands[name]  # type: ignore[attr-defined]
        parts.append(f"## `localnoise {name}`\n\n{_text(command)}")
        nested = getattr(command, "commands", None)
        for inner, one in (nested or {}).items():
            parts.append(f"### `localnoise {name} {inner}`\n\n{_text(one)}\n\n{_parameters(one)}")
        if nested is None:
            parts.append(_parameters(command))
    return "\n\n".join(parts)


def _text(command: Any) -> str:
    """Return a command's help; its headings become bold, so that the page's contents list commands alone."""
    text = inspect.cleandoc((command.help or "").replace("\b", "").partition("\f")[0])
    text = re.sub(r"^(\w+):?\n-{3,}$", r"**\1**\n", text, flags=re.MULTILINE)
    return re.sub(r"(^ {4}\S.*\n)\n(?= {4}\S)", r"\1", text, flags=re.MULTILINE)


def _parameters(command: Any) -> str:
    rows = [_row(one) for one in command.params if one.name != "help" and not getattr(one, "hidden", False)]
    if not rows:
        return "It takes no options."
    return "\n".join(["| option | default | meaning |", "|---|---|---|", *rows])


def _row(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    names = [parameter.metavar or str(parameter.name).upper()] if argument else [*parameter.opts]
    spelled = ", ".join(f"`{name}`" for name in [*names, *parameter.secondary_opts])
    default = parameter.default
    if callable(default) or default is None or default is False or str(default) == "Sentinel.UNSET":
        shown = "required" if parameter.required else ""
    else:
        shown = "on" if default is True else f"`{default}`"
    meaning = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", r"\|")
    return f"| {spelled} | {shown} | {meaning} |"
