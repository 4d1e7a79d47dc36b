"""Errors and warnings that say of which layer they are, where one call works at several."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from localnoise.errors import ArgumentError


@contextmanager
def said_of(what: str) -> Iterator[None]:
    """Put `what` before the messages of warnings and of ArgumentErrors that come out of the block.

    Warnings are given when the block is left, by the caller of the function that it stands in.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except ArgumentError as error:
            if type(error) is not ArgumentError:
                raise
            raise ArgumentError(f"{what}: {error}") from error
    for one in caught:
        warnings.warn(f"{what}: {one.message}", one.category, stacklevel=4)
