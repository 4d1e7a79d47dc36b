"""The folder of an artefact: replaced whole or not at all, and nothing in it that is not ours is ever touched."""

import json
import os
import stat
from types import SimpleNamespace

import pytest
from naive_chip import learned
from tiers import some_slow

from localnoise.errors import ArgumentError
from localnoise.hardware import load_chip, quantise
from localnoise.hardware.export import export, folder, manifest


@pytest.fixture(scope="module")
def chip():
    return quantise(learned(shape=(2, 2), channels=1)[0])


def contents(place):
    """Every file below `place`, hidden ones among them."""
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def test_force_keeps_what_is_not_ours(tmp_path, chip):
    place = export(chip, tmp_path / "a", learner=None)
    (place / "thesis.tex").write_text("years of work")
    (place / "own").mkdir()
    (place / "own" / "main.c").write_text("mine")
    export(chip, place, "json", seed=9, force=True)
    assert (place / "thesis.tex").read_text() == "years of work"
    assert (place / "own" / "main.c").read_text() == "mine"
    assert {path.name for path in place.iterdir()} == {
        "thesis.tex", "own", "chip.h5", "configuration.json", "manifest.json",
    }  # fmt: skip
    assert manifest.read(place)["seed"] == 9


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "not JSON",
        '{"files": {"thesis.tex": "0"}}',
        '{"format": "localnoise.artefact", "version": 3}',
        "[" * 9999,
    ],
)
def test_a_manifest_that_is_not_ours_qualifies_for_nothing(tmp_path, chip, text):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "manifest.json").write_text(text)
    (tmp_path / "a" / "thesis.tex").write_text("years of work")
    before = contents(tmp_path)
    with pytest.raises(ArgumentError, match="holds no artefact, so nothing in it is replaced"):
        export(chip, tmp_path / "a", force=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["thesis.tex", "../thesis.tex", "own", "localnoise.c"])
def test_a_manifest_that_names_what_we_did_not_write_deletes_nothing(tmp_path, chip, name):
    place = export(chip, tmp_path / "a")
    (tmp_path / "thesis.tex").write_text("years of work")
    (place / "thesis.tex").write_text("years of work")
    (place / "own").mkdir()
    if name == "localnoise.c":
        (place / name).write_text("edited by hand")
    said = json.loads((place / "manifest.json").read_text())
    said["files"].setdefault(name, "0" * 64)
    (place / "manifest.json").write_text(json.dumps(said))
    before = contents(tmp_path)
    with pytest.raises(ArgumentError, match=r"so it is not replaced|holds no artefact"):
        export(chip, place, force=True)
    assert contents(tmp_path) == before


def test_a_strangers_file_by_the_name_of_one_of_ours_is_kept(tmp_path, chip):
    place = export(chip, tmp_path / "a")
    (place / "configuration.json").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(ArgumentError, match=r"configuration\.json: not of the artefact that is there"):
        export(chip, place, "json", force=True)
    assert contents(tmp_path) == before


def test_folders_beside_it_are_never_removed(tmp_path, chip):
    for name in (".a-writing", ".b2-writing", ".localnoise-mine-writing"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("years of work")
    for force in (False, True):
        export(chip, tmp_path / "a", force=force)
    assert {path.name for path in tmp_path.iterdir()} == {"a", ".a-writing", ".b2-writing", ".localnoise-mine-writing"}
    assert all((path / "thesis.tex").exists() for path in tmp_path.iterdir() if path.name != "a")


@pytest.mark.parametrize("error", some_slow([KeyboardInterrupt, OSError], {OSError}))
def test_an_interruption_at_any_move_leaves_the_old_artefact(tmp_path, chip, monkeypatch, error):
    place = export(chip, tmp_path / "a")
    (place / "thesis.tex").write_text("years of work")
    before, moves = contents(tmp_path), 0
    for late in (False, True):  # before the move, and after it
        for stop in range(200):
            calls = 0

            def interrupted(source, target, stop=stop, late=late):
                nonlocal calls
                calls += 1
                if calls == stop + 1 and not late:
                    raise error
                os.rename(source, target)
                if calls == stop + 1:
                    raise error

            monkeypatch.setattr(folder, "os", SimpleNamespace(path=os.path, replace=interrupted))
            try:
                export(chip, place, "verilog", seed=stop, force=True)
            except error:
                moves += 1
                assert contents(tmp_path) == before
            else:
                break
            finally:
                monkeypatch.undo()
        assert (place / "thesis.tex").exists()
        assert set(manifest.read(place)["files"]) >= {"localnoise.v"}
        export(chip, place, "c99", force=True)
        before = contents(tmp_path)
    assert moves > 40


def test_a_failure_while_writing_leaves_the_old_artefact(tmp_path, chip, monkeypatch):
    place = export(chip, tmp_path / "a")
    before = contents(tmp_path)
    for error in (OSError, KeyboardInterrupt):
        monkeypatch.setattr(type(chip), "save", lambda *_, error=error, **__: (_ for _ in ()).throw(error))
        with pytest.raises(error):
            export(chip, place, force=True)
        with pytest.raises(error):
            export(chip, tmp_path / "new")
        assert contents(tmp_path) == before
        assert {path.name for path in tmp_path.iterdir()} == {"a"}


def test_the_current_folder_is_a_folder(tmp_path, chip, monkeypatch):
    for name, shown in (("here", "."), ("there", "../there")):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        export(chip, shown)
        assert load_chip(tmp_path / name / "chip.h5").config == chip.config
        with pytest.raises(ArgumentError, match="not empty"):
            export(chip, shown)
        export(chip, shown, seed=3, force=True)
        assert manifest.read(tmp_path / name)["seed"] == 3
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match="is no folder; expected a new or an empty one"):
        export(chip, tmp_path / "file", force=True)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_the_folder_has_the_usual_mode(tmp_path, chip):
    before = os.umask(0o027)
    try:
        place = export(chip, tmp_path / "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o750
