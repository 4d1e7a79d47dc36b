"""Two kernels, one of which calls the other, as sources that a test edits and runs in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

INNER, OUTER, MAIN = "inner.py", "outer.py", "main.py"
PARTS = {
    INNER: "from flags import kernel\n\n@kernel\ndef inner(x):\n    return x + 1\n",
    OUTER: "from flags import kernel\nfrom inner import inner\n\n@kernel\ndef outer(x):\n    return 10 * inner(x)\n",
    "flags.py": "from pathlib import Path\nfrom localnoise.kernels.cache import Sources\n"
    "from localnoise.kernels.flags import compiled\n\nHERE = Path(__file__).parent\n"
    "SOURCES = Sources(HERE / 'inner.py', HERE / 'outer.py')\n\n"
    "def kernel(function):\n    return compiled(function, SOURCES)\n",
    MAIN: "from outer import outer\n\nprint(outer(1.0), len(outer.stats.cache_hits), outer.stats.cache_path)\n",
}


class Toy:
    """Two kernels, one of which calls the other, in a process of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder / "toy", folder / "cache"
        self.folder.mkdir()
        for name, content in PARTS.items():
            (self.folder / name).write_text(content)

    def run(self, **environment: str) -> tuple[float, int, str]:
        """Return what the outer kernel gives, how often its code was found on disk, and what was said."""
        done = subprocess.run(
            [sys.executable, str(self.folder / MAIN)],
            capture_output=True,
            text=True,
            env=os.environ | {"NUMBA_CACHE_DIR": str(self.cache), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
            check=True,
        )
        value, hits, _ = done.stdout.split()
        return float(value), int(hits), done.stderr

    @property
    def files(self) -> list[Path]:
        return sorted(self.cache.rglob("*.nbc"))
