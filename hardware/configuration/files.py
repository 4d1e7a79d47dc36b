"""Files of configurations, whatever the grid: unit by unit, or with what units share, once."""

from pathlib import Path

from localnoise.errors import FileFormatError, LockedError, first_line
from localnoise.hardware.configuration import document, hdf5, narrow
from localnoise.hardware.configuration.model import Configuration
from localnoise.hardware.texts import from_json
from localnoise.hdf5 import reading


def write_json(configuration: Configuration, path: str | Path) -> Path:
    """Write a configuration; equal configurations give equal bytes. Cost O(weights).

    Parameters
    ----------
    configuration : Configuration
        Of any chip grid.
    path : str or Path
        The file; one that is there is replaced.

    Returns
    -------
    Path
        The file.
    """
    write = narrow.write_json if configuration.chip.config.narrow else document.write_json
    return write(configuration, path)


def read_json(path: str | Path) -> Configuration:
    """Read what `write_json` wrote: the same chip grid, to the bit.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Configuration
        Checked against the schema and its checksum.

    Raises
    ------
    FileFormatError
        No such file, another version, or what breaks the schema: its place in the document, found and expected.
    MissingDependencyError
        The package jsonschema is missing.
    """
    source = Path(path)
    if not source.is_file():
        raise FileFormatError(f"{source}: no such file; expected a configuration that `localnoise export` wrote")
    try:
        said = from_json(source.read_bytes())
    except ValueError as error:
        raise FileFormatError(f"{source}: not JSON ({str(error)[:200]}); export again") from None
    if isinstance(said, dict) and said.get("format") == narrow.FORMAT:
        return narrow.parse(said, source)
    return document.parse_content(said, source)


def write_hdf5(configuration: Configuration, path: str | Path) -> Path:
    """Write a configuration; cost O(weights).

    Parameters
    ----------
    configuration : Configuration
        Of any chip grid.
    path : str or Path
        The file; one that is there is replaced.

    Returns
    -------
    Path
        The file.
    """
    write = narrow.write_hdf5 if configuration.chip.config.narrow else hdf5.write_hdf5
    return write(configuration, path)


def read_hdf5(path: str | Path) -> Configuration:
    """Read what `write_hdf5` wrote: the same chip grid, to the bit.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Configuration
        Checked against its checksum.

    Raises
    ------
    FileFormatError
        No such file, another format or version, or damaged: the message says which.
    """
    source = Path(path)
    try:
        with reading(source, "a configuration that `localnoise export` wrote") as file:
            found = file.attrs.get("format")
            kind = found.decode(errors="replace") if isinstance(found, bytes) else found
            read = narrow.read_group if kind == narrow.FORMAT else hdf5.read_group
            return read(source, file)
    except (FileFormatError, LockedError):
        raise
    except Exception as error:  # whatever a damaged file makes HDF5, JSON or the grid say
        raise FileFormatError(f"{source}: damaged or not HDF5 ({first_line(error)}); export again") from error
