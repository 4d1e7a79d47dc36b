"""Which code made a record: a commit that can be looked up, and a hash of the sources that a result depends on."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import localnoise
import localnoise.hardware
import localnoise.sims
from localnoise.storage import versions

# floors that a result depends on; not on how it is kept, shown or asked for
ROOMS = (
    "auditing",
    "attacks",
    "data",
    "defenses",
    "evaluation",
    "experiments",
    "models",
    "perturbations",
    "spiking",
    "streaming",
    "tasks",
)


def made_by() -> dict[str, Any]:
    """Return the provenance of a record: versions, the time, `code`, `source`, and `modified` where it is true."""
    modified = {"modified": True} if _modified() else {}
    return versions() | {"code": code_version(), "source": source_hash()} | modified


@cache
def code_version() -> str:
    """Commit of the checkout that this code runs from, 40 hexadecimal digits; without one, version and source hash."""
    return _git("rev-parse", "--verify", "HEAD^{commit}") or f"localnoise {_version()} source {source_hash()}"


@cache
def source_hash() -> str:
    """Hash of the source files that a result depends on, 12 hexadecimal digits."""
    core, hardware, sims = _folders()
    digest = hashlib.sha256()
    for folder in (core, hardware, *(sims / room for room in ROOMS)):
        sources = sorted(folder.rglob("*.py"))
        if not sources:
            raise RuntimeError(f"{folder} holds no source: the list ROOMS in {__file__} does not fit the package")
        for source in sources:
            if folder != core or not {hardware, sims} & set(source.parents):
                digest.update(source.relative_to(folder).as_posix().encode() + source.read_bytes())
    return digest.hexdigest()[:12]


@cache
def _modified() -> bool:
    """Return whether the checkout's sources differ from its commit."""
    return bool(_git("status", "--porcelain", "--", *map(str, _folders())))


def _folders() -> list[Path]:
    return [Path(part.__path__[0]) for part in (localnoise, localnoise.hardware, localnoise.sims)]


def _version() -> str:
    return str(versions()["localnoise"])


def _git(*arguments: str) -> str:
    """Return what git says in the checkout that holds this code; empty where none does, or where there is no git."""
    root = _folders()[0].parent
    if not (root / ".git").exists():  # an installed package may lie within somebody else's checkout
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
