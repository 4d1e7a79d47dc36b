"""The Python on the README and the pages runs as it stands, commands exist, links lead somewhere, the site builds."""

import ast
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from email import message_from_string
from typing import Any

import pytest
import yaml
from helping import help_of
from pages import DOCS, PAGES, README, ROOT, TEXTS, fenced, linked, page

from localnoise.sims.results.records import NAME

BLOCKS = [(name, language, text) for name, whole in TEXTS.items() for language, text in fenced(whole)]
PYTHON = [(name, text) for name, language, text in BLOCKS if language == "python"]
COMMANDS = sorted(
    {found for *_, text in BLOCKS for found in re.findall(r"^localnoise ([a-z][a-z-]*)(.*)$", text, flags=re.MULTILINE)}
)


def test_there_is_something_to_test():
    assert len(PYTHON) > 5
    assert len(COMMANDS) > 20


# Each script starts a process, which compiles what it calls: the fast tier runs a newcomer's first ones, and looks at
# the names in all others.
WHOLE = ("README.md", "docs/getting-started.md")


def _tier(place: int) -> tuple[Any, ...]:
    return () if PYTHON[place][0] in WHOLE else (pytest.mark.slow,)


def names_of(code: str) -> dict[str, str]:
    """Find the local name of whatever a script imports from localnoise, and its full name."""
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {one.asname or one.name.split(".")[0]: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return {name: whole for name, whole in found.items() if whole.split(".")[0] == "localnoise"}


@pytest.mark.parametrize(("name", "code"), [pytest.param(*one, id=f"{one[0]}-{i}") for i, one in enumerate(PYTHON)])
def test_python_names_what_exists(name, code):
    own = names_of(code)
    known = {name: pkgutil.resolve_name(whole) for name, whole in own.items()}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            assert hasattr(known[node.value.id], node.attr), f"{own[node.value.id]}.{node.attr}"


@pytest.mark.parametrize(
    ("name", "code"),
    [pytest.param(*one, id=f"{one[0]}-{i}", marks=_tier(i)) for i, one in enumerate(PYTHON)],
)
def test_python_runs_in_an_empty_folder(name, code, tmp_path):
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_scripts_for_four_kinds_of_network_are_short():
    scripts = [text for language, text in fenced(page("your-network")) if language == "python"]
    assert len(scripts) == 5, "the contract, and four networks"
    assert max(text.count("\n") for text in scripts) <= 40


WITHOUT = ("residual", "windows", "dense", "transformer")  # the same scripts by hand, in the order of the page


def own_lines(code: str, other: str) -> int:
    """Count the lines of a script that the other one lacks; no empty ones, no comments."""
    mine, theirs = (
        Counter(line for line in map(str.strip, text.splitlines()) if line and line[0] not in '#)"')
        for text in (code, other)
    )
    return sum((mine - theirs).values())


def test_lines_of_own_code_are_counted():
    scripts = [text for language, text in fenced(page("your-network")) if language == "python"][1:]
    for name, script in zip(WITHOUT, scripts, strict=True):
        by_hand = (ROOT / "tests" / "docs" / "without" / f"{name}.py").read_text()
        assert re.search(
            rf"^\| .* \| {own_lines(by_hand, script)} \| {own_lines(script, by_hand)} \|$",
            page("your-network"),
            flags=re.MULTILINE,
        ), (name, own_lines(by_hand, script), own_lines(script, by_hand))


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT)
def test_scripts_by_hand_run(name, tmp_path):
    script = ROOT / "tests" / "docs" / "without" / f"{name}.py"
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("command", "arguments"), COMMANDS, ids=lambda text: text.strip())
def test_commands_take_their_options(command, arguments):
    group = [arguments.split()[0]] if command == "chip" else []
    listed = help_of(command, *group)
    for option in re.findall(r"(?<!\S)(--[a-z-]+)", arguments):
        assert option in listed


def test_records_that_commands_read_end_as_records_are_written():
    """A folder of an experiment, or a file of records."""
    read = [arguments.split()[0] for command, arguments in COMMANDS if command == "report"]
    assert read
    assert {os.path.splitext(place)[1] for place in read} <= {"", os.path.splitext(NAME)[1]}


def test_first_two_commands_are_make_demo_and_make_test():
    shell = next(text for language, text in fenced(README) if language == "sh")
    assert [line.split("#")[0].strip() for line in shell.splitlines()] == ["make demo", "make test"]


def test_the_readme_is_short():
    assert len(README.encode()) <= 8_000


def test_the_demonstrations_table_is_the_same_in_both_places():
    table = README[README.index("<!-- demo -->") : README.index("Each cell")].strip()
    assert table.count("\n") > 10
    assert table in page("results/index")


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_to_files(name):
    folder = (ROOT / name).parent
    for target in linked(TEXTS[name]):
        assert (folder / target.partition("#")[0]).exists(), target


def test_every_page_is_in_the_contents():
    text = (ROOT / "mkdocs.yml").read_text()
    written = {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in DOCS.rglob("*.ipynb")}
    written |= {name.removeprefix("docs/") for name in PAGES}
    listed = re.findall(r"^ +- (?:[^:\n]+: )?([\w/-]+\.md)$", text, flags=re.MULTILINE)
    assert written - set(listed) == set()
    assert len(listed) == len(set(listed))


def test_the_command_lines_page_lists_every_option():
    sys.path.insert(0, str(DOCS / "hooks"))
    try:
        from commands import reference
    finally:
        sys.path.pop(0)
    text = reference()
    for command, arguments in COMMANDS:
        assert f"## `localnoise {command}" in text
        for option in re.findall(r"(?<!\S)(--[a-z-]+)", arguments):
            assert option in text


def test_citation_states_version_and_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"]
    assert citation["references"][0]["title"] in README
    assert citation["references"][0]["url"] in README
    assert f"version = {{{project['version']}}}" in (ROOT / "docs" / "index.md").read_text()


def test_the_changelog_has_the_release_that_the_citation_states():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    releases = re.findall(r"^## \[([\d.]+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert releases[0] == (citation["version"], str(citation["date-released"]))


def test_the_packages_description_links_to_nothing_in_the_checkout(tmp_path):
    """An index shows the README alone."""
    for name in ("README.md", "LICENSE", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, tmp_path)
    code = "import setuptools.build_meta as b; print(b.prepare_metadata_for_build_wheel('.'))"
    (tmp_path / "pyproject.toml").write_text(
        re.sub(r"^packages = \[.*?^\]", "packages = []", (ROOT / "pyproject.toml").read_text(), flags=re.S | re.M)
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.glob("*.dist-info/METADATA")
    metadata = message_from_string(written.read_text(encoding="utf-8"))
    assert metadata["Description-Content-Type"] == "text/markdown"
    description = metadata.get_payload()
    assert "make demo" in description
    assert linked(description) == []


@pytest.mark.slow
def test_the_site_builds_strictly_and_fetches_nothing(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    fetched = re.compile(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?https?://[^>]*""")
    for path in tmp_path.rglob("*.html"):
        assert fetched.findall(path.read_text(encoding="utf-8")) == [], path
