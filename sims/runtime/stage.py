"""Progress of the present step, for whoever watches."""

from collections.abc import Callable

Stage = Callable[[str, int, int], None]  # (what is being done, done, of)


def ticker(stage: Stage, what: str, of: int) -> Callable[[int], None]:
    """Count what a step reports as done, and tell `stage`."""
    done = 0

    def tick(n: int) -> None:
        nonlocal done
        done += n
        stage(what, done, of)

    return tick
