"""Accuracies of `localnoise spiking` over seeds, and what variability gains over none."""

from collections.abc import Iterable

from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, difference, over_seeds
from localnoise.sims.spiking.arms import VARIABILITIES


def accuracies(records: list[Record]) -> dict[tuple[str, str, str], tuple[Estimate, Estimate]]:
    """(variability, source, threat) -> accuracy by one trial of Brian2's spikes, by ten trials of the table's."""
    values: dict[tuple[str, str, str], list[tuple[float, float, int]]] = {}
    for record in records:
        for threat in _threats(record):
            r = record.results
            own = float(r[f"accuracy.{threat}"]), float(r[f"table10.{threat}"]), len(r[f"correct.{threat}"])
            values.setdefault((record.config["variability"], _learned(record), threat), []).append(own)
    return {
        place: (over_seeds([a for a, _, _ in own], own[0][2]), over_seeds([b for _, b, _ in own], own[0][2]))
        for place, own in values.items()
    }


def gains(records: list[Record]) -> dict[tuple[str, str, str], Estimate]:
    """(variability, source, threat) -> accuracy by one trial, less that of none on the same network and images."""
    none = {r.config["seed"]: r.results for r in records if r.config["variability"] == "none"}
    values: dict[tuple[str, str, str], list[Estimate]] = {}
    for record in records:
        name, without = record.config["variability"], none.get(record.config["seed"], {})
        fit = [threat for threat in _threats(record) if name != "none" and f"correct.{threat}" in without]
        for threat in fit:
            place = f"correct.{threat}"
            gain = difference(without[place], record.results[place])
            values.setdefault((name, _learned(record), threat), []).append(gain)
    return {
        place: own[0] if len(own) == 1 else over_seeds([gain.mean for gain in own], own[0].images)
        for place, own in values.items()
    }


def ordered(threats: Iterable[str]) -> list[str]:
    """Each once, the attack last."""
    return sorted(dict.fromkeys(threats), key=lambda threat: threat.startswith("pgd"))


def _threats(record: Record) -> list[str]:
    return [name.removeprefix("accuracy.") for name in record.results if name.startswith("accuracy.")]


def _learned(record: Record) -> str:
    """The source that its field was learned from; empty without a field."""
    source = record.config["sources"][0]
    return (
        f"{source['name']}@{source['level']:g}" if VARIABILITIES[record.config["variability"]].field != "none" else ""
    )
