"""Exports as other people's compilers read them: Icarus, C++, a program of many files; and a caller who obeys them."""

import re
import subprocess
from contextlib import closing

import icarus
import numpy as np
import pytest
from examples import examples
from hypothesis import Phase, given
from hypothesis import strategies as st
from naive_chip import learned
from small_grids import SEED, WIRING, formats

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import Formats, OnChip, OnChipReward, quantise
from localnoise.hardware.export import export, manifest
from localnoise.hardware.export.backends import BACKENDS
from localnoise.hardware.export.host import FLAGS, compiler
from localnoise.hardware.export.verilog.plan import plan
from localnoise.hardware.formats import GENERATORS, ROUNDINGS
from localnoise.hardware.generators import GENERATORS as OF_NAME
from localnoise.hardware.generators import states
from localnoise.hardware.generators.seeding import draws_without_overlap

STRICT = [flag for flag in FLAGS if flag != "-ffreestanding"]


def exported(folder, some=None, learner=None, kind="c99", **wiring):
    grid, h = learned(**wiring)
    d = np.random.default_rng(1).normal(size=(200, grid.config.channels, *grid.config.shape)) if learner else None
    chip = quantise(grid, some, h=h, d=d)
    return chip, export(chip, folder, kind, seed=5, learner=learner)


def built(program, folder, text, *more, language="cc", flags=()):
    """Compile `text` as a caller of the folder's C, each file by itself, and link."""
    source = program.with_suffix(".c" if language == "cc" else ".cpp")
    source.write_text(text)
    objects = []
    for path in sorted(folder.glob("*.c")):
        objects.append(program.with_name(path.stem + ".o"))
        subprocess.run([*compiler(), *STRICT, "-c", str(path), "-o", str(objects[-1])], check=True)
    paths = ["-I", str(folder), str(source), *map(str, (*more, *objects))]
    command = [*compiler(language), *flags, *paths, "-o", str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def output(program):
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


# Verilog, read by Icarus


def read_by_icarus(build, chip, draws=4, seed=5, **options):
    """Hold the words that Icarus draws, for activations where units read them, against the emulator's."""
    folder = export(chip, build / "rtl", "verilog", seed=seed, **options)
    words = None
    if chip.field.signal:
        limit, shape = chip.formats.activation_limit, (draws, chip.config.channels, chip.config.units)
        words = np.random.default_rng(seed % 2**32).integers(-limit - 1, limit + 1, shape)
    expected = chip.words(draws, seed, 0, words).reshape(draws, chip.config.channels, -1)
    np.testing.assert_array_equal(icarus.drawn(build, folder, chip, draws, words), expected)


@pytest.mark.slow
@examples(25, phases=[Phase.explicit, Phase.generate])
@given(wiring=WIRING, formats=formats(), seed=SEED, engines=st.integers(1, 3), loaded=st.booleans())
def test_icarus_draws_what_the_emulator_draws(tmp_path_factory, wiring, formats, seed, engines, loaded):
    grid, h = learned(**wiring)
    chip = quantise(grid, formats, h=h)
    try:
        plan(chip, engines)
    except ArgumentError:
        engines = 1
    read_by_icarus(tmp_path_factory.mktemp("x"), chip, 4, seed, engines=engines, loaded=loaded and engines == 1)


@pytest.mark.toolchain
@pytest.mark.parametrize(("signal", "loaded"), [("none", False), ("local", True)])
def test_icarus_draws_the_usual_formats(tmp_path, signal, loaded):
    grid, h = learned(signal=signal)
    read_by_icarus(tmp_path, quantise(grid, h=h), loaded=loaded)


@pytest.mark.toolchain
def test_the_default_verilog_is_the_verilog_of_2005(tmp_path):
    _, folder = exported(tmp_path / "rtl", kind="verilog")
    assert icarus.compiled(tmp_path / "run", folder) == ""


def test_another_seed_changes_the_tables_of_seeds_alone(tmp_path):
    """What the top module's comment promises, whose design cannot be seeded while it runs."""
    chip, folder = exported(tmp_path / "a", kind="verilog", shape=(4, 6), order="multiscale", parents=2)
    other = export(chip, tmp_path / "b", "verilog", seed=6)
    differ = {path.name for path in folder.iterdir() if path.read_bytes() != (other / path.name).read_bytes()}
    assert {name for name in differ if name not in ("manifest.json", "chip.h5")} == {"localnoise_seed0.mem"}
    assert "cannot be" in (folder / "localnoise.v").read_text()


# C and C++


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    "learner", [None, OnChip(), OnChipReward()], ids=lambda learner: getattr(learner, "rule", "none")
)
def test_a_cpp_program_links_every_function_that_a_header_declares(tmp_path, rounding, learner):
    _, folder = exported(tmp_path / "c", Formats(rounding=rounding), learner, signal="local")
    more = {None: [], OnChip: ["localnoise_learn.h"], OnChipReward: ["localnoise_reward.h"]}
    names, calls = ["localnoise.h", *more[None if learner is None else type(learner)]], []
    for name in names:
        text = (folder / name).read_text()
        assert 'extern "C"' in text
        if rounding == "stochastic":  # declared only where it is defined
            text = re.sub(r"#if LN_ROUNDING != 2.*?#endif", "", text, flags=re.S)
        calls += re.findall(r"^void (ln_\w+)\(", text, re.M)
    assert ("ln_mean" in calls) == (rounding != "stochastic")
    assert {"ln_init", "ln_seed", "ln_draw"} <= set(calls)
    includes = "".join(f'#include "{name}"\n' for name in names)
    table = ", ".join(f"reinterpret_cast<void (*)()>({name})" for name in calls)
    body = f"void (*all[])() = {{{table}}}; ln_noise n; ln_init(&n); return all[0] == nullptr;"
    text = f"{includes}int main() {{ {body} }}\n"
    done = built(tmp_path / "cpp", folder, text, language="c++", flags=("-Wall", "-Wextra", "-Werror", "-pedantic"))
    assert done.returncode == 0, done.stderr
    output(tmp_path / "cpp")
    if rounding == "stochastic":
        text = f"{includes}int main() {{ ln_noise n; ln_word e[LN_NEURONS]; ln_mean(&n, e, e); return 0; }}\n"
        assert "ln_mean" in built(tmp_path / "mean", folder, text, language="c++").stderr


PART = """#include "localnoise_learn.h"
int part{k}(void);
int part{k}(void) {{ return (int)ln_weights[{k}]; }}
"""


def test_a_program_of_many_files_holds_the_tables_once(tmp_path):
    """At -O0, which keeps every static: each file that includes the headers adds next to nothing."""
    chip, folder = exported(tmp_path / "c", learner=OnChip(), shape=(6, 8), channels=4)
    main, sizes = "int part0(void);\nint main(void) { return part0() == 1000; }\n", []
    for count in (1, 5):
        files = [tmp_path / f"part{count}_{k}.c" for k in range(count)]
        for k, path in enumerate(files):
            path.write_text(PART.format(k=k))
        done = built(tmp_path / f"p{count}", folder, main, *files, flags=("-O0", "-w"))
        assert done.returncode == 0, done.stderr
        sizes.append((tmp_path / f"p{count}").stat().st_size)
    tables = 8 * int(chip.field.weights.sum())
    assert sizes[0] > tables
    assert sizes[1] - sizes[0] < tables / 4
    headers = "".join(path.read_text() for path in folder.glob("*.h"))
    assert len(headers) < 20_000
    assert "__attribute__" not in headers + "".join(path.read_text() for path in folder.glob("*.c"))


CALLER = """#include <math.h>
#include <stdio.h>
#include "localnoise.h"

int main(void)
{
    static const double x[] = {%s};
    const double top = ldexp(1.0, LN_ACTIVATION_BITS - 1);
    ln_noise noise;
    ln_word h[LN_NEURONS], eta[LN_NEURONS];
    int k;
    for (k = 0; k < LN_NEURONS; k++) {
        double word = floor(ldexp(x[k], LN_ACTIVATION_SCALE) + 0.5);
        h[k] = (ln_word)(word < -top ? -top : (word > top - 1.0 ? top - 1.0 : word));
    }
    ln_init(&noise);
    ln_perturb(&noise, h, eta);
    for (k = 0; k < LN_NEURONS; k++) printf("%%.9g ", ldexp(eta[k], -ln_scale[k / LN_CHANNELS]));
    return 0;
}
"""


@pytest.mark.parametrize("loud", [0.02, 1.0, 3000.0])
def test_a_caller_who_follows_the_header_draws_what_perturb_draws(tmp_path, loud):
    """Activations of any size, some beyond the range: their scale is not the words'."""
    grid, h = learned(signal="local")
    chip = quantise(grid, h=h * loud)
    folder = export(chip, tmp_path / "c", seed=5)
    x = (3 * loud * np.random.default_rng(2).normal(size=h[:1].shape)).astype(np.float32)
    ours = x.reshape(chip.config.channels, -1).T.reshape(-1)
    program = CALLER % ", ".join(map(repr, map(float, ours)))
    done = built(tmp_path / "caller", folder, program, "-lm")
    assert done.returncode == 0, done.stderr
    got = np.array(output(tmp_path / "caller").split(), np.float32).reshape(-1, chip.config.channels).T
    np.testing.assert_array_equal(got, chip.perturb(x, seed=5).reshape(chip.config.channels, -1))
    said = manifest.read(folder)
    assert said["activations"] == {"bits": 8, "scale": chip.field.activation_scale, "zero_point": 0}
    assert said["words"] == {"bits": 12, "scales": chip.field.scale.tolist(), "zero_point": 0}
    assert (chip.field.scale != chip.field.activation_scale).any()  # the words' rule would not do


OTHERS = """#include <math.h>
#include <stdio.h>
#include "%s"

static int16_t word(double x, int scale, int bits)
{
    const double top = ldexp(1.0, bits - 1), found = floor(ldexp(x, scale) + 0.5);
    return (int16_t)(found < -top ? -top : (found > top - 1.0 ? top - 1.0 : found));
}

int main(void)
{
    static const double x[] = {%s};
    int k;
%s    return 0;
}
"""
REPAIR = """    ln_word h[LN_NEURONS], fixed[LN_NEURONS];
    for (k = 0; k < LN_NEURONS; k++) h[k] = word(x[k], LN_ACTIVATION_SCALE, LN_ACTIVATION_BITS);
    ln_repair(h, fixed);
    for (k = 0; k < LN_NEURONS; k++) printf("%.9g ", ldexp(fixed[k], -LN_ACTIVATION_SCALE));
"""
NETWORK = """    static ln_memory memory;
    ln_word image[LN_INPUTS];
    ln_logit logits[LN_OUTPUTS];
    for (k = 0; k < LN_INPUTS; k++) image[k] = word(x[k], LN_INPUT_SCALE, LN_INPUT_BITS);
    ln_classify(&memory, image, logits);
    for (k = 0; k < LN_OUTPUTS; k++) printf("%.9g ", ldexp(logits[k], -LN_OUTPUT_SCALE));
"""


def called(folder, header, x, body):
    """Return what a C program makes of values (C, H, W), which it turns into words by the header's rule."""
    (folder / "localnoise_main.c").unlink(missing_ok=True)
    values = ", ".join(map(repr, map(float, x.transpose(1, 2, 0).reshape(-1))))
    done = built(folder.parent / "caller", folder, OTHERS % (header, values, body), "-lm")
    assert done.returncode == 0, done.stderr
    return np.array(output(folder.parent / "caller").split(), np.float32)


@pytest.mark.parametrize("loud", [0.02, 1.0, 3000.0])
def test_a_caller_who_follows_a_repairs_header_repairs_as_the_emulator(tmp_path, loud):
    h = loud * np.tanh(np.random.default_rng(0).normal(size=(600, 2, 4, 4)).cumsum(axis=3)).astype(np.float32)
    chip = quantise(ln.Repair((4, 4), 2, radius=1).learn("dim", 0.3 * h, h))
    x = 0.3 * h[:1]
    fixed, _ = chip(x)
    assert np.abs(fixed - x).max() > 0.1 * loud, "it repairs"
    got = called(export(chip, tmp_path / "c"), "localnoise_repair.h", x[0], REPAIR)
    np.testing.assert_array_equal(got.reshape(4, 4, 2).transpose(2, 0, 1), fixed[0])


@pytest.mark.parametrize("loud", [0.02, 1.0, 3000.0])
def test_a_caller_who_follows_a_networks_header_classifies_as_the_emulator(tmp_path, loud):
    torch = pytest.importorskip("torch")
    from small_networks import Residual, network

    from localnoise.hardware.network import quantise as to_network

    model, x = network(Residual)
    with torch.no_grad():
        model.stem.weight /= loud
    made = to_network(model, loud * x)
    image = 1.5 * loud * x[:1]  # some beyond the range
    got = called(export(made.program, tmp_path / "c"), "localnoise_network.h", image[0].numpy(), NETWORK)
    np.testing.assert_array_equal(got, made(image)[0].numpy())


@pytest.mark.parametrize("kind", ["c99", "verilog", "json"])
def test_a_grid_that_reads_nothing_has_no_activation_scale(tmp_path, kind):
    _, folder = exported(tmp_path / "c", kind=kind)
    assert manifest.read(folder)["activations"] is None
    if kind == "c99":
        assert "define LN_ACTIVATION" not in (folder / "localnoise_tables.h").read_text()


SEEDER = """#include <stdio.h>
#include "localnoise.h"

int main(void)
{
    static const uint64_t seeds[] = {%s};
    ln_noise noise;
    unsigned k, u;
    ln_init(&noise);
    for (k = 0U; k < sizeof seeds / sizeof seeds[0]; k++) {
        ln_seed(&noise, seeds[k]);
        for (u = 0U; u < LN_UNITS; u++) printf("%%lu ", (unsigned long)noise.random[u]);
    }
    return 0;
}
"""


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_seed_given_at_run_time_is_the_emulators(tmp_path, generator):
    """The generators' states themselves, for seeds from end to end: units stay as far apart as the emulator's."""
    chip, folder = exported(tmp_path / "c", Formats(generator=generator))
    seeds = [0, 1, 5, 2**32 - 1, 2**63, 2**64 - 1, *map(int, np.random.default_rng(0).integers(0, 2**63, 20))]
    done = built(tmp_path / "seeder", folder, SEEDER % ", ".join(f"{seed}ULL" for seed in seeds))
    assert done.returncode == 0, done.stderr
    units = chip.config.units
    found = np.array(output(tmp_path / "seeder").split(), np.uint32).reshape(len(seeds), units)
    np.testing.assert_array_equal(found, [states(OF_NAME[generator], units, seed) for seed in seeds])
    said = dict(re.findall(r"define (LN_DRAWS|LN_PLACE) (\d+)U", (folder / "localnoise_tables.h").read_text()))
    assert int(said["LN_DRAWS"]) == draws_without_overlap(OF_NAME[generator], units, chip.steps_per_draw)
    assert "THE SAME NOISE AT EVERY START" in (folder / "localnoise.h").read_text()


@pytest.mark.parametrize("backend", ["host", "cortex-m"])
def test_a_seeded_stream_is_drawn_word_for_word(tmp_path, backend):
    chip, folder = exported(tmp_path / "c")
    with closing(BACKENDS[backend](folder, tmp_path, chip)) as machine:
        machine.draw(2)
        for seed in (77, 2**64 - 2, 5):
            machine.seed(seed)
            np.testing.assert_array_equal(machine.draw(3), chip.words(3, seed).reshape(3, chip.config.channels, -1))
