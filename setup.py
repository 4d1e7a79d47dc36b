"""Leave out of the README, where an index shows it, what only the checkout holds. All else is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
readme = re.sub(r"^!\[[^]]*\]\((?!https?://)[^)]*\)\n\n", "", readme, flags=re.MULTILINE)  # pictures of the checkout
readme = re.sub(r"\[([^]]*)\]\((?!https?://|#)[^)]*\)", r"\1", readme)  # links into it: their text stays
setup(long_description=readme, long_description_content_type="text/markdown")
