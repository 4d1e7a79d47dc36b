"""The audit as one HTML file with its tables and figures in it; it asks the network for nothing."""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from localnoise.files import write_text
from localnoise.sims.auditing.schema import OF_INPUTS, Certificate, Document, Inputs, Number, Structure
from localnoise.sims.reports.table import words

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --rule: #d5dae0; --soft: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --paper: #15181c; --rule: #3a424c; --soft: #a5adb8; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 16px; }
table { border-collapse: collapse; font-size: .875rem; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--rule); text-align: right; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } img { max-width: 100%; background: #fff; } p.note { color: var(--soft); max-width: 75ch; }
blockquote { border-left: 4px solid #d55e00; margin: 8px 0; padding: 4px 12px; }
"""


def write_page(made: Document, figures: Sequence[str], out: Path, name: str) -> str:
    """Write the page; returns its name. The figures lie in `out`."""
    pictures = {}
    for figure in figures:
        content = base64.b64encode((out / figure).read_bytes()).decode()
        said = escape(figure.removesuffix(".png"))
        pictures[figure] = f'<p><img alt="Figure: {said}" src="data:image/png;base64,{content}"></p>'
    write_text(out / name, "\n".join(_parts(made, pictures)) + "\n")
    return name


def _parts(made: Document, pictures: dict[str, str]) -> Iterator[str]:
    title = escape(f"Audit: {made.title}")
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
    if made.structure:
        yield "<h2>Structure</h2>"
        yield pictures.get("structure.png", "")
        for one in made.structure:
            yield _structure(one)
    if made.certificates:
        yield "<h2>Certificate and coverage</h2>"
        yield f"<blockquote>{escape(made.claim)}</blockquote><p>{escape(made.not_claimed)}</p>"
        yield pictures.get("certificate.png", "")
        for own in made.certificates:
            yield _certificate(own)
    if made.surprise:
        yield "<h2>Surprise</h2>"
        yield pictures.get("surprise.png", "") + pictures.get("maps.png", "")
        yield from _surprise(made)
    yield "</main></body></html>"


def _structure(one: Structure) -> str:
    heads = ["corruption", "inside", "its dimensions", "along logits", *(f"{k} (nats)" for k in ("noise", *_CONTROLS))]
    rows = [
        [
            words(lies.corruption), text(lies.inside), f"{lies.dimensions:.1f}", f"{lies.along_gradient:.2f}",
            *(f"{lies.density[kind]:.3f}" for kind in ("noise", *_CONTROLS)),
        ]
        for lies in one.corruptions
    ]  # fmt: skip
    note = (
        f"{one.neurons:,} neurons; effective dimensions {one.dimensions.value:.1f}; inside: share of a corruption's "
        f"displacements' variance in the noise's {one.leading} leading directions, {one.leading / one.neurons:.1%} of "
        "all. Along logits: variance along the gradient of the margin, over that along any direction; of the noise "
        f"{one.along_gradient:.2f}. Nats: held-out log density a neuron, each at its best gain."
    )
    return f"<h3>{escape(one.defense)}, learned from {escape(words(one.source))}</h3>{_table(heads, rows)}{_note(note)}"


_CONTROLS = ("diagonal", "central", "shuffled")


def _certificate(one: Certificate) -> str:
    heads = ["level", "undefended", "covered, local", "covered, isotropic", "median norm"]
    rows = [
        [f"{c.level:g}", text(c.undefended), text(c.local), text(c.isotropic), f"{c.norm:.2f}"] for c in one.covered
    ]
    note = (
        f"N = {one.draws:,} draws, alpha = {one.alpha:g} an input: no radius beyond {one.largest_radius:.2f}. Noise: "
        f"{one.scale:.2f}^2 (displacements' covariance + {one.floor:g} of their mean square), variance "
        f"{one.variance:.3f} a neuron; isotropic {one.isotropic_variance:.3f}. Certified accuracy at radius 0: "
        f"{text(one.local[0])} and "
        f"{text(one.isotropic[0])}; abstained: {one.abstained['local']:g} and {one.abstained['isotropic']:g} of "
        f"{one.local[0].inputs:,}. Median radius of right votes {one.median_radius['local']:.2f} and "
        f"{one.median_radius['isotropic']:.2f}, ellipsoids as large as balls of {one.equal_ball['local']:.3f} and "
        f"{one.equal_ball['isotropic']:.3f}. {one.seconds['local']:.2f} s an input. Counterexamples found inside: "
        f"{one.contradicted} of {one.searched:,} searched."
    )
    head = f"<h3>{escape(words(one.source))}: {escape(one.displacements)}</h3>"
    return f"{head}{_table(heads, rows)}{_note(note)}" + (_inputs(one.inputs) if one.inputs is not None else "")


def _inputs(one: Inputs) -> str:
    rows = [[f"{r:g}", text(a), text(b)] for r, a, b in zip(one.radii, one.local, one.isotropic, strict=True)]
    note = (
        f"{OF_INPUTS.format(lipschitz=one.lipschitz)} The noise's least standard deviation: "
        f"{one.smallest['local']:.3f}, isotropic {one.smallest['isotropic']:.3f}."
    )
    return _table(["l2 of the input", "certified, local", "certified, isotropic"], rows) + _note(note)


def _surprise(made: Document) -> Iterator[str]:
    columns = list(dict.fromkeys((one.layer, one.detector) for one in made.surprise if one.what == "image"))
    against = list(dict.fromkeys(one.against for one in made.surprise if one.what == "image"))
    areas = {(o.layer, o.detector, o.against): o.area for o in made.surprise if o.what == "image"}
    rows = [
        [words(name), *(text(areas[(*column, name)]) if (*column, name) in areas else "" for column in columns)]
        for name in against
    ]
    yield _table(["whole inputs, AUROC", *(f"{layer}: {kind}" for layer, kind in columns)], rows)
    units = [one for one in made.surprise if one.what == "unit"]
    if units:
        yield "<h3>Units behind a defect of 6 x 6 pixels</h3>"
        yield _table(["detector", "AUROC"], [[f"{one.layer}: {one.detector}", text(one.area)] for one in units])
    if made.attacks:
        heads = ["weight of the score", "network fooled", "of these noticed at p <= .05"]
        rows = [
            [f"{one.weight:g}", text(one.fooled), "" if one.caught is None else text(one.caught)]
            for one in made.attacks
        ]
        yield f"<h3>An attacker who knows it</h3>{_table(heads, rows)}"
    yield _note(made.limits)
    if made.false_alarms:
        said = ", ".join(f"{name} {value:.3f}" for name, value in made.false_alarms.items())
        yield _note(f"Clean test inputs with p <= .05, where .05 is expected: {said}.")
    heads = ["in integers", "nJ an input", "multiplications", "kB"]
    rows = [[c.layer, f"{c.nanojoule:.0f}", f"{c.multiplications:,.0f}", f"{c.kilobytes:.0f}"] for c in made.costs]
    yield _table(heads, rows)


def text(number: Number) -> str:
    """Return a number with half of its interval."""
    if number.low is None or number.high is None:
        return f"{number.value:.3f}"
    return f"{number.value:.3f} ± {(number.high - number.low) / 2:.3f}"


def _note(said: str) -> str:
    return f'<p class="note">{escape(said)}</p>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
