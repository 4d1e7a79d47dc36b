"""Artefacts of networks on other processors, big-endian ones too: zig compiles, Unicorn runs; their `main` alone."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import mips_const, ppc_const, s390x_const

from localnoise.hardware.export.host import compiled

STOP, STACK, TOP = 0x00F00000, 0x00A00000, 0x400000  # all below 16 MiB: Unicorn starts a S390 in 24-bit mode
_BASE = ("-Wl,--image-base=0x100000",)
FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-ffreestanding", "-nostdlib")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What zig calls a processor, how Unicorn emulates it, and registers: stack, return address, result, counter."""

    zig: tuple[str, ...]
    arch: int
    mode: int
    stack: int
    back: int
    result: int
    at: int


BIG = unicorn.UC_MODE_BIG_ENDIAN
TARGETS = {
    "mips, big-endian": Target(
        zig=("-target", "mips-freestanding-eabi", "-fno-pic"), arch=unicorn.UC_ARCH_MIPS,
        mode=unicorn.UC_MODE_MIPS32 | BIG, stack=mips_const.UC_MIPS_REG_SP, back=mips_const.UC_MIPS_REG_RA,
        result=mips_const.UC_MIPS_REG_V0, at=mips_const.UC_MIPS_REG_PC,
    ),
    "powerpc, big-endian": Target(
        zig=("-target", "powerpc-freestanding-eabi",), arch=unicorn.UC_ARCH_PPC, mode=unicorn.UC_MODE_PPC32 | BIG,
        stack=ppc_const.UC_PPC_REG_1, back=ppc_const.UC_PPC_REG_LR, result=ppc_const.UC_PPC_REG_3,
        at=ppc_const.UC_PPC_REG_PC,
    ),
    "s390x, big-endian, 64 bits": Target(
        zig=("-target", "s390x-freestanding", "-mcpu=z10"), arch=unicorn.UC_ARCH_S390X, mode=BIG,
        stack=s390x_const.UC_S390X_REG_R15, back=s390x_const.UC_S390X_REG_R14, result=s390x_const.UC_S390X_REG_R2,
        at=s390x_const.UC_S390X_REG_PC,
    ),
}  # fmt: skip


def main_of(folder: Path, build: Path, name: str) -> int:
    """Return what an artefact's main returns on a processor: how many golden images differ."""
    target = TARGETS[name]
    binary = build / "artefact.elf"
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        *target.zig,
        *FLAGS,
        "-Wl,-e,main",
        *_BASE,
        "-I",
        str(folder),
        *sources,
    ]
    done = compiled([*command, "-o", str(binary)])
    assert done.returncode == 0, done.stderr
    uc: Any = unicorn.Uc(target.arch, target.mode)
    with binary.open("rb") as file:
        elf = ELFFile(file)
        pages = set()
        loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        for segment in loads:
            first, last = segment["p_vaddr"] >> 12, (segment["p_vaddr"] + segment["p_memsz"]) >> 12
            pages |= set(range(first, last + 1))
        for page in sorted(pages | {STOP >> 12}):
            uc.mem_map(page << 12, 4096)
        for segment in loads:
            uc.mem_write(segment["p_vaddr"], segment.data())
        symbols = {one.name: one["st_value"] for one in elf.get_section_by_name(".symtab").iter_symbols()}
    uc.mem_map(STACK, TOP)
    uc.reg_write(target.stack, STACK + TOP - 4096)
    uc.reg_write(target.back, STOP)
    try:
        uc.emu_start(symbols["main"], STOP, timeout=300 * 10**6)
    except unicorn.UcError:  # a S390 stumbles over the end itself
        if uc.reg_read(target.at) != STOP:
            raise
    assert uc.reg_read(target.at) == STOP, "it did not come to its end in time"
    return int(uc.reg_read(target.result))
