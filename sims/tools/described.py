"""Facts, one a row, of what a file holds that holds no grid: a bank, central noise, a repair, a surprise, a layer."""

from functools import singledispatch
from typing import Any

from localnoise import Bank, Repair, Surprise
from localnoise.bank import layout
from localnoise.central import AffineNoise, CentralNoise
from localnoise.local import LocalLayer
from localnoise.repair.lessons import CLEAN
from localnoise.sims.reports.table import share as as_share

Facts = dict[str, str]


@singledispatch
def facts(held: Any) -> Facts:
    """Return the facts of what `localnoise.load` gave, by their names, provenance aside; of a grid none."""
    raise TypeError(f"held is {type(held).__name__}: expected what localnoise.load returns, but a grid")


@facts.register
def _(held: Repair) -> Facts:
    config = held.config
    read = f"activations within radius {held.radius}"
    if held.bends is not None:
        read += f", how far they are from their means within radius {held.bends}"
    asked = "every one" if held.asks == 1 else f"every {held.asks} rows and columns"
    return {
        "holds": "a repair",
        "units": _units(*held.blank_law.config.shape, config.channels),
        "a way back reads": read,
        "a law sees": f"at most {held.parents} parents a unit",
        "shared over units": {"none": "nothing", "places": "ways back", "all": "ways back and laws"}[held.share],
        "units that vote": asked,
        "parameters": f"{held.parameters:,}, {held.bytes_per_unit:,.0f} bytes a unit",
        "decides anew among": ", ".join(held.among) or "none",
        "margin of all sources": f"{held.margin:.4g}" if held.margin else "none",
        "asks what repairs are worth": "no" if held.worth is None else "yes",
        **_sources(held),
    }


def _sources(held: Repair) -> Facts:
    """Return a fact for each source: its causes, where it is undone, what it learned from, and what it is asked for."""
    sources = list(dict.fromkeys(member.source for member in held.members))
    found = {}
    for index, source in enumerate(sources):
        own = [member for member in held.members if member.source == source]
        if source == CLEAN:
            continue
        said = [f"{len(own)} causes" if len(own) > 1 else "one cause"]
        said += ["recognised here, not undone"] if all(member.back is None for member in own) else []
        seen = sum(member.seen for member in own)
        said += [f"from {seen:,} activations"] if seen else []
        if margin := held.margins.get(source, 0.0):
            said.append(f"margin {margin:.4g}")
        if held.worth is not None and not held.worth.passed[index]:
            said.append(f"repaired where it is worth more than {as_share(held.worth.least + held.worth.more[index])}")
        found[f"source {source}"] = ", ".join(said)
    return found or {"sources": "none: not learned"}


@facts.register
def _(held: Bank) -> Facts:
    members = [f"{type(one).__name__} {as_share(part)}" for one, part in zip(held.members, held.shares, strict=True)]
    return {
        "holds": "a bank of noises, one drawn for each presentation",
        "units": _units(*layout(held)[1:], layout(held)[0]),
        "members": ", ".join(members),
        "clean": as_share(held.clean),
        "parameters": f"{held.parameters:,}, {held.bytes_per_unit:,.0f} bytes a unit",
    }


@facts.register
def _(held: CentralNoise) -> Facts:
    return {
        "holds": f"central noise, {held.kind}",
        "units": _units(*held.shape, held.channels),
        "learned from": f"{held.seen:,} displacements",
        "parameters": f"{held.parameters:,}, {held.bytes_per_unit:,.0f} bytes a unit",
    }


@facts.register
def _(held: AffineNoise) -> Facts:
    return {
        "holds": "central signal-dependent noise: one affine map of the whole layer, and what it leaves",
        "units": _units(*held.residual.shape, held.residual.channels),
        "parameters": f"{held.parameters:,}, {held.bytes_per_unit:,.0f} bytes a unit",
    }


@facts.register
def _(held: Surprise) -> Facts:
    return {
        "holds": "a surprise: the law of clean activations, calibrated",
        "units": _units(*held.config.shape, held.config.channels),
        "a unit's score": f"mean over its channels and neighbors within {held.neighbors}",
        "regions": f"{held.regions} x {held.regions}",
        "parameters": f"{held.parameters:,}",
    }


@facts.register
def _(held: LocalLayer) -> Facts:
    (rows, columns), (channels, height, width) = held.shape, held.inputs
    return {
        "holds": "a layer of units that learn their features",
        "units": _units(rows, columns, held.channels),
        "inputs": f"{channels} x {height} x {width}, each unit those within radius {held.config['radius']}",
        "activation": str(held.config["activation"]),
        "rule": held.rule.name,
        "parameters": f"{held.parameters:,}",
    }


def _units(height: int, width: int, channels: int) -> str:
    return f"{height} x {width}, {channels} channels: {height * width * channels:,} neurons"
