"""However much goes wrong at once, an error is one sentence of at most 400 characters that still names the fix."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from localnoise.errors import LocalnoiseError, choose, listed, short
from localnoise.sims.data import arrays
from localnoise.sims.defenses import named
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.sweeps.keeping import TrialStore
from localnoise.sims.sweeps.space import Part
from localnoise.sims.sweeps.study_files import parse_study

STUDY = """name = "some"
holdout = 200
sources = ["rotate@2"]
goals = ["robust"]
trials = 6
[space]
rule = "lms"
"""
LONG = "x" * 5000


def another_space(folder: Path) -> None:
    kept, many = TrialStore(folder / "s.sqlite"), STUDY + f"parents = {list(range(1, 400))}\n"
    kept.begin(*parse_study(STUDY, "a.toml"), resume=False)
    kept.begin(*parse_study(many, "b.toml"), resume=True)


def data_sets(folder: Path) -> None:
    with h5py.File(folder / "many.h5", "w") as file:
        for index in range(300):
            file[f"layer{index}/displacements"] = np.zeros(1)
    with arrays.opened(folder / "many.h5") as file:
        arrays.presentations(file, "d")


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "arms": (lambda _: named("multiscal-8"), "did you mean 'multiscale-8'"),
    "a long arm": (lambda _: named(LONG), "expected one of"),
    "a spelled arm": (lambda _: named(f"grid:rule={LONG}"), "expected one of"),
    "threats": (lambda _: threat(LONG, 9, 9), "expected"),
    "data sets": (data_sets, r"\(300 in all\)"),
    "a study's value": (lambda _: parse_study(STUDY.replace('"robust"', f'"{LONG}"'), "s.toml"), "line 4: goals"),
    "a study's field": (
        lambda _: parse_study(STUDY + f"{LONG} = 1\n", "s.toml"),
        "line 8: space.*: unknown field; expected",
    ),
    "a misspelt field": (
        lambda _: parse_study(STUDY + "parens = 1\n", "s.toml"),
        r"^s.toml, line 8: space.parens: unknown field; expected rule, .*; did you mean 'parents'\?$",
    ),
    "a combination": (lambda _: parse_study(STUDY + f'order = ["{LONG}"]\n', "s.toml"), "line 8: the combination"),
    "another space": (another_space, r"space differs .* name another file with --out"),
}


@pytest.mark.parametrize("name", CASES)
def test_errors_stay_sentences(name: str, tmp_path: Path) -> None:
    act, said = CASES[name]
    with pytest.raises(LocalnoiseError, match=said) as raised:
        act(tmp_path)
    assert len(str(raised.value).replace(str(tmp_path), "")) <= 400
    assert "\n" not in str(raised.value)


def test_few_names_are_all_listed() -> None:
    with pytest.raises(LocalnoiseError, match=r"order='x': expected one of 'raster', 'multiscale'$"):
        choose("order", "x", ("raster", "multiscale"))
    assert listed([]) == ""
    assert len(listed(["x" * 500])) < 20
    assert short("as it is") == "as it is"


@pytest.mark.parametrize(
    ("text", "count"), [("low = 1, high = 1000000000", 10**9), ("low = 0, high = 1, step = 1e-9", 10**9 + 1)]
)
def test_ranges_of_any_size_are_read_at_once(text: str, count: int) -> None:
    """Nothing is allocated for their values: a study is checked by their ends, and a grid over them is refused."""
    name = "parents" if "step" not in text else "trace"
    given = f"{STUDY}{name} = {{ {text.replace('low = 0', 'low = 1e-9')} }}\n"
    study, _ = parse_study(given, "s.toml")
    part = study.space[name]
    assert part.discrete is None
    assert part.ends == [part.low, part.high]
    assert abs(part.count - count) <= 1
    with pytest.raises(LocalnoiseError, match=r"sampler='grid' needs up to 100,000 values of .* has 1,000,00"):
        parse_study(f'sampler = "grid"\n{given}', "s.toml")
    assert Part(low=1, high=5).discrete == [1, 2, 3, 4, 5]
    assert Part(low=0.5, high=1.0, step=0.25).discrete == [0.5, 0.75, 1.0]
    assert Part(low=0.5, high=1.0).discrete is None
    assert Part(low=1, high=3, log=True).discrete == [1, 2, 3]


def test_what_depends_on_no_other_choice_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are built to check a layer: once a layer, not once a combination."""

    from localnoise.sims.tasks import fashion

    built: list[object] = []
    monkeypatch.setattr(fashion, "build", lambda *given: built.append(given))
    many = "layer = [1, 2, 3]\nparents = { low = 1, high = 40 }\nword_bits = { low = 4, high = 12 }\n"
    parse_study(STUDY + many, "s.toml")
    assert len(built) == 3
