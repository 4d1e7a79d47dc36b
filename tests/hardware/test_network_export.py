"""A network as C99: the emulator's logits to the bit, here and on a Cortex-M4; a changed number is found."""

import os
import subprocess
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from small_networks import SHAPES, Residual, Vector, network

from localnoise.errors import ArgumentError
from localnoise.hardware import OnChip, load_chips
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.host import FLAGS, compiler
from localnoise.hardware.export.network_machines import NetworkCortexM, NetworkHost
from localnoise.hardware.export.network_parts import images
from localnoise.hardware.network import Program, quantise
from localnoise.hardware.network.layers import ConvolutionWords

IMAGES = int(os.environ.get("NETWORK_IMAGES", "40"))  # that go through the emulated Cortex-M4


@pytest.fixture(scope="module", params=SHAPES, ids=lambda kind: kind.__name__)
def program(request):
    model, x = network(request.param)
    return quantise(model, x).program


def test_exported_c_is_the_emulators_to_the_bit(program, tmp_path):
    folder = export(program, tmp_path / "c", name="mine")
    checks, costs = verify(folder, backends=("host",), images=40)
    assert [check.name for check in checks] == ["self-test", "logits", "class"]
    assert not any(check.mismatch for check in checks)
    assert not costs
    said = manifest.read(folder)
    assert said["activations"] == {"bits": 8, "scale": program.scale, "zero_point": 0}
    assert len(said["layers"]) == len(program.layers)


@pytest.mark.toolchain
def test_a_cortex_m_classifies_to_the_bit(program, tmp_path):
    checks, costs = verify(export(program, tmp_path / "c"), backends=("host", "cortex-m"), images=IMAGES)
    assert not any(check.mismatch for check in checks)
    assert {check.words for check in checks if check.name == "class"} == {IMAGES}
    assert "instructions an image" in costs["cortex-m"]


@pytest.mark.toolchain
def test_words_of_twelve_bits_are_the_emulators_too(tmp_path):
    model, x = network(Residual)
    folder = export(quantise(model, x, activation_bits=12).program, tmp_path / "c")
    assert not any(check.mismatch for check in verify(folder, images=40)[0])


@pytest.mark.toolchain
def test_no_undefined_behavior_and_a_caller_in_cpp(program, tmp_path):
    folder = export(program, tmp_path / "c")
    flags = ["-std=c99", "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"]
    sources = sorted(map(str, folder.glob("*.c")))
    done = subprocess.run([*compiler(), *flags, *sources, "-o", str(tmp_path / "main")], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this compiler has no sanitizers")
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 0
    text = '#include "localnoise_network.h"\nint main() { return ln_selftest(); }\n'
    (tmp_path / "main.cpp").write_text(text)
    objects = []
    for path in sorted(folder.glob("*.c")):
        if not path.name.endswith("_main.c"):
            objects.append(str(tmp_path / path.stem) + ".o")
            subprocess.run([*compiler(), *FLAGS, "-c", str(path), "-o", objects[-1]], check=True)
    command = [*compiler("c++"), "-I", str(folder), str(tmp_path / "main.cpp"), *objects, "-o", str(tmp_path / "cpp")]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "cpp"], check=False).returncode == 0


def flipped(program, name):
    """The program with one bit of one number changed."""
    layers = list(program.layers)
    k = next(k for k, layer in enumerate(layers) if isinstance(layer, ConvolutionWords))
    if name == "table":
        table = layers[k].finish.table.copy()
        table[len(table) // 2] ^= 1
        layers[k] = replace(layers[k], finish=replace(layers[k].finish, table=table))
    else:
        array = getattr(layers[k], name).copy()
        array.reshape(-1)[0] ^= 1 if name != "bias" else 1 << 7
        layers[k] = replace(layers[k], **{name: array})
    return Program(program.shape, program.bits, program.scale, layers)


@pytest.mark.parametrize("name", ["weights", "bias", "fraction", "table"])
def test_a_changed_number_is_found(tmp_path, name):
    model, x = network(Vector)
    program = quantise(model, x).program
    folder = export(flipped(program, name), tmp_path / "c")
    with closing(NetworkHost(folder, tmp_path, program)) as machine:
        words = images(program, 200, np.random.default_rng(0))
        assert not np.array_equal(machine.classify(words)[1], program.words(words))


def test_what_holds_no_network_says_so(tmp_path):
    model, x = network(Vector)
    program = quantise(model, x).program
    with pytest.raises(ArgumentError, match="kind='json' holds no network: expected c99"):
        export(program, tmp_path / "json", "json")
    with pytest.raises(ArgumentError, match="learner was given with a network"):
        export(program, tmp_path / "learner", learner=OnChip(rule="lms"))
    with pytest.raises(ArgumentError, match="keyword of C"):
        export(program, tmp_path / "named", name="while")
    folder = export(program, tmp_path / "c")
    with pytest.raises(ArgumentError, match="expected host or cortex-m"):
        verify(folder, backends=("file",))
    assert isinstance(load_chips(folder / "chip.h5"), Program)
    assert NetworkCortexM.formats == ("c99",)
