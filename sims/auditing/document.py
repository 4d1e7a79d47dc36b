"""The audit as a document: how what `audit.json` holds is made of records alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from localnoise.sims.auditing.ranking import half_width
from localnoise.sims.auditing.schema import (
    NOT_SHOWN,
    SHOWN,
    Attack,
    Certificate,
    Cost,
    Covered,
    Document,
    Inputs,
    Lies,
    Number,
    Structure,
    Told,
)
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import over_seeds


def document(records: Sequence[Record], title: str) -> Document:
    """Make the document of records: every number in it is theirs."""
    surprise = _of(records, "surprise")
    attacks = _attacks(surprise)
    pairs = {(r.config["displacements"]): None for r in _of(records, "certificate")}
    defenses = {r.config["defense"]: None for r in _of(records, "structure")}
    return Document(
        title=title,
        structure=[_structure([r for r in _of(records, "structure") if r.config["defense"] == d]) for d in defenses],
        certificates=[
            _certificate([r for r in _of(records, "certificate") if r.config["displacements"] == one]) for one in pairs
        ],
        surprise=_told(surprise),
        false_alarms={
            name.removeprefix("false/"): _mean(surprise, name) for name in _names(surprise) if name.startswith("false/")
        },
        attacks=attacks,
        limits=SHOWN if attacks else NOT_SHOWN,
        costs=[
            Cost(
                layer=name.removeprefix("nanojoule/"),
                nanojoule=_mean(surprise, name),
                multiplications=_mean(surprise, name.replace("nanojoule", "multiplications")),
                kilobytes=_mean(surprise, name.replace("nanojoule", "kilobytes")),
            )
            for name in _names(surprise)
            if name.startswith("nanojoule/")
        ],
    )


def _of(records: Sequence[Record], part: str) -> list[Record]:
    return [record for record in records if record.config["part"] == part]


def _names(records: Sequence[Record]) -> list[str]:
    return list(records[0].results) if records else []


def _mean(records: Sequence[Record], name: str) -> float:
    return float(np.mean([record.results[name] for record in records]))


def _share(records: Sequence[Record], name: str, inputs: str | int = "images") -> Number:
    """Return a share of inputs, by Wilson's interval with one seed and Student's with several."""
    count = inputs if isinstance(inputs, int) else int(records[0].results[inputs])
    values = [float(record.results[name]) for record in records]
    found = over_seeds(values, max(count, 1))
    return _number(found.mean, found.half_width if np.isfinite(found.mean) else None, count, len(values), found)


def _spread(records: Sequence[Record], name: str) -> Number:
    """Return what is no share of inputs: an interval comes from several seeds alone."""
    values, count = [float(record.results[name]) for record in records], int(records[0].results["images"])
    half = over_seeds(values, count).half_width if len(values) > 1 else None
    return _number(float(np.mean(values)), half, count, len(values))


def _number(mean: float, half: float | None, inputs: int, seeds: int, found: Any = None) -> Number:
    edges = (None, None) if half is None else (mean - half, mean + half)
    if found is not None and half is not None:
        edges = (found.low, found.high)
    return Number(value=mean, low=edges[0], high=edges[1], inputs=inputs, seeds=seeds)


def _area(records: Sequence[Record], name: str, strange: int, usual: int) -> Number:
    values = [float(record.results[name]) for record in records]
    if len(values) > 1:
        found = over_seeds(values, usual)
        return _number(found.mean, found.half_width, usual, len(values), found)
    return _number(values[0], half_width(values[0], strange, usual), usual, 1)


def _told(records: list[Record]) -> list[Told]:
    out = []
    for name in _names(records):
        what, *rest = name.split("/")
        count = int(records[0].results["images"])
        if what == "image":
            layer, detector, against = rest
            strange = int(records[0].results["digits"]) if against == "digits" else count
            area = _area(records, name, strange, count)
            out.append(Told(what="image", layer=layer, detector=detector, against=against, area=area))
        elif what == "unit":
            layer, detector = rest
            area = _area(records, name, count, count)  # units of one image go together: images are what is counted
            out.append(Told(what="unit", layer=layer, detector=detector, against="defect", area=area))
    return out


def _attacks(records: list[Record]) -> list[Attack]:
    own = [record for record in records if record.results.get("attacked")]  # a network that is never right has none
    return [_attack(own, name.split("/")[1]) for name in _names(own) if name.endswith("/fooled")]


def _attack(records: list[Record], weight: str) -> Attack:
    name = f"informed/{weight}"
    fooling = [r for r in records if r.results[f"{name}/fooled"] > 0]
    counts = [round(r.results["attacked"] * r.results[f"{name}/fooled"]) for r in fooling]
    return Attack(
        weight=float(weight),
        fooled=_share(records, f"{name}/fooled", "attacked"),
        caught=_share(fooling, f"{name}/caught", min(counts)) if fooling else None,
    )


def _certificate(records: list[Record]) -> Certificate:
    config, kinds = records[0].config, ("local", "isotropic")
    radii = [name.split("/")[2] for name in _names(records) if name.startswith("local/certified/")]
    radii.sort(key=float)
    levels = sorted((name.split("/")[2] for name in _names(records) if name.startswith("local/covered/")), key=float)
    return Certificate(
        source=f"{config['source']}@{config['level']:g}",
        displacements=config["displacements"],
        draws=int(records[0].results["draws"]),
        alpha=float(records[0].results["alpha"]),
        largest_radius=_mean(records, "largest"),
        scale=_mean(records, "scale"),
        floor=_mean(records, "floor"),
        variance=_mean(records, "variance"),
        isotropic_variance=_mean(records, "isotropic"),
        undefended=_share(records, "undefended/clean"),
        radii=[float(r) for r in radii],
        local=[_share(records, f"local/certified/{r}") for r in radii],
        isotropic=[_share(records, f"isotropic/certified/{r}") for r in radii],
        abstained={kind: _mean(records, f"{kind}/abstained") for kind in kinds},
        median_radius={kind: _mean(records, f"{kind}/radius") for kind in kinds},
        equal_ball={kind: _mean(records, f"{kind}/ball") for kind in kinds},
        seconds={kind: _mean(records, f"{kind}/seconds") for kind in kinds},
        covered=[
            Covered(
                level=float(level),
                undefended=_share(records, f"undefended/{level}"),
                local=_share(records, f"local/covered/{level}"),
                isotropic=_share(records, f"isotropic/covered/{level}"),
                norm=_mean(records, f"local/norm/{level}"),
            )
            for level in levels
        ],
        inputs=_inputs(records),
        searched=int(sum(record.results.get("searched", 0) for record in records)),
        contradicted=int(sum(record.results.get("contradicted", 0) for record in records)),
    )


def _inputs(records: list[Record]) -> Inputs | None:
    if "lipschitz" not in records[0].results:
        return None
    radii = sorted((name.split("/")[2] for name in _names(records) if name.startswith("local/inputs/")), key=float)
    kinds = ("local", "isotropic")
    local, isotropic = ([_share(records, f"{kind}/inputs/{r}") for r in radii] for kind in kinds)
    return Inputs(
        lipschitz=max(float(record.results["lipschitz"]) for record in records),
        smallest={kind: _mean(records, f"{kind}/smallest") for kind in kinds},
        radii=[float(r) for r in radii],
        local=local,
        isotropic=isotropic,
    )


def _structure(records: list[Record]) -> Structure:
    config, results = records[0].config, records[0].results
    threats = [name.removeprefix("inside/") for name in results if name.startswith("inside/")]
    kinds = ("noise", "diagonal", "central", "shuffled")
    return Structure(
        defense=config["defense"],
        source=f"{config['source']}@{config['level']:g}",
        neurons=int(results["neurons"]),
        dimensions=_spread(records, "dimensions"),
        leading=int(results["leading"]),
        along_gradient=_mean(records, "gradient/noise"),
        corruptions=[
            Lies(
                corruption=threat,
                inside=_spread(records, f"inside/{threat}"),
                dimensions=_mean(records, f"dimensions/{threat}"),
                along_gradient=_mean(records, f"gradient/{threat}"),
                density={kind: _mean(records, f"density/{kind}/{threat}") for kind in kinds},
            )
            for threat in threats
        ],
    )
