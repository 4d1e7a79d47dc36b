"""The full set: Debian's package and the download."""

import gzip
import hashlib
import struct
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from idx_folder import (
    TEST_LABELS,
    needs_debian,
    raw,
    synthetic,
)

from localnoise.errors import DataError, MissingDependencyError
from localnoise.sims.data import load, sources


@needs_debian
def test_debian_package_is_the_official_set():
    """Debian repacks the files without their gzip headers; with the headers back, the official checksums hold."""
    full = load("full")
    assert full.fingerprint == sources.OFFICIAL_FINGERPRINT
    assert "Debian" in full.source
    official_md5 = {  # from Zalando's README, with each file's time of packing
        "train-images-idx3-ubyte": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 1504176606),
        "train-labels-idx1-ubyte": ("25c81989df183df01b3e8a0aad5dffbe", 1504176606),
        "t10k-images-idx3-ubyte": ("bef4ecab320f06d8554ea6380940ec79", 1504176627),
        "t10k-labels-idx1-ubyte": ("bb300cfdad3c16e7a12a480ee83cd310", 1504176627),
    }
    for name, (md5, packed) in official_md5.items():
        body = (sources.DEBIAN / f"{name}.gz").read_bytes()[10:]
        content = struct.pack("<HBBIBB", 0x8B1F, 8, 8, packed, 0, 3) + name.encode() + b"\0" + body
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == md5
        assert hashlib.sha256(content).hexdigest() == sources.OFFICIAL_SHA256[f"{name}.gz"]


def test_debian_files_that_are_not_the_official_ones(folder, monkeypatch):
    monkeypatch.setattr(sources, "DEBIAN", folder)
    with pytest.raises(DataError, match="reinstall the package dataset-fashion-mnist"):
        load("full")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A machine without Debian's package, and in the place of Zalando's a server of four small files with checksums."""
    pooch = pytest.importorskip("pooch")
    served = tmp_path / "served"
    served.mkdir()
    for name, array in synthetic().items():
        (served / f"{name}.gz").write_bytes(gzip.compress(raw(array)))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "no-debian")
    monkeypatch.setattr(sources, "OFFICIAL_URL", f"http://127.0.0.1:{httpd.server_port}/")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in served.iterdir()}
    monkeypatch.setattr(sources, "OFFICIAL_SHA256", digests)
    monkeypatch.setattr(sources, "OFFICIAL_FINGERPRINT", sources.read_directory(served, "served").fingerprint)
    yield served
    httpd.shutdown()
    httpd.server_close()


def test_download_is_kept(server):
    first = load("full")
    assert first.source == "full (download)"
    for path in server.iterdir():
        path.unlink()
    assert load("full").fingerprint == first.fingerprint


def names_the_alternatives(message: str) -> bool:
    return all(part in message for part in ("source='embedded'", "--data-dir", "dataset-fashion-mnist")) and (
        "\n" not in message
    )


def test_download_with_a_wrong_checksum(server):
    (server / f"{TEST_LABELS}.gz").write_bytes(b"an error page")
    with pytest.raises(DataError, match="the checksum is wrong") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))


def test_download_of_a_file_that_is_gone(server):
    (server / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(DataError, match="HTTPError") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))


def test_download_without_a_network(server, monkeypatch):
    monkeypatch.setattr(sources, "OFFICIAL_URL", "http://127.0.0.1:9/")  # discard: nobody listens
    with pytest.raises(DataError, match="ConnectionError") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))


def test_download_without_pooch(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "no-debian")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingDependencyError, match="pip install") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))
