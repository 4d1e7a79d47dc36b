"""Free `@njit` functions on arrays: NumPy and Numba only. Objects in the packages above own the memory."""

import os
import warnings


def _ignore_no_threads() -> None:
    """Forget a number of threads below 1, for which Numba could not be imported; other texts it ignores itself."""
    asked = os.environ.get("NUMBA_NUM_THREADS", "")
    if asked.strip().lstrip("-").isdigit() and int(asked) < 1:
        del os.environ["NUMBA_NUM_THREADS"]
        warnings.warn(
            f"NUMBA_NUM_THREADS={asked!r} is no number of threads: expected a whole number >= 1; all cores are used",
            stacklevel=2,
        )


_ignore_no_threads()
