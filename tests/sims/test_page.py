"""The sweep's page in a real browser: what it shows is what the grids say, by pointer, by keyboard and on a phone."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from browsing import Tab, opened, until, used
from page_contents import GOALS, HOSTILE, Shown, page_of_grids, trial
from playwright.sync_api import Browser, Page, sync_playwright

import localnoise as ln
from localnoise.hardware import ChipGrid, quantise, report
from localnoise.sims.sweeps.page import Content, write_page
from localnoise.sims.sweeps.page.figures import figures

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--disable-sync", "--no-first-run"]
NAMES = ["noise variance", "innovation", "quantisation error", "wire length"]
SIX = 1e-5  # layers are written with six digits
THREE = 6e-4  # correlations in thousandths


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return page_of_grids(tmp_path_factory.mktemp("a sweep's <grids>"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")  # else the one that Playwright downloads
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def desktop(browser: Browser, shown: Shown) -> Tab:
    return opened(browser, shown.path, viewport={"width": 1280, "height": 900})


@pytest.fixture
def page(desktop: Tab, shown: Shown) -> Iterator[Page]:
    """One page for all tests, since loading it takes seconds: each chooses its grid first."""
    yield from used(desktop, shown.path)


@pytest.fixture
def phone(browser: Browser, shown: Shown) -> Iterator[Page]:
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    yield from used(opened(browser, shown.path, **options), shown.path)


def choose(page: Page, number: int) -> None:
    page.select_option("#grid", str(list(page.evaluate("data.grids.map(g => g.trial)")).index(number)))


def point(page: Page, y: int, x: int) -> tuple[float, float]:
    """Where a unit is on the screen."""
    page.locator("#units").scroll_into_view_if_needed()
    box = page.locator("#units .nsewdrag").bounding_box()
    height, width = page.evaluate("[grid.height, grid.width]")
    assert box is not None
    return box["x"] + (x + 0.5) * box["width"] / width, box["y"] + (y + 0.5) * box["height"] / height


def pinned(page: Page, y: int, x: int) -> None:
    page.mouse.click(*point(page, y, x))
    page.wait_for_selector(f"#panel h3:has-text('Unit ({y}, {x})')")


def values(page: Page, name: str = "units") -> Any:
    return np.array(page.evaluate(f"document.getElementById('{name}').data[0].z"))


def correlation(grid: ln.UnitGrid | ChipGrid, y: int, x: int) -> Any:
    """Mean over channels of corr(eta_uc, eta_vc) from the dense covariance, unit by unit."""
    (height, width), m = grid.config.shape, grid.config.channels
    S = grid.covariance()
    out = np.empty((height, width))
    for v in range(height * width):
        ends = [(c * height * width + y * width + x, c * height * width + v) for c in range(m)]
        out[divmod(v, width)] = np.mean([S[i, j] / np.sqrt(S[i, i] * S[j, j]) for i, j in ends])
    return out


def layers(grid: ln.UnitGrid, divergence: Any) -> dict[str, Any]:
    """What each layer shows, from the grid's units one by one."""
    (height, width), m = grid.config.shape, grid.config.channels
    out = {name: np.empty((height, width)) for name in NAMES}
    out["noise variance"] = np.diag(grid.covariance()).reshape(m, height, width).mean(axis=0)
    out["quantisation error"] = np.reshape(divergence, (height, width))
    for y in range(height):
        for x in range(width):
            unit, far = grid[y, x], grid.config.boundary == "periodic"
            S = unit.gain * unit.cholesky.astype(float)
            out["innovation"][y, x] = np.trace(S @ S.T) / m
            steps = [(abs(y - py), abs(x - px)) for py, px in unit.parents]
            out["wire length"][y, x] = sum(
                (min(dy, height - dy) + min(dx, width - dx)) if far else dy + dx for dy, dx in steps
            )
    assert out["wire length"].sum() == grid.wire_length
    return out


def test_layers_are_those_of_the_grids(page: Page, shown: Shown) -> None:
    wanted = {n: layers(grid, report(grid, quantise(grid)).divergence) for n, grid in shown.grids.items()}
    wanted[2] = layers(shown.chip.realised, report(shown.grids[1], shown.chip).divergence)
    titles = set()
    for number, own in wanted.items():
        choose(page, number)
        assert page.locator("#layer option").all_inner_texts() == NAMES
        for name in NAMES:
            page.select_option("#layer", name)
            np.testing.assert_allclose(values(page), own[name], rtol=SIX)
            title = page.locator("#units .cbtitle, #units .cb .title").first.text_content()
            titles.add((name, title))
    assert len(titles) == len(NAMES)
    assert len({title for _, title in titles}) == len(NAMES)


def test_pointing_shows_parents(page: Page, shown: Shown) -> None:
    choose(page, 1)
    page.mouse.move(*point(page, 2, 3))
    until(page, "document.querySelector('#units .hoverlayer').textContent.includes('unit (2, 3)')")
    said = page.locator("#units .hoverlayer").text_content() or ""
    own = shown.grids[1][2, 3].parents
    assert own
    assert all(str(parent) in said for parent in own)
    assert all(str(parent) in page.locator("#told").inner_text() for parent in own)
    marked = page.evaluate("[units.data[4].y, units.data[4].x]")
    assert list(zip(*marked, strict=True)) == own
    line = page.evaluate("[units.data[3].y, units.data[3].x]")
    ends = [pair for pair in zip(*line, strict=True) if pair not in {(2, 3), (None, None)}]
    assert ends == own


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_click_pins_a_unit(page: Page, shown: Shown, number: int) -> None:
    grid = shown.chip.realised if number == 2 else shown.grids[number]
    m = grid.config.channels
    choose(page, number)
    pinned(page, 4, 2)
    unit = grid[4, 2]
    rows = [row.split("\t") for row in page.locator("#weights tbody tr").all_inner_texts()]
    assert [place for place, _ in rows] == [str(parent) for parent in unit.parents]
    blocks = [unit.weights[:, k * m : (k + 1) * m] for k in range(len(rows))]
    np.testing.assert_allclose([float(norm) for _, norm in rows], list(map(np.linalg.norm, blocks)), rtol=1e-3)
    own = page.locator("#own").inner_text().split(":")[1].split(",")
    np.testing.assert_allclose(np.array(own, float), np.diag(unit.cholesky), rtol=1e-3)
    np.testing.assert_allclose(values(page, "correlation"), correlation(grid, 4, 2), atol=THREE)
    low, middle, high = page.evaluate(
        "(({zmin, zmid, zmax}) => [zmin, zmid, zmax])(document.getElementById('correlation').data[0])"
    )
    assert (low, middle) == (-high, 0)
    scope: dict[str, Any] = {}
    *imports, line = page.locator("#python").inner_text().splitlines()
    exec("\n".join(imports), scope)
    found = eval(line, scope)
    assert found.position == (4, 2)
    np.testing.assert_array_equal(found.weights, unit.weights)


@pytest.mark.parametrize("number", [1, 2])
def test_the_line_that_exports_runs(page: Page, shown: Shown, number: int, tmp_path: Path) -> None:
    choose(page, number)
    pinned(page, 3, 1)
    for line in page.locator("#shell").inner_text().split(" && "):
        name, *arguments = shlex.split(line)
        assert name == "localnoise"
        command = [sys.executable, "-m", "localnoise.sims.cli", *arguments]
        environment = os.environ | {"COLUMNS": "100"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    (told,) = (tmp_path / "units").glob("configuration.json")
    unit = json.loads(told.read_text())["units"][3 * shown.chip.config.shape[1] + 1]
    assert unit["position"] == [3, 1]
    assert f'"id": {unit["id"]}:' in page.locator("#panel").inner_text()


def test_keyboard(page: Page, shown: Shown) -> None:
    choose(page, 0)
    page.mouse.move(*point(page, 4, 5))  # a pointer that rests on the grid does not get in the way
    until(page, "document.querySelector('#units .hoverlayer').textContent.includes('unit (4, 5)')")
    choose(page, 0)
    page.focus("#layer")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "units"
    for step in ("ArrowUp", "ArrowUp", "ArrowLeft"):  # from the middle of 5 x 7
        page.keyboard.press(step)
    told = page.locator("#told")
    assert told.get_attribute("aria-live") == "polite"
    assert told.inner_text().startswith("Unit (0, 2)")
    variance = np.diag(shown.grids[0].covariance()).reshape(2, 5, 7).mean(axis=0)[0, 2]
    assert f"noise variance {float(f'{variance:.4g}'):g};" in told.inner_text()
    until(page, "document.querySelector('#units .hoverlayer').textContent.includes('unit (0, 2)')")
    page.keyboard.press("ArrowUp")  # there is no unit beyond
    assert told.inner_text().startswith("Unit (0, 2)")
    page.keyboard.press("Enter")
    assert page.locator("#panel h3").first.inner_text().startswith("Unit (0, 2)")
    assert "pinned" in told.inner_text()
    page.keyboard.press("Escape")
    assert "No unit is pinned" in page.locator("#panel").inner_text()


def test_sorting(page: Page) -> None:
    def column(heading: str) -> list[str]:
        index = page.locator("#trials thead th").all_inner_texts().index(heading)
        return [texts.split("\t")[index] for texts in page.locator("#trials tbody tr").all_inner_texts()]

    button = page.locator("#trials button.sort", has_text="robust accuracy")
    heading = button.locator("..")
    robust = {t.number: t.values.get("robust") for t in map(trial, range(12))}
    rising = [str(n) for n in sorted((n for n in robust if robust[n] is not None), key=lambda n: robust[n])]
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column("trial") == [*rising, "3"]  # what failed has no value, and comes last either way
    button.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column("trial") == [*rising[::-1], "3"]
    page.locator("#trials button.sort", has_text="time (s)").click()
    assert heading.get_attribute("aria-sort") == "none"
    assert column("trial") == [str(n) for n in range(11, -1, -1)]
    page.locator("#trials button.sort", has_text="rule").click()
    assert column("rule") == ["lms"] * 4 + ["moments"] * 8


def test_copying(page: Page, shown: Shown) -> None:
    row = page.locator("#front tbody tr").first
    best = shown.content.trials[11]  # of the front, the highest in the first goal
    assert row.locator("code").inner_text() == best.command
    row.locator("button.copy").click()
    until(page, "document.querySelector('[role=status]').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == best.command


def test_texts_are_texts(page: Page, shown: Shown) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("#trials td.error", has_text="hacked").inner_text() == HOSTILE
    assert page.locator("h1").inner_text() == shown.content.title
    assert "embedded <b>images</b>" in page.locator(".facts").inner_text()
    text = shown.path.read_text(encoding="utf-8")
    assert text.count("* plotly.js v") == 1
    assert "<script src" not in text
    assert '<link rel="stylesheet"' not in text


def test_a_grid_that_cannot_be_read_is_said_to_be(page: Page) -> None:
    choose(page, 5)
    assert "no such file" in page.locator("#notes").inner_text()
    assert not page.locator("#units").is_visible()
    choose(page, 0)
    assert page.locator("#units").is_visible()


def test_phone(phone: Page) -> None:
    assert phone.evaluate("document.scrollingElement.scrollWidth") <= 390
    choose(phone, 1)
    for y, x in ((4, 5), (1, 1)):
        phone.touchscreen.tap(*point(phone, y, x))
        phone.wait_for_selector(f"#panel h3:has-text('Unit ({y}, {x})')")
    assert phone.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert (
        phone.evaluate("Math.max(...[...document.querySelectorAll('#panel, #units')].map(e => e.clientWidth))") <= 390
    )


def test_figures_are_valid_and_tell_what_was_tried(page: Page, shown: Shown) -> None:
    drawn = figures(shown.content)
    assert set(drawn) == {
        "pareto-bytes", "pareto-energy", "importance", "parallel", "slice", "history", "against-links",
        "against-weight_bits",
    }  # fmt: skip  # all trials have one width of words
    for name, figure in drawn.items():
        go.Figure(figure)  # checks the name and the value of everything
        assert page.locator(f"[id='{name}'] .main-svg").count() > 0
    names = {trace["name"]: trace for trace in drawn["pareto-bytes"]["data"]}
    assert names["failed; 1 without values"]["x"] == [None]
    assert len(names["pruned (values when stopped)"]["x"]) == 1
    assert len(names["complete"]["x"]) == 12 - 2 - len(shown.content.front)
    assert len(names["Pareto front over all goals"]["x"]) == len(shown.content.front)


def test_the_best_comes_first_and_no_column_is_empty(page: Page, shown: Shown, tmp_path: Path) -> None:
    assert [t.number for t in shown.content.ranked] == [11, 8, 4, 10, 9, 6, 5, 2, 1, 0, 7, 3]
    numbers = [grid["trial"] for grid in page.evaluate("data.grids.map(({trial}) => ({trial}))")]
    assert numbers == [2, 1, 0, 5]  # the last cannot be read
    choose(page, 0)
    assert page.evaluate("pinned !== null && grid.parents[pinned].length > 0")
    for word in ("error", "peak memory (MB)", "links"):
        assert page.locator("#trials thead th", has_text=word).count() == 1
    bare = tuple(replace(trial(n), values={"robust": 0.1 * n, "bytes": 9.0}, peak_bytes=0, error="") for n in range(3))
    content = Content(title="", facts={}, goals=GOALS, trials=bare, front=(2,), importance={}, grids={})
    text = write_page(content, tmp_path / "p.html").read_text(encoding="utf-8")
    tables = text[: text.index('id="data"')]
    for word in ("energy a draw", "peak memory", ">error<", ">links<"):
        assert word not in tables
