"""Configurations, unit by unit: written, read back and written again they are the same, and the same noise."""

import hashlib
import json
import sys
import time

import h5py
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from naive_chip import learned
from small_grids import SEED, WIRING, formats

from localnoise import UnitGrid
from localnoise.errors import ArgumentError, FileFormatError, MissingDependencyError
from localnoise.hardware import OnChip, OnChipReward, quantise
from localnoise.hardware.configuration import configure, document, read_hdf5, read_json, write_hdf5, write_json
from localnoise.hardware.configuration.graph import graph_of, read_nir, write_nir
from localnoise.hardware.export import export, manifest, verify

KINDS = {"json": (write_json, read_json), "hdf5": (write_hdf5, read_hdf5), "nir": (write_nir, read_nir)}


def made(formats=None, learner=None, seed=5, target="loihi1", **wiring):
    grid, h = learned(**wiring)
    d = np.random.default_rng(1).normal(size=(200, grid.config.channels, *grid.config.shape)) if learner else None
    chip = quantise(grid, formats, h=h, d=d)
    return configure(chip, seed=seed, target=target, learner=learner)


def same(one, other):
    assert document.document(one) == document.document(other)
    assert (one.chip.rule, one.seed, one.target) == (other.chip.rule, other.seed, other.target)
    for name, array in one.chip.field.arrays.items():
        np.testing.assert_array_equal(array, other.chip.field.arrays[name], strict=True)
    for name, array in (one.chip.state or {}).items():
        np.testing.assert_array_equal(array, other.chip.state[name])


@examples(40)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    wiring=WIRING,
    formats=formats(3, (56,)),
    seed=SEED,
    rule=st.sampled_from([None, "lms", "sign-lms"]),
    target=st.sampled_from(["ideal", "loihi1", "stm32f407"]),
)
def test_what_is_written_is_read_and_written_again(tmp_path_factory, kind, wiring, formats, seed, rule, target):
    first = made(formats, OnChip(rule=rule) if rule else None, seed, target, **wiring)
    write, read = KINDS[kind]
    place = tmp_path_factory.mktemp("x")
    second = read(write(first, place / "a"))
    same(first, second)
    same(second, read(write(second, place / "b")))
    if kind == "json":
        assert (place / "a").read_bytes() == (place / "b").read_bytes()


def test_a_unit_holds_its_share():
    configuration = made(shape=(3, 4), signal="local", learner=OnChip())
    chip, units = configuration.chip, list(configuration)
    assert [unit.id for unit in units] == list(range(12))
    assert len(configuration) == 12
    for unit in units:
        m, parents = chip.field.channels, [p for p in chip.field.parents[unit.id].tolist() if p >= 0]
        assert unit.parents == tuple(parents)
        assert unit.position == divmod(unit.id, 4)
        assert chip.field.order[unit.place] == unit.id
        assert all(units[parent].place < unit.place for parent in unit.parents)
        assert unit.B.shape == (m, m * len(parents))
        assert unit.learned["V"].shape[1] == unit.G.shape[1] + unit.B.shape[1] + m
    assert {limit["limit"] for limit in configuration.limits} >= {"fan_in", "weights"}
    assert {unit.core for unit in units} == {0}


@pytest.mark.parametrize("kind", [*sorted(KINDS), "verilog"])
def test_what_learns_from_rewards_goes_to_c_alone(tmp_path, kind):
    grid, h = learned()
    with pytest.raises(ArgumentError, match=r"^learner='three-factor': .*format c99"):
        export(quantise(grid, h=h), tmp_path / "a", kind, learner=OnChipReward())
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_verify_reads_it_back_and_finds_a_planted_bit(tmp_path, kind):
    grid, h = learned(signal="local")
    chip = quantise(grid, h=h, d=np.random.default_rng(1).normal(size=(200, 3, 3, 4)))
    folder = export(chip, tmp_path / "a", kind, seed=7, learner=OnChip(rule="sign-lms"))
    checks, costs = verify(folder, 2000)
    assert [check.name for check in checks] == [
        "draw",
        "perturb",
        "mean",
        "draw, seeded",
        "innovation",
        "learn",
        "draw, learned",
    ]
    assert all(not check.mismatch for check in checks)
    assert "12 units" in costs["file"]
    planted = configure(chip, seed=7, learner=OnChip(rule="sign-lms"))
    planted.chip.field.B[5, 0, 0] ^= 1
    name = {"json": "configuration.json", "hdf5": "configuration.h5", "nir": "graph.nir"}[kind]
    KINDS[kind][0](planted, folder / name)
    with pytest.raises(FileFormatError, match=f"{name}: edited since it was exported"):
        verify(folder)
    manifest.write(folder, kind, 7, {"name": "localnoise", "learner": {"rule": "sign-lms"}})
    assert verify(folder, 2000)[0][0].mismatch.startswith("unit 5, channel 0, step 0: expected ")
    with pytest.raises(ArgumentError, match=f"on='host': does not run {kind}; expected file"):
        verify(folder, 2000, ("host",))


def edited(tmp_path, change):
    path = write_json(made(learner=OnChip()), tmp_path / "a.json")
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda said: said.update(version=3), "version 3, this version of localnoise reads 1 and 2"),
        (lambda said: said["units"][3].update(scale="4"), r"\$\.units\[3\]\.scale: '4' is not of type 'integer'"),
        (lambda said: said["units"][3].pop("lift"), r"\$\.units\[3\]: 'lift' is a required property"),
        (lambda said: said["formats"].update(rounding="down"), r"\$\.formats\.rounding: 'down' is not one of"),
        (lambda said: said["units"][0]["s"].__setitem__(0, 9999), r"s of unit \(0, 0\) holds 9999: expected 1 to 127"),
        (lambda said: said["units"][0].update(place=1), "order is no permutation"),
        (lambda said: said["units"].pop(), "units are not those of a grid of 12"),
        (lambda said: said["units"][2]["B"][0].append(1), "inconsistent"),
        (
            lambda said: said["units"][2].update(generator=1),
            r"units\[2\]\.generator is 1, the rest of the document asks for \d+",
        ),
        (lambda said: said["units"][2].update(learned=None), "inconsistent"),
        (lambda said: said["units"][2]["B"][0].__setitem__(0, 2**80), "inconsistent"),
        (lambda said: said["units"][2]["parents"].append(-1), "-1 is less than the minimum of 0"),
        (lambda said: said.clear(), r"\$: 'format' is a required property"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, message):
    with pytest.raises(FileFormatError, match=message):
        read_json(edited(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda unit: unit.update(s=unit["s"][:1]), r"units\[2\]\.s has shape \(1,\), expected \(3,\)"),
        (lambda unit: unit.update(bias=unit["bias"][:1]), r"units\[2\]\.bias has shape \(1,\)"),
        (lambda unit: unit.update(L=unit["L"][:1]), r"units\[2\]\.L has shape \(1, 3\), expected \(3, 3\)"),
        (lambda unit: unit.update(B=[unit["B"][0]]), r"units\[2\]\.B has shape \(1, \d+\)"),
        (lambda unit: unit.update(B=[row[:1] for row in unit["B"]]), r"units\[2\]\.B has shape \(3, 1\)"),
        (lambda unit: unit["learned"].update(power=[1]), r"units\[2\]\.learned\.power has shape \(1,\)"),
        (lambda unit: unit["learned"].update(V=unit["learned"]["V"][:1]), r"units\[2\]\.learned\.V has shape \(1, "),
        (lambda unit: unit["B"][0].__setitem__(0, 2**32 + 1), r"units\[2\]\.B holds numbers beyond int32"),
        (lambda unit: unit.update(position=[0, 3]), r"units\[2\]\.position is \[0,3\], .* asks for \[0,2\]"),
        (lambda unit: unit.update(core=None), "checksum is"),
        (lambda unit: unit.update(scale=float(unit["scale"])), r"units\[2\]\.scale is -?\d+\.0, "),
        (lambda unit: unit.update(readers=[2]), "slots are"),
        (lambda unit: unit["parents"].extend([0, 1, 2, 3, 4, 5, 6]), "slots are"),
    ],
)
def test_shapes_and_what_is_said_twice_are_checked(tmp_path, change, message):
    """Nothing is broadcast: a short list of weights once filled all of a unit's channels."""
    with pytest.raises(FileFormatError, match=message):
        read_json(edited(tmp_path, lambda said: change(said["units"][2])))


def test_declared_sizes_are_not_believed(tmp_path):
    for change in (
        lambda said: said["slots"].update(parents=10**9),
        lambda said: said["slots"].update(readers=10**9),
        lambda said: said["grid"].update(shape=[1, 10**10]),
        lambda said: said["grid"].update(channels=10**6),
    ):
        begun = time.perf_counter()
        with pytest.raises(FileFormatError, match=r"inconsistent|file was edited"):
            read_json(edited(tmp_path, change))
        assert time.perf_counter() - begun < 5


def test_a_changed_weight_is_found_by_the_checksum(tmp_path):
    def change(said):
        said["units"][5]["B"][1][0] ^= 1

    with pytest.raises(FileFormatError, match=r"inconsistent \(checksum is 'sha256:[0-9a-f]+', its content has"):
        read_json(edited(tmp_path, change))
    with pytest.raises(FileFormatError, match="'checksum' is a required property"):
        read_json(edited(tmp_path, lambda said: said.pop("checksum")))
    path = write_hdf5(made(signal="local"), tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["units/G"][5, 0, 0] ^= 1
    with pytest.raises(FileFormatError, match="checksum is"):
        read_hdf5(path)


@pytest.mark.parametrize("kind", ["json", "hdf5"])
def test_documents_without_a_checksum_are_still_read(tmp_path, kind):
    """Version 1 had none: what it says is read as it always was; what is said twice must agree there, too."""
    first = made(learner=OnChip(), signal="local")
    said = document.document(first)
    del said["checksum"]
    said["version"] = 1
    if kind == "json":
        path = tmp_path / "a.json"
        path.write_text(json.dumps(said))
        same(first, read_json(path))
        said["units"][0]["position"] = [1, 1]
        path.write_text(json.dumps(said))
        with pytest.raises(FileFormatError, match="position"):
            read_json(path)
        said["checksum"] = "sha256:" + "0" * 64
        path.write_text(json.dumps(said))
        with pytest.raises(FileFormatError, match="expected what the schema says"):
            read_json(path)
        return
    path = write_hdf5(first, tmp_path / "a.h5")
    with h5py.File(path, "r+", libver="v110") as file:
        file.attrs["version"] = 1
        file.attrs["head"] = np.bytes_(json.dumps({name: said[name] for name in said if name != "units"}))
    same(first, read_hdf5(path))


def test_the_checksum_is_what_the_schema_says(tmp_path):
    """Computed here from the text alone, as a toolchain of another language would."""
    said = json.loads(write_json(made(learner=OnChip()), tmp_path / "a.json").read_text())
    units, found = said.pop("units"), said.pop("checksum")
    parts = [json.dumps(part, sort_keys=True, separators=(",", ":")) + "\n" for part in (said, *units)]
    assert found == "sha256:" + hashlib.sha256("".join(parts).encode("ascii")).hexdigest()


@examples(300)
@given(where=st.floats(0, 1), bit=st.integers(0, 7), width=st.integers(0, 3))
def test_no_mutant_of_a_document_changes_the_noise(mutated, tmp_path_factory, where, bit, width):
    """A bit flipped, or bytes left out: refused, or the same grid."""
    first, content = mutated
    changed, at = bytearray(content), int(where * (len(content) - 1))
    if width:
        del changed[at : at + width]
    else:
        changed[at] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "mutant.json"
    path.write_bytes(bytes(changed))
    try:
        found, refusal = read_json(path), ""
    except FileFormatError as error:
        found, refusal = None, str(error)
    assert len(refusal) < 400 + len(str(path))
    if found is not None:
        same(first, found)


@pytest.fixture(scope="module")
def mutated(tmp_path_factory):
    first = made(shape=(2, 2), channels=1, learner=OnChip())
    return first, write_json(first, tmp_path_factory.mktemp("x") / "a.json").read_bytes()


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[" * 900 + "]" * 900, "[" * 90 + "]" * 90])
def test_deep_nesting_is_refused(tmp_path, text):
    path = tmp_path / "deep.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match="not JSON"):
        read_json(path)
    with pytest.raises(FileFormatError, match=r"nested more than 64 deep|JSON"):
        read_json(edited(tmp_path, lambda said: said.update(provenance={"a": json.loads("[" * 70 + "]" * 70)})))


def test_files_that_are_none_are_told(tmp_path, monkeypatch):
    for kind, (write, read) in KINDS.items():
        with pytest.raises(FileFormatError, match="no such file"):
            read(tmp_path / "none")
        (tmp_path / kind).write_text("{")
        with pytest.raises(FileFormatError, match=r"not JSON|damaged or not HDF5|no graph"):
            read(tmp_path / kind)
        path = write(made(), tmp_path / "good")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 16
        path.write_bytes(data)
        try:
            found = read(path)
        except FileFormatError:
            continue
        same(found, made())  # a byte that means nothing
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(MissingDependencyError, match=r"nir is missing: pip install 'localnoise\[hardware\]'"):
        write_nir(made(), tmp_path / "x")


@pytest.mark.parametrize("signal", ["none", "local"])
def test_the_graph_says_what_the_integers_say(tmp_path, signal):
    """Run node by node in float64, without rounding, it draws the field that the integers stand for."""
    import nir

    configuration = made(shape=(3, 3), signal=signal)
    chip, m = configuration.chip, configuration.chip.config.channels
    write_nir(configuration, tmp_path / "a")
    graph = nir.read(tmp_path / "a")
    rng = np.random.default_rng(0)
    xi, h = rng.integers(-500, 500, (9, m)), rng.normal(size=(9, m))
    value = {}
    for name, node in graph.nodes.items():
        if isinstance(node, nir.Input):
            value[name] = (xi if name.startswith("noise") else h)[int(name.split("_")[1])]
    into = {}
    for source, target in graph.edges:
        into.setdefault(target, []).append(source)

    def run(name):
        if name not in value:
            node, total = graph.nodes[name], sum(run(source) for source in into[name])
            if isinstance(node, nir.Scale):
                total = node.scale * total
            elif not isinstance(node, nir.Output):
                total = node.weight @ total + getattr(node, "bias", 0)
            value[name] = total
        return value[name]

    f = chip.field
    eta = np.zeros((9, m))  # words, not rounded
    for u in f.order:
        for i in range(m):
            acc = float(f.bias[u, i]) + np.ldexp(f.s[u, i] * xi[u, i], f.lift[u, 2])
            for k, p in enumerate(f.parents[u]):
                acc += np.ldexp(f.B[u, i, k * m : (k + 1) * m] @ eta[p], f.lift[u, 1]) if p >= 0 else 0
            for k, r in enumerate(f.readers[u]):
                words = np.ldexp(h[r], f.activation_scale)
                acc += np.ldexp(f.G[u, i, k * m : (k + 1) * m] @ words, f.lift[u, 0]) if r >= 0 else 0
            acc += np.ldexp(f.L[u, i, :i] @ eta[u, :i], f.lift[u, 1])
            eta[u, i] = np.ldexp(acc, -f.fraction[u])
    values = np.array([np.ldexp(eta[u], -int(f.scale[u])) for u in range(9)])
    np.testing.assert_allclose([run(f"eta_{u}") for u in range(9)], values, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_the_papers_layer_as_a_graph(tmp_path):
    chip = quantise(UnitGrid(shape=(14, 14), channels=16, parents=8), feedback=False)
    first = configure(chip)
    assert len(graph_of(first).nodes) > 2000
    same(first, read_nir(write_nir(first, tmp_path / "a")))
