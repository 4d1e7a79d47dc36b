"""The configuration as a graph of NIR, the neuromorphic intermediate representation, that `nir` writes and reads back.

Source of NIR: Pedersen et al. 2024, Nature Communications 15, 8122.

Per unit u: an Input `noise_u` of m Gaussian words; a Scale `private_u` by s; a Linear `parent_u_p` by B for each parent
p; with signal dependence an Input `activation_u` and a Linear `reader_u_r` by G for each reader r; a `unit_u`, Linear
or Affine, that sums what reaches it and applies (I - L)^-1; an Output `eta_u`. All in activation units, float64:
weights are integers times powers of two, exact but for (I - L)^-1.

What NIR has no primitive for, and `metadata["localnoise"]` holds, as the JSON of `document`: the integers and their Q
formats; generators and seeds; rounding and overflow of words; the order of the sweep (NIR's edges imply only which
parents come first); own earlier channels as parents (here folded into one matrix); learning.
"""

import importlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import FileFormatError, LocalnoiseError, MissingDependencyError, first_line
from localnoise.files import write_bytes
from localnoise.hardware.configuration.document import document, parse
from localnoise.hardware.configuration.model import Configuration, Unit
from localnoise.hdf5 import check_tree, reading
from localnoise.heaps import check_heaps

KEY = "localnoise"


def graph_of(configuration: Configuration, *, documented: bool = True) -> Any:
    """Return the `nir.NIRGraph`, with the configuration in its metadata unless that is elsewhere. Cost O(weights)."""
    nir, nodes, edges = package(), {}, []
    f = configuration.chip.field
    m, scale = f.channels, f.scale
    shape = np.array([m])
    for unit in configuration:
        u = unit.id
        nodes[f"noise_{u}"] = nir.Input(input_type={"input": shape})
        nodes[f"private_{u}"] = nir.Scale(scale=np.ldexp(unit.s.astype(float), _exponent(unit, 2)))
        nodes[f"unit_{u}"] = _own(nir, unit, f.signal)
        nodes[f"eta_{u}"] = nir.Output(output_type={"output": shape})
        edges += [(f"noise_{u}", f"private_{u}"), (f"private_{u}", f"unit_{u}"), (f"unit_{u}", f"eta_{u}")]
        for k, p in enumerate(unit.parents):
            name = f"parent_{u}_{p}"
            weight = unit.B[:, k * m : (k + 1) * m].astype(float)
            nodes[name] = nir.Linear(weight=np.ldexp(weight, _exponent(unit, 1) + int(scale[p])))
            edges += [(f"unit_{p}", name), (name, f"unit_{u}")]
        if f.signal:
            nodes[f"activation_{u}"] = nir.Input(input_type={"input": shape})
        for k, r in enumerate(reader for reader in unit.readers if reader >= 0):
            name = f"reader_{u}_{r}"
            weight = unit.G[:, k * m : (k + 1) * m].astype(float)
            nodes[name] = nir.Linear(weight=np.ldexp(weight, _exponent(unit, 0) + f.activation_scale))
            edges += [(f"activation_{r}", name), (name, f"unit_{u}")]
    metadata = {KEY: json.dumps(document(configuration))} if documented else {}
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def write_nir(configuration: Configuration, path: str | Path) -> Path:
    """Write the graph; raises a MissingDependencyError where `nir` is missing."""
    held = BytesIO()  # HDF5 ends the process where closing a file finds the disk full
    package().write(held, graph_of(configuration))
    return write_bytes(path, held.getbuffer())


def read_nir(path: str | Path, max_bytes: int = 2**30) -> Configuration:
    """Read what `write_nir` wrote: the same chip grid, to the bit.

    max_bytes : most that the graph's numbers may take.

    Raises
    ------
    FileFormatError
        No such file, no graph, links in it, or nodes that are not those of its configuration: the first that differs.
    TooLargeError
        Its numbers would take more than `max_bytes`.
    MissingDependencyError
        The package nir is missing.
    """
    source, nir = Path(path), package()
    try:
        with reading(source, "a graph that `localnoise export` wrote") as file:
            check_heaps(source)
            check_tree(source, file, max_bytes)
        graph = nir.read(source)
        text = graph.metadata[KEY]
    except LocalnoiseError:
        raise
    except Exception as error:  # whatever a damaged file makes HDF5 or nir say
        raise FileFormatError(
            f"{source}: no graph that `localnoise export` wrote ({first_line(error)}); export again"
        ) from error
    found = parse(text, source)
    refuse_unlike(source, graph, graph_of(found, documented=False))
    return found


def refuse_unlike(source: Path, graph: Any, expected: Any) -> None:
    """Raise a FileFormatError unless a graph that was read is the one that its configuration gives."""
    if set(graph.edges) != set(expected.edges) or graph.nodes.keys() != expected.nodes.keys():
        raise FileFormatError(f"{source}: its nodes and edges are not those of its configuration; export again")
    for name, node in expected.nodes.items():
        for quantity in ("weight", "bias", "scale"):
            if not np.array_equal(getattr(graph.nodes[name], quantity, 0), getattr(node, quantity, 0)):
                raise FileFormatError(
                    f"{source}: {quantity} of node {name} is not that of its configuration; export again"
                )


def _exponent(unit: Unit, group: int) -> int:
    return int(unit.lift[group]) - unit.fraction - unit.scale


def _own(nir: Any, unit: Unit, signal: bool) -> Any:
    """The node that sums: its own earlier channels act as parents, which makes (I - L)^-1 of the sum."""
    lower = np.ldexp(unit.L.astype(float), int(unit.lift[1]) - unit.fraction)
    weight = np.linalg.inv(np.eye(len(lower)) - lower)
    if not signal:
        return nir.Linear(weight=weight)
    return nir.Affine(weight=weight, bias=weight @ np.ldexp(unit.bias.astype(float), -unit.fraction - unit.scale))


def package() -> Any:
    """Import `nir`, or say how to install it."""
    try:
        return importlib.import_module("nir")
    except ImportError:
        raise MissingDependencyError("nir is missing: pip install 'localnoise[hardware]'") from None
