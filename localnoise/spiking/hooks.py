"""Brian2 is imported without its hooks: it would call every uncaught error its own, and log everybody's warnings."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hooks_kept() -> Iterator[None]:
    """Leave `sys.excepthook`, and how warnings are shown, as they were before the block."""
    uncaught, shown = sys.excepthook, warnings.showwarning
    try:
        yield
    finally:
        sys.excepthook = uncaught
        if warnings.showwarning is not shown:
            logging.captureWarnings(False)
