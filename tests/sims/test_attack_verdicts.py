"""The worst case, the ladder, the checks; planted broken defences are caught, an honest one is not."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from localnoise import UnitGrid
from localnoise.errors import ArgumentError
from localnoise.nn import NoiseLayer, Predictor
from localnoise.sims.attacks import APGD, FGSM, PGD, RandomNoise
from localnoise.sims.data.tensors import PIXELS
from localnoise.sims.evaluation import Adaptive, Verdict, WorstCase, checks, escalate, gradients
from localnoise.sims.evaluation.eot_sweep import Rung, plateau
from localnoise.sims.evaluation.paired import difference
from localnoise.sims.evaluation.worst_case import asked

Trained = tuple[nn.Sequential, Tensor, Tensor]


def first(trained: Trained, count: int = 60) -> Trained:
    return trained[0], trained[1][:count], trained[2][:count]


ADAPTIVE = Adaptive(eps=0.1, steps=12, ladder=(1, 4), queries=200, tries=10, votes=3, checked=40)


@pytest.fixture
def defended(trained: Trained) -> Predictor:
    grid = UnitGrid((14, 14), 1)
    grid.field.S[:] *= 0.1
    net = trained[0]
    return Predictor(net[:1], NoiseLayer(grid, seed=1), net[1:], draws=4).eval()


def outcome(*right: int) -> Tensor:
    return torch.tensor(right, dtype=torch.bool)


def test_the_worst_case_is_the_intersection_and_the_cascade_only_saves_work(
    trained: Trained,
) -> None:
    net, images, labels = first(trained)
    attacks = {"weak": RandomNoise(eps=0.1, tries=3), "strong": PGD(eps=0.1, steps=5, draws=1, random_start=False)}
    every = WorstCase(attacks=attacks, cascade=False)(net, images, labels, bounds=PIXELS)
    cascade = WorstCase(attacks=attacks)(net, images, labels, bounds=PIXELS)
    assert torch.equal(every.right, net(images).argmax(1) == labels)
    assert torch.equal(every.robust, every.survives("weak") & every.survives("strong"))
    assert torch.equal(every.robust, cascade.robust)
    assert 0 < every.robust_accuracy < every.right.double().mean().item()
    assert (every.wrong["strong"][every.right] >= 0).all()
    assert (cascade.wrong["strong"][~cascade.survives("weak")] == -1).all()
    names = np.array(every.broken_by)
    assert np.array_equal(names == "", every.robust.numpy())
    assert np.array_equal(names == "clean", (~every.right).numpy())
    assert set(names) <= {"", "clean", "weak", "strong"}


def test_votes_are_fresh_and_fix_what_one_vote_would_blur(defended: Predictor, trained: Trained) -> None:
    _, images, labels = first(trained)
    found, _ = asked(defended, images, labels, votes=9, seed=1)
    assert torch.equal(found, asked(defended, images, labels, votes=9, seed=1)[0])
    assert not torch.equal(found, asked(defended, images, labels, votes=9, seed=2)[0])
    assert ((found > 0) & (found < 9)).any()  # some images hang on the draws


def test_the_ladder_stops_at_the_plateau_and_goes_on_while_accuracy_falls(trained: Trained) -> None:
    net, images, labels = first(trained)

    def stronger(draws: int) -> PGD:
        return PGD(eps=0.004 * draws, steps=3, draws=1, random_start=False)

    falling = escalate(stronger, net, images, labels, bounds=PIXELS, ladder=(1, 10, 30))
    assert [rung.draws for rung in falling] == [1, 10, 30]
    assert falling[1].change is not None
    assert falling[1].change.high < 0
    assert plateau(falling) == 30
    same = escalate(lambda draws: FGSM(eps=0.05, draws=draws), net, images, labels, bounds=PIXELS, ladder=(1, 5, 20))
    assert [rung.draws for rung in same] == [1, 5]
    assert plateau(same) == 1


def test_the_paired_interval_covers() -> None:
    """On simulated pairs the 95 % interval holds the true difference in 93 to 99 % of the cases."""
    rng = torch.Generator().manual_seed(0)
    inside = 0
    for _ in range(1000):
        u = torch.rand(80, generator=rng)
        found = difference(u < 0.6, (u > 0.05) & (u < 0.55))  # the true difference is -.1
        inside += found.low <= -0.1 <= found.high
    assert 930 <= inside <= 990
    none = difference(outcome(1, 0, 1), outcome(1, 0, 1))
    assert none.mean == 0
    assert none.low < 0 < none.high


def test_each_check_can_fail() -> None:
    good, bad = torch.ones(100, dtype=torch.bool), torch.zeros(100, dtype=torch.bool)
    cases = [
        (lambda a, b: checks.iterative_at_least_single_step(a, b), (good, bad), (bad, good)),
        (
            lambda a, b: checks.more_draws_never_help([Rung(1, a, None, 0), Rung(5, b, None, 0)]),
            (good, bad),
            (bad, good),
        ),
        (checks.more_steps_never_help, (good, good), (good, bad)),
        (checks.fixed_noise_never_helps, (good, bad), (bad, good)),
        (lambda a, b: checks.falls_with_eps({0.2: b, 0.1: a}), (good, bad), (bad, good)),
        (lambda a, _: checks.unbounded_reaches_chance(a, 10), (bad, bad), (good, good)),
    ]
    for check, holds, fails in cases:
        assert check(*holds).passed
        assert not check(*fails).passed
        assert check(*fails).reason.endswith(".")


def test_black_box_against_white_box_allows_for_the_votes_noise() -> None:
    clean = torch.zeros(100, dtype=torch.int64)

    def verdict(white: int, black: int) -> Verdict:
        wrong = {"pgd": torch.zeros(100, dtype=torch.int64), "square": torch.zeros(100, dtype=torch.int64)}
        wrong["pgd"][:5], wrong["square"][:5] = white, black
        return Verdict(clean, wrong, 5, clean, clean == 0)

    assert checks.black_box_never_beats_white_box(verdict(2, 3), ["square"], ["pgd"]).passed
    assert checks.black_box_never_beats_white_box(verdict(5, 5), ["square"], ["pgd"]).passed
    failed = checks.black_box_never_beats_white_box(verdict(0, 5), ["square"], ["pgd"])
    assert not failed.passed
    assert "5 of 100" in failed.reason


@pytest.mark.parametrize("undefended", [False, True])
def test_examples_of_the_attacked_network_itself_are_white_box(trained: Trained, undefended: bool) -> None:
    """Found with the very gradients that attack it, they are another start of PGD, not what knows no gradient."""
    net, images, labels = first(trained)
    report = ADAPTIVE(net, images, labels, twin=net, bounds=PIXELS, seed=3, undefended=undefended)
    reason = next(one.reason for one in report.checks if one.name == "black_box_never_beats_white_box")
    assert ("transfer" in reason) != undefended
    assert "random 0, square" in reason
    assert "transfer" in report.verdict.wrong, "it is tried all the same"


def test_an_honest_noisy_network_passes_every_check(defended: Predictor, trained: Trained) -> None:
    net, images, labels = first(trained)
    report = ADAPTIVE(defended, images, labels, twin=net, bounds=PIXELS, seed=3)
    assert report.unreliable == ""
    assert len(report.checks) == 9
    values = report.evidence()
    verdict = report.verdict
    assert verdict.robust.shape == (60,)
    assert verdict.robust_accuracy < verdict.right.double().mean().item()
    assert len(values["draws"]) == len(values["accuracy_by_draws"]) == len(report.rungs)
    assert all(values[f"check.{check.name}"] for check in report.checks)
    assert values["noise_off.robust"] < values["noise_off.clean"]
    assert defended.draws == 4
    assert defended.noise.when == "both"
    again = ADAPTIVE(defended, images, labels, twin=net, bounds=PIXELS, seed=3)
    assert again.verdict.broken_by == report.verdict.broken_by


class Round(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x * 8).round() / 8


class Detach(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach()


class Misleading(nn.Module):
    """Right forwards, quantised by a rounding that leaks a gradient of random signs backwards."""

    def forward(self, x: Tensor) -> Tensor:
        shuffled = x * torch.sign(torch.randn_like(x)) * 1e-3
        return x.detach() + shuffled - shuffled.detach()


@pytest.mark.parametrize(
    ("planted", "caught_by"),
    [(Round, "gradient_exists"), (Detach, "gradient_exists"), (Misleading, "gradient_points_uphill")],
)
def test_a_planted_broken_defence_is_flagged(
    planted: Callable[[], nn.Module], caught_by: str, trained: Trained
) -> None:
    net, images, labels = first(trained)
    broken = nn.Sequential(planted(), net).eval()
    report = ADAPTIVE(broken, images, labels, twin=net, bounds=PIXELS, seed=3)
    failed = {check.name for check in report.checks if not check.passed}
    assert {caught_by, "black_box_never_beats_white_box"} <= failed
    assert caught_by in report.evidence()["unreliable"]


def test_saturated_activations_are_flagged(trained: Trained) -> None:
    net, images, labels = first(trained, 40)
    weights = net[2].weight.clone()

    class Saturated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return net[4](torch.tanh(1e6 * nn.functional.linear(net[0](x).flatten(1), weights, net[2].bias)))

    report = ADAPTIVE(Saturated().eval(), images, labels, twin=net, bounds=PIXELS, seed=3)
    assert "gradient_exists" in report.unreliable


def test_two_classes_and_a_predictor_without_noise_are_evaluated(images_of_two: Trained) -> None:
    """The DLR loss needs three classes, and an identity has no noise to switch off: neither stops a long run."""
    net, images, labels = images_of_two
    plain = Predictor(nn.Identity(), nn.Identity(), net).eval()
    small = Adaptive(eps=0.1, steps=4, ladder=(1, 2), queries=20, tries=2, votes=1, checked=20)
    report = small(plain, images, labels, twin=net, bounds=PIXELS)
    assert "apgd-margin" in report.verdict.wrong
    assert report.ablation["noise_off.clean"] == report.verdict.right.double().mean().item()
    assert "chance is 50.0%" in next(c.reason for c in report.checks if c.name == "unbounded_reaches_chance")

    class Stubborn(nn.Module):
        seed, active = 0, True

        def reseed(self, seed: int) -> None:
            torch.manual_seed(seed % 2**62)

        def forward(self, h: Tensor) -> Tensor:
            return h + 0.01 * torch.randn_like(h)

    noisy = Predictor(nn.Identity(), Stubborn(), net, draws=2).eval()
    assert small(noisy, images, labels, twin=net, bounds=PIXELS).ablation == {}


def test_another_networks_examples_are_tried_under_its_name(trained: Trained) -> None:
    """What a network without gradients falls to, if its twin has none either: an attack on another one."""
    net, images, labels = first(trained, 20)

    class Deaf(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return net(x.detach())

    small = Adaptive(eps=0.1, steps=8, ladder=(1,), queries=2, tries=2, votes=1, checked=20)
    how = {"twin": Deaf().eval(), "bounds": PIXELS, "seed": 3}
    alone, report = (small(Deaf().eval(), images, labels, others=others, **how) for others in (None, {"open": net}))
    assert "transfer-open" not in alone.verdict.wrong
    assert report.evidence()["broken_by.transfer-open"] > 5
    assert report.verdict.robust_accuracy < alone.verdict.robust_accuracy - 0.2
    assert "transfer-open" in next(c.reason for c in report.checks if c.name == "black_box_never_beats_white_box")
    with pytest.raises(ArgumentError, match="open is in training mode"):
        small(net, images, labels, others={"open": nn.Dropout().train()}, **how)


def test_the_variance_of_gradients_from_draw_to_draw_is_reported(defended: Predictor, trained: Trained) -> None:
    """A cosine of 1 without noise; with noise it is less, and more draws bring it back."""
    net, images, labels = first(trained, 40)
    assert gradients.draw_to_draw(net, images, labels) == pytest.approx(1)
    one, many = (gradients.draw_to_draw(defended, images, labels, draws) for draws in (1, 50))
    assert 0 < one < many < 1
    assert np.isnan(gradients.draw_to_draw(net, images[:0], labels[:0]))
    found = Adaptive(eps=0.1, steps=2, ladder=(1,), queries=2, tries=2, votes=1, checked=20)(
        defended, images, labels, twin=net, bounds=PIXELS
    ).evidence()
    assert 0 < found["gradient.one"] < 1


def test_noise_of_a_linear_gradient_has_the_cosine_of_its_variance() -> None:
    """g = m + s xi in D dimensions: a cosine of |m|^2 / (|m|^2 + D s^2), in the limit of large D."""
    weight = torch.randn(400, generator=torch.Generator().manual_seed(0))

    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            own = (x * (weight + 0.7 * torch.randn(x.shape))).sum(1)
            return torch.stack([own, -own], dim=1)

    torch.manual_seed(1)
    found = gradients.draw_to_draw(Noisy(), torch.rand(200, 400), torch.zeros(200, dtype=torch.int64))
    mean = weight.square().sum().item()
    assert found == pytest.approx(mean / (mean + 400 * 0.49), abs=0.02)


@pytest.fixture
def images_of_two(trained: Trained) -> Trained:
    _, images, labels = trained
    few = (labels < 2).nonzero()[:20, 0]
    net = nn.Sequential(trained[0], Columns()).eval()
    return net, images[few], labels[few]


class Columns(nn.Module):
    """The first two logits."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2]


def test_a_network_in_training_mode_is_refused(defended: Predictor, trained: Trained) -> None:
    net, images, labels = first(trained)
    worst = WorstCase(attacks={"fgsm": FGSM(draws=1)}, votes=1)
    with pytest.raises(ArgumentError, match=r"predictor is in training mode.*predictor\.eval\(\)"):
        worst(defended.train(), images, labels, bounds=PIXELS)
    defended.eval()
    with pytest.raises(ArgumentError, match=r"twin is in training mode"):
        ADAPTIVE(defended, images, labels, twin=nn.Sequential(net), bounds=PIXELS)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (lambda x: x + 0.3 * (x < 0.5), r"mine left its ball or the bounds: it moved a value by 0\.3.*eps=0\.1"),
        (lambda x: x - 0.05, r"mine left its ball or the bounds.*bounds=\(0\.0, 1\.0\)"),
        (lambda x: x[:3], r"mine gave examples of shape \(3, 1, 28, 28\)"),
        (lambda x: x * torch.nan, "mine left its ball"),
    ],
)
def test_an_attack_that_leaves_its_ball_breaks_nothing(
    found: Callable[[Tensor], Tensor], message: str, trained: Trained
) -> None:
    net, images, labels = first(trained)

    class Mine:
        eps = 0.1

        def __call__(self, predictor: object, images: Tensor, labels: Tensor, **_: object) -> Tensor:
            return found(images)

    with pytest.raises(ArgumentError, match=message):
        WorstCase(attacks={"mine": Mine()}, votes=1)(net, images, labels, bounds=PIXELS)


def test_a_network_that_answers_nan_is_broken(trained: Trained) -> None:
    """argmax of NaN alone is class 0: images of that class would count as right."""
    net, images, labels = first(trained)

    def fragile(x: Tensor) -> Tensor:
        moved = (x - images[: len(x)]).abs().flatten(1).max(1).values > 0.05
        return torch.where(moved[:, None], torch.nan, net(x))

    zeros = labels == 0
    right = (net(images).argmax(1) == labels) & zeros
    assert right.any()
    answers, _ = asked(lambda x: net(x) * torch.nan, images[zeros], labels[zeros], votes=1, seed=0)
    assert answers.all()
    attack = PGD(eps=0.1, steps=3, draws=1, keep="best", random_start=False)
    found = attack(fragile, images, labels, bounds=PIXELS)
    assert ((found - images).abs().flatten(1).max(1).values[right] > 0.05).all()


def test_the_ladder_goes_on_while_fewer_images_are_right_be_it_by_chance(trained: Trained) -> None:
    """Two images of 60 fewer lie within the interval; but an attacker with too few draws flatters the defense."""
    net, images, labels = first(trained)

    class Fells:
        eps = 0.0

        def __init__(self, count: int) -> None:
            self.count = count

        def __call__(self, predictor: object, x: Tensor, y: Tensor, **_: object) -> Tensor:
            return torch.cat([torch.zeros_like(x[: self.count]), x[self.count :]])

    def sees(x: Tensor) -> Tensor:
        black = x.flatten(1).max(1).values == 0
        return torch.where(black[:, None], torch.eye(10)[9], net(x))

    keep = (net(images).argmax(1) == labels) & (labels != 9)
    images, labels = images[keep], labels[keep]

    def rung(draws: int) -> Fells:
        fells = Fells({1: 4, 5: 6, 20: 6, 100: 9}[draws])
        fells.eps = 1.0  # type: ignore[misc]
        return fells

    rungs = escalate(rung, sees, images, labels, bounds=PIXELS, votes=1)
    assert [one.draws for one in rungs] == [1, 5, 20]
    assert rungs[1].change is not None
    assert rungs[1].change.low < 0 < rungs[1].change.high
    assert plateau(rungs) == 5


def test_gradients_are_checked_in_parts_that_fit_into_memory(defended: Predictor, trained: Trained) -> None:
    _, images, labels = first(trained)
    sizes: list[int] = []
    defended.back.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    known = {"draws": 200, "bounds": PIXELS, "eps": 0.1}
    points = gradients.gradient_points_uphill(defended, images, labels, **known)  # type: ignore[arg-type]
    exists = gradients.gradient_exists(defended, images, labels, 200)
    assert max(sizes) <= 5_000
    assert sum(sizes) == 4 * 200 * len(images)
    assert points.passed
    assert exists.passed


def test_bad_settings_are_named(trained: Trained) -> None:
    net, images, labels = first(trained)
    with pytest.raises(ArgumentError, match=r"votes=4: expected an odd number"):
        WorstCase(attacks={"pgd": PGD()}, votes=4)
    with pytest.raises(ArgumentError, match="attacks is empty"):
        WorstCase()
    with pytest.raises(ArgumentError, match=r"ladder=\(5, 1\): expected rising"):
        Adaptive(ladder=(5, 1))
    with pytest.raises(ArgumentError, match="divide bytes by 255"):
        WorstCase(attacks={"apgd": APGD(steps=1)})(net, images * 255, labels, bounds=PIXELS)
