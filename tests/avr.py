"""Artefacts of networks on an ATmega2560, whose int has 16 bits: avr-gcc compiles, simavr runs; their `main` alone."""

import re
import subprocess
from pathlib import Path

CHIP, FLAGS = "-mmcu=atmega2560", ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
TOLD = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

int artefact_main(void);

static void say(char letter)
{
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = (uint8_t)letter;
}

int main(void)
{
    UCSR0B = 1 << TXEN0;
    int rest = artefact_main();
    say('=');
    for (int power = 10000; power; power /= 10, rest %= power ? power * 10 : 1)
        say((char)('0' + rest / power % 10));
    say('\\n');
    cli();
    sleep_enable();
    sleep_cpu();
    return 0;
}
"""


def main_of(folder: Path, build: Path) -> int:
    """Return what an artefact's main returns: how many golden images differ."""
    objects = []
    for source in sorted(folder.glob("*.c")):
        objects.append(str(build / f"{source.stem}.o"))
        command = ["avr-gcc", CHIP, *FLAGS, "-Dmain=artefact_main", "-I", str(folder), "-c", str(source)]
        subprocess.run([*command, "-o", objects[-1]], check=True)
    (build / "told.c").write_text(TOLD)
    binary = build / "artefact.elf"
    told = ["avr-gcc", CHIP, "-std=gnu99", "-O2", str(build / "told.c"), *objects, "-o", str(binary)]
    subprocess.run(told, check=True)
    run = ["simavr", "-m", "atmega2560", "-f", "16000000", str(binary)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=True)
    said = re.search(r"=(\d{5})", done.stdout + done.stderr)
    assert said is not None, done.stdout + done.stderr
    return int(said[1])
