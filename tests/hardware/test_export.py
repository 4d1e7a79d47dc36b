"""Exported artefacts do what the emulator does, to the bit; what was edited or planted is found."""

import ctypes
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from naive_chip import learned
from small_grids import SEED, WIRING, formats

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError, LocalnoiseError, MissingDependencyError
from localnoise.hardware import ChipBank, Formats, OnChip, OnChipReward, load_chip, quantise
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.backends import backends_of
from localnoise.hardware.export.host import FLAGS, compiler
from localnoise.hardware.export.tables import packed
from localnoise.hardware.fitting.memory import memory_map
from localnoise.hardware.formats import GENERATORS, ROUNDINGS
from localnoise.hardware.learners import said_of


def exported(folder, formats=None, learner=None, seed=5, **options):
    grid, h = learned(**options)
    d = np.random.default_rng(1).normal(size=(200, grid.config.channels, *grid.config.shape)) if learner else None
    chip = quantise(grid, formats, h=h, d=d)
    return export(chip, folder, seed=seed, learner=learner, force=True)


def equal(folder, words=3000):
    checks, costs = verify(folder, words, ("host", "cortex-m"))
    assert "instructions a draw" in costs["cortex-m"]
    assert all(check.mismatch == "" for check in checks), checks
    return {check.name: check.words for check in checks}


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_c_draws_what_the_emulator_draws(tmp_path, generator, rounding):
    compared = equal(exported(tmp_path / "a", Formats(generator=generator, rounding=rounding), signal="local"))
    some = {"draw", "perturb", "innovation"} | ({"mean"} if rounding != "stochastic" else set())
    assert set(compared) == some | {"draw, seeded"}
    assert min(compared[name] for name in some) >= 3000


def test_beside_a_learner_every_function_is_compared_over_all_draws(tmp_path):
    """More draws than are learned from: what is learned must not shorten what is compared."""
    compared = equal(exported(tmp_path / "a", learner=OnChip(rule="lms"), shape=(2, 2), channels=1), words=1200)
    assert min(compared[name] for name in ("draw", "mean", "innovation", "draw, learned")) >= 1200


COMMON = {"stochastic": st.booleans(), "rate": st.integers(0, 24), "extra": st.integers(1, 12)}
RULES = st.one_of(
    st.builds(OnChip, rule=st.sampled_from(["lms", "sign-lms"]), **COMMON), st.builds(OnChipReward, **COMMON)
)


@pytest.mark.slow
@examples(30)
@given(wiring=WIRING, formats=formats(3, (56,)), seed=SEED, rule=RULES)  # 2 bits are too coarse to learn
def test_any_small_grid_learns_and_draws(tmp_path_factory, wiring, formats, seed, rule):
    folder = exported(tmp_path_factory.mktemp("x") / "a", formats, rule, seed, **wiring)
    backends = ("host", "cortex-m") if seed % 8 == 0 else ("host",)  # the latter compiles ten times faster
    checks, _ = verify(folder, 500, backends)
    assert all(check.mismatch == "" for check in checks), checks
    assert "learn" in {check.name for check in checks}
    assert all(check.words >= 500 for check in checks if check.name not in {"learn", "draw, seeded"}), checks


@pytest.mark.parametrize("signal", ["none", "local"])
def test_rewards_teach_in_c_what_they_teach_the_emulator(tmp_path, signal):
    """And what the program learned is another thing where a step is: the comparison is of weights that moved."""
    folder = exported(tmp_path / "a", learner=OnChipReward(rate=5), signal=signal)
    compared = equal(folder)
    assert {"learn", "draw, learned"} <= set(compared)
    replaced(folder, "localnoise_learner.h", "#define LN_RATE 5", "#define LN_RATE 6", OnChipReward(rate=5))
    found = {check.name: check.mismatch for check in verify(folder, 3000, ("host",))[0]}
    assert found["learn"], "half the step, other weights"
    assert found["draw, learned"]
    assert found["draw"] == ""


def test_the_documented_program_learns_from_rewards_what_python_learns(tmp_path):
    """Three turns of the page's C: neighbours come to move together, and each weight is the emulator's."""
    page = (Path(__file__).parents[2] / "docs" / "export-formats.md").read_text()
    program = re.search(r"```c\n(#include <math.h>.*?)```", page, re.S).group(1)
    grid = ln.UnitGrid((1, 6), 1, order="raster")
    chip = quantise(grid, Formats(weight_bits=12, accumulator_bits=40), d=2 * grid.sample(500, seed=5))
    folder = export(chip, tmp_path / "a", seed=3, learner=OnChipReward())
    main = """
    #include <stdio.h>
    int main(void)
    {
        static ln_noise noise; static ln_learner learner; static ln_weight weights[LN_WEIGHTS];
        int k;
        ln_init(&noise);
        ln_learn_init(&learner, &noise);
        for (k = 0; k < 3; k++) turn(&noise, &learner, weights);
        for (k = 0; k < LN_WEIGHTS; k++) printf("%d ", weights[k]);
        return 0;
    }"""
    (tmp_path / "turn.c").write_text(program + main)
    sources = [*map(str, folder.glob("*.c")), str(tmp_path / "turn.c")]
    command = [*compiler(), "-std=c99", "-Wall", "-Wextra", "-Werror", "-I", str(folder), *sources]
    subprocess.run([*command, "-lm", "-o", str(tmp_path / "turn")], check=True)
    done = subprocess.run([tmp_path / "turn"], capture_output=True, text=True, check=True)

    def correlation():
        return np.corrcoef(chip.sample(4000, seed=99)[:, 0, 0].T)[np.arange(5), np.arange(1, 6)].mean()

    before = correlation()
    for turn in range(3):
        eta = chip.sample(500, seed=3, start=500 * turn)
        chip.learn(eta, rule="three-factor", rewards=-np.square(np.diff(eta[:, 0, 0].astype(np.float64))).sum(axis=1))
    assert list(map(int, done.stdout.split())) == packed(chip)[0].tolist()
    assert correlation() > before + 0.05


def test_learning_goes_on_from_where_the_chip_grid_was(tmp_path):
    grid, _ = learned()
    d = np.random.default_rng(2).normal(size=(300, 3, 3, 4))
    chip = quantise(grid, d=d).learn(d, rule="lms")
    folder = export(chip, tmp_path / "a", learner=OnChip(rule="lms"))
    assert "#define LN_SEEN0 300U" in (folder / "localnoise_learner.h").read_text()
    equal(folder)


@pytest.mark.parametrize("signal", ["none", "local"])
def test_rewards_go_on_teaching_from_the_masters_of_the_chip(tmp_path, signal):
    """To the bit, and by tables that the memory map counts; another rule begins from the weights in use."""
    grid, h = learned(signal=signal)
    rule, rewards = OnChipReward(rate=12), np.random.default_rng(2).normal(size=300)
    h = None if h is None else np.resize(h, (300, *h.shape[1:]))
    chip = quantise(grid, h=h)
    eta = chip.sample(300) if h is None else chip.perturb(h)
    chip.learn(eta, h, rule="three-factor", rewards=rewards, rate=12)
    header = export(chip, tmp_path / "a", learner=rule) / "localnoise_learner.h"
    assert "#define LN_GOING_ON 1" in header.read_text()
    equal(tmp_path / "a")
    masters = re.search(r"extern const int32_t ln_master0\[(\d+)\]", header.read_text())
    anew = quantise(grid, h=h)
    more = [memory_map(one, "three-factor", whole_bytes=True).flash for one in (chip, anew)]
    assert more[0] - more[1] == 4 * int(masters.group(1))
    other = export(chip, tmp_path / "b", learner=OnChipReward(rate=11)) / "localnoise_learner.h"
    assert "#define LN_GOING_ON 0" in other.read_text()


@pytest.mark.parametrize("learner", [OnChip(rule="lms"), OnChipReward(rate=2)], ids=lambda learner: learner.rule)
def test_a_stored_learner_goes_on_after_a_power_cycle(tmp_path, learner):
    """The struct's bytes, written away half-way and read into another program's memory, learn what one go learns."""
    folder = exported(tmp_path / "a", learner=learner)
    chip, words = load_chip(folder / "chip.h5"), np.random.default_rng(3).integers(-900, 900, (40, 12 * 3), np.int16)
    rewarded = isinstance(learner, OnChipReward)

    def program(name):
        sources = sorted(map(str, folder.glob("*.c")))
        library = tmp_path / f"{name}.so"
        subprocess.run([*compiler(), *FLAGS, "-fPIC", "-shared", *sources, "-o", str(library)], check=True)
        library, noise = ctypes.CDLL(str(library)), ctypes.create_string_buffer(4 * chip.config.units + 64)
        library.ln_init(noise)
        return library, noise

    def learn(program, learner, rows):
        library, noise = program
        for row in rows:
            at = row.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))
            if rewarded:
                library.ln_reward(learner, noise, at, at, int(row[0]) % 50 - 25)
            else:
                library.ln_learn(learner, at, at)
        return learner

    size = 64 * (int(chip.field.weights.sum()) + chip.config.neurons)  # more than the struct
    first, second = program("first"), program("second")
    whole, half, after = (ctypes.create_string_buffer(size) for _ in range(3))
    for buffer in (whole, half):
        first[0].ln_learn_init(buffer, *([first[1]] if rewarded else []))
    learn(first, whole, words)
    after.raw = learn(first, half, words[:20]).raw
    assert learn(second, after, words[20:]).raw == whole.raw != half.raw


def replaced(folder, name, old, new, learner=None):
    """Edit a file of the artefact and sign it again: what only running it can find."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    manifest.write(folder, "c99", 5, {"name": "localnoise", "learner": said_of(learner)})


@pytest.mark.parametrize(
    ("table", "function"), [("weights", "draw"), ("seeds", "draw"), ("lift", "draw"), ("fraction", "draw")]
)
def test_one_planted_bit_in_a_table_is_found(tmp_path, table, function):
    folder = exported(tmp_path / "a")
    text = (folder / "localnoise_tables.c").read_text()
    start = text.index(f"ln_{table}[")
    number = re.search(r"[{,] *(-?\d+)", text[text.index("{", start) :])
    place = text.index("{", start) + number.start(1)
    value = int(number.group(1))
    replaced(
        folder, "localnoise_tables.c", text[start : place + len(number.group(1))], text[start:place] + str(value ^ 1)
    )
    checks = {check.name: check.mismatch for check in verify(folder, 3000)[0]}
    assert re.fullmatch(r"unit \d+, channel \d+, step \d+: expected -?\d+, got -?\d+", checks[function])


def test_planted_rounding_is_found(tmp_path):
    folder = exported(tmp_path / "a")
    replaced(
        folder, "localnoise_arithmetic.h", "(ln_acc)((ln_acc)1 << (bits - 1U));", "(ln_acc)((ln_acc)1 << (bits - 2U));"
    )
    assert all(any(c.mismatch for c in verify(folder, 3000, [on])[0]) for on in backends_of("c99"))


def test_a_missing_tool_is_told_before_anything_runs(tmp_path, monkeypatch):
    folder, told = exported(tmp_path / "a"), []
    monkeypatch.setitem(sys.modules, "unicorn", None)  # as if it were not installed
    with pytest.raises(MissingDependencyError, match=r"needs unicorn: pip install 'localnoise\[hardware\]'"):
        verify(folder, 100, ("host", "cortex-m"), lambda done, total: told.append(done))
    assert not told
    with pytest.raises(ArgumentError, match=r"on='cortex': expected one of .*; did you mean 'cortex-m'"):
        verify(folder, 100, ("cortex",))


def test_an_edited_file_is_named(tmp_path):
    folder = exported(tmp_path / "a")
    path = folder / "localnoise_tables.h"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(FileFormatError, match=r"localnoise_tables\.h: edited since it was exported"):
        verify(folder)
    path.unlink()
    with pytest.raises(FileFormatError, match=r"localnoise_tables\.h: missing"):
        verify(folder)
    with pytest.raises(FileFormatError, match="expected a folder that `localnoise export` wrote"):
        verify(tmp_path)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(FileFormatError, match="damaged"):
        verify(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: said.pop("kind"), "kind is missing; expected a format"),
        (lambda said: said.pop("name"), "name is missing; expected an identifier"),
        (lambda said: said.pop("learner"), "learner is missing; expected null"),
        (lambda said: said.pop("seed"), "seed is missing; expected a whole number from 0"),
        (lambda said: said.pop("files"), "files are not names"),
        (lambda said: said.pop("version"), "is not of an artefact"),
        (lambda said: said.update(kind="c98"), "kind='c98': expected one of"),
        (lambda said: said.update(name="../x"), r"name is '\.\./x'; expected an identifier"),
        (lambda said: said.update(name=7), "name is '7'"),
        (lambda said: said.update(seed="5"), "seed is '5'"),
        (lambda said: said.update(seed=2**64), "seed is '18446744073709551616'"),
        (lambda said: said.update(seed=True), "seed is 'True'"),
        (lambda said: said.update(learner={"rule": "adam"}), "learner is .*expected null, or the options of one"),
        (lambda said: said.update(learner={"speed": 1}), "learner is"),
        (lambda said: said.update(learner="lms"), "learner is"),
        (lambda said: said.update(version=2), "version 2, this version reads 3; export again"),
        (lambda said: said.update(files=[]), "files are not names"),
    ],
)
def test_what_a_manifest_lacks_is_named(tmp_path, change, message):
    folder = exported(tmp_path / "a")
    said = json.loads((folder / "manifest.json").read_text())
    change(said)
    (folder / "manifest.json").write_text(json.dumps(said))
    with pytest.raises(LocalnoiseError, match=message) as caught:
        verify(folder)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 500 + "]" * 500, "7", "[]", "null", "\xff", '{"files": "x"}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"damaged|is not of an artefact"):
        verify(tmp_path)


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    grid, _ = learned()
    chip = quantise(grid)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(ArgumentError, match=r"not empty|holds no artefact, so nothing in it is replaced"):
            export(chip, tmp_path / "own", force=force)
    assert (tmp_path / "own" / "thesis.tex").exists()
    export(chip, tmp_path / "a")
    with pytest.raises(ArgumentError, match="use --force"):
        export(chip, tmp_path / "a")
    export(chip, tmp_path / "a", seed=9, force=True)
    assert manifest.read(tmp_path / "a")["seed"] == 9
    with pytest.raises(ArgumentError, match=r"format='c98'.*did you mean 'c99'"):
        export(chip, tmp_path / "b", "c98")
    with pytest.raises(ArgumentError, match="engines=2: not of format c99; expected with verilog"):
        export(chip, tmp_path / "b", engines=2)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"format": "json"}, "format='json': no option of format c99; expected kind, which names the format"),
        ({"colour": "red"}, "colour='red': no option of format c99; expected name, selftest, level"),
    ],
)
def test_an_option_of_no_format_is_refused(tmp_path, option, expected):
    with pytest.raises(ArgumentError, match=expected):
        export(quantise(learned()[0]), tmp_path / "out", **option)


def test_code_that_does_not_compile_is_told(tmp_path):
    folder = exported(tmp_path / "a")
    replaced(folder, "localnoise.c", "void ln_init", "int unused; void ln_init(")
    with pytest.raises(LocalnoiseError, match="does not compile"):
        verify(folder)


@pytest.mark.parametrize("learner", [OnChip(), OnChipReward()], ids=lambda learner: learner.rule)
@pytest.mark.parametrize("signal", ["none", "local"])
def test_the_memory_model_counts_what_the_program_keeps(tmp_path, signal, learner):
    """sizeof, as the C compiler has it, against the map that a microcontroller's fit rests on."""
    folder = exported(tmp_path / "a", learner=learner, signal=signal, parents=4)
    tables = ("order", "parents", "first", "lift", "fraction", "weights", "seeds")
    tables += ("readers", "bias") if signal == "local" else ()
    sizes = " + ".join(f"sizeof ln_{name}" for name in tables)
    header = "learn" if learner.rule == "lms" else "reward"
    program = f'#include "localnoise_{header}.h"\n#include <stdio.h>\n'
    program += 'int main(void) { printf("%lu %lu", '
    program += f"(unsigned long)(sizeof(ln_learner)), (unsigned long)({sizes})); return 0; }}\n"
    (tmp_path / "size.c").write_text(program)
    command = [*compiler(), "-w", "-I", str(folder), str(tmp_path / "size.c"), "-o", str(tmp_path / "size")]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "size"], capture_output=True, text=True, check=True)
    held, flash = map(int, done.stdout.split())
    chip = load_chip(folder / "chip.h5")
    found, still = (memory_map(chip, name, whole_bytes=True) for name in (learner.rule, "none"))
    assert 0 <= held - found.learner / 8 <= 8  # the count of presentations, and padding
    assert flash == still.flash


@pytest.mark.parametrize(
    ("wiring", "formats", "members"),
    [
        ({"signal": "none"}, {"word_bits": 8, "generator": "lfsr16"}, 1),
        ({"signal": "local"}, {"word_bits": 9, "weight_bits": 4}, 1),
        ({"signal": "local", "rank": 2}, {}, 1),
        ({"share": "places"}, {}, 1),
        ({"signal": "local"}, {}, 3),
    ],
    ids=["words of 8 bits", "with a signal", "of a rank", "shared", "a bank"],
)
def test_the_memory_model_counts_what_a_draw_changes(tmp_path, wiring, formats, members):
    """A generator's state has 32 bits and a word 16, however few the formats use; pointers of 32-bit processors."""
    grid, h = learned(**wiring)
    chips = [quantise(grid, Formats(**formats), h=h) for _ in range(members)]
    chip = chips[0] if members == 1 else ChipBank(chips, [k << 29 for k in range(members)])
    folder = export(chip, tmp_path / "a")
    program = """
    #include "localnoise.h"
    #include <stdio.h>
    int main(void)
    {
        const unsigned long words = 2UL * LN_NEURONS * (LN_READERS > 0 ? 2UL : 1UL);
        printf("%lu %lu", (unsigned long)sizeof(ln_noise) + words, (unsigned long)sizeof(void *));
        return 0;
    }"""
    (tmp_path / "size.c").write_text(program)
    command = [*compiler(), "-w", "-I", str(folder), str(tmp_path / "size.c"), "-o", str(tmp_path / "size")]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "size"], capture_output=True, text=True, check=True)
    held, pointer = map(int, done.stdout.split())
    pointers = 0 if grid.config.narrow else 2 if members == 1 else 4
    assert 0 <= held - pointers * (pointer - 4) - memory_map(chip, whole_bytes=True).ram < 8  # padding


@pytest.mark.slow
@pytest.mark.parametrize(
    "learner", [OnChip(rule="sign-lms", extra=12), OnChipReward(rate=0, extra=16)], ids=lambda learner: learner.rule
)
def test_undefined_behaviour_is_trapped_nowhere(tmp_path, learner):
    """Built with the sanitizer that traps on signed overflow, bad shifts and indices, it runs through."""
    formats = Formats(rounding="stochastic", word_bits=16, weight_bits=12, accumulator_bits=50, generator="lfsr24")
    folder = exported(tmp_path / "a", formats, learner, signal="local")
    traps = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    code = "from localnoise.hardware.export import host, verify\n"
    code += f"host.FLAGS = {(*FLAGS, *traps)!r}\n"
    code += f"assert all(c.mismatch == '' for c in verify({str(folder)!r}, 3000)[0])\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
