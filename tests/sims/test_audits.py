"""The audit of a network: its parts on a small one, the document and the page made of records."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from audited import BRIGHT, THREATS, SmallBench, SmallNetwork
from jsonschema import Draft202012Validator
from torch import nn

from localnoise.sims.auditing.certificates import BALLS, PLAIN, REPAIRED, certificate_part
from localnoise.sims.auditing.document import document
from localnoise.sims.auditing.reported import Audit
from localnoise.sims.auditing.schema import CLAIM, Document
from localnoise.sims.auditing.structures import structure_part
from localnoise.sims.auditing.surprises import surprise_part
from localnoise.sims.auditing.tables import markdown
from localnoise.sims.experiments.rehearsal import attempt
from localnoise.sims.models.orthogonal import OrthogonalPatches
from localnoise.sims.reports.table import share
from localnoise.sims.results.records import NAME, RecordFile
from localnoise.sims.tools.remade import remade


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
