"""The page put together: one file with its own style, script, data and Plotly; it asks the network for nothing."""

import json
import math
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from localnoise.files import write_text
from localnoise.sims.reports.table import sentence
from localnoise.sims.sweeps.page import listing
from localnoise.sims.sweeps.page.content import Content
from localnoise.sims.sweeps.page.explorer import explored
from localnoise.sims.sweeps.page.figures import figures

_HERE = Path(__file__).parent
# The browser itself then refuses whatever would leave the file. Plotly's heat maps are pictures made on the spot (data:
# and blob:).
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def write_page(content: Content, path: Path, on_progress: Callable[[int, int], None] = lambda done, of: None) -> Path:
    """Write the page, aside and renamed. Quantises each float grid of up to 4,096 neurons: seconds a grid.

    Parameters
    ----------
    content : Content
    path : Path
    on_progress : callable
        Called with the number of grids that are done, and of all.

    Returns
    -------
    Path
        `path`.
    """
    drawn = figures(content)
    order = [trial.number for trial in content.ranked if trial.number in content.grids]
    grids = []
    for done, number in enumerate(order):
        on_progress(done, len(order))
        grids.append(explored(number, content.grids[number]))
    grids.sort(key=lambda grid: "problem" in grid)  # what can be read comes first, the best trial's before others
    data = {"figures": drawn, "grids": grids}
    text = "\n".join(_parts(content, drawn, data))
    return write_text(path, text)


def _parts(content: Content, drawn: dict[str, Any], data: dict[str, Any]) -> Iterator[str]:
    title = escape(content.title)
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
    yield f"<title>{title}</title><style>{_asset('page.css')}</style></head><body><main>"
    yield f"<h1>{title}</h1>{listing.facts(content)}"
    yield "<noscript><p>The figures and the explorer need JavaScript; the tables do not.</p></noscript>"
    yield f"<section><h2>Best configurations</h2>{listing.front(content)}</section>"
    paretos = [name for name in drawn if name.startswith("pareto-")]
    if paretos:
        yield _section(
            "Goals against each other",
            sentence(f"{content.goals[0].label} against every other goal; bars and bands are 95 % intervals."),
            paretos,
        )
    if "importance" in drawn:
        what = "How strongly a parameter separates the better half of the trials from all (PED-ANOVA), "
        what += "where it does so more than in each of 40 permutations of their values."
        yield _section("What matters", what + _left_out(content), ["importance"])
    elif len(drawn) and _left_out(content):
        yield f"<section><h2>What matters</h2><p>{escape(_left_out(content).strip())}</p></section>"
    if "parallel" in drawn:
        names = len(content.parameters)
        by = content.goals[0].label if len(content.goals) == 1 else "Pareto rank, 0 is the front"
        say = f"One line a complete trial, colored by {by}; point at a line for its values."
        yield _section("Parameters together", say, ["parallel"], 90 * (names + len(content.goals)))
        say = f"{content.goals[0].label} of complete trials against each parameter; darker came later."
        yield _section("Parameters one by one", sentence(say), ["slice"], 300 * names)
        yield _section("In the course of the search", "Trials in the order in which they began.", ["history"])
    if costs := [name for name in drawn if name.startswith("against-")]:
        yield _section("What wires and bits buy", "Complete trials only.", costs)
    if content.grids:
        yield f"<section><h2>Grids</h2>{_asset('explorer.html')}</section>"
    yield f"<section><h2>All trials</h2>{listing.trials(content)}</section></main>"
    yield f'<script type="application/json" id="data">{_embedded(data)}</script>'
    yield f"<script>{get_plotlyjs()}</script>"
    scripts = ["page.js", "explorer.js"] if content.grids else ["page.js"]
    yield "".join(f"<script>{_asset(name)}</script>" for name in scripts) + "</body></html>\n"


def _left_out(content: Content) -> str:
    """Say of which goals there is no importance, and why."""
    known = [goal.label for goal in content.goals if goal.known]
    there = {name for trial in content.trials for name in trial.values} - set(content.importance)
    rest = [goal.label for goal in content.goals if not goal.known and goal.name in there]
    said = f" Not of {', '.join(known)}: what follows from the configuration alone needs no estimate." if known else ""
    return said + (f" For {', '.join(rest)} no parameter stands out from chance." if rest else "")


def _section(heading: str, say: str, names: list[str], wide: int = 0) -> str:
    """A heading and figures, which scroll sideways in their own box where they are wider than the page."""
    style = f' style="min-width: {wide}px"' if wide else ""
    boxes = "".join(f'<div class="figure" id="{escape(name)}"{style}></div>' for name in names)
    kind = "figures sideways" if wide else "figures"
    return f'<section><h2>{heading}</h2><p>{escape(say)}</p><div class="{kind}">{boxes}</div></section>'


def _embedded(data: Any) -> str:
    """JSON that no text in it can end: "<" is written as an escape. JSON has no NaN: such a value is null."""
    return json.dumps(_finite(data), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
