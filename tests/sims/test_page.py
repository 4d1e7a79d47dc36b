"""The sweep's page in a real browser: what it shows is what the grids say, by pointer, by keyboard and on a phone."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import ChipGrid, quantise, report
from localnoise.sims.sweeps.page import Content, Goal, PageTrial, Reference, explorer, write_page
from localnoise.sims.sweeps.page.figures import figures, unbeaten
from localnoise.sims.sweeps.page.searched import searched

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--disable-sync", "--no-first-run"]
GOALS = (
    Goal(name="robust", label="robust accuracy", unit="", best="high"),
    Goal(name="bytes", label="memory a unit", unit="B", best="low"),
    Goal(name="energy", label="energy a draw", unit="pJ", best="low"),
)
HOSTILE = 'ValueError: </script><script>window.hacked = 1</script> & "quoted"\nsecond line'
NAMES = ["noise variance", "innovation", "quantisation error", "wire length"]
SIX = 1e-5  # layers are written with six digits
THREE = 6e-4  # correlations in thousandths


def trial(number: int) -> PageTrial:
    state = {3: "failed", 7: "pruned"}.get(number, "complete")
    parameters: dict[str, Any] = {"order": ("raster", "multiscale")[number % 2], "parents": 1 + number}
    parameters |= {"weight_bits": 3 + number % 5, "word_bits": 12, "rule": "moments"}
    if number % 3 == 0:
        parameters |= {"rule": "lms", "rate": 10.0 ** -(1 + number % 4)}
    values = {"robust": 0.5 + 0.03 * number, "bytes": 100.0 * (12 - number) ** 2, "energy": 50.0 * (1 + number % 4)}
    values |= {"links": 20.0 * number, "retention": 0.1 * number}
    return PageTrial(
        number=number,
        state=state,
        parameters=parameters,
        values={} if state == "failed" else values,
        seeds=3,
        seconds=100.0 / (1 + number),
        peak_bytes=10**8 + number,
        command=f"localnoise sweep --only {number} --name 'it''s <b>'",
        error=HOSTILE if state == "failed" else "",
    )


@dataclass(frozen=True)
class Shown:
    """A page, and the grids that it was made of: by trial."""

    path: Path
    content: Content
    grids: dict[int, ln.UnitGrid]
    chip: ChipGrid
    files: dict[int, Path]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("a sweep's <grids>")
    rng = np.random.default_rng(5)
    grids, files = {}, {}
    wirings: dict[int, tuple[tuple[int, int], int, dict[str, Any]]] = {
        0: ((5, 7), 2, {"order": "raster", "boundary": "periodic"}),
        1: ((6, 6), 3, {"order": "multiscale", "parents": 4}),
    }
    for number, (shape, channels, wiring) in wirings.items():
        d = rng.normal(size=(600, channels, *shape))
        d = (d + 0.7 * np.roll(d, 1, axis=3) - 0.5 * np.roll(d, 1, axis=2)).astype("float32")
        grids[number] = ln.UnitGrid(shape=shape, channels=channels, **wiring).learn(d).normalise(0.5)
        files[number] = grids[number].save(folder / f"grid{number}.h5")
    chip = quantise(grids[1])
    chip.provenance["grid"] = "grid1.h5"
    files[2] = chip.save(folder / "chip.h5")
    content = Content(
        title="Sweep <i>of</i> grids",
        facts={"data": "embedded <b>images</b>", "sampler": "NSGA-II"},
        goals=GOALS,
        trials=tuple(map(trial, range(12))),
        front=(4, 8, 11),
        importance={"robust": {"parents": 0.75, "order": 0.25}, "bytes": {"weight_bits": 1.0}},
        grids=files | {5: folder / "missing.h5"},
    )
    return Shown(write_page(content, folder / "page.html"), content, grids, chip, files)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")  # else the one that Playwright downloads
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@dataclass(frozen=True)
class Tab:
    """An open page, what it asked for, and what went wrong in it."""

    page: Page
    asked: list[str]
    wrong: list[str]


def until(page: Page, what: str) -> None:
    """Wait until an expression holds. Playwright's own way evaluates text in the page, which its policy forbids."""
    patience = time.monotonic() + 10
    while not page.evaluate(what):
        assert time.monotonic() < patience, what
        page.wait_for_timeout(20)


def opened(browser: Browser, path: Path, **options: Any) -> Tab:
    """Open the page where there is no network."""
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    tab = Tab(context.new_page(), [], [])
    context.on("request", lambda request: tab.asked.append(request.url))
    tab.page.on("console", lambda message: tab.wrong.append(message.text) if message.type == "error" else None)
    tab.page.on("pageerror", lambda error: tab.wrong.append(str(error)))
    tab.page.goto(path.as_uri())
    until(tab.page, "document.querySelector('#units .hoverlayer') !== null")
    return tab


def used(tab: Tab, path: Path) -> Iterator[Page]:
    """Yield the page; afterwards, nothing was asked of the network and nothing went wrong."""
    yield tab.page
    assert [url for url in tab.asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    assert tab.wrong == []


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


def test_scatters_hold_baselines_intervals_and_parameters() -> None:
    some = tuple(replace(trial(n), half_widths={"robust": 0.01 * n}) for n in range(1, 6) if n != 3)
    known = (Reference("no noise", {"robust": 0.2}, {"robust": 0.05}), Reference("full <b>", {"robust": 0.8}, {}))
    content = Content(
        title="", facts={}, goals=GOALS, trials=some, front=(5,), importance={}, grids={}, references=known
    )
    drawn = figures(content)["pareto-bytes"]
    go.Figure(drawn)
    front = next(trace for trace in drawn["data"] if trace["name"].startswith("Pareto"))
    assert front["error_y"]["array"] == [0.05]
    assert not front["error_x"]["visible"]  # bytes are known
    assert front["text"] == [
        "trial 5, 3 seeds<br>order: multiscale<br>parents: 6<br>weight bits: 3<br>word bits: 12<br>rule: moments"
    ]
    levels = [(shape["type"], shape["y0"], shape["y1"]) for shape in drawn["layout"]["shapes"]]
    assert levels == [("rect", pytest.approx(0.15), pytest.approx(0.25)), ("line", 0.2, 0.2), ("line", 0.8, 0.8)]


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


def test_a_goal_without_importance_is_explained(tmp_path: Path) -> None:
    goals = (GOALS[0], replace(GOALS[1], known=True))
    content = Content(title="", facts={}, goals=goals, trials=(trial(1),), front=(1,), importance={}, grids={})
    text = write_page(content, tmp_path / "p.html").read_text(encoding="utf-8")
    assert "Not of memory a unit: what follows from the configuration alone needs no estimate." in text
    assert "For robust accuracy no parameter stands out from chance." in text


def test_nothing_beats_the_line_of_the_front() -> None:
    rng = np.random.default_rng(2)
    made = [replace(trial(0), values={"robust": a, "bytes": b}) for a, b in rng.integers(0, 6, (30, 2)).tolist()]
    line = unbeaten(made, GOALS[0], GOALS[1])
    pairs = {(t.values["robust"], t.values["bytes"]) for t in made}
    best = {(a, b) for a, b in pairs if not any(c >= a and d <= b and (c, d) != (a, b) for c, d in pairs)}
    assert [(t.values["robust"], t.values["bytes"]) for t in line] == sorted(best)


def test_parallel_coordinates_place_what_is_absent() -> None:
    trials = tuple(replace(trial(0), parameters={"x": 0.1 * n} if n else {}, number=n) for n in range(12))
    content = Content(title="", facts={}, goals=GOALS, trials=trials, front=(), importance={}, grids={})
    drawn = searched(content)
    lines = [trace for trace in drawn["parallel"]["data"] if trace["mode"] == "lines" and "customdata" in trace]
    assert len(lines) == 12
    assert sum(["x", "None"] in line["customdata"] for line in lines) == 1
    assert len(drawn["slice"]["data"][0]["x"]) == 11
    assert len(drawn["history"]["data"][0]["x"]) == 12


def test_large_grids_have_no_correlations(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "_LARGE", 10)
    found = explorer.explored(0, shown.files[0])
    assert found["correlation"] is None
    assert "35 units" in found["how"]


def test_a_page_without_grids_or_complete_trials(tmp_path: Path) -> None:
    content = Content(title="t", facts={}, goals=GOALS[:1], trials=(trial(3),), front=(), importance={}, grids={})
    text = write_page(content, tmp_path / "p.html").read_text(encoding="utf-8")
    assert 'id="units"' not in text
    assert "No trial is complete." in text


def test_bad_content() -> None:
    with pytest.raises(ArgumentError, match=r"front: no trials \[99\]"):
        Content(title="", facts={}, goals=GOALS, trials=(trial(0),), front=(99,), importance={}, grids={})
    with pytest.raises(ArgumentError, match="state"):
        replace(trial(0), state="complet")
    with pytest.raises(ArgumentError, match="best"):
        Goal(name="", label="", unit="", best="higher")
