"""Bring into the site the files of the repository that pages link to: pictures, records' tables, studies, examples.

Links in the pages are those of the checkout, so that they also work where the sources are read.
"""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+)")
PAGES = {  # shown as pages of their own; everything else is a file to open
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmark-ceilings.md",
    "benchmarks/published/README.md": "results/records.md",
    "benchmarks/published/paper.md": "results/paper-rows.md",
}
TITLES = {"results/paper-rows.md": "# The paper's table, row by row\n\n"}


def on_files(files: Files, config: Any) -> Files:
    """Add what pages link to and the pages that are kept elsewhere in the checkout."""
    for source, page in PAGES.items():
        text = TITLES.get(page, "") + (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_relinked(text, source, page)))
    wanted = {place for file in files.documentation_pages() for place in _outside(file)}
    for place in sorted(wanted - set(PAGES)):
        files.append(File.generated(config, _stored(place), abs_src_path=str(ROOT / place)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point the links at where the files stand in the site."""
    here = PurePosixPath(page.file.src_uri).parent

    def moved(found: re.Match[str]) -> str:
        place = _place(page.file.src_uri, found[1])
        if place is None:
            return found[1]
        return os.path.relpath(PAGES.get(place) or _stored(place), here)

    return LINK.sub(moved, markdown)


def _relinked(text: str, source: str, page: str) -> str:
    """Rewrite the links of a file as if it stood where its page does."""
    folder, docs = Path(source).parent, Path("docs") / Path(page).parent

    def moved(found: re.Match[str]) -> str:
        return os.path.relpath(folder / found[1], docs)

    return re.sub(r"(?<=\]\()(?!https?://|#)([^)#\s]+)", moved, text)


def _outside(file: File) -> set[str]:
    places = (_place(file.src_uri, link) for link in LINK.findall(file.content_string))
    return {place for place in places if place}


def _place(page: str, link: str) -> str | None:
    """Return the path in the checkout of a linked file outside docs/, or None."""
    place = os.path.normpath(Path("docs", page).parent / link)
    if place.startswith(("docs" + os.sep, "..")) or not (ROOT / place).is_file():
        return None
    return Path(place).as_posix()


def _stored(place: str) -> str:
    return f"files/{place}"
