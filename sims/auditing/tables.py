"""The audit's numbers as tables in Markdown, for pages of text: of the document alone."""

from collections.abc import Iterator, Sequence

import pandas as pd

from localnoise.sims.auditing.detectors import ALL
from localnoise.sims.auditing.schema import Certificate, Document, Number, Structure
from localnoise.sims.reports.table import as_markdown, share, texts, words

_CONTROLS = ("central", "shuffled")


def markdown(made: Document) -> str:
    """Return all tables of a document, each below its title."""
    parts = [*_surprise(made), *_certificates(made.certificates), *_structure(made.structure)]
    return "\n\n".join(f"{title}:\n\n{as_markdown(table)}" for title, table in parts)


def _said(number: Number) -> str:
    """A number with half of its interval."""
    if number.low is None or number.high is None:
        return share(number.value)
    return f"{share(number.value)} ±{share((number.high - number.low) / 2)}"


def _over(density: dict[str, float], kind: str) -> str:
    """A log density less that of independent neurons, without a sign where it rounds to 0."""
    more = round(density[kind] - density["diagonal"], 2)
    return f"{more:+.2f}" if more else "0.00"


def _surprise(made: Document) -> Iterator[tuple[str, pd.DataFrame]]:
    for layer in dict.fromkeys(one.layer for one in made.surprise):
        own = [one for one in made.surprise if one.layer == layer]
        detectors = list(dict.fromkeys(one.detector for one in own if one.what == "image"))
        areas = {(one.what, one.against, one.detector): _said(one.area) for one in own}
        rows = [
            [areas.get((what, against, detector), "") for detector in detectors]
            for what, against in dict.fromkeys((one.what, one.against) for one in own)
        ]
        labels = [
            "units behind a defect" if what == "unit" else words(against)
            for what, against in dict.fromkeys((one.what, one.against) for one in own)
        ]
        yield f"Surprise of {layer if layer == ALL else f'the {layer}'}, AUROC", texts(detectors, rows, labels)
    if made.attacks:
        yield (
            "Surprise against an attacker who weighs its score",
            texts(
                ["weight", "network fooled", "of these noticed at p <= .05"],
                [
                    [f"{one.weight:g}", _said(one.fooled), "" if one.caught is None else _said(one.caught)]
                    for one in made.attacks
                ],
            ),
        )


def _certificates(several: Sequence[Certificate]) -> Iterator[tuple[str, pd.DataFrame]]:
    for one in several:
        rows = [
            [f"{c.level:g}", _said(c.undefended), _said(c.local), _said(c.isotropic), f"{c.norm:.2f}"]
            for c in one.covered
        ]
        heads = ["level", "undefended", "covered, local", "covered, isotropic", "median norm"]
        yield f"Certified coverage of {words(one.source)}, {one.displacements}", texts(heads, rows)
        rows = [[f"{r:g}", _said(a), _said(b)] for r, a, b in zip(one.radii, one.local, one.isotropic, strict=True)]
        rows = [row for row in rows if float(row[0]) in (0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2)]
        yield f"Certified accuracy, {one.displacements}", texts(["radius", "local", "isotropic"], rows)
        if one.inputs is not None:
            given = zip(one.inputs.radii, one.inputs.local, one.inputs.isotropic, strict=True)
            rows = [[f"{r:g}", _said(a), _said(b)] for r, a, b in given]
            yield "Certified accuracy against every change of the input", texts(["l2", "local", "isotropic"], rows)
    if several:
        kinds = ("local", "isotropic")
        rows = [
            [
                one.displacements, _said(one.undefended), f"{one.scale:.2f}", f"{one.floor:g}", f"{one.variance:.3f}",
                f"{one.isotropic_variance:.3f}", *(f"{one.abstained[kind]:.1f}" for kind in kinds),
                *(f"{one.median_radius[kind]:.2f}" for kind in kinds),
                *(f"{one.equal_ball[kind]:.3f}" for kind in kinds),
                f"{one.contradicted:,} of {one.searched:,}",
            ]
            for one in several
        ]  # fmt: skip
        heads = ["displacements", "undefended, clean", "scale", "floor", "variance", "isotropic variance"]
        heads += [f"{what}, {kind}" for what in ("abstained", "median radius", "ball as large") for kind in kinds]
        yield "Certificates", texts([*heads, "counterexamples"], rows)


def _structure(several: Sequence[Structure]) -> Iterator[tuple[str, pd.DataFrame]]:
    if not several:
        return
    names = [one.defense for one in several]
    corruptions = [lies.corruption for lies in several[0].corruptions]
    labels = [words(name) for name in corruptions]
    told = {one.defense: {lies.corruption: lies for lies in one.corruptions} for one in several}
    rows = [[_said(told[name][c].inside) for name in names] for c in corruptions]
    yield "Displacements inside the noise's leading directions", texts(names, rows, labels)
    first = told[names[0]]
    rows = [
        [
            *(_over(told[name][c].density, "noise") for name in names),
            *(_over(first[c].density, kind) for kind in _CONTROLS),
        ]
        for c in corruptions
    ]
    heads = [*names, *(f"control: {kind}" for kind in _CONTROLS)]
    yield "Held-out log density over a diagonal, nats a neuron", texts(heads, rows, labels)
    rows = [
        [
            one.defense, f"{one.dimensions.value:,.1f}", f"{one.leading:,}", f"{one.along_gradient:.2f}",
        ]
        for one in several
    ]  # fmt: skip
    heads = ["noise", "effective dimensions", "leading directions", "along the logits"]
    yield "Noise", texts(heads, rows)
    rows = [[f"{first[c].dimensions:.1f}", f"{first[c].along_gradient:.2f}"] for c in corruptions]
    yield "Displacements", texts(["effective dimensions", "along the logits"], rows, labels)
