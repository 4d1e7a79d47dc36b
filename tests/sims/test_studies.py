"""Study files: what ships is valid, what is wrong is named with its line, before anything runs."""

import pytest
from pages import fenced, page

from localnoise.errors import ArgumentError, LocalnoiseError
from localnoise.sims.defenses import named
from localnoise.sims.defenses.grid_plan import Spelled
from localnoise.sims.results.records import key
from localnoise.sims.sweeps import SHIPPED, load_study
from localnoise.sims.sweeps.lines import line_of
from localnoise.sims.sweeps.space import combinations
from localnoise.sims.sweeps.study_files import parse_study
from localnoise.sims.sweeps.trials import baselines_of, cells_of, config_of, fitted, settings_of

STUDY = """name = "some"
holdout = 200
sources = ["rotate@2"]
goals = ["robust", "bytes"]
trials = 6

[space]
rule = ["moments", "lms"]
rate = { low = 0.05, high = 0.5, log = true, when = { rule = ["lms"] } }

[space.parents]
low = 1
high = 4
"""


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_what_ships_is_valid_and_names_itself(name):
    study, text = load_study(name)
    assert study.name == name
    assert "holdout" in text
    assert len(list(combinations(study.space))) > 10


def test_four_studies_ship():
    assert set(SHIPPED) == {"quick", "rules", "bits-and-wires", "repair"}


def test_a_condition_decides_what_is_asked():
    study, _ = parse_study(STUDY, "some.toml")
    found = list(combinations(study.space))
    assert len(found) == 4 + 2 * 4  # of the continuous rate its bounds
    assert all(("rate" in one) == (one["rule"] == "lms") for one in found)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("trials = 6", "trials = 0", 5, "trials=0"),
        ("trials = 6", "trails = 6", 5, "did you mean 'trials'"),
        ('"moments", ', '"momets", ', 8, "did you mean 'moments'"),
        ('"bytes"', '"bites"', 4, "goals.1='bites'"),
        ('"bytes"', '"robust"', 4, "each goal once"),
        ("rotate@2", "rotat@2", 3, "did you mean 'rotate'"),
        ("rotate@2", "rotate@x", 3, "NAME@LEVEL"),
        ("rotate@2", "drift", 7, "no threat"),
        ("rotate@2", "pgd", 7, "attacked=300"),
        ("high = 4", "high = 0", 11, "low=1 is above high=0"),
        ("high = 0.5", "high = 2.5", 9, "rate=2.5"),
        (', when = { rule = ["lms"] }', "", 9, "option of rule 'moments'"),
        ('when = { rule = ["lms"] }', 'when = { parents = ["lms"] }', 7, "parents"),
        ("low = 0.05", "low = 0.0", 9, "log needs low > 0"),
        ("low = 1\n", "lo = 1\n", 12, "did you mean 'low'"),
        ('sources = ["rotate@2"]', "", 1, "one of the two"),
        ("trials = 6", 'trials = 6\nsampler = "grid"', 6, "continuous"),
        ("trials = 6", 'trials = 6\npruning = "halving"', 6, "seeds >= 2"),
        ("trials = 6", 'trials = 6\nbaselines = ["ful"]', 6, "did you mean 'full'"),
        ("[space]\n", "[space]\nword_bits = [3]\n", 8, "word_bits=3"),
        ("[space]\n", "[space]\nsignal_radius = 1\n", 8, "signal='none'"),
        ("[space]\n", "[space]\nlayer = 9\n", 8, "layer=9"),
        ("[space]\n", "[space]\nparrots = 9\n", 8, "parrots"),
        ("[space]\n", "[space]\nturns = 3\n", 8, "turns=3: expected none with rule='moments'"),
        ("[space]\n", '[space]\ntraining = ["backprop", "local-head"]\n', 8, "did you mean 'local-heads'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old, new, line, said):
    assert old in STUDY
    with pytest.raises(ArgumentError) as caught:
        parse_study(STUDY.replace(old, new, 1), "some.toml")
    message = str(caught.value)
    assert said in message
    assert f"line {line}:" in message
    assert "\n" not in message


def test_no_toml_and_no_study():
    with pytest.raises(ArgumentError, match="not TOML"):
        parse_study("name = ", "some.toml")
    with pytest.raises(ArgumentError, match="did you mean 'quick'"):
        load_study("quik")
    with pytest.raises(ArgumentError, match="no such file"):
        load_study("nowhere.toml")


def test_lines_of_tables_and_keys():
    text = 'a = 1\n[b]\nc = { d = 2 }\n\n[b.e]\nf = 3\n# g = 4\n["b".h]\ni = 5'
    places = [("a",), ("b",), ("b", "c", "d"), ("b", "e", "f"), ("b", "h", "i"), ("nothing",)]
    assert [line_of(text, place) for place in places] == [1, 2, 3, 6, 9, 1]


@pytest.mark.parametrize(
    "spelled",
    [
        Spelled(),
        Spelled(rule="lms", rate=0.1, order="raster", radius=2, parents=8),
        Spelled(signal="local", signal_radius=2, trace=0.5, scope="local"),
        Spelled(share="places", rank=24),
        Spelled(rule="three-factor", rate=0.2, turns=3, reward="change", baseline="none", decorrelate=True),
        Spelled(rule="three-factor", draws=1, spread=0.0, decorrelate=False),
        Spelled(weight_bits=4, word_bits=16, far=2, parents=8, rate=1e-5, rule="sign-lms"),
    ],
)
def test_an_arm_spelled_out_is_read_back(spelled):
    assert Spelled.parse(spelled.name) == spelled
    assert named(spelled.name).label == spelled.label
    assert "," not in spelled.name  # arms are separated by commas on the command line
    assert " " not in spelled.name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("grid:order=rster", "did you mean 'raster'"),
        ("grid:paents=4", "did you mean 'parents'"),
        ("grid:parents=four", "expected a whole number"),
        ("grid:share=place", "did you mean 'places'"),
        ("grid:rank=0", "expected a whole number >= 1"),
        ("grid:rank=2:weight_bits=8", "expected none on a chip"),
        ("grid:rate=fast:rule=lms", "expected a number"),
        ("grid:rate=0.1", "option of rule 'moments'"),
        ("grid:far=4:parents=4", "far=4"),
        ("grid:weight_bits=1", "weight_bits=1"),
        ("grid:reward=change", "reward='change': expected none with rule='moments'"),
        ("grid:rule=three-factor:reward=chance", "did you mean 'change'"),
        ("grid:rule=three-factor:baseline=mean", "expected one of 'class', 'none'"),
        ("grid:rule=three-factor:decorrelate=perhaps", "decorrelate"),
        ("grid:rule=three-factor:turns=0", "turns=0"),
        ("grid:trace=-1", "trace=-1"),
        ("grid:signal=local:scope=local", "expected a trace"),
        ("gird:order=raster", "expected one of"),
    ],
)
def test_an_arm_that_cannot_be_is_refused(name, said):
    with pytest.raises(LocalnoiseError, match=said):
        named(name)


REWARDED = STUDY.replace(
    STUDY.partition("[space]\n")[2],
    """rule = ["three-factor"]
turns = [1, 2]
reward = ["change", "loss"]
baseline = ["class", "none"]
decorrelate = [false, true]
rate = { low = 0.05, high = 0.5, when = { decorrelate = [true] } }
training = ["backprop", "local-heads"]
""",
)


def test_what_learning_from_rewards_has_as_options_is_searched_and_the_training_too():
    study, _ = parse_study(REWARDED, "some.toml")
    found = list(combinations(study.space))
    assert len(found) == 2 * 2 * 2 * (1 + 2) * 2
    plans = [named(study.arm_of(one).name) for one in found]
    assert len({plan.name for plan in plans}) == len(found) / 2
    settings = settings_of(study, "")
    assert {fitted(settings, one).training for one in found} == {"backprop", "local-heads"} == {*study.trainings}
    keys = {key(config_of(study, cell, settings, one)) for one in found for cell in cells_of(study, one, 0)}
    assert len(keys) == len(found)
    assert "rate" not in config_of(study, cells_of(study, found[0], 0)[0], settings, found[0])["hyperparameters"]


REPAIR = """name = "some"
defense = "repair"
sources = ["rotate@2", "obstruction@2"]
baselines = ["none", "repair"]
goals = ["robust", "work", "bytes"]
trials = 6

[space]
radius = [0, 1]
causes = [1, 4]
typical = { values = [true], when = { causes = [4] } }
layers = ["first", "all"]
"""


def test_a_repair_learns_all_sources_together_and_grids_one_each():
    study, _ = parse_study(REPAIR.replace("typical =", "anew ="), "some.toml")
    found = list(combinations(study.space))
    assert len({study.arm_of(one).name for one in found}) == len(found) == 2 * 2 * 2
    for cells in (cells_of(study, found[0], 0), [cell for cell in baselines_of(study) if cell.arm == "repair"]):
        (cell,) = cells
        assert [source.name for source in cell.sources] == ["rotate", "obstruction"]
        assert [threat.label for threat in cell.threats] == ["clean", "rotate@2", "obstruction@2"]
    assert [cell.sources for cell in baselines_of(study) if cell.arm == "none"] == [()]
    grids, _ = parse_study(STUDY.replace('"rotate@2"', '"rotate@2", "contrast@5"'), "some.toml")
    assert [len(cell.sources) for cell in cells_of(grids, next(combinations(grids.space)), 0)] == [1, 1]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"work"', '"links"', 5, "goals='links': of a repair expected"),
        ("radius = [0, 1]", "rule = ['lms']", 9, "space.rule: no hyperparameter of a repair"),
        ('sources = ["rotate@2", "obstruction@2"]', "", 1, "one of the two"),
        ("causes = [1, 4]", "causes = [1, 4, 6]", 10, "causes=6"),
        ('["first", "all"]', '["first", "layer9"]', 12, "layer9"),
        ("radius = [0, 1]", "radius = [0, -1]", 9, "radius=-1"),
        ("radius = [0, 1]", "radius = [1, 2]", 8, "typical: nothing in --train"),
        ('defense = "repair"', 'defense = "grid"', 5, "goals='work': of a grid expected"),
    ],
)
def test_what_is_wrong_with_a_repair_is_named_with_its_line(old, new, line, said):
    text = REPAIR if "typical" in said else REPAIR.replace("typical =", "anew =")
    assert old in text
    with pytest.raises(ArgumentError, match=f"line {line}:") as caught:
        parse_study(text.replace(old, new, 1), "some.toml")
    assert said in str(caught.value)


def test_a_reward_that_crosses_layers_is_refused_where_they_learn_locally():
    wrong = REWARDED.replace('"loss"]', '"lesson"]')
    with pytest.raises(ArgumentError, match=r"line 14.* training='local-heads' has no gradients across"):
        parse_study(wrong, "some.toml")
    backprop = wrong.replace(', "local-heads"]', "]")
    parse_study(backprop, "some.toml")
    with pytest.raises(ArgumentError, match="training='backprop': expected it here or in the space, not in both"):
        parse_study(backprop.replace("trials = 6", 'trials = 6\ntraining = "backprop"'), "some.toml")
    with pytest.raises(ArgumentError, match="defense='wca' learns from gradients"):
        parse_study(REWARDED.replace("trials = 6", 'trials = 6\nbaselines = ["wca"]'), "some.toml")


def test_the_studies_in_the_docs_are_valid():
    texts = [code for language, code in fenced(page("sweeps")) if language == "toml"]
    rewards, repair = (parse_study(text, "docs/sweeps.md")[0] for text in texts)
    assert rewards.trainings == ["backprop", "local-heads"]
    assert repair.defense == "repair"
