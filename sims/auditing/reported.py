"""The report that `localnoise audit` writes of a network: a page, a document with its schema, and figures."""

import json
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
from rich.table import Table

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.sims.auditing.document import document
from localnoise.sims.auditing.page import text, write_page
from localnoise.sims.auditing.pictures import figures
from localnoise.sims.auditing.schema import OF_INPUTS, Document
from localnoise.sims.auditing.tables import markdown
from localnoise.sims.reports import figures as drawing
from localnoise.sims.reports.commands.base import Report
from localnoise.sims.reports.table import as_terminal, texts, words
from localnoise.sims.results.records import Record

PAGE, DOCUMENT, SCHEMA, TABLES = "audit.html", "audit.json", "audit.schema.json", "audit.md"


class Audit(Report):
    """Structure, certificate, coverage and surprise of a network and its noise."""

    name: ClassVar[str] = "audit"

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return a table for each part that is done."""
        made = document(records, self.title)
        found = [_structures(made), _certificates(made), _surprises(made)]
        shown: list[Table | str] = [as_terminal(t, f"{head}, {self.title}") for head, t in found if len(t)]
        if made.certificates:
            shown.append(f"{made.claim} {made.not_claimed}")
            shown += [OF_INPUTS.format(lipschitz=one.inputs.lipschitz) for one in made.certificates if one.inputs]
        return [*shown, made.limits] if made.surprise else shown or ["No part is done."]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write the page, the document, its schema, the tables in Markdown, and the figures."""
        made = document(records, self.title)
        pictures = figures(records, made, out)
        write_text(out / DOCUMENT, made.model_dump_json(indent=1) + "\n")
        write_text(out / SCHEMA, json.dumps(Document.model_json_schema(), indent=1) + "\n")
        write_text(out / TABLES, markdown(made) + "\n")
        write_page(made, pictures, out, PAGE)
        return [PAGE, DOCUMENT, SCHEMA, TABLES, *(kind for name in pictures for kind in drawing.kinds(name))]

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All parts that records hold."""
        if not any(record.config.get("experiment") == "audit" for record in records):
            raise ArgumentError(
                "records hold no audit: expected those of `localnoise audit --task`; name another command with --as"
            )
        return cls()


def _structures(made: Document) -> tuple[str, pd.DataFrame]:
    rows = [
        [one.defense, words(lies.corruption), text(lies.inside), f"{lies.dimensions:.1f}", f"{lies.along_gradient:.2f}"]
        for one in made.structure
        for lies in one.corruptions
    ]
    return "Structure", texts(["noise", "corruption", "inside", "dimensions", "along logits"], rows)


def _certificates(made: Document) -> tuple[str, pd.DataFrame]:
    rows = [
        [
            f"{words(one.source)}, {one.displacements}", f"{c.level:g}", text(c.undefended), text(one.local[0]),
            text(c.local), text(c.isotropic), f"{one.contradicted} of {one.searched}",
        ]
        for one in made.certificates
        for c in one.covered
    ]  # fmt: skip
    heads = ["what", "level", "undefended", "certified", "covered", "isotropic", "counterexamples"]
    return "Certificate", texts(heads, rows)


def _surprises(made: Document) -> tuple[str, pd.DataFrame]:
    rows = [[one.what, words(one.against), f"{one.layer}: {one.detector}", text(one.area)] for one in made.surprise]
    return "Surprise, AUROC", texts(["of", "against", "detector", "area"], rows)
