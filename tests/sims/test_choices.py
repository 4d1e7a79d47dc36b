"""Options that take one name of several: shown by --help, refused before anything runs, open to a plug-in's names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from helping import help_of, run_command

from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.fitting.memory import LEARNERS
from localnoise.hardware.formats import NORMALS, OVERFLOWS, ROUNDINGS
from localnoise.hardware.generators import GENERATORS
from localnoise.orders import ORDERS
from localnoise.rules import RULES
from localnoise.sims import spikes
from localnoise.sims.compare import PROTOCOLS
from localnoise.sims.models import ACTIVATIONS

ENUMERATIONS = [
    ("compare", "--protocol", PROTOCOLS),
    ("compare", "--activation", ACTIVATIONS),
    ("fit", "--rule", RULES),
    ("fit", "--order", ORDERS),
    ("fit", "--activation", ACTIVATIONS),
    ("learn", "--rule", RULES),
    ("quantise grid.h5", "--rounding", ROUNDINGS),
    ("quantise grid.h5", "--overflow", OVERFLOWS),
    ("quantise grid.h5", "--generator", GENERATORS),
    ("quantise grid.h5", "--normal", NORMALS),
    ("export chip.h5", "--format", EXPORTERS),
    ("export chip.h5", "--learner", LEARNERS[1:]),
    ("export chip.h5", "--data", ("embedded", "full")),
    ("spiking", "--target", spikes.TARGETS),
    ("spiking", "--parts", spikes.PARTS),
    ("chip fit chip.h5", "--learner", LEARNERS),
]


@pytest.mark.parametrize(("command", "option", "names"), ENUMERATIONS)
def test_choices_are_shown_and_others_refused_in_one_sentence(
    command: str, option: str, names: list[str], tmp_path: Path
) -> None:
    words = [word for word in command.split() if not word.endswith(".h5")]
    told = re.sub(r"[│\s]+", " ", help_of(*words))
    assert all(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told) for name in names)
    done = run_command(*command.split(), option, "nothing-like-it", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {option}='nothing-like-it': expected one of ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_nearest_name_is_suggested() -> None:
    assert "did you mean 'half-even'?" in run_command("quantise", "grid.h5", "--rounding", "half_even").stderr


def test_targets_are_those_of_brian2s_module() -> None:
    target = pytest.importorskip("localnoise.spiking.target")
    assert spikes.TARGETS == target.TARGETS


def test_a_plugins_names_are_shown_and_pass(tmp_path: Path) -> None:
    (tmp_path / "own_rule.py").write_text(
        "from localnoise.rules import LMS, register\n\n@register('own-rule')\nclass Own(LMS):\n    name = 'own-rule'\n"
    )
    command = [sys.executable, "-m", "localnoise.sims.cli", "--plugin", "own_rule", "learn"]
    env = {"PYTHONPATH": str(tmp_path), "COLUMNS": "100", "PATH": ""}
    done = subprocess.run([*command, "--help"], env=env, capture_output=True, text=True, check=True)
    assert "own-rule" in done.stdout
    done = subprocess.run(
        [*command, "none.h5", "--rule", "own-rule"], env=env, capture_output=True, text=True, check=False
    )
    assert "none.h5" in done.stderr
    assert "own-rule" not in done.stderr
