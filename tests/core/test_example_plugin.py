"""The plug-in that the documentation shows, installed as a user would, used in a process of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "docs" / "extending" / "example_plugin"

USED = """
import sys
import numpy as np, localnoise as ln
from localnoise.hardware.chips import load_profile, profile_names
assert not any(name.startswith("example_plugin") for name in sys.modules), "imported before it is asked for"
assert list(ln.rules.RULES)[-1] == "running" and list(ln.rules.RULES).count("running") == 1, list(ln.rules.RULES)
assert list(ln.orders.ORDERS)[2:] == ["boustrophedon"]
d = np.random.default_rng(0).normal(size=(400, 2, 3, 4))
d[200:] *= 3
grid = ln.UnitGrid((3, 4), 2, order="boustrophedon", parents=2).learn(d, rule="running", halflife=20)
assert grid.field.order.tolist() == [0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11]
assert 6 < grid.variance().mean() < 12, "it follows the law that holds now"
grid.save("grid.h5")
loaded = ln.load("grid.h5")
assert loaded.rule == grid.rule and loaded.rule.halflife == 20
for each in (grid, loaded):
    each.learn(d[:50], rule="running", halflife=20)
assert np.array_equal(grid.field.B, loaded.field.B)
print(repr(loaded), ln.load("grid.h5").sample(4, seed=1).tobytes().hex())
"""
CHIPS = """
from localnoise.hardware.chips import load_profile, profile_names
assert "example_chip" in profile_names() and "loihi1" in profile_names()
assert load_profile("example_chip").limit("ram") == 16384
"""
PARTS = """
import sys
import numpy as np, torch
from localnoise.sims import perturbations
from localnoise.sims.defenses import DEFENSES, named
from localnoise.sims.evaluation import Source, Threat
assert "vignette" in perturbations.MODIFICATIONS and "half-8" in DEFENSES
assert list(perturbations.MODIFICATIONS)[-1] == "vignette" and list(DEFENSES)[-1] == "half-8"
white = torch.ones(2, 1, 28, 28)
dark = perturbations.apply("vignette", white, 0.5, seed=0)
assert abs(dark[0, 0, 0, 0].item() - 0.5) < 1e-6 and dark[0, 0, 13, 13] > 0.99
assert Source.default("vignette").level == 0.8 and Threat(name="vignette", level=1.0, images=1).label == "vignette@1"
d = np.random.default_rng(0).normal(size=(400, 2, 3, 4))
noise = named("half-8").build(d, d, 2.0)
assert abs(noise.variance().mean() - 1) < 1e-6
"""
TRAINING = """
import sys
import torch
from torch import nn
from localnoise.nn import LocalLearner
from localnoise.nn.local import LOCAL_RULES
assert not any(name.startswith("example_plugin") for name in sys.modules), "imported before it is asked for"
assert list(LOCAL_RULES)[-1] == "margins"
torch.manual_seed(0)
y = torch.arange(200) % 2
x = torch.randn(200, 6) + 2 * y[:, None]
net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
learner = LocalLearner(net, x[:2], "margins", rate=0.01)
for _ in range(60):
    learner.step(x, y)
assert (learner.answers(x, "0").argmax(1) == y).float().mean() > 0.9, "the hidden layer has learned by its own head"
"""
ATTACK = """
import torch
from torch import nn
from localnoise.sims.attacks import ATTACKS
assert list(ATTACKS)[-1] == "shade"
net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
with torch.no_grad():
    net[1].weight[:] = torch.tensor([[1.0] * 4, [-1.0] * 4])
    net[1].bias[:] = torch.tensor([-2.0, 2.0])  # 0 of light images, 1 of dark ones: darker is worse for the first
light = torch.full((3, 1, 2, 2), 0.55)
found = ATTACKS.find("shade")(None, 0.1)(net, light, torch.zeros(3, dtype=torch.int64), bounds=(0, 1))
assert torch.allclose(found, torch.full_like(light, 0.45)), found
assert net(light).argmax(1).tolist() == [0, 0, 0] and net(found).argmax(1).tolist() == [1, 1, 1]
"""
FORMAT = """
import numpy as np, localnoise as ln
from localnoise.hardware import quantise
from localnoise.hardware.export import export
d = np.random.default_rng(0).normal(size=(400, 2, 3, 4))
chip = quantise(ln.UnitGrid((3, 4), 2, parents=2).learn(d), d=d)
export(chip, "out", "links")
head, *rows = open("out/links.csv").read().splitlines()
assert head == "parent,unit,words" and len(rows) == (chip.field.parents >= 0).sum()
assert {row.split(",")[2] for row in rows} == {"4"}
"""
COMMAND = """
import sys
import numpy as np, localnoise as ln
grid = ln.UnitGrid((3, 4), 2, parents=2).learn(np.random.default_rng(0).normal(size=(400, 2, 3, 4)))
grid.save("grid.h5")
from localnoise.sims.cli import main
for words in (["--help"], ["strongest", "grid.h5", "--count", "3"]):
    sys.argv = ["localnoise", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
"""
MISSING = """
import numpy as np, localnoise as ln
from localnoise.errors import MissingDependencyError, UnknownNameError
try:
    ln.load("grid.h5")
except MissingDependencyError as error:
    print(error)
weights = ln.load("grid.h5", state=False)
assert weights.config.order == "boustrophedon"
print(repr(weights), weights.sample(4, seed=1).tobytes().hex())
try:
    ln.UnitGrid((3, 4), order="boustrophedon")
except UnknownNameError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Install the plug-in from a copy: its folder in the checkout stays as it is."""
    copy = shutil.copytree(SOURCE, tmp_path_factory.mktemp("plugin") / "source")
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(target), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def run(code, folder, **more):
    environment = {name: value for name, value in os.environ.items() if name != "LOCALNOISE_PLUGINS"} | more
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def used(site, folder):
    return run(USED + CHIPS, folder, PYTHONPATH=str(site))


def test_its_rule_order_and_chip_are_found_by_their_names(used):
    assert used.startswith("UnitGrid(3x4 units x 2, boustrophedon, signal none; running, 450 seen)")


def test_where_it_is_missing_the_error_names_it_and_the_weights_load(used, folder):
    told, drawn, unknown = run(MISSING, folder).splitlines()
    assert told.startswith(
        "grid.h5: rule 'running' is of localnoise-example-plugin 0.1.0 (module example_plugin.running), which is not "
        "here: install localnoise-example-plugin, or load it with --plugin example_plugin.running"
    )
    assert drawn.startswith("UnitGrid(3x4 units x 2, boustrophedon, signal none; nothing learned)")
    assert drawn.split()[-1] == used.split()[-1], "the same noise"
    assert unknown == "order='boustrophedon': expected one of 'raster', 'multiscale'"


def test_uninstalled_modules_are_loaded_by_name_in_child_processes_too(used, folder):
    code = """
import subprocess, sys, localnoise as ln
ln.plugins.load("example_plugin.running", "example_plugin.boustrophedon")
inner = "import localnoise as ln; print(ln.load('grid.h5').rule.name, *ln.plugins.loaded())"
print(subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True, check=True).stdout)
"""
    said = run(code, folder, PYTHONPATH=str(SOURCE))
    assert said.split() == ["running", "example_plugin.running", "example_plugin.boustrophedon"]


def test_the_chip_needs_no_import_of_it(site, folder):
    run(CHIPS + "import sys; assert 'example_plugin.running' not in sys.modules", folder, PYTHONPATH=str(site))


def test_a_corruption_and_a_defense_are_found(site, folder):
    run(PARTS, folder, PYTHONPATH=str(site))


def test_a_way_in_which_networks_learn_is_found(site, folder):
    run(TRAINING, folder, PYTHONPATH=str(site))


def test_an_attack_is_found(site, folder):
    run(ATTACK, folder, PYTHONPATH=str(site))


def test_an_export_format_is_found(site, folder):
    run(FORMAT, folder, PYTHONPATH=str(site))


def test_a_command_is_listed_and_runs(site, folder):
    told = run(COMMAND, folder, PYTHONPATH=str(site))
    assert "Show the strongest links of a grid." in told
    assert told.index("─ Learn ─") < told.index("strongest ") < told.index("─ Evaluate ─")
    rows = [line.split() for line in told.splitlines()[-3:]]
    assert all(row[1] == "->" for row in rows)
    assert [float(row[3]) for row in rows] == sorted((float(row[3]) for row in rows), reverse=True)


def test_the_folder_holds_what_its_readme_lists():
    text = (SOURCE / "README.md").read_text()
    listed = {line.split("`")[1] for line in text.splitlines() if line.startswith("| a ") or line.startswith("| an ")}
    parts = {str(path.relative_to(SOURCE)) for path in SOURCE.glob("example_plugin/**/*.*")}
    assert listed == {part for part in parts if not part.endswith(("__init__.py", ".pyc"))}


PAGE = (SOURCE.parents[1] / "extending.md").read_text()


def test_the_page_shows_every_file_of_it():
    shown = set(re.findall(r'--8<-- "([^"]+)"', PAGE))
    files = {path.relative_to(SOURCE / "example_plugin").as_posix() for path in SOURCE.glob("example_plugin/**/*.*")}
    parts = {file for file in files if not file.endswith(("__init__.py", ".pyc"))}
    assert shown == parts | {"pyproject.toml"}


def test_the_files_to_copy_are_there_and_register_what_they_are_copied_for():
    table = PAGE[PAGE.index("| to add | copy | found as |") :].partition("\n\n")[0]
    files = [file for row in table.splitlines()[2:] for file in re.findall(r"`([\w/]+\.py)`", row.split("|")[2])]
    assert len(files) >= 10
    for file in files:
        code = (SOURCE.parents[2] / file).read_text()
        assert re.search(r"\bregister\(", code), file
