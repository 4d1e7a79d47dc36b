"""A network with a grid's noise or a repair inside: drawn once a draw behind one front, emulated and exported alike."""

import subprocess

import numpy as np
import pytest
import torch
from naive_network import run
from torch import nn

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import Formats, load_chips
from localnoise.hardware import quantise as to_chip
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.host import compiler
from localnoise.hardware.fitting.network import fit_network
from localnoise.hardware.network import ChipDefense, defend, quantise, repair_behind
from localnoise.hardware.network.entry import rescaled
from localnoise.hardware.network.layers import MixWords
from localnoise.hardware.network.quantiser import front_program

SHAPE = (4, 6, 5)


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, stride=2), nn.ReLU(), nn.Flatten()]
        model = nn.Sequential(*layers, nn.Linear(12, 3)).eval()
        return model, torch.rand(64, 1, *SHAPE[1:])


def noise(signal):
    rng = np.random.default_rng(0)
    h = np.tanh(rng.normal(size=(400, *SHAPE))).astype(np.float32)
    d = 0.3 * np.roll(h, 1, 2) + 0.4 * rng.normal(size=h.shape).astype(np.float32)
    how = {"signal": "local", "parents": 3} if signal else {"parents": 4}
    grid = ln.UnitGrid(shape=SHAPE[1:], channels=4, **how)
    grid = grid.learn(d, h) if signal else grid.learn(d)
    return to_chip(grid, Formats(), h=h if signal else None)


def bank():
    rng = np.random.default_rng(1)
    grids = [
        ln.UnitGrid(shape=SHAPE[1:], channels=4, parents=2).learn(k * rng.normal(size=(400, *SHAPE)).astype(np.float32))
        for k in (0.2, 0.5)
    ]
    return to_chip(ln.Bank(grids))


def repair():
    model, _ = network()
    with torch.no_grad():
        h = model[:2](torch.rand(800, 1, *SHAPE[1:])).numpy()
    made = ln.Repair(shape=SHAPE[1:], channels=4, radius=1, share="places").learn("dark", 0.3 * h, h)
    return to_chip(made, Formats(activation_bits=8))


def faded(x):
    """Little is left of an input but its mean."""
    return 0.5 + 0.04 * (x - 0.5)


def behind_floats():
    model, _ = network()
    x = torch.rand(900, 1, *SHAPE[1:], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        h, less = model[:2](x).numpy(), model[:2](faded(x)).numpy()
    return ln.Repair(shape=SHAPE[1:], channels=4, radius=1, parents=2, share="places").learn("faded", less, h)


MADE = {"noise": lambda: noise(False), "signal": lambda: noise(True), "bank": bank, "repair": repair}


@pytest.fixture(scope="module", params=MADE)
def made(request):
    model, x = network()
    return model, x, defend(model, x, MADE[request.param](), "1", draws=1 if request.param == "repair" else 3, seed=5)


def test_scores_are_those_of_draws_one_by_one(made):
    _, x, defense = made
    program, entry = defense.program, defense.entry
    mix = program.layers[program.mix]
    for t, words in enumerate(program.input_words(x[:4])):
        *_, h = program.through({0: words[None]}, 0, program.mix)
        total = np.zeros(3, int)
        for k in range(defense.draws):
            joined = entry.words(h, *program.layouts[mix.inputs[0]][1:], (2 + t) * defense.draws + k)
            value = joined.reshape(h.shape)
            if not entry.repairs:
                lifts = np.repeat(mix.noise_lift.astype(int), 4).reshape(6, 5, 4).transpose(2, 0, 1)
                acc = h.astype(int) * 2**mix.lift + value * 2**lifts
                value = np.clip((acc + (1 << mix.fraction >> 1)) >> mix.fraction, mix.finish.low, mix.finish.high)
            *_, last = program.through({program.mix + 1: value.astype(np.int16)}, program.mix + 1, len(program.layers))
            total += last.reshape(-1)
        assert defense.scores(words[None], 2 + t).tolist() == [total.tolist()]
    votes = ChipDefense(program, defense.chip, defense.draws, vote=True, seed=5).scores(program.input_words(x))
    assert (votes.sum(axis=1) == defense.draws).all()


def test_it_is_the_float_networks_with_float_noise(made):
    model, x, defense = made
    logits = np.mean([defense(x, start=k * len(x)) for k in range(20)], axis=0)
    with torch.no_grad():
        h = model[:2](x)
        if defense.entry.repairs:
            expected = model(x).numpy()
        else:
            eta = np.concatenate([defense.chip.perturb(h.numpy(), seed=9 + k) for k in range(60)])
            expected = model[2:](h.repeat(60, 1, 1, 1) + torch.from_numpy(eta)).numpy().reshape(60, len(x), -1).mean(0)
    assert np.square(logits - expected).mean() < 0.05 * expected.var()


def test_exported_c_is_the_emulators_to_the_bit(made, tmp_path):
    folder = export(made[2], tmp_path / "c", name="mine", seed=5)
    checks, _ = verify(folder, backends=("host",), images=30)
    names = ["self-test", "logits", "class", "scores", "class, defended"]
    assert [check.name for check in checks] == names + ["scores, seeded"] * (not made[2].entry.repairs)
    assert not any(check.mismatch for check in checks)
    assert manifest.read(folder)["defense"]["draws"] == made[2].draws


@pytest.mark.toolchain
def test_a_cortex_m_defends_to_the_bit(made, tmp_path):
    checks, costs = verify(export(made[2], tmp_path / "c", seed=7), images=30)
    assert len(checks) == (10 if made[2].entry.repairs else 12)
    assert not any(check.mismatch for check in checks)
    assert "scores" in costs["cortex-m"]


def test_a_defense_comes_back_to_the_bit(made, tmp_path):
    found = load_chips(made[2].save(tmp_path / "defense.h5"))
    assert isinstance(found, ChipDefense)
    assert repr(found) == repr(made[2])
    words = found.program.input_words(made[1])
    assert np.array_equal(found.scores(words), made[2].scores(words))


def test_without_noise_the_program_is_the_oracles(made):
    program = made[2].program
    words = program.input_words(made[1])[:3]
    assert [run(program, image)[0] for image in words] == program.words(words).tolist()


@pytest.mark.parametrize(("up", "bits"), [(3, 8), (0, 4), (-3, 8), (-20, 8), (30, 16)])
def test_words_of_another_scale(up, bits):
    words = np.arange(-128, 128)
    expected = np.clip(np.floor(words * 2.0**up + 0.5), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert np.array_equal(rescaled(words, 0, up, bits), expected)


def test_what_does_not_belong_together_is_refused(tmp_path):
    model, x = network()
    grid = noise(False)
    for place, more, match in (
        ("5", {}, "the network's last layer"),
        ("3", {}, "the chip's units lie on"),
        ("7", {}, "place='7': expected one of"),
        ("1", {"draws": 0}, "draws"),
        ("1", {"draws": 1001}, "1 to 1,000"),
    ):
        with pytest.raises(ArgumentError, match=match):
            defend(model, x, grid, place, **more)
    with pytest.raises(ArgumentError, match="activation_bits=6: expected 8"):
        defend(model, x, repair(), "1", activation_bits=6)
    with pytest.raises(ArgumentError, match="1 with a repair"):
        defend(model, x, repair(), "1", draws=2)
    with pytest.raises(ArgumentError, match="chip is UnitGrid: expected what localnoise"):
        defend(model, x, ln.UnitGrid(shape=SHAPE[1:], channels=4), "1")
    made = defend(model, x, grid, "1")
    loud = 9 * np.random.default_rng(0).normal(size=(400, *SHAPE))
    other = to_chip(ln.UnitGrid(shape=SHAPE[1:], channels=4).learn(loud))
    with pytest.raises(ArgumentError, match="other scales"):
        ChipDefense(made.program, other)
    with pytest.raises(ArgumentError, match="no mix"):
        ChipDefense(quantise(model, x).program, grid)
    assert isinstance(made.program.layers[made.program.mix], MixWords)
    path = made.save(tmp_path / "defense.h5")
    with pytest.raises(FileFormatError, match="load_chips"):
        ln.hardware.load_chip(path)


class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = torch.tanh(self.one(x))
        return self.out(h + torch.tanh(self.two(h)))


def test_a_connection_around_the_noise_is_refused():
    grid = to_chip(ln.UnitGrid(shape=(1, 6), channels=1).learn(np.random.default_rng(0).normal(size=(200, 1, 1, 6))))
    with pytest.raises(ArgumentError, match="reads a value from before it"):
        defend(Around(), torch.randn(32, 6), grid, "two")


COARSE = {"weight_bits": 4, "activation_bits": 8, "bounds": (0, 1)}


def test_a_repair_behind_integers_recognises_what_they_give():
    model, x = network()
    made, fresh = behind_floats(), torch.rand(300, 1, *SHAPE[1:], generator=torch.Generator().manual_seed(2))
    held = {"clean": fresh[:150], "faded": faded(fresh[:150])}
    chips = {
        "floats": to_chip(made, Formats()),
        "integers": repair_behind(model, x, made, "1", held, **COARSE),
    }
    front = front_program(model, x, "1", chips["floats"].field.activation_scale, **COARSE)
    words = {
        name: front.words(front.input_words(given))
        for name, given in (("clean", fresh[150:]), ("faded", faded(fresh[150:])))
    }
    recognised = {name: chip.decide(words["faded"]).mean() for name, chip in chips.items()}
    assert chips["integers"].decide(words["clean"]).mean() < 0.05
    assert recognised["integers"] > 0.95
    assert recognised["floats"] < 0.5, "else the errors of this front are too small to show anything"


@pytest.mark.parametrize("place", ["1", "2"])
def test_the_front_of_a_repair_is_the_programs_own(place):
    model, x = network()
    chip, scale = (repair(), None) if place == "1" else (None, 5)
    front = front_program(model, x, place, chip.field.activation_scale if chip else scale, **COARSE)
    assert (front.layouts[-1][1], front.layouts[-1][2]) == (8, chip.field.activation_scale if chip else scale)
    if chip:
        own = defend(model, x, chip, place, **COARSE).program
        *_, h = own.through({0: own.input_words(x)}, 0, own.mix)
        assert np.array_equal(front.words(front.input_words(x)), h.reshape(len(x), -1))


def test_what_a_repair_behind_integers_is_calibrated_on_is_checked():
    model, x = network()
    made, few = behind_floats(), x[:20]
    for held, match in (
        ({"clean": few}, "clean: expected some of each of the repair's sources, clean, faded"),
        ({"clean": few, "faded": [few, few]}, "2 parts: expected a list of 1"),
        ({"clean": few, "faded": few[:1]}, "has 1 activations of 'faded'"),
        ({"clean": few, "faded": few[:, :, :2]}, r"inputs of shape \(20, 1, 2, 5\), expected \(T, 1, 6, 5\)"),
    ):
        with pytest.raises(ArgumentError, match=match):
            repair_behind(model, x, made, "1", held)
    two = ln.Repair(shape=SHAPE[1:], channels=4, radius=1)
    h = np.random.default_rng(0).normal(size=(200, *SHAPE)).astype(np.float32)
    two.learn("dark", 0.3 * h, h, causes=np.arange(200) % 2)
    assert (
        repair_behind(model, x, two, "1", {"clean": few, "dark": [few, few + 0.1]}).member_sources[1:] == ["dark"] * 2
    )
    with pytest.raises(ArgumentError, match="20 parts: expected a list of 2"):
        repair_behind(model, x, two, "1", {"clean": few, "dark": few})


@pytest.mark.parametrize(
    "how", [{"parents": 4}, {"signal": "local", "parents": 3}, {"signal": "local", "parents": 3, "rank": 2}],
    ids=["noise", "signal", "rank"],
)  # fmt: skip
def test_memory_that_changes_is_the_struct_of_the_program(tmp_path, how):
    """sizeof ln_defense, as the C compiler has it, against what a microcontroller's fit rests on."""
    model, x = network()
    d, h = np.random.default_rng(0).normal(size=(2, 400, *SHAPE)).astype(np.float32)
    grid, signal = ln.UnitGrid(shape=SHAPE[1:], channels=4, **how), "signal" in how
    chip = to_chip(grid.learn(d, h) if signal else grid.learn(d), Formats(), h=h if signal else None)
    defense = defend(model, x, chip, "1", draws=3)
    folder = export(defense, tmp_path / "c")
    (header,) = folder.glob("*defense.h")
    program = f'#include "{header.name}"\n#include <stdio.h>\n'
    program += 'int main(void) { printf("%lu %lu", (unsigned long)sizeof(ln_defense), (unsigned long)sizeof(void *)); }'
    (tmp_path / "size.c").write_text(program)
    command = [*compiler(), "-w", "-I", str(folder), str(tmp_path / "size.c"), "-o", str(tmp_path / "size")]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "size"], capture_output=True, text=True, check=True)
    held, pointer = map(int, done.stdout.split())
    counted = sum(size for name, size in fit_network(defense, "stm32f407").ram.items() if name != "stack")
    callers = int(np.prod(defense.program.shape)) + 4 * defense.program.outputs  # the image and the scores
    pointers = 0 if grid.config.narrow else 2
    assert 0 <= held - pointers * (pointer - 4) - (counted - callers) < 8, "padding"


def test_an_artefact_keeps_the_defenses_own_seed_and_provenance(tmp_path):
    model, x = network()
    defense = defend(model, x, noise(False), "1", draws=3, seed=7)
    defense.provenance["note"] = "mine"
    words = defense.program.input_words(x[:5])
    kept = load_chips(export(defense, tmp_path / "kept") / "chip.h5")
    assert (kept.seed, kept.provenance["note"]) == (7, "mine")
    assert np.array_equal(kept.scores(words), defense.scores(words))
    changed = load_chips(export(defense, tmp_path / "changed", seed=8) / "chip.h5")
    assert (changed.seed, changed.provenance["note"]) == (8, "mine")
    assert not np.array_equal(changed.scores(words), defense.scores(words))


def test_what_is_no_chip_is_refused_with_what_is_exported_instead(tmp_path):
    model, x = network()
    with pytest.raises(ArgumentError, match=r"chip is ChipNetwork: expected .* export\(chip\.program, \.\.\.\)"):
        export(quantise(model, x), tmp_path / "c")
    with pytest.raises(ArgumentError, match=r"chip is Sequential: .* quantise it first"):
        export(model, tmp_path / "c")
    folder = export(quantise(model, x).program, tmp_path / "c")
    with pytest.raises(ArgumentError, match=r"backends='host': expected a list, such as \['host'\]"):
        verify(folder, backends="host")
