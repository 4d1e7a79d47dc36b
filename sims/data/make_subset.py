"""Make the embedded subset of Fashion-MNIST: 1,000 training and 200 test images of each class.

    python -m localnoise.sims.data.make_subset --data-dir DIR --out DIR

Training images are drawn from the official training set, test images from the official test set: the first of each
class in a seeded permutation. They are stored in blocks of ten, one image of each class in shuffled order, so that the
first 10 k images are balanced, too. A rerun gives the same arrays everywhere, and the same bytes under the same zlib.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from localnoise.errors import DataError, LocalnoiseError
from localnoise.files import write_bytes
from localnoise.sims.data import idx, sources
from localnoise.sims.data.dataset import CLASS_NAMES, Dataset
from localnoise.sims.data.draw import Indices, per_class, permutation
from localnoise.sims.data.idx import Bytes

SEED = 20170825  # the day on which Fashion-MNIST was published
COUNTS = {"train": 1000, "test": 200}  # images a class


def draw(labels: Bytes, count: int, seed: int = SEED) -> Indices:
    """Indices of `count` images of each class, in blocks of one image a class, each block in shuffled order."""
    columns = np.stack(per_class(labels, [count] * len(CLASS_NAMES), seed), axis=1)
    keys = permutation(columns.size, seed).reshape(columns.shape)
    return np.take_along_axis(columns, np.argsort(keys, axis=1), axis=1).ravel()


def make(full: Dataset, out: Path) -> None:
    """Write the four IDX files of the subset of `full` into the directory `out`, each under a temporary name first."""
    for part, count in COUNTS.items():
        images, labels = getattr(full, f"{part}_images"), getattr(full, f"{part}_labels")
        chosen = draw(labels, count)
        arrays: dict[idx.Kind, Bytes] = {"images": images[chosen], "labels": labels[chosen]}
        for kind, array in arrays.items():
            path = out / f"{sources.PARTS[part]}-{sources.STEMS[kind]}.gz"
            write_bytes(path, idx.encode(array))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, make the subset and print its fingerprint."""
    parser = argparse.ArgumentParser(description="Make the embedded subset of Fashion-MNIST.")
    parser.add_argument("--data-dir", help="the four official IDX files (default: Debian's package, else a download)")
    parser.add_argument("--out", type=Path, default=sources.EMBEDDED, help="where to write (default: in the package)")
    options = parser.parse_args(arguments)
    try:
        full = sources.load("full", options.data_dir)
        if full.fingerprint != sources.OFFICIAL_FINGERPRINT:
            raise DataError(f"{options.data_dir}: not the official Fashion-MNIST; the subset is drawn from that alone")
        make(full, options.out)
        print(sources.read_directory(options.out, "embedded").fingerprint)
    except (LocalnoiseError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
