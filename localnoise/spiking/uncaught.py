"""Errors that a script does not catch, told as they are: Brian2 calls every one of them unexpected."""

import sys
from types import TracebackType

from localnoise.errors import LocalnoiseError


def tell_plainly() -> None:
    """Let Python show errors of localnoise itself, without Brian2's request to report them; others as before."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        (sys.__excepthook__ if issubclass(kind, LocalnoiseError) else before)(kind, error, trace)

    sys.excepthook = hook
