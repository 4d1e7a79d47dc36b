"""Run an artefact and compare every word with the emulator's."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, FileFormatError, UnknownNameError, unknown
from localnoise.files import temporary_folder
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.backends import BACKENDS, backends_of
from localnoise.hardware.export.configured import learn_words
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.export.network_machines import IMAGES
from localnoise.hardware.export.network_machines import MACHINES as NETWORKS
from localnoise.hardware.export.network_parts import network_parts
from localnoise.hardware.export.repair_machines import MACHINES
from localnoise.hardware.export.repair_parts import repair_parts
from localnoise.hardware.export.sources import stage
from localnoise.hardware.export.tables import packed
from localnoise.hardware.learners import Learner, learner_of
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.program import Program
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.rewarding import OnChipReward, reward_words
from localnoise.hardware.storage import load_chip, load_chips
from localnoise.plugins import Origin, missing
from localnoise.streams import Progress
from localnoise.validate import as_count

_AT_ONCE = 256  # draws compared together, and presentations learned
_FEW = 8  # draws of another seed, and of a circuit in hard times


@dataclass(frozen=True, kw_only=True)
class Check:
    """One function of the artefact, on one back end, against the emulator's.

    Attributes
    ----------
    backend, name : str
    words : int
        Compared, up to the first that differs.
    mismatch : str
        "" if all are equal; else unit, channel, step, expected and got.
    """

    backend: str
    name: str
    words: int
    mismatch: str


def verify(
    folder: str | Path,
    words: int = 100_000,
    backends: Sequence[str] = (),
    progress: Progress | None = None,
    *,
    images: int | None = None,
) -> tuple[list[Check], dict[str, str]]:
    """Build the artefact, draw, perturb, score and learn with it, and compare what comes word by word.

    That runs the artefact's code: what the manifest names and nothing else, in a process with limits (`confined`).
    Checksums show what was edited by accident; whoever edits on purpose can write them anew.

    Parameters
    ----------
    folder : str or Path
        That `export` wrote.
    words : int
        Words of draws, perturbed draws, means and innovations to compare, at least. Of draws from another seed, for a
        slow reader and after a reset, at most 8 are compared; of learning, what at most 256 presentations teach.
    backends : sequence of str
        "host": this computer; "cortex-m": a Cortex-M4, emulated by Unicorn; "verilator": clock by clock; "file": the
        emulator, of the configuration read back. By default all that run this kind of artefact.
    progress : callable
        Told (functions compared, all of them); of a network (inputs compared, all of them) on each back end.
    images : int, optional
        Of a network, inputs whose logits are compared on each back end; by default 1,000 on the host, and 24 on the
        emulated Cortex-M4. `words` is not asked.

    Returns
    -------
    checks : list of Check
        One for each function and back end.
    costs : dict of str
        What a back end says of the program's size and a draw's instructions, where it does.

    Raises
    ------
    ArgumentError
        Unknown back end, or one that does not run this kind of artefact.
    FileFormatError
        The folder holds no artefact, a file of it was edited, or a source lies beside it or reaches beyond it.
    LocalnoiseError
        The artefact's code does not compile, ends, or says nothing for too long.
    MissingDependencyError
        No compiler, or a package that the back end needs is missing.
    """
    with temporary_folder() as copies:
        return _verify(copies, stage(Path(folder), copies), as_count("words", words, 1), backends, progress, images)


def _verify(
    place: Path,
    said: dict[str, Any],
    words: int,
    backends: Sequence[str],
    progress: Progress | None,
    images: int | None,
) -> tuple[list[Check], dict[str, str]]:
    chip = load_chips(place / "chip.h5")
    draws = 0 if isinstance(chip, (Program, ChipDefense)) else -(-words // chip.config.neurons)
    checks, costs = [], {}
    kind = said["kind"]
    if isinstance(backends, str):
        raise ArgumentError(f"backends={backends!r}: expected a list, such as [{backends!r}]")
    for backend in backends:
        if kind not in BACKENDS.find(backend, "on").formats:
            raise ArgumentError(
                f"on={backend!r}: does not run {kind}; expected {' or '.join(backends_of(kind)) or 'none'}"
            )
    able = backends or backends_of(kind)
    if not able:
        raise _nobody(kind, said.get("plugin"))
    machines = {backend: BACKENDS[backend] for backend in able}
    if isinstance(chip, (ChipRepair, Program, ChipDefense)):
        own, what = (MACHINES, "repair") if isinstance(chip, ChipRepair) else (NETWORKS, "network")
        for backend in set(able) - set(own):
            if backend in backends:
                raise ArgumentError(f"on={backend!r}: runs no {what}; expected {' or '.join(own)}")
        machines = {backend: own[backend] for backend in able if backend in own}
    for made in machines.values():  # all of them before the first runs
        made.require()
    for backend, made in machines.items():
        with temporary_folder() as build, closing(made(place, build, chip, said["name"])) as machine:
            if isinstance(chip, (Program, ChipDefense)):
                count = IMAGES[backend] if images is None else as_count("images", images, 1)
                parts = list(network_parts(machine, chip, int(said["seed"]), count, progress))
            elif isinstance(chip, ChipBank):
                parts = list(_bank_parts(machine, chip, said, draws))
            elif isinstance(chip, ChipRepair):
                parts = list(repair_parts(machine, chip, int(said["seed"]), draws))
            else:
                parts = list(_parts(place, machine, chip, said, draws))
            for name, pairs in parts:
                checks.append(_compare(backend, name, pairs))
                if progress is not None and not isinstance(chip, (Program, ChipDefense)):
                    progress(len(checks), len(parts) * len(machines))
            costs[backend] = machine.cost()
    return checks, {name: cost for name, cost in costs.items() if cost}


def _nobody(kind: str, plugin: Any) -> Exception:
    """Return the error where no back end runs a format."""
    if kind not in EXPORTERS and plugin is not None:
        try:
            origin = Origin.read(plugin)
        except (TypeError, ValueError) as error:
            return FileFormatError(f"manifest.json: {error}; export again")
        return missing(f"format {kind[:60]!r}", origin, "or export to another format")
    if kind in EXPORTERS:
        return ArgumentError(f"kind={kind!r}: no back end runs it; expected one that is registered for this format")
    return UnknownNameError(unknown("kind", kind, EXPORTERS))


def _bank_parts(host: Any, bank: ChipBank, said: dict[str, Any], draws: int) -> Iterator[tuple[str, Any]]:
    """Draws of a bank: at the exported seed, for activations, and at other seeds; each with whose turn it is."""
    seed, shape = int(said["seed"]), (bank.config.channels, bank.config.units)
    cuts = [(first, min(_AT_ONCE, draws - first)) for first in range(0, draws, _AT_ONCE)]
    yield "draw", ((bank.words(n, seed, first).reshape(n, *shape), host.draw(n)) for first, n in cuts)
    if bank.members[0].field.signal:
        limit = bank.formats.activation_limit
        h = np.random.default_rng(seed).integers(-limit - 1, limit + 1, (draws, *shape))
        after = [(first, n, h[first : first + n]) for first, n in cuts]
        yield (
            "perturb",
            (
                (bank.words(n, seed, draws + first, part).reshape(n, *shape), host.perturb(part))
                for first, n, part in after
            ),
        )
    if "hardships" in host.functions:
        yield from _hardships(host, bank, seed, draws * (1 + bank.members[0].field.signal), _FEW)
    if "seed" in host.functions:
        yield "draw, seeded", _seeded(host, bank, (2**64 - 1 - seed, seed), min(draws, 8 * _FEW))


def _parts(folder: Path, host: Any, chip: ChipGrid, said: dict[str, Any], draws: int) -> Iterator[tuple[str, Any]]:
    """Name, and an iterator of pairs (expected, got) of each function."""
    seed = int(said["seed"])
    rng, few = np.random.default_rng(seed), min(draws, _FEW)
    shape = (chip.config.channels, chip.config.units)
    cuts = [(first, min(_AT_ONCE, draws - first)) for first in range(0, draws, _AT_ONCE)]
    yield "draw", ((chip.words(n, seed, first).reshape(n, *shape), host.draw(n)) for first, n in cuts)
    limit, top = chip.formats.activation_limit, chip.formats.word_limit
    if chip.field.signal and "perturb" in host.functions:
        h = rng.integers(-limit - 1, limit + 1, (draws, *shape))
        after = [(first, n, h[first : first + n]) for first, n in cuts]
        yield (
            "perturb",
            (
                (chip.words(n, seed, draws + first, part).reshape(n, *shape), host.perturb(part))
                for first, n, part in after
            ),
        )
    if "hardships" in host.functions:
        yield from _hardships(host, chip, seed, draws * (1 + chip.field.signal), few)
        return
    if "mean" in host.functions and chip.formats.rounding != "stochastic":  # else every sweep draws: C has no mean
        h = rng.integers(-limit - 1, limit + 1, (draws, *shape))
        yield "mean", ((chip.mean_words(h[k : k + n]).reshape(n, *shape), host.mean(h[k : k + n])) for k, n in cuts)
    drawn = draws * (1 + (chip.field.signal and "perturb" in host.functions))
    if "seed" in host.functions:
        yield "draw, seeded", _seeded(host, chip, (2**64 - 1 - seed, seed), few)
        drawn = few
    d = rng.integers(-top - 1, top + 1, (draws, *shape))
    read = rng.integers(-limit - 1, limit + 1, (draws, *shape)) if chip.field.signal else None
    both = ((d[k : k + n], None if read is None else read[k : k + n]) for k, n in cuts)
    if "innovation" in host.functions:
        yield "innovation", ((chip.innovation_words(*part), host.innovation(*part)) for part in both)
    if "test" in host.functions and said.get("selftest") is not None:
        from localnoise.hardware.audit.selftest import SelfTest  # SciPy's distributions come with it
        from localnoise.hardware.export.tested import compared

        yield "self-test", compared(host, SelfTest(chip, **said["selftest"]), seed)
    rule = None if said["learner"] is None else learner_of(**said["learner"])
    if rule is not None and ("reward" if isinstance(rule, OnChipReward) else "learn") in host.functions:
        taught = load_chip(folder / "chip.h5")
        # names of their own: the parts above run later, and must find all of d and read
        some, seen = d[:_AT_ONCE], None if read is None else read[:_AT_ONCE]
        yield "learn", (_learned(host, taught, rule, some, seen) for _ in range(1))
        again = None if read is None else read[:1]
        yield (
            "draw, learned",
            ((_drawn(taught, n, seed, drawn + k, again), _ran(host, n, again)) for k, n in cuts),
        )


def _seeded(host: Any, chip: ChipGrid | ChipBank, seeds: Sequence[int], count: int) -> Iterator[tuple[Any, Any]]:
    """Begin the stream of one seed after the other: the last of them is where the draws that follow go on."""
    for seed in seeds:
        host.seed(seed)
        yield _drawn(chip, count, seed, 0, None), host.draw(count)


def _hardships(design: Any, chip: ChipGrid | ChipBank, seed: int, seen: int, draws: int) -> Iterator[tuple[str, Any]]:
    """Yield the cases that only a circuit knows: a reader that makes it wait, and a reset in the middle of a draw."""

    def drawn(start: int) -> Iterator[tuple[Any, Any]]:
        if start == 0:
            design.reset_after(design.clocks // 7)
        design.press(3 if start else 0)
        yield _drawn(chip, draws, seed, start, None), design.draw(draws)

    yield "draw, slow reader", drawn(seen)
    yield "draw after a reset", drawn(0)


def _drawn(chip: ChipGrid | ChipBank, count: int, seed: int, start: int, h: Any) -> Any:
    words = chip.words(count, seed, start, None if h is None else np.repeat(h, count, axis=0))
    return words.reshape(count, chip.config.channels, chip.config.units)


def _ran(host: Any, count: int, h: Any) -> Any:
    return host.draw(count) if h is None else host.perturb(np.repeat(h, count, axis=0))


def _learned(host: Any, chip: ChipGrid, rule: Learner, d: Any, h: Any) -> tuple[Any, Any]:
    """Weights and biases, (1, m, N, row), that the emulator and the artefact learn from the same words."""
    if isinstance(rule, OnChipReward):
        rewards = np.random.default_rng(rule.seed).normal(size=len(d))
        learn_words(chip, rule, d, h, rewards)
        found = host.reward(d, h, reward_words(rewards, len(d)))
        return tuple(_by_row(chip, weights, chip.field.bias) for weights in (packed(chip)[0], found))  # biases stay
    learn_words(chip, rule, d, h)
    return _by_row(chip, packed(chip)[0], chip.field.bias), _by_row(chip, *host.learn(d, h))


def _by_row(chip: ChipGrid, weights: Any, bias: Any) -> Any:
    """(1, m, N, longest row + 1): packed weights and the bias of each channel, zeros behind."""
    f, m = chip.field, chip.field.channels
    links = ((f.readers >= 0).sum(1) + (f.parents >= 0).sum(1)) * m
    out = np.zeros((1, m, f.units, int(links.max()) + m + 1), np.int64)
    at = 0
    for u in range(f.units):
        for i in range(m):
            size = int(links[u]) + i + 1
            out[0, i, u, :size], out[0, i, u, -1] = weights[at : at + size], bias[u, i]
            at += size
    return out


def _compare(backend: str, name: str, pairs: Iterator[tuple[Any, Any]]) -> Check:
    seen, step = 0, 0
    for expected, got in pairs:
        wrong = np.argwhere(expected != got)
        if len(wrong):
            t, channel, unit = wrong[0][:3]
            found = f"expected {expected[tuple(wrong[0])]}, got {got[tuple(wrong[0])]}"
            where = f"unit {unit}, channel {channel}, step {step + t}"
            return Check(
                backend=backend, name=name, words=seen + int(t) * expected[0].size, mismatch=f"{where}: {found}"
            )
        seen, step = seen + expected.size, step + len(expected)
    return Check(backend=backend, name=name, words=seen, mismatch="")
