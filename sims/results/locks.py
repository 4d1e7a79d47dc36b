"""One writer at a time: a lock file beside what is written, which the system gives back when its holder is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from localnoise.errors import LockedError
from localnoise.files.places import destination


@contextmanager
def locked(path: Path, name: str, *, wait: float, held: Exception) -> Iterator[None]:
    """Hold the lock `name` of a file, links followed; wait for it up to `wait` seconds, then raise `held`.

    Raises
    ------
    WriteError
        At `path` lies something that is no plain file.
    LockedError
        The folder takes no lock: it is not ours to write, or its file system has none.
    """
    target, _ = destination(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.{name}"), timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        raise held from None
    except (OSError, NotImplementedError) as error:  # a folder of others, ENOLCK on a network's file system
        raise LockedError(
            f"{lock.lock_file}: the lock of out={str(path)!r} cannot be taken ({error}): expected a folder of yours on "
            "a file system with locks, such as a local disk; name another with --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
