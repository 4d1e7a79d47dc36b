"""A bank's configuration: its members' documents, whose turn it is, and what all of them take together.

As JSON: a head with the thresholds and a checksum, and each member's document as `document` writes it. As HDF5: the
head, and a group a member, as `hdf5` writes it. As NIR: the members' graphs side by side, their nodes `member_0_unit_0`
and so on; NIR has no primitive for the choice between them, so that it is in `metadata["localnoise"]`, with the whole
document.

The turn of draw t is that of the last member whose threshold the upper 32 bits r of a hash of (seed, t) reach, and
nobody's where r is below the first: z = t + (seed + 1) 0x9E3779B97F4A7C15, z = (z ^ z >> 30) 0xBF58476D1CE4E5B9, z =
(z ^ z >> 27) 0x94D049BB133111EB, r = (z ^ z >> 31) >> 32, all modulo 2^64. Nobody's draw moves the generators on, too.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np

from localnoise.errors import ArgumentError, FileFormatError, LocalnoiseError, LockedError, first_line
from localnoise.files import hdf5, write_bytes, written_aside
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.configuration import graph
from localnoise.hardware.configuration import hdf5 as members_hdf5
from localnoise.hardware.configuration.document import canonical, document, parse, validator
from localnoise.hardware.configuration.model import Configuration, configure, limits_of
from localnoise.hardware.fitting.fit import fit
from localnoise.hardware.saving import CHECKSUMMED
from localnoise.hardware.texts import from_json
from localnoise.hdf5 import check_tree, member, reading
from localnoise.heaps import check_heaps

FORMAT, VERSION = "localnoise.configuration.bank", 1
SCHEMA = Path(__file__).parent / "schema_bank.json"
_WRITER = "a bank's configuration that `localnoise export` wrote"


@final
@dataclass(frozen=True, kw_only=True)
class BankConfiguration:
    """A chip bank, the stream that it draws, and the chip that it was meant for.

    Attributes
    ----------
    members : tuple of Configuration
        All of one target and one seed; each with the limits of that member alone.
    thresholds : tuple of int
        One a member, rising, of 2^32.
    limits : tuple of dict
        As a `Configuration` has them, of all members together.
    provenance : dict
        Where the bank came from.
    """

    members: tuple[Configuration, ...]
    thresholds: tuple[int, ...]
    limits: tuple[dict[str, Any], ...]
    provenance: dict[str, Any]

    @property
    def chip(self) -> ChipBank:
        """The bank."""
        bank = ChipBank([member.chip for member in self.members], self.thresholds)
        bank.provenance = dict(self.provenance)
        return bank

    @property
    def seed(self) -> int:
        """Stream of the generators, and of the turns."""
        return self.members[0].seed

    @property
    def target(self) -> str:
        """Name of the chip profile."""
        return self.members[0].target

    def __len__(self) -> int:
        return len(self.members[0])

    def __iter__(self) -> Iterator[Configuration]:
        return iter(self.members)


def configure_bank(bank: ChipBank, *, seed: int = 0, target: str = "ideal") -> BankConfiguration:
    """Return the configuration of a bank for a chip.

    Parameters
    ----------
    bank : ChipBank
        All of its members.
    seed : int
        Stream of the generators, and of the turns.
    target : str
        Name of a profile, or the path of its file: gives cores and limits.

    Returns
    -------
    BankConfiguration
        Each member's, and the limits of all together.

    Raises
    ------
    ArgumentError, FileFormatError
        As `configure`; or members of unlike wires.
    """
    return BankConfiguration(
        members=tuple(configure(one, seed=seed, target=target) for one in bank.members),
        thresholds=tuple(int(edge) for edge in bank.thresholds),
        limits=limits_of(fit(bank, target)),
        provenance=dict(bank.provenance),
    )


def head_of(found: BankConfiguration, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All that is of no member, with the checksum of the whole: of the canonical head and the members' checksums."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "target": found.target,
        "seed": found.seed,
        "thresholds": list(found.thresholds),
        "limits": list(found.limits),
        "provenance": found.provenance,
    }
    digest = hashlib.sha256()
    for part in (head, *(one["checksum"] for one in members)):
        digest.update(canonical(part).encode("ascii") + b"\n")
    return head | {"checksum": f"sha256:{digest.hexdigest()}"}


def bank_document(found: BankConfiguration) -> dict[str, Any]:
    """Return the whole document."""
    members = [document(one) for one in found.members]
    return head_of(found, members) | {"members": members}


def write_bank_json(found: BankConfiguration, path: str | Path) -> Path:
    """Write a bank's configuration; equal ones give equal bytes.

    Parameters
    ----------
    found : BankConfiguration
        Of any bank.
    path : str or Path
        The file; one that is there is replaced.

    Returns
    -------
    Path
        The file.
    """
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as out:
        json.dump(bank_document(found), out, separators=(", ", ": "))
        out.write("\n")
    return Path(path)


def read_bank_json(path: str | Path) -> BankConfiguration:
    """Read what `write_bank_json` wrote: the same bank, to the bit.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    BankConfiguration
        Checked against the schema and its checksum.

    Raises
    ------
    FileFormatError, MissingDependencyError
        As `read_json`.
    """
    source = Path(path)
    if not source.is_file():
        raise FileFormatError(f"{source}: no such file; expected {_WRITER}")
    return parse_bank(source.read_bytes(), source)


def parse_bank(text: str | bytes, source: Path) -> BankConfiguration:
    """Return the configuration of a document that `source` holds; raises as `read_json`."""
    try:
        said = from_json(text)
    except ValueError as error:
        raise FileFormatError(f"{source}: not JSON ({str(error)[:200]}); export again") from None
    version = said.get("version") if isinstance(said, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise FileFormatError(
            f"{source}: version {version}, this version of localnoise reads {VERSION}; use the one that wrote it"
        )
    fault = next(iter(_validator().iter_errors(said)), None)
    if fault is not None:
        raise FileFormatError(
            f"{source}: {fault.json_path}: {fault.message[:200]}; expected what the schema says; export again"
        )
    members = [parse(json.dumps(one), source) for one in said["members"]]
    return assembled(said, members, [one["checksum"] for one in said["members"]], source)


def assembled(
    said: dict[str, Any], members: Sequence[Configuration], checksums: Sequence[str], source: Path
) -> BankConfiguration:
    """Return the configuration of a head and the members that were read.

    Raises
    ------
    FileFormatError
        They do not belong together, or the checksum is another.
    """
    try:
        found = BankConfiguration(
            members=tuple(members),
            thresholds=tuple(said["thresholds"]),
            limits=tuple(said["limits"]),
            provenance=dict(said["provenance"]),
        )
        bank = found.chip
    except (ArgumentError, LookupError, TypeError, ValueError) as error:
        raise FileFormatError(f"{source}: inconsistent ({str(error)[:160]}); it was edited; export again") from None
    for index, one in enumerate(members):
        if (one.seed, one.target) != (said["seed"], said["target"]) or one.chip.state is not None:
            raise FileFormatError(
                f"{source}: members[{index}] has another seed or target than the bank, or learns; it was edited; "
                "export again"
            )
    expected = head_of(found, [{"checksum": checksum} for checksum in checksums])
    if canonical({name: said.get(name) for name in expected}) != canonical(expected):
        raise FileFormatError(f"{source}: checksum is not that of its content; it was edited; export again")
    if len(bank.members) != len(checksums):
        raise FileFormatError(f"{source}: {len(checksums)} members are named; it was edited; export again")
    return found


def write_bank_hdf5(found: BankConfiguration, path: str | Path) -> Path:
    """Write a bank's configuration; cost O(weights).

    Parameters
    ----------
    found : BankConfiguration
        Of any bank.
    path : str or Path
        The file; one that is there is replaced.

    Returns
    -------
    Path
        The file.
    """
    with hdf5(path, libver=CHECKSUMMED) as file:
        heads = [members_hdf5.write_group(file.create_group(str(k)), one) for k, one in enumerate(found.members)]
        head = json.dumps(head_of(found, heads))
        file.attrs.update({"format": np.bytes_(FORMAT), "version": VERSION, "head": np.bytes_(head)})
    return Path(path)


def read_bank_hdf5(path: str | Path) -> BankConfiguration:
    """Read what `write_bank_hdf5` wrote: the same bank, to the bit.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    BankConfiguration
        Checked against its checksum.

    Raises
    ------
    FileFormatError
        As `read_hdf5`.
    """
    source = Path(path)
    try:
        with reading(source, _WRITER) as file:
            said, version = file.attrs.get("format"), int(file.attrs.get("version", -1))
            if said != np.bytes_(FORMAT) or version != VERSION:
                raise FileFormatError(
                    f"{source}: {said!r}, version {version}; this localnoise reads {FORMAT}, version {VERSION}"
                )
            head = from_json(file.attrs["head"])
            groups = [member(source, file, str(index)) for index in range(len(head["thresholds"]))]
            members = [members_hdf5.read_group(source, group) for group in groups]
            checksums = [from_json(group.attrs["head"])["checksum"] for group in groups]
            return assembled(head, members, checksums, source)
    except (FileFormatError, LockedError):
        raise
    except Exception as error:  # whatever a damaged file makes HDF5, JSON or the grids say
        raise FileFormatError(f"{source}: damaged or not HDF5 ({first_line(error)}); export again") from error


def bank_graph(found: BankConfiguration) -> Any:
    """Return the `nir.NIRGraph`: the members' graphs side by side, the document in its metadata. Cost O(weights)."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    for k, one in enumerate(found.members):
        part = graph.graph_of(one, documented=False)
        nodes |= {f"member_{k}_{name}": node for name, node in part.nodes.items()}
        edges += [(f"member_{k}_{a}", f"member_{k}_{b}") for a, b in part.edges]
    metadata = {graph.KEY: json.dumps(bank_document(found))}
    return graph.package().NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def write_bank_nir(found: BankConfiguration, path: str | Path) -> Path:
    """Write the graph; raises a MissingDependencyError where `nir` is missing."""
    held = BytesIO()  # HDF5 ends the process where closing a file finds the disk full
    graph.package().write(held, bank_graph(found))
    return write_bytes(path, held.getbuffer())


def read_bank_nir(path: str | Path, max_bytes: int = 2**30) -> BankConfiguration:
    """Read what `write_bank_nir` wrote: the same bank, to the bit; raises as `read_nir`."""
    source, nir = Path(path), graph.package()
    try:
        with reading(source, _WRITER) as file:
            check_heaps(source)
            check_tree(source, file, max_bytes)
        read = nir.read(source)
        text = read.metadata[graph.KEY]
    except LocalnoiseError:
        raise
    except Exception as error:  # whatever a damaged file makes HDF5 or nir say
        raise FileFormatError(
            f"{source}: no graph that `localnoise export` wrote ({first_line(error)}); export again"
        ) from error
    found = parse_bank(text, source)
    graph.refuse_unlike(source, read, bank_graph(found))
    return found


@cache
def _validator() -> Any:
    return validator(SCHEMA)
