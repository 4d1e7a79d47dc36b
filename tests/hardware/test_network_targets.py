"""A network's C on other processors and compilers: big-endian, 16-bit int, sanitizers, C++; faults planted in it."""

import hashlib
import json
import re
import shutil
import subprocess
import sys

import avr
import numpy as np
import pytest
import torch
from small_networks import Residual, network
from torch import nn

import localnoise as ln
from localnoise.hardware import quantise as to_chip
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.host import FLAGS
from localnoise.hardware.network import defend, quantise

pytestmark = [pytest.mark.slow, pytest.mark.toolchain]
WARNED = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
CALLER = """
#include "localnoise_defense.h"

namespace {
ln_defense defense;
std::int32_t scores[LN_OUTPUTS];
}

int main()
{
    const ln_word image[LN_INPUTS] = {1, 2, 3};
    ln_defense_init(&defense);
    return ln_defend(&defense, image, scores) + ln_defense_selftest() + ln_selftest() < LN_OUTPUTS ? 0 : 1;
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16, 3),
    ).eval()  # fmt: skip
    d = 0.3 * np.random.default_rng(0).normal(size=(400, 4, 6, 6)).astype(np.float32)
    grid = to_chip(ln.UnitGrid(shape=(6, 6), channels=4, parents=2).learn(d))
    made = defend(model, torch.rand(64, 1, 6, 6), grid, "1", draws=2, seed=3)
    return export(made, tmp_path_factory.mktemp("targets") / "c", seed=3)


@pytest.mark.parametrize("target", ["mips, big-endian", "powerpc, big-endian", "s390x, big-endian, 64 bits"])
def test_main_finds_no_difference_on_other_processors(folder, tmp_path, target):
    foreign = pytest.importorskip("foreign")
    assert foreign.main_of(folder, tmp_path, target) == 0


def with_a_fault(folder, copied):
    """Return a copy in which one bit of the first golden logit is another."""
    shutil.copytree(folder, copied)
    golden = copied / "localnoise_golden.c"
    text = golden.read_text()
    at = text.index("golden_logit")
    first = re.search(r"-?\d+", text[text.index("{", at) :])
    place = text.index("{", at) + first.start()
    golden.write_text(f"{text[:place]}{int(first.group()) ^ 1}{text[place + len(first.group()) :]}")
    return copied


def test_a_fault_is_found_on_another_processor(folder, tmp_path):
    foreign = pytest.importorskip("foreign")
    assert foreign.main_of(with_a_fault(folder, tmp_path / "c"), tmp_path, "mips, big-endian") == 1


def test_it_compiles_without_a_warning_where_int_has_16_bits(folder, tmp_path):
    for source in sorted(folder.glob("*.c")):
        command = ["avr-gcc", "-mmcu=atmega2560", *WARNED, "-ffreestanding", "-c", "-I", str(folder), str(source)]
        done = subprocess.run([*command, "-o", str(tmp_path / "a.o")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def operators(tmp_path_factory):
    """A network of every kind of layer."""
    model, x = network(Residual)
    return export(quantise(model, x).program, tmp_path_factory.mktemp("operators") / "c")


@pytest.mark.parametrize("what", ["folder", "operators"])
def test_main_finds_no_difference_where_int_has_16_bits(what, request, tmp_path):
    assert avr.main_of(request.getfixturevalue(what), tmp_path) == 0


def test_a_fault_is_found_where_int_has_16_bits(operators, tmp_path):
    faulty = with_a_fault(operators, tmp_path / "c")
    assert avr.main_of(faulty, tmp_path) == 1


@pytest.mark.parametrize("compiler", ["gcc", "clang of zig"])
def test_compilers_and_sanitizers_find_nothing(folder, tmp_path, compiler):
    if compiler == "gcc" and shutil.which("gcc") is None:
        pytest.skip("no gcc")
    command = ["gcc", *SANITIZED] if compiler == "gcc" else [sys.executable, "-m", "ziglang", "cc"]
    command += [*WARNED, "-I", str(folder), *map(str, sorted(folder.glob("*.c"))), "-o", str(tmp_path / "main")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_a_caller_in_cpp(folder, tmp_path):
    objects = []
    for source in sorted(folder.glob("*.c")):
        if source.name != "localnoise_main.c":
            objects.append(str(tmp_path / f"{source.stem}.o"))
            subprocess.run(["gcc", *FLAGS, "-c", "-I", str(folder), str(source), "-o", objects[-1]], check=True)
    (tmp_path / "caller.cpp").write_text("#include <cstdint>\n" + CALLER)
    flags = ("-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror")
    command = ["g++", *flags, "-I", str(folder), str(tmp_path / "caller.cpp"), *objects, "-o", str(tmp_path / "main")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([str(tmp_path / "main")], check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "array", "bit", "expected"),
    [
        ("localnoise_tables.c", "ln_weights", 4, {"logits", "scores"}),
        ("localnoise_tables.c", "ln_bias", 64, {"logits", "scores"}),
        ("localnoise_tables.c", "ln_fraction", 1, {"logits", "scores"}),
        ("lnfield_tables.c", "lnfield_weights", 64, {"scores"}),
        ("lnfield_tables.c", "lnfield_seeds", 4, {"scores"}),
    ],
)
def test_a_planted_bit_is_found_and_named(folder, tmp_path, file, array, bit, expected):
    shutil.copytree(folder, tmp_path / "c")
    place = tmp_path / "c" / file
    text = place.read_text()
    begin = text.index("{", text.index(f"{array}["))
    numbers = list(re.finditer(r"-?\d+", text[begin : text.index("}", begin)]))
    number = numbers[len(numbers) // 2]  # the first unit lies in a corner that few outputs read
    flipped = str(int(number.group()) ^ bit)
    place.write_text(text[: begin + number.start()] + flipped + text[begin + number.end() :])
    said = json.loads((tmp_path / "c" / manifest.NAME).read_text())
    said["files"][file] = hashlib.sha256(place.read_bytes()).hexdigest()
    (tmp_path / "c" / manifest.NAME).write_text(json.dumps(said))
    checks, _ = verify(tmp_path / "c", backends=("host",), images=64)
    wrong = {check.name: check.mismatch for check in checks if check.mismatch}
    assert wrong.keys() & expected
    assert all("expected" in mismatch and "got" in mismatch for mismatch in wrong.values())
