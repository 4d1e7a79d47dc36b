"""Tensors that were expensive to make, kept in unnamed files for as long as the process may ask for them again."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from weakref import finalize

import numpy as np
import torch
from torch import Tensor

_MOST = 2**33  # bytes of all files


class Spool:
    """Keeps tensors by their keys, exactly; what is read again comes from the page cache or the disk.

    Files have no name: they are gone with the process, however it ends. Where the disk is full nothing is kept.

    Parameters
    ----------
    folder : Path
        Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._room = folder, _MOST
        self._files: dict[Hashable, tuple[Any, np.dtype[Any], tuple[int, ...]]] = {}
        finalize(self, _close, self._files)

    def first(self, key: Hashable, count: int, make: Callable[[], Tensor]) -> Tensor:
        """Return the first `count` rows of what `make` gave under this key, or have them made; rows depend on no other.

        What is returned may be changed: nobody else sees it.
        """
        found = self._files.get(key)
        if found is not None and found[2][0] >= count:
            file, dtype, shape = found
            return torch.from_numpy(np.memmap(file, dtype, "c", shape=(count, *shape[1:])))
        made = make()
        self._keep(key, made)
        return made

    def _keep(self, key: Hashable, made: Tensor) -> None:
        values = made.detach().cpu().contiguous().numpy()
        if not values.size or values.nbytes > self._room:
            return
        try:
            file = TemporaryFile(dir=self._folder)  # noqa: SIM115  # open as long as it is kept
        except OSError:  # no place to write
            return
        try:
            values.tofile(file)
            file.flush()
        except OSError:  # no room
            _close({key: (file,)})
            return
        before = self._files.pop(key, None)
        if before is not None:
            before[0].close()
            self._room += int(np.prod(before[2])) * before[1].itemsize
        self._room -= values.nbytes
        self._files[key] = file, values.dtype, values.shape


def _close(files: Any) -> None:
    """Close files; what cannot be written out any more is not missed."""
    for file, *_ in files.values():
        with suppress(OSError):
            file.close()
