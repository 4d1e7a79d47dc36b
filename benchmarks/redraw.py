"""Figures and tables of pages again, from published records: `python -m benchmarks.redraw`, after a record changed.

Draws the figures into `published/`, and writes the tables between `<!-- NAME -->` and `<!-- end -->` of the page. A
record that is not published yet is left out. What tests hold of records is `python tests/pinned.py NAME ...`.
"""

import argparse
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rewards
from localnoise.errors import ArgumentError, choose
from localnoise.files import temporary_folder, write_text
from localnoise.sims.reports import comparing, summarised, trading
from localnoise.sims.reports.commands import Ablation, Compare, Front, Repair, Tradeoff, Train
from localnoise.sims.reports.commands.base import Report, arms_of, threats_of
from localnoise.sims.reports.comparison import outcomes
from localnoise.sims.reports.figures import KINDS
from localnoise.sims.reports.summary import summarise
from localnoise.sims.reports.table import as_markdown
from localnoise.sims.results.records import Record, RecordFile
from localnoise.sims.streaming.reported import Stream
from localnoise.sims.tools.remade import remade

ROOT = Path(__file__).parents[1]
PUBLISHED, DOCS = ROOT / "benchmarks" / "published", ROOT / "docs"
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A record, and where it is shown.

    Attributes
    ----------
    page : str
        Below docs/, without the ending.
    command : str
        That wrote it; "" where records say so.
    drawn : str
        Its report's figure, without the ending, which is published by the record's name; "": none.
    tables : callable
        Records -> the tables of its block of the page, in their order.
    """

    page: str
    command: str
    drawn: str
    tables: Callable[[list[Record]], list[str]]


def _trained(records: list[Record]) -> list[str]:
    return [as_markdown(Train.of(records).frame(records))]


def _compared(records: list[Record]) -> list[str]:
    made = Compare.of(records)
    means = {name: group for name, group in made.groups.items() if "learned from" in name}  # of others they say little
    table = comparing.Comparison(outcomes(records), made.arms, made.threats, means)
    return [comparing.markdown(table, None).partition("\n\n")[0]]


def _retained(records: list[Record]) -> list[str]:
    summary = summarise(records)
    wanted = (("accuracy", 3), ("clean", 3), ("retention", 2))
    return [summarised.markdown(summary, lambda entry, name=name: getattr(entry, name), n) for name, n in wanted]


def _traded(records: list[Record]) -> list[str]:
    made = Tradeoff.of(records)
    lines = trading.lines(outcomes(records), made.arms, made.threat)
    return [trading.markdown(lines, made.threat).partition("\n\n")[0]]


def _attacked(records: list[Record]) -> list[str]:
    arms, rows = arms_of(records), [row for row in threats_of(records) if row.startswith("adaptive")]
    found = comparing.Comparison(outcomes(records), arms, rows)
    return [comparing.markdown(found, None).partition("\n\n")[0]]


def _attackers(records: list[Record]) -> list[str]:
    made = Compare.of(records)
    table = comparing.Comparison(outcomes(records), made.arms, made.threats, made.groups)
    return [comparing.markdown(table, None).partition("\n\n")[0]]


def _beside(records: list[Record]) -> list[str]:
    made = Repair.of(records)
    learned, others = f"mean of {len(made.learned)} learned", f"mean of {len(made.others)} never learned"
    arms = sorted(arms_of(records), key=lambda arm: (arm != "undefended", not arm.startswith("repair")))
    found = comparing.Comparison(
        outcomes(records), arms, [*made.learned, *made.others], {learned: made.learned, others: made.others}
    )
    return [comparing.markdown(found, None).partition("\n\n")[0]]


def _points(records: list[Record]) -> list[str]:
    report = Ablation.of(records)
    return _written(report, records, report.stem)


def _front(records: list[Record]) -> list[str]:
    return _written(Front.of(records), records, "front")


def _repaired(records: list[Record]) -> list[str]:
    return _written(Repair.of(records), records, "table")


def _streamed(records: list[Record]) -> list[str]:
    return _written(Stream.of(records), records, "table", count=3)


def _written(report: Report, records: list[Record], stem: str, count: int = 1) -> list[str]:
    """Return the first tables of the page that a report writes."""
    with temporary_folder() as folder:
        report.write(records, folder)
        return (folder / f"{stem}.md").read_text(encoding="utf-8").split("\n\n")[:count]


SHOWN = {
    "adaptive-10": Shown(page="results/adaptive", command="compare", drawn="", tables=_attackers),
    "adaptive-10-again": Shown(page="results/adaptive", command="compare", drawn="", tables=_attackers),
    "local": Shown(page="results/local", command="train", drawn="accuracy", tables=_trained),
    "local-equal": Shown(page="results/local", command="train", drawn="robustness", tables=_trained),
    "local-robust": Shown(page="results/local", command="train", drawn="robustness", tables=_trained),
    "repair-ablation": Shown(page="results/repair", command="repair-ablation", drawn="ablation", tables=_points),
    "repair-adaptive": Shown(page="results/repair", command="repair", drawn="", tables=_attacked),
    "repair-beside": Shown(page="results/repair", command="repair", drawn="", tables=_beside),
    "repair-varied": Shown(page="results/repair", command="repair-ablation", drawn="", tables=_points),
    "repair-front": Shown(page="results/repair", command="repair-front", drawn="front", tables=_front),
    "repair-watch": Shown(page="results/watch", command="repair", drawn="", tables=_repaired),
    "repair-bits": Shown(page="results/repair", command="repair-ablation", drawn="", tables=_points),
    "retention-local": Shown(page="results/local", command="", drawn="accuracy", tables=_retained),
    "retention-conv3": Shown(page="results/local", command="", drawn="accuracy", tables=_retained),
    "rewarded": Shown(page="results/rewarded-noise", command="compare", drawn="accuracy", tables=_compared),
    "rewarded-5": Shown(page="results/rewarded-noise", command="compare", drawn="accuracy", tables=_compared),
    "rewarded-tradeoff": Shown(page="results/rewarded-noise", command="tradeoff", drawn="tradeoff", tables=_traded),
    "penalty-adaptive": Shown(page="results/rewarded-noise", command="tradeoff", drawn="", tables=_traded),
    "rewarded-ten": Shown(page="results/rewarded-noise", command="compare", drawn="", tables=_compared),
    "stream": Shown(page="results/stream", command="stream", drawn="stream", tables=_streamed),
    "rewards": Shown(page="results/rewarded-noise", command="", drawn="rewards", tables=rewards.tables),
}


def record_of(name: str) -> Path:
    """Return the file of a published record."""
    return PUBLISHED / f"{name}.sqlite"


def draw(name: str, out: Path) -> list[Path]:
    """Draw a record's figure into a folder, in every kind, by the record's name; return the files."""
    shown, own = SHOWN[name], [out / f"{name}{kind}" for kind in KINDS]
    if name == "rewards":
        rewards.figure(list(RecordFile(record_of(name))), out / "rewards.png")
        return own
    if not shown.drawn:
        return []
    report, records = remade(record_of(name), shown.command)
    with temporary_folder() as folder:
        report.model_copy(update={"title": ""}).write(records, folder)  # the page says what it is
        for path in own:
            shutil.copyfile(folder / f"{shown.drawn}{path.suffix}", path)
    return own


def rewritten(name: str, text: str) -> str:
    """Return a page's text with the tables of a record's block as the record has them.

    Raises
    ------
    ArgumentError
        The page has no such block, or another number of tables in it.
    """
    page, tables = f"docs/{SHOWN[name].page}.md", SHOWN[name].tables(list(RecordFile(record_of(name))))
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    before, found, after = text.partition(begin)
    block, ended, rest = after.partition(end)
    count = len(_TABLE.findall(block)) if found and ended else 0
    if count != len(tables):
        raise ArgumentError(
            f"{page} has {count} tables between {begin} and {end}: expected as many as record {name!r} gives, "
            f"{len(tables)}; put them there, a line each will do"
        )
    several = (f"{table}\n" for table in tables)
    return f"{before}{begin}{_TABLE.sub(lambda _: next(several), block)}{end}{rest}"


def main() -> None:
    """Redraw the records that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redraw", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SHOWN)}; default: those that are published")
    names = parser.parse_args().names
    for name in names or [name for name in SHOWN if record_of(name).exists()]:
        try:
            choose("record", name, SHOWN)
            if not record_of(name).exists():
                raise ArgumentError(f"record {name!r} is not published: expected {record_of(name).relative_to(ROOT)}")
            page = DOCS / f"{SHOWN[name].page}.md"
            text = rewritten(name, page.read_text(encoding="utf-8"))
        except ArgumentError as error:
            parser.error(str(error))
        write_text(page, text)
        drawn = draw(name, PUBLISHED)
        print(f"{name}: {', '.join([*(path.name for path in drawn), f'docs/{SHOWN[name].page}.md'])}")


if __name__ == "__main__":
    main()
