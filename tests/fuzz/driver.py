"""Send mutants to workers, watch their time, and count what came of each.

python driver.py FOLDER COUNT [SEED [WORKERS]]
"""

import json
import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PATIENCE = 90.0  # seconds of the clock after which a worker hangs; it counts its own time by the processor's
Fault = dict[str, Any]


class Worker:
    """A process that tries mutants; another one takes its place when it dies or hangs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.names = self.begin()

    def begin(self) -> list[str]:
        path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        command = [sys.executable, str(HERE / "worker.py"), str(self.folder)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        assert self.process.stdout is not None
        names = self.process.stdout.readline()
        assert names, "the worker ended before its first mutant"
        return list(json.loads(names))

    def try_one(self, name: str, seed: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name} {seed}\n")
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return dict(json.loads(line))
        if not ready:
            self.process.kill()
        text = f"the process ended with {self.process.wait()}" if ready else f"no answer in {PATIENCE:g} s"
        self.begin()
        return {"outcome": "FAULT", "text": text, "how": "", "seconds": 0.0}

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def run(
    folder: Path, count: int, first: int = 0, workers: int = 2, only: Sequence[str] = ()
) -> tuple[Any, list[Fault]]:
    """Try `count` mutants of all kinds in turn; returns how many had which outcome, and the faults with their seeds."""
    outcomes: Counter[tuple[str, str]] = Counter()
    faults: list[Fault] = []

    def work(number: int) -> None:
        worker = Worker(folder / str(number))
        for turn, name in islice(enumerate(cycle(only or worker.names)), number, count, workers):
            answer = worker.try_one(name, first + turn)
            outcomes[name, answer["outcome"]] += 1
            if answer["outcome"] == "FAULT":
                faults.append({"subject": name, "seed": first + turn, **answer})
        worker.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return outcomes, faults


def told(faults: list[Fault]) -> str:
    """Each kind of fault once, with the command that shows it again."""
    kinds: dict[tuple[str, str], Fault] = {}
    for fault in faults:
        kinds.setdefault((fault["subject"].partition("-")[0], fault["text"][:40]), fault)
    again = "python tests/fuzz/worker.py FOLDER"
    return "\n".join(
        f"{one['text'][:300]}\n    {again} {one['subject']} {one['seed']}  ({one['how']})" for one in kinds.values()
    )


def main() -> None:
    folder, count, *more = sys.argv[1:]
    outcomes, faults = run(Path(folder), int(count), *map(int, more))
    for (name, outcome), number in sorted(outcomes.items()):
        print(f"{name:24} {outcome:16} {number}")
    print(f"{len(faults)} faults\n{told(faults)}")
    (Path(folder) / "faults.json").write_text(json.dumps(faults, indent=1))


if __name__ == "__main__":
    main()
