"""Bounds are the data's: kept where there are some, and where there are none nothing is clipped."""

import pytest
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.sims.attacks import APGD, FGSM, PGD, Attack, PaperAttack, RandomNoise, Square, Transfer
from localnoise.sims.attacks.paper import PAPER_ATTACKS
from localnoise.sims.evaluation import Adaptive, WorstCase

EPS = 0.1
SHIFT = 13.0
FORMS = {"images": (2, 8, 8), "features": (30,)}


class Shifted(nn.Module):
    """A linear classifier of x - shift, whatever the form of x."""

    def __init__(self, shift: float = 0.0, seed: int = 0, features: int = 128) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.shift, self.weights = shift, torch.randn(features, 3, generator=generator, dtype=torch.float64) / 10

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1).double() - self.shift) @ self.weights


def attacks(features: int, shift: float = 0.0) -> dict[str, Attack]:
    twin = Shifted(shift, 1, features)
    return {
        "pgd": PGD(eps=EPS, steps=6, draws=1, keep="best", restarts=2),
        "fgsm": FGSM(eps=EPS, draws=1),
        "apgd-ce": APGD(eps=EPS, steps=12, draws=1),
        "apgd-dlr": APGD(eps=EPS, steps=12, draws=1, loss="dlr"),
        "square": Square(eps=EPS, queries=40),
        "random": RandomNoise(eps=EPS, tries=6),
        "transfer": Transfer(twin=twin, attack=FGSM(eps=EPS)),
        **{f"art-{name}": PaperAttack(name=name, eps=EPS) for name in PAPER_ATTACKS},
    }


NAMES = list(attacks(1))


def data(form: str, shift: float = 0.0) -> Tensor:
    """Far out of [0, 1] on both sides: the inputs of the fault, which were moved by 12.15 at eps .1."""
    generator = torch.Generator().manual_seed(2)
    return (torch.randn((12, *FORMS[form]), generator=generator, dtype=torch.float64) * 5 + shift).float()


def attacked(name: str, x: Tensor, shift: float = 0.0, bounds: tuple[float, float] | None = None) -> Tensor:
    if name.startswith("art-"):
        pytest.importorskip("art")
    features = x[0].numel()
    model = Shifted(shift, 0, features)
    return attacks(features, shift)[name](model, x, model(x).argmax(1), bounds=bounds, seed=3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_without_bounds_nothing_moves_further_than_eps_and_nothing_is_clipped(name: str, form: str) -> None:
    """Clipping has a place: it would show where data and network are shifted, and the attack does not shift along."""
    if (name, form) == ("art-square", "features"):
        pytest.skip("ART's Square takes images alone")
    x = data(form)
    found = attacked(name, x)
    rounding = 2 * torch.finfo(torch.float32).eps * x.abs().max().item()
    assert (found - x).abs().max() <= EPS + rounding
    assert (found - x).abs().flatten(1).max(1).values.min() > EPS / 2  # every input is moved
    assert found.shape == x.shape
    assert ((found < 0) | (found > 1)).any()
    along = attacked(name, data(form, SHIFT), SHIFT)
    if name != "art-square":  # its first stripes aside it asks for equal losses, which rounding decides
        torch.testing.assert_close(along - SHIFT, found, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_bounds_of_any_place_are_kept(name: str) -> None:
    x = data("images").clamp(-3, 5)
    found = attacked(name, x, bounds=(-3.0, 5.0))
    assert (found - x).abs().max() <= EPS + 1e-6
    assert found.min() >= -3
    assert found.max() <= 5
    assert not torch.equal(found, x)


@pytest.mark.parametrize("name", NAMES)
def test_data_out_of_their_bounds_are_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"images run from -1\d\.\d+ to 1\d.*out of bounds=\(0\.0, 1\.0\).*None"):
        attacked(name, data("images"), bounds=(0.0, 1.0))


def test_an_evaluation_of_data_without_bounds_holds() -> None:
    """All attacks and checks, on features: the widest eps is as wide as the data."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 4)).requires_grad_(False).eval()
    x = data("features") / 4
    labels = net(x).argmax(1)
    small = Adaptive(eps=EPS, steps=8, ladder=(1, 2), queries=60, tries=4, votes=1, checked=8)
    report = small(net, x, labels, twin=net, bounds=None)
    assert report.unreliable == ""
    assert report.verdict.bias == 0
    reached = next(check.reason for check in report.checks if check.name == "unbounded_reaches_chance")
    assert f"With eps = {(x[:8].max() - x[:8].min()).item():g}" in reached
    assert "chance is 25.0%" in reached


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": (1.0, 0.0)}, r"bounds=\(1\.0, 0\.0\): expected two finite numbers, lowest < highest, or None"),
        ({"bounds": (0.0, float("inf"))}, r"bounds=\(0\.0, inf\)"),
        ({"bounds": (-20.0, -19.95)}, "out of bounds"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, r"labels \(3,\)"),
        ({"images": torch.full((12, 30), float("nan"))}, "NaN or infinity"),
        ({"images": torch.zeros((12, 30), dtype=torch.uint8)}, r"torch\.uint8.*images\.float\(\)"),
    ],
)
def test_what_cannot_be_attacked_is_named(options: dict[str, Tensor], message: str) -> None:
    given = {"images": data("features"), "labels": torch.zeros(12, dtype=torch.long), "bounds": None} | options
    attack = PGD(eps=EPS, steps=1)
    for call in (attack, WorstCase(attacks={"pgd": attack})):
        with pytest.raises(ArgumentError, match=message):
            call(Shifted(features=30).eval(), given["images"], given["labels"], bounds=given["bounds"])  # type: ignore[operator]


def test_an_eps_wider_than_the_bounds_is_refused() -> None:
    x = data("features").clamp(0, 1)
    with pytest.raises(ArgumentError, match=r"eps=8: expected at most 1, the width of bounds=\(0\.0, 1\.0\)"):
        PGD(eps=8, steps=1)(Shifted(features=30), x, torch.zeros(12, dtype=torch.long), bounds=(0.0, 1.0))
