"""Where Fashion-MNIST comes from: the embedded subset, the user's directory, Debian's package, or a download.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017,
arXiv 1708.07747.
"""

import os
from pathlib import Path

from localnoise.errors import ArgumentError, DataError, MissingDependencyError, choose
from localnoise.sims.data import idx
from localnoise.sims.data.dataset import Dataset

SOURCES = ("embedded", "full")
EMBEDDED = Path(__file__).with_name("embedded")
EMBEDDED_FINGERPRINT = "847f994d116ab8c187407fb8e5dc5dd6ae1782b09d6757096054a790297b0685"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
OFFICIAL_FINGERPRINT = "4de16805129661815be9357cc81e945282c363becdcdb99fbc30395139387822"
OFFICIAL_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
OFFICIAL_SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
PARTS = {"train": "train", "test": "t10k"}  # our names, and those in the files' names
STEMS: dict[idx.Kind, str] = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}
_ALTERNATIVES = (
    "use the embedded subset (source='embedded'), give a directory that holds the four IDX files (data_dir, "
    "--data-dir), or install Debian's package dataset-fashion-mnist"
)


def load(
    source: str = "embedded", data_dir: str | os.PathLike[str] | None = None, *, max_bytes: int = idx.MOST
) -> Dataset:
    """Load Fashion-MNIST, or a data set of the same form.

    Parameters
    ----------
    source : {"embedded", "full"}
        "embedded" ships with localnoise: 10,000 training and 2,000 test images, balanced over the classes. "full" is
        `data_dir`, else Debian's package, else a download of 31 MB that is checked and kept in the user's cache.
    data_dir : path, optional
        With "full": a directory with train-images-idx3-ubyte, train-labels-idx1-ubyte and the same two with t10k for
        train, each with or without .gz. Any counts will do.
    max_bytes : int
        The largest size that a file of `data_dir` may declare, unpacked.

    Returns
    -------
    Dataset
        The images, the labels and their fingerprint.

    Raises
    ------
    ArgumentError
        `source` is unknown, or does not read `data_dir`.
    DataError
        A file is missing, damaged, or of another size than it should be; or the download failed.
    TooLargeError
        A file declares more than `max_bytes`.
    MissingDependencyError
        A download is needed, and pooch is not installed.
    """
    choose("source", source, SOURCES)
    if source == "full" and data_dir is not None:
        folder = Path(data_dir).expanduser()
        return read_directory(folder, f"full (directory {folder.name})", max_bytes)
    if data_dir is not None:
        raise ArgumentError(
            f"data_dir={str(data_dir)!r} (--data-dir) is not read with the {source} images: drop it, or ask for the "
            "full set (--data full, where there are presets --preset standard or full, in a study data = 'full', in "
            "Python load('full', data_dir))"
        )
    return _embedded() if source == "embedded" else _official()


def read_directory(folder: Path, source: str, max_bytes: int = idx.MOST) -> Dataset:
    """Read the four IDX files in `folder`; where a file lies there twice, the one with .gz is read."""
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: not a directory that can be read, expected one that holds the four IDX files")
    names = {f"{ours}_{kind}": f"{theirs}-{stem}" for ours, theirs in PARTS.items() for kind, stem in STEMS.items()}
    found = {
        key: next((p for p in (folder / f"{name}.gz", folder / name) if os.path.exists(p)), None)
        for key, name in names.items()
    }
    if missing := [names[key] for key, path in found.items() if path is None]:
        raise DataError(f"{folder}: does not hold {', '.join(missing)}, expected with or without .gz; add the missing")
    paths = {key: path for key, path in found.items() if path is not None}
    arrays = {f"{part}_{kind}": idx.read(paths[f"{part}_{kind}"], kind, max_bytes) for part in PARTS for kind in STEMS}
    for part in PARTS:
        images, labels = f"{part}_images", f"{part}_labels"
        if len(arrays[images]) != len(arrays[labels]):
            raise DataError(
                f"{paths[labels]}: {len(arrays[labels]):,} labels, but {paths[images].name} holds "
                f"{len(arrays[images]):,} images, expected as many; pair files of one data set"
            )
    return Dataset(**arrays, source=source)


def _embedded() -> Dataset:
    """Read the subset that ships with localnoise."""
    try:
        dataset = read_directory(EMBEDDED, "embedded")
    except DataError as error:
        raise DataError(f"the embedded subset is damaged; reinstall localnoise ({error})") from error
    return _verified(dataset, EMBEDDED_FINGERPRINT, EMBEDDED, "reinstall localnoise")


def _official() -> Dataset:
    """Read the full set from Debian's package, else from the cache, filled by a download where it has to be."""
    if os.path.isdir(DEBIAN):
        dataset = read_directory(DEBIAN, "full (Debian's dataset-fashion-mnist)")
        return _verified(dataset, OFFICIAL_FINGERPRINT, DEBIAN, "reinstall the package dataset-fashion-mnist")
    folder = _download()
    dataset = read_directory(folder, "full (download)")
    return _verified(dataset, OFFICIAL_FINGERPRINT, folder, "delete that directory to fetch it again")


def _verified(dataset: Dataset, expected: str, folder: Path, fix: str) -> Dataset:
    """Return `dataset` if it has the expected fingerprint."""
    if dataset.fingerprint != expected:
        raise DataError(
            f"{folder}: images and labels of fingerprint {dataset.fingerprint[:12]}, expected {expected[:12]}; {fix}"
        )
    return dataset


def _download() -> Path:
    """Fetch the four official files into the user's cache, unless they lie there, and check them."""
    try:
        import pooch
    except ImportError as error:
        raise MissingDependencyError(
            f"pooch, which fetches Fashion-MNIST, is not installed: pip install 'localnoise[sims]', or {_ALTERNATIVES}"
        ) from error
    folder = Path(pooch.os_cache("localnoise")) / "fashion-mnist"
    registry = {name: f"sha256:{digest}" for name, digest in OFFICIAL_SHA256.items()}
    try:
        fetcher = pooch.create(path=folder, base_url=OFFICIAL_URL, registry=registry)
        for name in registry:
            fetcher.fetch(name, downloader=pooch.HTTPDownloader(timeout=30))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        reason = type(error).__name__ if isinstance(error, OSError) else "the checksum is wrong"
        raise DataError(f"{OFFICIAL_URL}: the download of Fashion-MNIST failed ({reason}); {_ALTERNATIVES}") from error
    return folder
