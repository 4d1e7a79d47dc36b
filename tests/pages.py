"""The README and the pages of the documentation, as their tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PUBLISHED = ROOT / "benchmarks" / "published"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
TEXTS = {"README.md": README, **PAGES}


def page(name: str) -> str:
    """Return the text of a page under docs/, by its name without the ending."""
    return PAGES[f"docs/{name}.md"]


def fenced(text: str) -> list[tuple[str, str]]:
    """Return (language, code) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def linked(text: str) -> list[str]:
    """Return the targets of links and pictures that are neither web addresses nor anchors of the same page."""
    return re.findall(r"\]\((?!https?://|#)([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
