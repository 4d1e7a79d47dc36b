"""Names of an artefact's files, functions, modules and tables: names of its own let several share one program.

As `localnoise` its files are localnoise*, its C functions and types ln_*, its macros LN_*, its Verilog modules
localnoise*; under another name NAME they are NAME*, NAME_*, the name in capitals, and NAME*.
"""

import re
from typing import Any

from localnoise.errors import ArgumentError
from localnoise.hardware.export import reserved

USUAL = "localnoise"
_LONGEST = 20  # C99 promises 31 significant characters of an external name, and _innovation follows
_KEYWORDS = {"C": reserved.C_KEYWORDS, "Verilog": reserved.VERILOG_KEYWORDS}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def as_identifier(name: Any, language: str) -> str:
    """Return `name` if it can begin the names of "C" or "Verilog".

    Raises
    ------
    ArgumentError
        It is no identifier of the language, too long, or taken: by a keyword, a header or a part of the top module.
    """
    if not (isinstance(name, str) and _IDENTIFIER.fullmatch(name)):
        why = "is no identifier"
    elif name in _KEYWORDS[language]:
        why = f"is a keyword of {language}"
    elif why := _taken(name, language):
        pass
    elif len(name) > _LONGEST:
        why = f"has {len(name)} characters"
    else:
        return str(name)
    raise ArgumentError(
        f"name={name!r}: {why}; expected a {language} identifier of at most {_LONGEST} letters, digits and "
        "underscores that begins with a letter"
    )


def _taken(name: str, language: str) -> str:
    """Why something else has the name already, or "". Files are compared as systems do that know no capitals."""
    if any(re.fullmatch(device, name, re.IGNORECASE) for device in reserved.DEVICES):
        return "is no file name on Windows"
    if language == "C":
        if name.lower() in reserved.C_HEADERS:
            return "is a header or function of C's own"
        if name.lower().startswith("ln_"):
            return "is the beginning of names that it replaces, ln_"
        return "is a keyword of C++" if name in reserved.CPP_KEYWORDS else ""
    if name in reserved.SYSTEM_VERILOG_KEYWORDS:
        return "is a keyword of SystemVerilog"
    inside = any(re.fullmatch(own, name) for own in reserved.IN_TOP_MODULE)
    return "is a port, net or instance of the top module" if inside else ""


def prefix(name: str) -> str:
    """Return the beginning of the names of an artefact's C functions."""
    return "ln" if name == USUAL else name


def in_c(text: str, name: str) -> str:
    """The text of a C file under `name`: files, functions, types, macros and include guards."""
    text = re.sub(rf"\b{USUAL}(\w*\.[ch])\b", rf"{name}\1", text)
    text = re.sub(rf"\b{USUAL.upper()}_", f"{name.upper()}_", text)
    return re.sub(r"\bLN_", f"{prefix(name).upper()}_", re.sub(r"\bln_", f"{prefix(name)}_", text))


def in_verilog(text: str, name: str) -> str:
    """The text of a Verilog file under `name`: modules and files of tables."""
    return re.sub(rf"\b{USUAL}(_\w|(?= \())", rf"{name}\1", text)
