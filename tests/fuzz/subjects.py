"""The kinds of files that localnoise reads: a small valid one each, how it is read, and what it must then do."""

import gzip
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import naive
import naive_chip
import naive_narrow_chip
import naive_network
import numpy as np
import torch
from fuzz import later
from fuzz.mutants import Mutator, in_bytes, in_gzip, in_hdf5, in_json, in_sqlite, in_toml
from old_records import write as write_old

import localnoise as ln
from localnoise.hardware import OnChip, load_chip, load_chips, quantise
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.configuration import configure, read_hdf5, read_json, write_hdf5, write_json
from localnoise.hardware.configuration.bank import (
    configure_bank,
    read_bank_hdf5,
    read_bank_json,
    read_bank_nir,
    write_bank_hdf5,
    write_bank_json,
    write_bank_nir,
)
from localnoise.hardware.configuration.graph import read_nir, write_nir
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.export.naming import as_identifier
from localnoise.hardware.fitting.fit import fit
from localnoise.hardware.network import defend
from localnoise.hardware.network import quantise as as_network
from localnoise.sims.data import idx
from localnoise.sims.defenses.repair_plan import Repairing
from localnoise.sims.experiments.testbed import weights_in
from localnoise.sims.reports.commands.chip import Bits
from localnoise.sims.results.experiment import keep
from localnoise.sims.results.records import RecordFile
from localnoise.sims.sweeps.space import combinations
from localnoise.sims.sweeps.study_files import load_study
from localnoise.sims.tools.remade import remade
from localnoise.soundness import ARRAYS

ROOT = Path(ln.__file__).parents[1]


@dataclass(kw_only=True)
class Subject:
    """A kind of file.

    name : of the file; content : a valid one; beside : other files that it is read with
    sealed : a changed byte must not change what is read
    whole : the identity of the valid file, once it has been read
    read : path -> value; identity : what counts of a value; check : that a value, differently edited, does what it says
    """

    name: str
    content: bytes
    mutators: tuple[Mutator, ...]
    read: Callable[[Path], Any]
    identity: Callable[[Any], Any]
    check: Callable[[Any, Path], None]
    beside: tuple[tuple[str, bytes], ...] = ()
    sealed: bool = True
    whole: Any = None


def arrays_of(owner: dict[str, Any]) -> dict[str, Any]:
    """Shape, type and checksum of every array."""
    return {
        name: (value.shape, str(value.dtype), hashlib.sha256(value.tobytes()).hexdigest())
        if isinstance(value, np.ndarray)
        else value
        for name, value in owner.items()
    }


def of_grid(grid: ln.UnitGrid) -> Any:
    rule = None if grid.rule is None else (grid.rule.name, vars(grid.rule))
    return (
        asdict(grid.config),
        arrays_of({name: getattr(grid.field, name) for name in ARRAYS}),
        rule,
        arrays_of(grid.state or {}),
    )


def check_grid(grid: ln.UnitGrid, path: Path) -> None:
    """It draws what a dense oracle says of its weights, goes on learning, and comes back from a file of its own."""
    f, count, m = grid.field, 3, grid.config.channels
    xi = naive.normals(7, range(count), grid.config.neurons)[0]  # unit-major
    drawn = naive.unit_major(grid.sample(count, seed=7))
    try:
        with np.errstate(all="ignore"):
            dense = naive.Dense(f)
            expected = dense.noise(xi)
            whole = np.linalg.inv(np.eye(f.a.size) - np.abs(dense.B)) @ np.abs(dense.S)  # no sum cancels
            bound = 10 * dense.gain * np.abs(whole).sum(1)
    except np.linalg.LinAlgError:  # numbers beyond what float64 can solve
        expected, bound = np.full_like(drawn, np.nan), np.zeros(f.a.size)
    sound = np.isfinite(expected) & (bound < 1e30)
    assert (np.abs(drawn - expected) <= 1e-4 * bound + 1e-6)[sound].all(), "draws differ from the dense oracle's"
    assert (grid.sample(count, seed=7) == grid.sample(count, seed=7)).all() or not sound.all()
    again = ln.load(grid.save(path.with_name("again.h5")))
    assert of_grid(again) == of_grid(grid), "does not come back from a file"
    if grid.rule is not None and grid.state is not None:
        d = np.random.default_rng(0).normal(size=(20, m, *grid.config.shape))
        grid.learn(d, d if f.signal else None, rule=grid.rule)


def of_chip(chip: Any) -> Any:
    return (
        asdict(chip.config),
        asdict(chip.formats),
        arrays_of(chip.field.arrays),
        chip.field.activation_scale,
        (None if chip.rule is None else asdict(chip.rule)),
        arrays_of(chip.state or {}),
    )


def check_chip(chip: Any, path: Path, seed: int = 3) -> None:
    """It draws what Python's integers say of its weights, and goes on learning within its words."""
    m, N = chip.config.channels, chip.config.units
    limit = 2 ** (chip.formats.word_bits - 1)
    h = None
    if chip.field.signal:
        most = 2 ** (chip.formats.activation_bits - 1) - 1
        h = np.random.default_rng(1).integers(-most, most, (2, m, N))
    drawn = chip.words(2, seed, 0, None if h is None else h.reshape(2, m, *chip.config.shape)).reshape(2, m, N)
    oracle = naive_narrow_chip if chip.config.narrow else naive_chip
    assert (drawn == oracle.words(chip, 2, seed, h)).all(), "words differ from the oracle's"
    assert np.abs(drawn.astype(np.int64)).max(initial=0) <= limit
    assert np.isfinite(chip.sample(2, seed)).all()
    if chip.rule is not None and chip.state is not None:
        d = np.random.default_rng(0).normal(size=(5, m, *chip.config.shape))
        chip.learn(d, d if chip.field.signal else None, **asdict(chip.rule))
        assert np.abs(chip.words(2, seed).astype(np.int64)).max(initial=0) <= limit


def of_bank(bank: Any) -> Any:
    """Turns and members, of float noises or of chips."""
    each = [
        of_grid(one)
        if isinstance(one, ln.UnitGrid)
        else arrays_of(vars(one.residual if hasattr(one, "residual") else one) | {"provenance": None, "_kept": None})
        for one in bank.members
        if not hasattr(one, "formats")
    ]
    chips = [of_chip(one) for one in bank.members if hasattr(one, "formats")]
    return bank.clean, np.asarray(bank.shares).tolist(), each, chips


def check_bank(bank: Any, path: Path) -> None:
    """Each draw is its member's own, and the bank comes back from a file of its own."""
    turns, drawn = bank.turns(20, 5), bank.sample(20, 5)
    assert (turns >= -1).all()
    assert (turns < len(bank.members)).all()
    for t in range(20):
        expected = bank.members[turns[t]].sample(1, 5, t)[0] if turns[t] >= 0 else np.zeros_like(drawn[t])
        assert (drawn[t] == expected).all() or not np.isfinite(expected).all()
    again = bank.save(path.with_name("again.h5"))
    read = load_chips if hasattr(bank, "thresholds") else ln.load
    assert of_bank(read(again)) == of_bank(bank), "does not come back from a file"


def of_network(found: Any) -> Any:
    """Layers and golden words; of a defense also what joins."""
    program = found.program if hasattr(found, "program") else found
    layers = []
    for one in program.layers:
        parts = vars(one) | {f"finish.{key}": value for key, value in vars(getattr(one, "finish", one)).items()}
        arrays = arrays_of({key: value for key, value in parts.items() if isinstance(value, np.ndarray)})
        layers.append((arrays, {k: repr(v) for k, v in parts.items() if k not in arrays and k != "finish"}))
    own = (program.layouts, program.weight_bits, layers, None if program.golden is None else program.golden.tolist())
    return own if program is found else (own, of_chip(found.chip), found.draws, found.vote, found.seed)


def check_network(found: Any, path: Path) -> None:
    """It gives what Python's integers say, within 32 bits, and comes back from a file of its own."""
    program = found.program if hasattr(found, "program") else found
    top = 2 ** (program.bits - 1)
    words = np.random.default_rng(0).integers(-top, top, (2, *program.shape))
    if program.multiplications < 10**6:
        for image, own in zip(words, program.words(words), strict=True):
            expected, most = naive_network.run(program, image)
            assert own.tolist() == expected, "words differ from the oracle's"
            assert most <= program.bound < 2**31
        if program is not found and found.draws < 100:
            assert found.scores(words).shape == (2, program.outputs)
    assert of_network(load_chips(found.save(path.with_name("again.h5")))) == of_network(found)


def of_configuration(found: Any) -> Any:
    core = None if found.core is None else found.core.tolist()
    return of_chip(found.chip), found.seed, found.target, core, json.dumps(found.limits)


def check_configuration(found: Any, path: Path) -> None:
    check_chip(found.chip, path, found.seed)
    assert found.chip.config.narrow or list(found), "no units"


def of_banks_configuration(found: Any) -> Any:
    return of_bank(found.chip), [of_configuration(one) for one in found.members], json.dumps(found.limits)


def check_banks_configuration(found: Any, path: Path) -> None:
    check_bank(found.chip, path)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return ln.read_records(path)


def of_rows(rows: list[dict[str, Any]]) -> Any:
    """What the checksum covers: configuration and results, but for their shapes."""
    kept = [{k: v for k, v in row.items() if k != "seconds" and not k.startswith("provenance")} for row in rows]
    return [{k: np.ravel(v).tolist() for k, v in row.items()} for row in kept]


def check_rows(name: str, content: bytes) -> Callable[[Any, Path], None]:
    """Every record is one that was written, or (in HDF5) its checksum was taken out of the file or made anew."""

    def check(rows: Any, path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(content)
            written = of_rows(rows_of(Path(folder) / name))
        if all(row in written for row in of_rows(rows)):
            return
        assert name.endswith(".h5"), "a record changed without a word"
        with h5py.File(path, "r") as file:
            assert any("checksum" not in group.attrs for group in file.values()), "a record changed without a word"

    return check


def check_manifest(said: Any, path: Path) -> None:
    if said["kind"] not in EXPORTERS:
        verify(path.parent, 10)  # which refuses it
        raise AssertionError("an unknown kind is verified")
    as_identifier(said["name"], "C")
    assert isinstance(said["seed"], int)
    if said["learner"] is not None:
        OnChip(**said["learner"])


def check_study(found: Any, path: Path) -> None:
    """Its first combinations are grids that draw, or repairs."""
    study, _ = found
    for parameters in islice(combinations(study.space), 3):
        assert all(study.source_sets(parameters))
        wanted = study.arm_of(parameters)
        if isinstance(wanted, Repairing):
            continue
        grid = ln.UnitGrid((4, 4), 2, **wanted._wiring)
        assert np.isfinite(grid.sample(2)).all()


def check_images(array: Any, path: Path) -> None:
    """They are the bytes that the file ends with."""
    content = path.read_bytes()
    inner = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    assert array.tobytes() == inner[-array.size :]


def check_profile(chip: Any) -> Callable[[Any, Path], None]:
    def check(profile: Any, path: Path) -> None:
        found = fit(chip, profile)
        assert {row.limit for row in found.rows} >= set()
        for figure in (profile.clock, profile.block, *profile.limits.values(), *profile.energy.values()):
            assert figure.number is None or figure.number > 0

    return check


def written(name: str, write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def subjects() -> dict[str, Subject]:
    """Return all of them, by name, the same bytes each time. Takes seconds: grids are learned."""
    with patch("localnoise.saving.datetime") as clock:
        clock.now.return_value = datetime(2026, 1, 1, tzinfo=UTC)
        return _subjects()


def _subjects() -> dict[str, Subject]:
    rng = np.random.default_rng(0)
    h = np.tanh(rng.normal(size=(300, 2, 2, 3))).astype(np.float32)
    d = rng.normal(size=h.shape).astype(np.float32) + h
    shape: dict[str, Any] = {"shape": (2, 3), "channels": 2, "parents": 2}
    grids = {
        "moments": ln.UnitGrid(**shape).learn(d),
        "lms": ln.UnitGrid(**shape, signal="local").learn(d, h, rule="lms"),
        "sign-lms": ln.UnitGrid(**shape, order="raster", boundary="periodic", radius=1, dtype="float64").learn(
            d, rule="sign-lms"
        ),
    }
    chips = {"signal": quantise(grids["lms"], h=h, d=d), "learner": quantise(grids["moments"], d=d).learn(d[:50])}
    wide = ln.UnitGrid(**shape, signal="local", share="places", rank=1).learn(d, h)
    chips["narrow"] = quantise(wide, h=h)
    small = configure(chips["learner"], seed=5, target="loihi1")
    found: dict[str, Subject] = {}
    for name, grid in grids.items():
        content = written("g.h5", grid.save)
        found[f"grid-{name}"] = Subject(
            name="g.h5",
            content=content,
            mutators=(in_bytes, in_hdf5, in_hdf5),
            read=ln.load,
            identity=of_grid,
            check=check_grid,
        )
    for name, chip in chips.items():
        content = written("c.h5", chip.save)
        found[f"chip-{name}"] = Subject(
            name="c.h5",
            content=content,
            mutators=(in_bytes, in_hdf5, in_hdf5),
            read=load_chip,
            identity=of_chip,
            check=check_chip,
        )
    noises = [grids["moments"], ln.central.full(d), ln.central.affine(d, h)]
    bank = ln.Bank(noises, clean=0.1, shares=[1, 2, 3])
    pair = quantise(ln.Bank([grids["moments"], ln.UnitGrid(**shape).learn(d[:200])], clean=0.2))
    for name, several, read in (("bank", bank, ln.load), ("chip-bank", pair, load_chips)):
        found[name] = Subject(
            name="b.h5",
            content=written("b.h5", several.save),
            mutators=(in_bytes, in_hdf5, in_hdf5),
            read=read,
            identity=of_bank,
            check=check_bank,
        )
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 2, 2), torch.nn.Tanh(), torch.nn.AvgPool2d(2, 1), torch.nn.Flatten()]
    net, images = torch.nn.Sequential(*layers, torch.nn.Linear(2, 3)), torch.rand(32, 1, 3, 3)
    field = quantise(ln.UnitGrid(shape=(2, 2), channels=2, parents=1).learn(d[:200, :2, :2, :2]))
    for name, whole in (
        ("chip-network", as_network(net, images).program),
        ("chip-defense", defend(net, images, field, "1", draws=2)),
    ):
        found[name] = Subject(
            name="n.h5",
            content=written("n.h5", whole.save),
            mutators=(in_bytes, in_hdf5, in_hdf5),
            read=load_chips,
            identity=of_network,
            check=check_network,
        )
    more = later.made()
    for name, read, identity, check in (
        ("repair", ln.load, lambda found: later.of_repair(found, of_grid), later.check_repair),
        ("surprise", ln.load, lambda found: later.of_surprise(found, of_grid), later.check_surprise),
        ("units", ln.load, later.of_units, later.check_units),
        ("chip-repair", load_chips, later.of_chip_repair, later.check_chip_repair),
    ):
        found[name] = Subject(
            name="n.h5", content=written("r.h5", more[name].save),
            mutators=(in_bytes, in_hdf5, in_hdf5), read=read, identity=identity, check=check,
        )  # fmt: skip
    held = BytesIO()
    np.save(held, more["npy"])
    found["npy"] = Subject(
        name="d.npy", content=held.getvalue(), mutators=(in_bytes,), sealed=False, read=later.npy_of, identity=of_grid,
        check=check_grid,
    )  # fmt: skip
    configurations: dict[str, tuple[Any, Any, tuple[Mutator, ...]]] = {
        "configuration.json": (write_json, read_json, (in_bytes, in_json, in_json)),
        "configuration.h5": (write_hdf5, read_hdf5, (in_bytes, in_hdf5, in_hdf5)),
        "graph.nir": (write_nir, read_nir, (in_bytes, in_hdf5)),
    }
    for name, (write, read, mutators) in configurations.items():
        content = written(name, lambda path, write=write: write(small, path))
        found[name] = Subject(
            name=name,
            content=content,
            mutators=mutators,
            read=read,
            identity=of_configuration,
            check=check_configuration,
        )
    narrow = configure(chips["narrow"], seed=5, target="stm32f407")
    for name in ("configuration.json", "configuration.h5"):
        write, read, mutators = configurations[name]
        found[f"narrow-{name}"] = Subject(
            name=name, content=written(name, lambda path, write=write: write(narrow, path)), mutators=mutators,
            read=read, identity=of_configuration, check=check_configuration,
        )  # fmt: skip
    several = configure_bank(pair, seed=5)
    for name, write, read, mutators in (
        ("bank.json", write_bank_json, read_bank_json, (in_bytes, in_json, in_json)),
        ("bank.h5", write_bank_hdf5, read_bank_hdf5, (in_bytes, in_hdf5, in_hdf5)),
        ("bank.nir", write_bank_nir, read_bank_nir, (in_bytes, in_hdf5)),
    ):
        found[name] = Subject(
            name=name, content=written(name, lambda path, write=write: write(several, path)), mutators=mutators,
            read=read, identity=of_banks_configuration, check=check_banks_configuration,
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        folder = export(chips["learner"], Path(place) / "a", "c99", learner=OnChip())
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
    found["manifest"] = Subject(
        name="manifest.json", content=files.pop("manifest.json"), mutators=(in_bytes, in_json, in_json), sealed=False,
        read=lambda path: manifest.read(path.parent), identity=lambda said: {**said, "provenance": None},
        check=check_manifest,
        beside=tuple(files.items()),
    )  # fmt: skip

    entries: list[Any] = []
    for seed in range(3):
        config = {"seed": seed, "arm": "none", "threats": [], "sources": [{"name": "pgd"}]}
        hits = np.arange(9) > seed
        entries.append(
            (config, {"accuracy": seed / 7, "hits": np.arange(9) * seed, "correct": hits, "error": "x"}, 0.5)
        )
    old = written("r.h5", lambda path: write_old(path, entries))
    found["records-old"] = Subject(
        name="r.h5",
        content=old,
        mutators=(in_bytes, in_hdf5, in_hdf5),
        read=rows_of,
        identity=of_rows,
        check=check_rows("r.h5", old),
    )
    content = written("r.sqlite", lambda path: RecordFile(path).append_all(entries))
    found["records"] = Subject(
        name="r.sqlite",
        content=content,
        mutators=(in_bytes, in_sqlite, in_sqlite),
        read=rows_of,
        identity=of_rows,
        check=check_rows("r.sqlite", content),
    )
    with tempfile.TemporaryDirectory() as place:
        config = {"seed": 0, "arm": "none", "threats": [], "sources": [{"name": "pgd"}]}
        keep(Bits(arms=["none"], sources=["pgd@0.1"]), [config], Path(place))
        report = (Path(place) / "experiment.json").read_bytes()
    found["experiment.json"] = Subject(
        name="experiment.json", content=report, mutators=(in_bytes, in_json), sealed=False,
        beside=(("record.sqlite", content),),
        read=lambda path: remade(path.with_name("record.sqlite"), "bits" if not path.exists() else ""),
        identity=lambda made: made[0].model_dump(), check=lambda made, path: None,
    )  # fmt: skip
    study = (ROOT / "sims" / "sweeps" / "studies" / "quick.toml").read_bytes()
    found["study"] = Subject(
        name="s.toml", content=study, mutators=(in_toml,), sealed=False, read=lambda path: load_study(str(path)),
        identity=lambda made: made[0].model_dump(), check=check_study,
    )  # fmt: skip
    for kind in ("ice40up5k", "loihi2"):
        profile = (ROOT / "hardware" / "chips" / "profiles" / f"{kind}.toml").read_bytes()
        found[f"profile-{kind}"] = Subject(
            name="p.toml", content=profile, mutators=(in_toml,), sealed=False, read=load_profile, identity=asdict,
            check=check_profile(chips["learner"]),
        )  # fmt: skip
    held = BytesIO()
    weights = {
        part: {"0.weight": torch.arange(40.0).reshape(8, 5), "0.bias": torch.ones(8)} for part in ("front", "back")
    }
    torch.save(weights, held)
    found["network"] = Subject(
        name="n.pt", content=held.getvalue(), mutators=(in_bytes,), read=weights_in,
        identity=lambda kept: [(p.shape, p.numpy().tobytes()) for half in kept.values() for p in half.values()],
        check=lambda kept, path: None,
    )  # fmt: skip
    images, labels = rng.integers(0, 256, (4, 28, 28)).astype(np.uint8), rng.integers(0, 10, 40).astype(np.uint8)
    for kind, array in (("images", images), ("labels", labels)):
        packed = idx.encode(array)
        how: dict[str, Any] = {
            "read": lambda path, kind=kind: idx.read(path, kind),
            "identity": lambda a: (a.shape, a.tobytes()),
            "check": check_images,
        }
        found[f"idx-{kind}"] = Subject(name=f"{kind}.gz", content=packed, mutators=(in_gzip,), sealed=False, **how)
        found[f"idx-{kind}-bytes"] = Subject(name=f"{kind}.gz", content=packed, mutators=(in_bytes,), **how)
        found[f"idx-{kind}-plain"] = Subject(
            name=kind, content=gzip.decompress(packed), mutators=(in_bytes,), sealed=False, **how
        )
    return found
