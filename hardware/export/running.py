"""A network's artefact run on inputs: what `localnoise classify` shows."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError, choose
from localnoise.files import temporary_folder
from localnoise.hardware.export.network_machines import MACHINES
from localnoise.hardware.export.sources import stage
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.program import Program
from localnoise.hardware.storage import load_chips

Each = Callable[[int, int, Any], None]  # which input, its class, its scores


def classify(
    folder: str | Path, inputs: Any, on: str = "cortex-m", each: Each | None = None, task: str = ""
) -> tuple[npt.NDArray[np.int64], int, str]:
    """Build a network's artefact, run it on inputs one by one; their classes, how many scores differ, and its cost.

    That runs the artefact's code, as `verify` does.

    Parameters
    ----------
    inputs : (T, C, H, W) or (T, C, L)
        Values, as the network was trained on.
    on : str
        "host", or "cortex-m": emulated.
    each : callable
        Called after each input with its number, its class and its scores.
    task : str
        Whose inputs they are, by name or file, where the artefact must be that task's.

    Returns
    -------
    classes : (T,)
    different : int
        Inputs whose scores are not the emulator's, to the bit.
    cost : str
        Of the last input, as `verify` says it; "" on the host.

    Raises
    ------
    ArgumentError
        The folder holds no network, or that of another task; or an unknown back end.
    """
    choose("on", on, MACHINES)
    with temporary_folder() as place, temporary_folder() as build:
        said = stage(Path(folder), place)
        chip = load_chips(place / "chip.h5")
        if not isinstance(chip, (Program, ChipDefense)):
            raise ArgumentError(f"folder={str(folder)!r} holds no network: expected what `export` wrote of a task")
        program = chip.program if isinstance(chip, ChipDefense) else chip
        own = str(program.provenance.get("task", task))
        if task and Path(own).stem != Path(task).stem:
            raise ArgumentError(
                f"task={task!r}: folder {str(folder)!r} holds a network of task {own!r}: expected that task, "
                "or another folder"
            )
        MACHINES[on].require()
        words, found, different = program.input_words(inputs), np.empty(len(inputs), np.int64), 0
        with closing(MACHINES[on](place, build, chip, said["name"])) as machine:
            if isinstance(chip, ChipDefense):
                machine.start()
            for t in range(len(words)):
                one = words[t : t + 1]
                if isinstance(chip, ChipDefense):
                    (own,), scores = machine.defend(one)
                    expected: Any = chip.scores(one, t)
                else:
                    (own,), scores = machine.classify(one)
                    expected = program.words(one)
                found[t] = own
                different += not np.array_equal(scores, expected)
                if each is not None:
                    each(t, int(own), scores[0])
            return found, different, machine.cost()
