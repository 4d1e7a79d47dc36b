"""Try mutants, in a process that may be killed: reads "SUBJECT SEED" a line, answers one JSON object a line.

    python worker.py FOLDER

Also by hand, to see one mutant again:

    python worker.py FOLDER SUBJECT SEED
"""

import json
import os
import resource
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from random import Random
from time import perf_counter, thread_time
from typing import Any

import h5py
from fuzz.subjects import Subject, subjects

from localnoise.errors import LocalnoiseError

SECONDS, BYTES = 1.0, 500 << 20  # a mutant may take


def mutant(subject: Subject, seed: int) -> tuple[str, bytes]:
    rng = Random(seed)
    mutate = rng.choice(subject.mutators)
    content = subject.content
    content = mutate(rng, content) or b"\0"
    if rng.random() < 0.25:
        with suppress(Exception):  # the first change may have left nothing to edit
            content = mutate(rng, content) or b"\0"
    return mutate.__name__, content


def tried(subject: Subject, seed: int, folder: Path) -> dict[str, Any]:
    how, content = mutant(subject, seed)
    path = folder / subject.name
    for name, data in subject.beside:
        if not (folder / name).exists():
            (folder / name).write_bytes(data)
    path.write_bytes(content)
    answer = {"how": how, "size": len(content)}
    for again in (False, True):
        began = thread_time()
        try:
            value = subject.read(path)
        except LocalnoiseError as error:
            text = str(error)
            answer |= {"outcome": "own error", "text": text[:600]}
            if "\n" in text.strip() or len(text) > 400:
                answer |= {
                    "outcome": "FAULT",
                    "text": f"{len(text)} characters, {text.count(chr(10))} lines: {text[:200]}",
                }
        except BaseException as error:
            answer |= {
                "outcome": "FAULT",
                "text": f"{type(error).__name__}: {str(error)[:300]}",
                "trace": traceback.format_exc()[-1500:],
            }
        else:
            answer |= judged(subject, value, path, how, content)
        answer["seconds"] = thread_time() - began
        if answer["seconds"] <= SECONDS or again:
            break  # a kernel may have been compiled the first time
    if answer["seconds"] > SECONDS and answer["outcome"] != "FAULT":
        answer |= {"outcome": "FAULT", "text": f"took {answer['seconds']:.1f} s; {answer.get('text', '')}"}
    return answer


def judged(subject: Subject, value: Any, path: Path, how: str, content: bytes) -> dict[str, Any]:
    try:
        if subject.identity(value) == subject.whole:
            return {"outcome": "equal"}
        if how == "in_bytes" and subject.sealed and not subject.name.startswith("r."):
            return {"outcome": "FAULT", "text": "a changed byte changed what is read, without a word"}
        subject.check(value, path)
    except LocalnoiseError as error:
        return {"outcome": "own error later", "text": str(error)[:300]}
    except BaseException as error:
        return {
            "outcome": "FAULT",
            "text": f"check: {type(error).__name__}: {str(error)[:300]}",
            "trace": traceback.format_exc()[-1500:],
        }
    return {"outcome": "legal edit"}


def prepared(folder: Path) -> dict[str, Subject]:
    """All subjects, each read and checked once: kernels are compiled before memory is limited."""
    found = subjects()
    (folder / "other.h5").unlink(missing_ok=True)
    with h5py.File(folder / "other.h5", "w") as file:
        file["d"] = [1.0] * 64
    if not (folder / "pipe").exists():
        os.mkfifo(folder / "pipe")
    for name, subject in found.items():
        place = folder / name
        place.mkdir(exist_ok=True)
        for link in ("other.h5", "pipe"):
            if not (place / link).exists():
                os.link(folder / link, place / link)
        for beside, data in subject.beside:
            (place / beside).write_bytes(data)
        (place / subject.name).write_bytes(subject.content)
        os.chdir(place)
        value = subject.read(place / subject.name)
        subject.whole = subject.identity(value)
        subject.check(value, place / subject.name)
    return found


def limit() -> None:
    now = next(
        int(line.split()[1]) << 10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmSize")
    )
    resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    folder = Path(sys.argv[1])
    found = prepared(folder)
    limit()
    if len(sys.argv) > 2:
        os.chdir(folder / sys.argv[2])
        print(json.dumps(tried(found[sys.argv[2]], int(sys.argv[3]), folder / sys.argv[2]), indent=1))
        return
    print(json.dumps(list(found)), flush=True)
    for line in sys.stdin:
        name, seed = line.split()
        os.chdir(folder / name)
        began = perf_counter()
        answer = tried(found[name], int(seed), folder / name)
        print(json.dumps(answer | {"wall": perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
