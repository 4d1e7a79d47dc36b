"""The page put together: one file with its own style, script, data and Plotly; it asks the network for nothing."""

import json
import math
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from localnoise.files import write_text
from localnoise.sims.sweeps.page import tables
from localnoise.sims.sweeps.page.content import Content
from localnoise.sims.sweeps.page.explorer import explored
from localnoise.sims.sweeps.page.figures import figures

_HERE = Path(__file__).parent
# The browser itself then refuses whatever would leave the file. Plotly's parallel coordinates compile their shaders'
# bindings (unsafe-eval), and its heat maps are pictures made on the spot (data:, blob:).
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"


def write_page(content: Content, path: Path) -> Path:
    """Write the page, aside and renamed. Quantises each float grid of up to 4,096 neurons: seconds a grid.

    Returns
    -------
    Path
        `path`.
    """
    drawn = figures(content)
    grids = [explored(number, file) for number, file in content.grids.items()]
    data = {"figures": drawn, "grids": grids}
    text = "\n".join(_parts(content, drawn, data))
    return write_text(path, text)


def _parts(content: Content, drawn: dict[str, Any], data: dict[str, Any]) -> Iterator[str]:
    title = escape(content.title)
    yield "<!doctype html>"
    yield '<html lang="en-GB"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
    yield f"<title>{title}</title><style>{_asset('page.css')}</style></head><body><main>"
    yield f"<h1>{title}</h1>{tables.facts(content)}"
    yield "<noscript><p>The figures and the explorer need JavaScript; the tables do not.</p></noscript>"
    yield f"<section><h2>Best configurations</h2>{tables.front(content)}</section>"
    paretos = [name for name in drawn if name.startswith("pareto-")]
    if paretos:
        yield _section("Goals against each other", f"{content.goals[0].label} against every other goal.", paretos)
    if "importance" in drawn:
        what = "How strongly a parameter separates the better half of the trials from all (PED-ANOVA), "
        what += "where it does so more than in each of 40 permutations of their values."
        if left := [goal.label for goal in content.goals if goal.name not in content.importance]:
            what += f" Not of {', '.join(left)}: what follows from the configuration, or what no parameter decides."
        yield _section("What matters", what, ["importance"])
    if "parallel" in drawn:
        say = f"One line a complete trial, coloured by {content.goals[0].label}. Drag along an axis to select trials."
        wide = 90 * len(drawn["parallel"]["data"][0]["dimensions"])  # pixels that keep labels apart, on a phone too
        yield _section("Parameters together", say, ["parallel"], wide)
    if costs := [name for name in drawn if name.startswith("against-")]:
        yield _section("What wires and bits buy", "Complete trials only.", costs)
    if content.grids:
        yield f"<section><h2>Grids</h2>{_asset('explorer.html')}</section>"
    yield f"<section><h2>All trials</h2>{tables.trials(content)}</section></main>"
    yield f'<script type="application/json" id="data">{_embedded(data)}</script>'
    yield f"<script>{get_plotlyjs()}</script>"
    scripts = ["page.js", "explorer.js"] if content.grids else ["page.js"]
    yield "".join(f"<script>{_asset(name)}</script>" for name in scripts) + "</body></html>\n"


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
