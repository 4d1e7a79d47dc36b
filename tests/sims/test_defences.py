"""Trained defences: each learns, each is what its equation says, and a seed fixes it to the bit."""

import copy
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiers import some_slow
from torch import nn

from localnoise.errors import ArgumentError
from localnoise.nn import Predictor
from localnoise.sims import models
from localnoise.sims.attacks import PGD
from localnoise.sims.data import load
from localnoise.sims.data.tensors import PIXELS, to_tensor
from localnoise.sims.defenses import (
    LearnedNoise,
    Lesson,
    added_parameters,
    adversarial,
    gaussian,
    modified,
    select,
    wca,
)
from localnoise.sims.defenses.lesson import noiseless, teach
from localnoise.sims.defenses.wca import objective
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments import lessons
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.models import training

TRAIN, TEST = 1200, 200
WEAK = PGD(eps=0.1, steps=2, step=0.07, draws=1)  # few steps: what is tested is the training, not the attack
DEFENCES: dict[str, Callable[..., Predictor]] = {
    "adversarial": lambda lesson, **k: adversarial(lesson, ratio=0.5, attack=WEAK, **k),
    "gaussian": lambda lesson, **k: gaussian(lesson, sigma=0.1, **k),
    "modified": modified,
    "wca": lambda lesson, **k: wca(lesson, strength=0.01, **k),
}


@pytest.fixture(scope="module")
def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    d = load()
    parts = (d.train_images[:TRAIN], d.train_labels[:TRAIN], d.test_images[:TEST], d.test_labels[:TEST])
    x, y, u, v = parts
    return to_tensor(x), torch.from_numpy(y.astype(np.int64)), to_tensor(u), torch.from_numpy(v.astype(np.int64))


@pytest.fixture(scope="module")
def lesson(data) -> Lesson:
    torch.set_num_threads(1)
    images, labels, _, _ = data
    network = models.build(seed=0)
    training.train_base(network, images, labels, epochs=3, seed=0)
    return Lesson(
        front=network.front,
        back=lambda seed: models.build(seed=seed).back,
        fresh_front=lambda seed: models.build(seed=seed).front,
        modified=lambda draw: images.roll(1, 3),
        images=images,
        labels=labels,
        epochs=3,
        seed=5,
    )


@pytest.fixture(scope="module")
def short(lesson) -> Lesson:
    """As `lesson`, two batches of it."""
    return replace(lesson.only(np.arange(100)), epochs=1)


def undefended(lesson: Lesson, whole: bool = False) -> Predictor:
    front, back = lesson.networks(whole)
    teach(lesson, front, back, whole)
    return noiseless(front, back)


def accuracy(predictor: Predictor, images: torch.Tensor, labels: torch.Tensor) -> float:
    return float(training.accuracy_per_image(predictor, images, labels).double().mean())


def weights(predictor: Predictor) -> list[torch.Tensor]:
    return list(predictor.parameters())


def moved(fresh: nn.Module, trained: nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(fresh.parameters(), trained.state_dict().values(), strict=True))


# All of them


@pytest.mark.parametrize("name", some_slow(DEFENCES, {"adversarial"}))
def test_learns_the_layers_after_the_frozen_front(lesson, data, name):
    before = copy.deepcopy(lesson.front.state_dict())
    predictor = DEFENCES[name](lesson)
    assert accuracy(predictor, *data[2:]) > 0.5  # chance: 0.1
    assert not predictor.training
    assert all(torch.equal(before[key], value) for key, value in lesson.front.state_dict().items())
    assert added_parameters(predictor) == (16 * 17 // 2 if name == "wca" else 0)


@pytest.mark.parametrize("name", DEFENCES)
def test_seed_fixes_everything_and_whole_trains_every_layer(short, name):
    for whole in (False, True):
        first, again = (DEFENCES[name](short, whole=whole) for _ in range(2))
        other = DEFENCES[name](replace(short, seed=6), whole=whole)
        assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(weights(first), weights(other), strict=True))
        assert torch.equal(first(short.images), again(short.images))
        front = first.front[0] if name == "wca" else first.front
        assert (front is short.front) is not whole
        if whole:
            assert moved(models.build(seed=short.seed).front, front)


@pytest.mark.parametrize("name", DEFENCES)
def test_whole_needs_fresh_layers(short, name):
    with pytest.raises(ArgumentError, match="fresh_front"):
        DEFENCES[name](replace(short, fresh_front=None), whole=True)


def test_ticks_count_every_presentation(short):
    for name, defend in DEFENCES.items():
        seen: list[int] = []
        defend(replace(short, epochs=2, tick=seen.append))
        assert sum(seen) == 2 * len(short.labels), name


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"seed": -1}, "seed=-1"),
        ({"front": models.build(seed=0).front}, "frozen"),
        ({"images": torch.zeros(3)}, r"\(3,\)"),
        ({"images": torch.full((100, 1, 28, 28), 255.0)}, "255"),
        ({"images": torch.full((100, 1, 28, 28), torch.nan)}, "nan"),
        ({"labels": torch.zeros(7, dtype=torch.int64)}, "one an image"),
        ({"labels": torch.zeros(100)}, "int64"),
    ],
)
def test_bad_lessons_are_named(short, change, match):
    with pytest.raises(ArgumentError, match=match):
        replace(short, **change)


# Adversarial training


@pytest.mark.slow
def test_adversarial_training_raises_robust_accuracy(lesson, data):
    attack, longer = replace(WEAK, steps=5, step=None), replace(lesson, epochs=6)
    images, labels = (part[:150] for part in data[2:])
    plain, trained = undefended(longer), adversarial(longer, ratio=0.9, attack=WEAK)
    robust = [accuracy(p, attack(p, images, labels, bounds=PIXELS), labels) for p in (plain, trained)]
    assert robust[1] > robust[0] + 0.05


@pytest.mark.parametrize(("ratio", "counts"), [(0.5, [32, 18]), (0.9, [58, 33]), (1, [64, 36])])
def test_attacks_the_share_of_each_batch_at_the_present_weights(short, ratio, counts):
    calls = []

    def attack(logits, images, labels, *, bounds, seed):
        calls.append((len(images), seed, logits(images)))
        return images

    adversarial(short, ratio=ratio, attack=attack)
    assert [count for count, _, _ in calls] == counts
    assert len({seed for _, seed, _ in calls}) == len(calls)
    assert not calls[0][2].equal(calls[1][2][: len(calls[0][2])])


def test_harmless_attack_leaves_plain_training(short):
    plain, same = undefended(short), adversarial(short, attack=lambda logits, images, labels, *, bounds, seed: images)
    assert all(
        torch.allclose(a, b, atol=1e-5) for a, b in zip(plain.back.parameters(), same.back.parameters(), strict=True)
    )


# Augmentation


def test_two_strengths_of_one_attack_are_two_sources(lesson):
    """Attacked images are kept from epoch to epoch: those of each strength, not the first ones under its name."""
    images = lesson.images[:40]

    def altered(source, draw):
        return torch.full_like(images[:20], source.level)

    network = SimpleNamespace(
        front=lesson.front, fresh_back=lesson.back, fresh_front=None, widened=None, arrangement=None
    )
    task = SimpleNamespace(bounds=(0, 1))
    bench = SimpleNamespace(
        train=(images, lesson.labels[:40]), network=network, altered=altered, task=task, by="backprop"
    )
    sources = tuple(Source.default("pgd", level) for level in (0.04, 0.1))
    given = lessons.lesson(Cell(seed=0, sources=sources, arm="augmentation"), bench, 1, None)
    for draw in (1, 2):
        shown = given.modified(draw)[:20].flatten(1)[:, 0]
        assert set(shown.tolist()) == {np.float32(0.04).item(), np.float32(0.1).item()}


def test_modified_shows_a_new_draw_every_epoch_and_leaves_a_share_clean(short):
    draws = []

    def source(draw):
        draws.append(draw)
        return short.images.roll(1, 3)

    given = replace(short, modified=source, epochs=3)
    modified(given)
    assert draws == [1, 2, 3]
    shown = []
    probe = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    probe.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    modified(replace(given, front=nn.Identity(), back=lambda seed: probe, epochs=10), clean=0.2)
    seen = torch.cat(shown)
    kept = torch.tensor([bool((short.images == image).flatten(1).all(1).any()) for image in seen])
    assert abs(kept.double().mean() - 0.2) < 4 * (0.2 * 0.8 / 1000) ** 0.5


def test_gaussian_shows_noise_of_its_deviation(short):
    shown = []
    probe = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    probe.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    grey = replace(short, front=nn.Identity(), back=lambda seed: probe, epochs=2)
    gaussian(replace(grey, images=torch.full((100, 1, 28, 28), 0.5)), sigma=0.1)
    seen = torch.cat(shown)
    assert len(seen) == 200
    assert seen.std().item() == pytest.approx(0.1, rel=0.02)
    assert not torch.equal(seen[:100].sort(0).values, seen[100:200].sort(0).values)


def test_bad_options_are_named(short):
    for call, match in (
        (lambda: adversarial(short, ratio=0), "ratio=0"),
        (lambda: adversarial(short, ratio=1.5), r"ratio=1\.5"),
        (lambda: gaussian(short, sigma=0), "sigma=0"),
        (lambda: gaussian(short, sigma=float("nan")), "sigma=nan"),
        (lambda: modified(short, clean=1), "clean=1"),
        (lambda: modified(replace(short, modified=None)), "modified is None"),
        (lambda: modified(replace(short, modified=lambda draw: short.images[:5])), r"shape \(5, 1, 28, 28\)"),
        (lambda: wca(short, strength=-1), "strength=-1"),
        (lambda: wca(short, decay=-1), "decay=-1"),
        (lambda: wca(short, draws=0), "draws=0"),
        (lambda: wca(replace(short, back=lambda seed: nn.Sequential(nn.Flatten(), nn.Tanh()))), "ending in Tanh"),
        (
            lambda: wca(replace(short, back=lambda seed: nn.Linear(3136, 10))),
            "expected several layers, the last a Linear",
        ),
        (lambda: select(wca, [], short), "values is empty"),
        (lambda: select(wca, [1.0], short, held=100), "held=100"),
        (lambda: LearnedNoise(0), "units=0"),
        (lambda: LearnedNoise(4, when="sometimes"), "when='sometimes'"),
        (lambda: LearnedNoise(4)(torch.zeros(2, 5)), r"expected \(T, 4\)"),
    ):
        with pytest.raises(ArgumentError, match=match):
            call()


# WCA-Net


def test_noise_has_the_covariance_of_its_factor():
    noise, n = LearnedNoise(6, seed=3), 200_000
    eta = noise(torch.zeros(n, 6)).double()
    sigma = (noise.factor @ noise.factor.T).double()
    spread = (sigma.diagonal()[:, None] * sigma.diagonal() + sigma**2) / n  # variance of an entry of the estimate
    assert torch.equal(noise.factor, noise.factor.tril())
    assert ((eta.T @ eta / n - sigma).abs() < 5 * spread.sqrt()).all()
    assert (eta.mean(0).abs() < 5 * (sigma.diagonal() / n).sqrt()).all()


def test_gradients_reach_the_factor_and_the_input():
    noise = LearnedNoise(5, seed=1)
    h = torch.zeros(50, 5, requires_grad=True)
    noise(h).square().sum().backward()
    lower = torch.ones(5, 5).tril().bool()
    assert (noise.weight.grad[lower] != 0).all()
    assert (noise.weight.grad[~lower] == 0).all()
    assert h.grad is not None


def test_gradient_of_the_factor_is_the_derivative_of_the_same_draws():
    noise = LearnedNoise(3, seed=1).double()

    def loss(factor):
        noise.reseed(9)
        return torch.func.functional_call(noise, {"weight": factor}, (torch.ones(7, 3, dtype=torch.float64),)).cos()

    torch.autograd.gradcheck(loss, noise.weight.detach().tril().requires_grad_())


def test_objective_is_the_stated_sum():
    noise, last = LearnedNoise(4, seed=2), nn.Linear(4, 3)
    sigma = (noise.factor @ noise.factor.T).detach().double()
    rows = last.weight.detach().double()
    stated = -0.3 * sum(float(torch.log(w @ sigma @ w)) for w in rows)
    stated += 0.01 / 2 * float((rows**2).sum() + (noise.factor.detach().double() ** 2).sum())
    assert objective(noise, last, 0.3, 0.01).item() == pytest.approx(stated, rel=1e-5)


def test_training_moves_the_factor_and_strength_raises_the_noise_of_the_logits(short):
    start = LearnedNoise(16, seed=short.seed).factor
    spread = []
    for strength in (0.0, 1.0):
        predictor = wca(replace(short, epochs=5), strength=strength)
        factor = predictor.noise.factor
        assert (factor != start)[torch.ones(16, 16).tril().bool()].all()
        spread.append(float((predictor.back.weight @ factor).square().sum(1).log().mean()))
    assert spread[1] > spread[0] + 0.1


def test_deployed_noise_is_fresh_repeats_by_reseed_and_can_be_off(short):
    predictor = wca(short, draws=4)
    first, second = predictor(short.images), predictor(short.images)
    assert not torch.equal(first, second)
    predictor.noise.reseed(predictor.noise.seed)
    assert torch.equal(first, predictor(short.images))
    predictor.noise.when = "train"
    torch.testing.assert_close(predictor(short.images), predictor.back(predictor.front(short.images)))


def test_attack_goes_through_the_deployed_predictor(short):
    predictor = wca(short, draws=4)
    attacked = PGD(eps=0.1, steps=3, draws=4)(predictor, short.images, short.labels, bounds=PIXELS)
    predictor.noise.when = "never"
    loss = nn.CrossEntropyLoss()
    assert loss(predictor(attacked), short.labels) > loss(predictor(short.images), short.labels)


# The choice of a hyperparameter


def test_select_holds_images_out_and_takes_the_most_robust_of_the_accurate(short):
    """Networks that answer from a table: what is chosen is known."""
    tables = {1.0: (1.0, 0.2), 2.0: (0.98, 0.6), 3.0: (0.5, 0.5)}
    seen = []

    def train(lesson, value):
        seen.append(lesson)
        return Table(value)

    class Table(Predictor):
        def __init__(self, value):
            super().__init__(nn.Identity(), noiseless(nn.Identity(), nn.Identity()).noise, nn.Identity())
            self.value = value

        def decide(self, h):
            clean, robust = tables[self.value]
            truth = torch.tensor([answers[image.numpy().tobytes()] for image in h.abs()])
            share = torch.where(h.flatten(1).amin(1) < 0, robust, clean)
            right = (torch.arange(len(h)) + 0.5) / len(h) < share
            return nn.functional.one_hot(torch.where(right, truth, (truth + 1) % 10), 10).float()

    answers = {image.numpy().tobytes(): int(label) for image, label in zip(short.images, short.labels, strict=True)}
    value, trials = select(train, list(tables), short, attack=lambda p, x, y, *, bounds, seed: -x, held=50)
    assert value == 2.0
    assert [trial.value for trial in trials] == list(tables)
    assert [trial.clean for trial in trials] == pytest.approx([clean for clean, _ in tables.values()], abs=0.02)
    assert [trial.robust for trial in trials] == pytest.approx([robust for _, robust in tables.values()], abs=0.02)
    assert [len(given.labels) for given in seen] == [50, 50, 50]
    assert all(torch.equal(given.modified(0), given.images.roll(1, 3)) for given in seen)
