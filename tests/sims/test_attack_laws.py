"""Every attack keeps to its ball, repeats itself, and is right where the answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from localnoise import UnitGrid
from localnoise.errors import ArgumentError
from localnoise.nn import NoiseLayer, Predictor
from localnoise.sims.attacks import APGD, FGSM, PGD, Attack, PaperAttack, RandomNoise, Square, Transfer, losses
from localnoise.sims.attacks.apgd import checkpoints
from localnoise.sims.data.tensors import PIXELS
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.settings import Settings


def linear(seed: int = 0, classes: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes)).requires_grad_(False)


ATTACKS: dict[str, Attack] = {
    "pgd": PGD(eps=0.07, steps=4, draws=2, keep="best", restarts=2),
    "fgsm": FGSM(eps=0.07, draws=2),
    "apgd-ce": APGD(eps=0.07, steps=10, draws=2),
    "apgd-dlr": APGD(eps=0.07, steps=10, draws=2, loss="dlr", restarts=2),
    "square": Square(eps=0.07, queries=30),
    "random": RandomNoise(eps=0.07, tries=6),
    "transfer": Transfer(twin=linear(1), attack=FGSM(eps=0.07)),
}
PAPER: dict[str, Attack] = {name: PaperAttack(name=name, eps=0.07) for name in ("fgm", "pgd")}


@pytest.fixture
def images() -> Tensor:
    return torch.rand(12, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def noisy() -> Predictor:
    return Predictor(nn.Identity(), NoiseLayer(UnitGrid((28, 28), 1), seed=3), linear(), draws=2).eval()


def run(name: str, predictor: nn.Module, images: Tensor, **options: int) -> Tensor:
    if name in PAPER:
        pytest.importorskip("art")
    if isinstance(predictor, Predictor):
        predictor.noise.reseed(9)
    labels = torch.arange(len(images)) % 3
    return (ATTACKS | PAPER)[name](predictor, images, labels, **{"bounds": PIXELS, **options})


@pytest.mark.parametrize("name", [*ATTACKS, *PAPER])
def test_stays_in_the_ball_and_in_the_image_range(name: str, noisy: Predictor, images: Tensor) -> None:
    counted: list[int] = []
    before = noisy.draws
    attacked = run(name, noisy, images, batch=5, tick=counted.append)  # type: ignore[arg-type]
    assert attacked.shape == images.shape
    assert (attacked - images).abs().max() <= 0.07 + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert not torch.equal(attacked, images)
    assert not attacked.requires_grad
    assert sum(counted) == len(images)
    assert noisy.draws == before


@pytest.mark.parametrize("name", [*ATTACKS, *PAPER])
def test_the_seed_and_the_stream_of_noise_fix_the_result(name: str, noisy: Predictor, images: Tensor) -> None:
    state = np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    first, again = run(name, noisy, images, seed=4), run(name, noisy, images, seed=4)
    assert torch.equal(first, again)
    assert np.array_equal(state, np.random.get_state()[1])  # type: ignore[arg-type] # noqa: NPY002


@pytest.mark.parametrize("name", ["pgd", "fgsm", "apgd-ce"])
def test_a_two_sided_linear_model_is_driven_into_its_corner(name: str, images: Tensor) -> None:
    """Three classes, the third far below: the gradient's sign is constant, and the best point is a corner."""
    model = linear()
    weights = model[1].weight  # type: ignore[index]
    weights[2] = 0
    model[1].bias[2] = -50  # type: ignore[index]
    labels = torch.zeros(len(images), dtype=torch.long)
    corner = (images + 0.07 * (weights[1] - weights[0]).sign().view(1, 1, 28, 28)).clamp(0, 1)
    attack = replace(ATTACKS[name], **({} if name == "fgsm" else {"steps": 30}))  # type: ignore[type-var]
    found = attack(model, images, labels, bounds=PIXELS)
    lowest = losses.margin(model(corner), labels)
    start = losses.margin(model(images), labels)
    torch.testing.assert_close(losses.margin(model(found), labels), lowest, atol=1e-4, rtol=0)
    assert (lowest < start).all()


def pgd_of_version_0_1(model: nn.Module, images: Tensor, labels: Tensor, eps: float, steps: int, seed: int) -> Tensor:
    """The published records' attack, in one batch."""
    generator = torch.Generator().manual_seed(seed)
    x = (images + (2 * torch.rand(images.shape, generator=generator) - 1) * eps).clamp(0, 1)
    for _ in range(steps):
        x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(model(x), labels, reduction="sum"), x)
        x = torch.max(torch.min(x.detach() + eps / 4 * gradient.sign(), images + eps), images - eps).clamp(0, 1)
    return x


def test_pgd_gives_what_published_records_rest_on(noisy: Predictor, images: Tensor) -> None:
    labels = torch.zeros(12, dtype=torch.long)
    noisy.noise.reseed(5)
    expected = pgd_of_version_0_1(noisy, images, labels, 0.1, 5, 7)
    noisy.noise.reseed(5)
    assert torch.equal(PGD(eps=0.1, steps=5, draws=2)(noisy, images, labels, bounds=PIXELS, seed=7), expected)


def test_options_at_their_defaults_leave_the_keys_of_published_records_alone() -> None:
    settings = Settings(data="embedded", fingerprint="f")
    cell = Cell(seed=0, sources=(Source.default("pgd"),), arm="none")
    assert cell.config(settings)["attack"] == {
        "eps": 0.1, "steps": 20, "draws": 8, "step": None, "random_start": True
    }  # fmt: skip
    other = replace(settings, attack=PGD(keep="best", restarts=2))
    assert cell.config(other)["attack"].items() >= {("keep", "best"), ("restarts", 2)}


def test_the_attack_s_own_draws_are_used_and_put_back(images: Tensor) -> None:
    seen: list[int] = []

    class Spy(Predictor):
        def decide(self, h: Tensor) -> Tensor:
            seen.append(self.draws)
            return super().decide(h)

    spy = Spy(nn.Identity(), NoiseLayer(UnitGrid((28, 28), 1)), linear(), draws=10)
    APGD(eps=0.1, steps=2, draws=3)(spy, images, torch.zeros(12, dtype=torch.long), bounds=PIXELS)
    assert set(seen) == {3}
    assert spy.draws == 10
    seen.clear()
    Square(eps=0.1, queries=2)(spy, images, torch.zeros(12, dtype=torch.long), bounds=PIXELS)
    assert set(seen) == {10}


def test_the_margin_and_dlr_follow_their_formulas() -> None:
    z = torch.tensor([[3.0, 1.0, 0.0], [3.0, 1.0, 0.0]])
    y = torch.tensor([0, 1])
    torch.testing.assert_close(losses.margin(z, y), torch.tensor([2.0, -2.0]))
    torch.testing.assert_close(losses.dlr(z, y), torch.tensor([-2 / 3, 2 / 3]))
    torch.testing.assert_close(losses.dlr(1000 * z, y), losses.dlr(z, y))


def test_checkpoints_are_those_of_the_paper() -> None:
    assert checkpoints(100)[:5] == [22, 41, 57, 70, 80]  # periods of 22, 19, 16, 13, 10, then 7 and 6 %
    gaps = np.diff(checkpoints(1000))
    assert list(gaps[:6]) == [190, 160, 130, 100, 70, 60]


def test_square_counts_its_queries_and_spares_broken_images(images: Tensor) -> None:
    asked: list[int] = []
    model = linear()

    def counting(x: Tensor) -> Tensor:
        asked.append(len(x))
        return model(x)

    labels = model(images).argmax(1)
    Square(eps=0.002, queries=25)(counting, images, labels, bounds=PIXELS)
    assert len(asked) == 2 + 25  # two to see whether the predictor is noisy
    asked.clear()
    Square(eps=1.0, queries=400)(counting, images, labels, bounds=PIXELS)
    assert asked[-1] < 12
    assert sum(asked[2:]) < 12 * 400


def test_bad_settings_are_named(images: Tensor) -> None:
    with pytest.raises(ArgumentError, match=r"loss='dl': expected one of .*did you mean 'dlr'"):
        APGD(loss="dl")
    with pytest.raises(ArgumentError, match="queries=0"):
        Square(queries=0)
    with pytest.raises(ArgumentError, match=r"tries=1\.5"):
        RandomNoise(tries=1.5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"step=-0\.1: expected a finite number >= 0"):
        PGD(step=-0.1)  # it would descend
    with pytest.raises(ArgumentError, match=r"share=0: expected a share of the image in \(0, 1\]"):
        Square(share=0)
    with pytest.raises(ArgumentError, match=r"name='fgsm'.*did you mean 'fgm'"):
        PaperAttack(name="fgsm")
    with pytest.raises(ArgumentError, match=r"2 classes.*loss='margin'"):
        APGD(loss="dlr", steps=1)(linear(classes=2), images, torch.zeros(12, dtype=torch.long), bounds=PIXELS)
