"""No command writes over what it reads, nor, unasked, over what is not its own kind; each says so before its work."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiers import some_slow

import localnoise as ln
from localnoise.errors import ArgumentError, LocalnoiseError, WriteError
from localnoise.hardware import load_chip
from localnoise.hardware import quantise as to_integers
from localnoise.sims.demochip import demo_chip
from localnoise.sims.results.records import RecordFile
from localnoise.sims.spikes import spiking
from localnoise.sims.stream import stream
from localnoise.sims.sweep import sweep
from localnoise.sims.tools.audit import audit
from localnoise.sims.tools.export import export
from localnoise.sims.tools.fit import fit
from localnoise.sims.tools.inspection import inspect
from localnoise.sims.tools.learn import learn
from localnoise.sims.tools.quantise import quantise
from localnoise.sims.tools.randomness import random
from localnoise.sims.tools.report import DRAWN, report
from localnoise.sims.tools.sample import sample
from localnoise.sims.tools.showdata import data
from localnoise.sims.train import train

ROOT = Path(ln.__file__).parents[1]
CHIP = ROOT / "hardware" / "chips" / "profiles" / "ideal.toml"
STUDIES = ROOT / "sims" / "sweeps" / "studies"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Displacements d.h5, a grid g.h5, its chip grid c.h5 and words w.npy, a repair, records, a study and a chip."""
    folder = tmp_path_factory.mktemp("made")
    d = np.random.default_rng(0).normal(size=(300, 2, 3, 3)).astype(np.float32)
    with h5py.File(folder / "d.h5", "w") as file:
        file["d"], file["h"] = d, d
    ln.UnitGrid((3, 3), 2, parents=3).learn(d).save(folder / "g.h5")
    chip = to_integers(ln.load(folder / "g.h5"))
    chip.save(folder / "c.h5")
    np.save(folder / "w.npy", chip.words(300, 7))
    ln.Repair((3, 3), 2, radius=1).learn("dim", d / 3, d).save(folder / "repair.h5")
    (folder / "study.toml").write_text("name = 'x'")
    (folder / "my.toml").write_text(CHIP.read_text())
    text = (STUDIES / "quick.toml").read_text()
    RecordFile(folder / "record.sqlite").append({"kind": "study", "name": "quick"}, {"text": text}, 0.0)
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all these, and links to the displacements; commands run in it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    os.link("d.h5", "hard.h5")
    Path("soft.h5").symlink_to("d.h5")
    for name in ("figures/front.png", "tables/table.md"):
        Path(name).parent.mkdir()
        Path(name).symlink_to("../record.sqlite")
    return tmp_path


def contents(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}


P = Path
ONE_FILE: dict[str, Callable[[bool], object]] = {
    "learn d.h5 -o d.h5": lambda force: learn(P("d.h5"), P("d.h5"), force=force),
    "learn hard.h5 -o d.h5": lambda force: learn(P("hard.h5"), P("d.h5"), force=force),
    "learn d.h5 -o soft.h5": lambda force: learn(P("d.h5"), P("soft.h5"), force=force),
    "sample g.h5 -o g.h5": lambda force: sample(P("g.h5"), P("g.h5"), force=force),
    "sample --activations d.h5:h -o d.h5": lambda force: sample(
        P("g.h5"), P("d.h5"), activations="d.h5:h", force=force
    ),
    "quantise g.h5 -o g.h5": lambda force: quantise(P("g.h5"), P("g.h5"), force=force),
    "quantise --activations": lambda force: quantise(P("g.h5"), P("d.h5"), activations="d.h5:h", force=force),
    "quantise --displacements": lambda force: quantise(P("g.h5"), P("d.h5"), displacements="d.h5:d", force=force),
    "quantise --chip": lambda force: quantise(P("g.h5"), P("my.toml"), chip="my.toml", force=force),
    "quantise --figure": lambda force: quantise(P("g.h5"), P("x.h5"), figure=P("x.h5"), force=force),
    "audit -o, its words": lambda force: audit("w.npy", P("c.h5"), output=P("w.npy"), force=force),
    "audit -o, its grid": lambda force: audit("w.npy", P("c.h5"), output=P("c.h5"), force=force),
    "audit --figure, its output": lambda force: audit(
        "w.npy", P("c.h5"), output=P("x.png"), figure=P("x.png"), force=force
    ),
    "quantise a repair": lambda force: quantise(P("repair.h5"), P("repair.h5"), force=force),
    "fit --keep": lambda force: fit(P("x.h5"), keep=P("./x.h5"), force=force),
    "inspect --figure": lambda force: inspect(P("g.h5"), figure=P("g.h5"), force=force),
    "report -o": lambda force: report(P("record.sqlite"), P("record.sqlite"), force=force),
    "report --figures, a table": lambda force: report(
        P("record.sqlite"), P("x.html"), figures=P("tables"), force=force
    ),
    "report --figures, a figure": lambda force: report(
        P("record.sqlite"), P("x.html"), figures=P("figures"), force=force
    ),
}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("call", ONE_FILE)
def test_an_input_stays(place: Path, call: str, force: bool) -> None:
    before = contents(place)
    with pytest.raises(ArgumentError, match=r"='.*' is the same file as .*: name another file$"):
        ONE_FILE[call](force)
    assert contents(place) == before


def test_the_usual_output_is_no_exception(place: Path) -> None:
    """`learn grid.h5` writes grid.h5; `inspect grid.png` would draw grid.png."""
    for taken, call in {
        "grid.h5": lambda: learn(P("grid.h5")),
        "noise.h5": lambda: sample(P("noise.h5")),
        "chip.h5": lambda: quantise(P("chip.h5")),
        "grid.png": lambda: inspect(P("grid.png")),
    }.items():
        Path("d.h5").rename(taken)
        with pytest.raises(ArgumentError, match="is the same file as"):
            call()
        Path(taken).rename("d.h5")


def test_an_artefact_that_is_read_is_not_replaced(place: Path) -> None:
    export(P("c.h5"), P("build"))
    before = contents(place / "build")
    for file, output in ((P("build/chip.h5"), P("build")), (P("c.h5"), P("."))):
        with pytest.raises(ArgumentError, match=r"holds file='.*', which is read: name another folder"):
            export(file, output, force=True)
    assert contents(place / "build") == before
    export(P("c.h5"), P("build"), force=True)


def test_a_networks_export_keeps_its_defense_and_asks_before_it_trains(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localnoise.sims.tools.exported_network.exported_network", None)
    export(P("c.h5"), P("build"))
    (place / "build" / "base.pt").write_bytes(b"weights")
    before = contents(place / "build")
    with pytest.raises(ArgumentError, match=r"holds defense='build/chip.h5', which is read: name another folder"):
        export(P("v2"), P("build"), defense="build/chip.h5", force=True)
    with pytest.raises(ArgumentError, match=r"holds weights='build/base.pt', which is read: name another folder"):
        export(P("v2"), P("build"), weights=P("build/base.pt"), force=True)
    with pytest.raises(ArgumentError, match="build: not empty"):
        export(P("v2"), P("build"))
    with pytest.raises(WriteError, match=r"cache='c\.h5': what is there is no folder"):
        export(P("v2"), P("new"), cache=P("c.h5"))
    assert contents(place / "build") == before


FOLDERS: dict[str, Callable[[Path], object]] = {
    "train": lambda out: train(out=out),
    "stream": lambda out: stream(out=out),
    "audit --task": lambda out: audit(task="v2", out=out),
    "data": lambda out: data(out=out),
    "demo-chip": lambda out: demo_chip(out=out),
    "spiking": lambda out: spiking(out=out),
    "fit --cache": lambda out: fit(P("new.h5"), cache=out),
}


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_that_is_none_is_refused_before_the_work(
    place: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo("pipe")
    monkeypatch.setattr("localnoise.sims.tools.showdata.load", None)
    monkeypatch.setattr("localnoise.sims.experiments.chosen.Chosen.settings", None)
    before = contents(place)
    for out in (P("w.npy"), P("w.npy/deep/er"), P("pipe")):
        with pytest.raises(WriteError, match=r"^(out|cache)='.*': what is there.* is no folder; expected a folder"):
            FOLDERS[command](out)
    assert contents(place) == before


def test_a_sweep_does_not_write_into_its_study(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = STUDIES / "quick.toml"
    for name, more in {
        "s.toml": {"out": P("s.toml"), "resume": True},
        "s.journal": {"out": P("s.h5")},
        "t.toml": {"out": P("s.h5"), "storage": "t.toml"},
    }.items():
        Path(name).write_text(study.read_text())
        with pytest.raises(ArgumentError, match="is the same file as study="):
            sweep(name, **more)  # type: ignore[arg-type]
        assert Path(name).read_text() == study.read_text()


KINDS: dict[str, tuple[Callable[[Path, bool], object], str]] = {
    "learn": (lambda path, force: learn(P("d.h5"), path, force=force), "a grid"),
    "sample": (lambda path, force: sample(P("g.h5"), path, count=5, force=force), "drawn noise"),
    "quantise": (lambda path, force: quantise(P("g.h5"), path, force=force), "a chip grid"),
    "quantise --figure": (lambda path, force: quantise(P("g.h5"), P("q.h5"), figure=path, force=force), "PNG figure"),
    "quantise a repair": (lambda path, force: quantise(P("repair.h5"), path, force=force), "a chip's repair"),
    "audit": (lambda path, force: audit("w.npy", P("c.h5"), output=path, force=force), "a verdict"),
    "audit --figure": (lambda path, force: audit("w.npy", P("c.h5"), figure=path, force=force), "PNG figure"),
    "inspect": (lambda path, force: inspect(P("g.h5"), figure=path, force=force), "PNG figure"),
    "random": (
        lambda path, force: random("lfsr16", units=4, draws=99, channels=1, figure=path, force=force),
        "PNG figure",
    ),
}


@pytest.mark.parametrize("command", some_slow(KINDS, {"random", "inspect", "audit --figure"}))
def test_another_kind_takes_force_and_ones_own_does_not(place: Path, command: str) -> None:
    call, kind = KINDS[command]
    for name in ("mine.png", "data.png"):
        path = Path(name)
        if name == "mine.png":
            path.write_text("my own notes")
        else:
            path.write_bytes(Path("d.h5").read_bytes())
        before = contents(place)
        with pytest.raises(ArgumentError, match=rf"exists and is not {kind}.*--force to replace it$"):
            call(path, False)
        assert contents(place) == before
        call(path, True)
        assert path.read_bytes() != before[name]
        call(path, False)  # its own kind now


def test_fit_and_report_ask_before_they_work(place: Path) -> None:
    before = contents(place)
    for name in ("page", "drawn/front.png", "told/table.md"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("x")
    calls: dict[str, Callable[[], object]] = {
        "output='d.h5' exists and is not a grid": lambda: fit(P("d.h5")),
        "keep='g.h5' exists and is not kept displacements": lambda: fit(P("x.h5"), keep=P("g.h5")),
        "output='page' exists and is not a page": lambda: report(P("record.sqlite"), P("page")),
        "figures='drawn/front.png' exists and is not PNG figure": lambda: report(
            P("record.sqlite"), P("x.html"), P("drawn")
        ),
        "figures='told/table.md' exists and is not a table": lambda: report(P("record.sqlite"), P("x.html"), P("told")),
    }
    for message, call in calls.items():
        with pytest.raises(ArgumentError, match=message):
            call()
    assert contents(place) == before | {"page": b"x"}


@pytest.mark.parametrize("command", KINDS)
def test_a_device_is_refused_before_the_work(place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO stands for devices: no test may risk the machine's own."""
    os.mkfifo("pipe.png")
    inode = os.stat("pipe.png").st_ino
    for name in ("quantise.load", "audit.load_chip", "inspection.load"):
        monkeypatch.setattr(f"localnoise.sims.tools.{name}", None)
    monkeypatch.setattr("localnoise.load", None)
    with pytest.raises(WriteError, match=r"pipe\.png: is a FIFO"):
        KINDS[command][0](Path("pipe.png"), True)
    assert os.stat("pipe.png").st_ino == inode


def test_a_link_stays_and_what_it_leads_to_is_written(place: Path) -> None:
    (place / "far").mkdir()
    for command, name in {"learn": "g2.h5", "sample": "n2.h5", "quantise": "c2.h5", "inspect": "f2.png"}.items():
        Path(name).symlink_to(f"far/{name}")
        KINDS[command][0](Path(name), False)
        assert Path(name).is_symlink()
    assert ln.load("far/g2.h5").config.shape == (3, 3)
    assert load_chip("far/c2.h5").config == ln.load("g.h5").config
    with h5py.File("far/n2.h5") as file:
        assert file.attrs["format"] == np.bytes_("localnoise.noise")
        np.testing.assert_array_equal(file["noise"], ln.load("g.h5").sample(5))


def test_a_figure_of_an_unknown_suffix_is_refused_before_the_work(place: Path) -> None:
    for name in ("errors", "errors.pgn"):
        with pytest.raises(LocalnoiseError, match="the figure's suffix="):
            quantise(P("g.h5"), P("q.h5"), figure=P(name))
    assert not Path("q.h5").exists()


def test_the_names_of_a_reports_figures_are_known() -> None:
    from localnoise.sims.sweeps import figures as sweeping

    source = Path(sweeping.__file__).read_text()
    assert all(f'"{name}"' in source for name in DRAWN if name.endswith(".png"))
    assert source.count('.png"') == sum(name.endswith(".png") for name in DRAWN)
