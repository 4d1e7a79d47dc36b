"""What an artefact's files, functions, modules and tables are called: names of its own let several share one program.

As `localnoise` its files are localnoise*, its C functions and types ln_*, its macros LN_*, its Verilog modules
localnoise*; under another name NAME they are NAME*, NAME_*, the name in capitals, and NAME*.
"""

import re
from typing import Any

from localnoise.errors import ArgumentError

USUAL = "localnoise"
_LONGEST = 20  # C99 promises 31 significant characters of an external name, and _innovation follows
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_KEYWORDS = {
    "C": """auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while""",
    "Verilog": """always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign default
    defparam design disable edge else end endcase endconfig endfunction endgenerate endmodule endprimitive endspecify
    endtable endtask event for force forever fork function generate genvar highz0 highz1 if ifnone incdir include
    initial inout input instance integer join large liblist library localparam macromodule medium module nand negedge
    nmos nor noshowcancelled not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent rcmos real realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1
    scalared showcancelled signed small specify specparam strong0 strong1 supply0 supply1 table task time tran tranif0
    tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire vectored wait wand weak0 weak1 while wire wor xnor
    xor""",
}


def as_identifier(name: Any, language: str) -> str:
    """Return `name` if it can begin the names of "C" or "Verilog".

    Raises
    ------
    ArgumentError
        It is no identifier of the language, one of its keywords, or too long.
    """
    if not (isinstance(name, str) and _IDENTIFIER.fullmatch(name)):
        why = "is no identifier"
    elif name in _KEYWORDS[language].split():
        why = f"is a keyword of {language}"
    elif len(name) > _LONGEST:
        why = f"has {len(name)} characters"
    else:
        return str(name)
    raise ArgumentError(
        f"name={name!r}: {why}; expected a {language} identifier of at most {_LONGEST} letters, digits and "
        "underscores that begins with a letter"
    )


def prefix(name: str) -> str:
    """What the C functions of an artefact begin with."""
    return "ln" if name == USUAL else name


def in_c(text: str, name: str) -> str:
    """The text of a C file under `name`: files, functions, types, macros and include guards."""
    text = re.sub(rf"\b{USUAL}(\w*\.[ch])\b", rf"{name}\1", text)
    text = re.sub(rf"\b{USUAL.upper()}_", f"{name.upper()}_", text)
    return re.sub(r"\bLN_", f"{prefix(name).upper()}_", re.sub(r"\bln_", f"{prefix(name)}_", text))


def in_verilog(text: str, name: str) -> str:
    """The text of a Verilog file under `name`: modules and files of tables."""
    return re.sub(rf"\b{USUAL}(_\w|(?= \())", rf"{name}\1", text)
