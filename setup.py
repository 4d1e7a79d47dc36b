"""What pyproject.toml cannot say: a README for an index, and kernels compiled ahead.

README: without what only the checkout holds. Kernels: with LOCALNOISE_AHEAD=1 a wheel carries them as
`localnoise/kernels/ahead.py` has it, for the Numba that is installed here: `make wheel`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import setup
from setuptools.command.build_py import build_py


class WithKernels(build_py):
    """Build the modules, then let them compile their kernels."""

    def run(self):
        """Do both."""
        super().run()
        built = Path(self.build_lib).resolve()
        folder = built / "localnoise" / "kernels" / "compiled"
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier build
        if os.environ.get("LOCALNOISE_AHEAD") == "1" and not self.editable_mode:
            with TemporaryDirectory() as empty:
                environment = os.environ | {"PYTHONPATH": str(built), "NUMBA_CACHE_DIR": empty}
                command = [sys.executable, "-W", "ignore", "-m", "localnoise.hardware.ahead", str(folder)]
                subprocess.run(command, cwd=empty, env=environment, check=True)


readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
readme = re.sub(r"^!\[[^]]*\]\((?!https?://)[^)]*\)\n\n", "", readme, flags=re.MULTILINE)  # pictures of the checkout
readme = re.sub(r"\[([^]]*)\]\((?!https?://|#)[^)]*\)", r"\1", readme)  # links into it: their text stays
setup(cmdclass={"build_py": WithKernels}, long_description=readme, long_description_content_type="text/markdown")
