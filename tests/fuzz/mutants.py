"""Mutants of a file, each drawn from one generator: its bytes, the structure of its HDF5, JSON or TOML, its archive."""

import gzip
import io
import json
import re
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

Mutator = Callable[[Random, bytes], bytes]
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 7, 255, 2000, 2**31 - 1, 2**31, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e300,
    5e-324,
    float("nan"), float("inf"), "", "x", "none", "local", "\x1b[31m[/b]", "é" * 3, "9" * 5000, [], [1], [[]], {},
    {"a": 1}, [0] * 40, "/etc/passwd", "../../x", "a\nb",
]  # fmt: skip


def in_bytes(rng: Random, content: bytes) -> bytes:
    """Flip, set, zero, drop, repeat, insert, exchange or cut off."""
    data, at = bytearray(content), rng.randrange(len(content))
    length = rng.choice([1, 2, 8, 64, 512])
    end = min(len(data), at + length)
    kind = rng.choice(["flip", "flip", "set", "set", "zero", "drop", "repeat", "insert", "exchange", "cut", "append"])
    if kind == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "set":
        data[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    elif kind == "zero":
        data[at:end] = bytes(end - at)
    elif kind == "drop":
        del data[at:end]
    elif kind == "repeat":
        data[at:at] = data[at:end]
    elif kind == "insert":
        data[at:at] = rng.randbytes(length)
    elif kind == "exchange":
        other = rng.randrange(len(data))
        data[at:end], data[other : other + end - at] = data[other : other + end - at], data[at:end]
    elif kind == "cut":
        del data[at:]
    else:
        data += rng.randbytes(length)
    return bytes(data)


def edited(rng: Random, value: Any) -> Any:
    """The same structure with one place of it changed, renamed, dropped, doubled or added."""
    places = list(_places(value))
    owner, key = rng.choice(places) if places else (None, None)
    if owner is None:
        return rng.choice(ODD)
    kind = rng.choice(["odd", "odd", "odd", "near", "drop", "rename", "double", "add", "exchange", "nest"])
    if kind == "near" and isinstance(owner[key], (int, float)) and not isinstance(owner[key], bool):
        owner[key] += rng.choice([-1, 1, 0.5, 10, -1000])
    elif kind == "drop":
        del owner[key]
    elif kind == "rename" and isinstance(owner, dict):
        owner[rng.choice([key.upper(), key + "_", "x", ""])] = owner.pop(key)
    elif kind == "double" and isinstance(owner, list):
        owner.insert(key, owner[key])
    elif kind == "add" and isinstance(owner, dict):
        owner[rng.choice(["extra", "rate", "name"])] = rng.choice(ODD)
    elif kind == "exchange":
        other, place = rng.choice(places)
        owner[key], other[place] = other[place], owner[key]
    elif kind == "nest":
        owner[key] = [owner[key]]
    else:
        owner[key] = rng.choice(ODD)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All (container, key) in a structure, first those near the top."""
    waiting = [value]
    while waiting:
        owner = waiting.pop(0)
        keys = list(owner) if isinstance(owner, dict) else range(len(owner)) if isinstance(owner, list) else []
        for key in keys:
            yield owner, key
            waiting.append(owner[key])


def in_json(rng: Random, content: bytes) -> bytes:
    """Edit the structure; now and then nest it deeper than a parser's stack."""
    if rng.random() < 0.03:
        return rng.choice([b"[" * 100_000, b'{"a":' * 100_000, b"[" * 900 + b"]" * 900, b"null", b"", b"\xff\xfe"])
    try:
        return json.dumps(edited(rng, json.loads(content)), indent=rng.choice([None, 1])).encode()
    except (RecursionError, ValueError):  # an exchange put a list into itself
        return b"[]"


def in_toml(rng: Random, content: bytes) -> bytes:
    """Edit lines: TOML is written by hand."""
    lines = content.decode().splitlines()
    at = rng.randrange(len(lines))
    kind = rng.choice(["value", "value", "value", "part", "drop", "double", "exchange", "add", "key", "deep", "byte"])
    if kind == "value" and "=" in lines[at]:
        lines[at] = f"{lines[at].partition('=')[0]}= {_toml(rng)}"
    elif kind == "part" and (found := list(re.finditer(r'[\d._]+|"[^"]*"|true|false', lines[at]))):
        part = rng.choice(found)
        lines[at] = lines[at][: part.start()] + _toml(rng) + lines[at][part.end() :]
    elif kind == "drop":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "exchange":
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "add":
        added = ["x = 1", "[space]", "[limits]", "layer = [1, 2]", "low = 1", "source = ['pgd', 'rotate@2']", "[[a]]"]
        lines.insert(at, rng.choice(added))
    elif kind == "key":
        lines[at] = rng.choice(["x", "space.", "é", '""']) + lines[at]
    elif kind == "deep":
        depth = rng.choice([50, 3000, 50_000])
        lines.insert(0, rng.choice(["x = " + "[" * depth, "x = " + "{a=" * depth, "a" + ".a" * depth + " = 1"]))
    else:
        return in_bytes(rng, content)
    return "\n".join(lines).encode()


def _toml(rng: Random) -> str:
    ranges = ["{ low = 1, high = 1000000000 }", "{ low = 0.0, high = 1e300, step = 1e-300 }", "{ low = nan, high = 1 }"]
    odd = [
        "1979-05-27",
        "inf",
        "nan",
        "-1",
        "0",
        "1e400",
        str(10**400),
        "[]",
        "{}",
        "''",
        '"x"',
        "true",
        "2.5",
        "[1, 'x']",
    ]
    many = [str(list(range(1, 1 + rng.choice([3, 40, 5000])))), '"' + "y" * 3000 + '"', "[[1]]", "1000000000000"]
    return rng.choice(ranges + odd * 2 + many)


def in_hdf5(rng: Random, content: bytes) -> bytes:
    """Edit objects, attributes, types, shapes, numbers, links and where numbers lie."""
    held = io.BytesIO(content)
    with h5py.File(held, "r+", libver=("v110", "v110")) as file:
        names: list[str] = []
        file.visit(names.append)
        data = [name for name in names if isinstance(file[name], h5py.Dataset)]
        kinds = [_deleted, _renamed, _retyped, _reshaped, _numbers, _numbers, _numbers, _linked, _elsewhere, _exchanged]
        kinds += [_attribute, _attribute, _attribute, _added, _huge]
        rng.choice(kinds)(rng, file, names, data)
    return held.getvalue()


def _deleted(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    del file[rng.choice(names)]


def _renamed(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    with suppress(ValueError):  # an object of that name may be there already
        file.move(rng.choice(names), rng.choice(["x", "B_", "rule/x", "0"]))


def _put(file: Any, name: str, **how: Any) -> Any:
    attributes = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, **how)
    made.attrs.update(attributes)
    return made


def _retyped(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    name = rng.choice(data)
    value = file[name][()]
    dtype = rng.choice(
        ["f8", "f4", "f2", "i8", "i4", "i2", "u8", "u1", "c16", "S4", "bool", ">f4", ">i4", h5py.string_dtype()]
    )
    try:
        changed = (
            np.asarray(value).astype(object).astype(str)
            if not isinstance(dtype, str)
            else np.asarray(value).astype(dtype)
        )
        _put(file, name, data=changed.astype(object) if not isinstance(dtype, str) else changed, dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        file[name].attrs["was"] = 1


def _reshaped(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    name = rng.choice(data)
    value = np.asarray(file[name][()])
    ways: list[Callable[[Any], Any]] = [
        np.ravel,
        lambda v: v.T,
        lambda v: v[None],
        lambda v: v[..., None],
        lambda v: v[:0],
    ]
    ways += [lambda v: np.concatenate([v, v]), lambda v: v[:-1], lambda v: v.flat[0] if v.size else v]
    ways += [lambda v: h5py.Empty("f4"), lambda v: v[..., :-1], lambda v: np.repeat(v, 2, axis=-1)]
    if value.ndim:
        _put(file, name, data=rng.choice(ways)(value))


def _numbers(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    """One number, or a row of them, becomes another: what an editor of a valid file does."""
    name = rng.choice(data)
    value = np.array(file[name][()])
    if not value.size or value.dtype.kind not in "fiub":
        return
    flat = value.reshape(-1)
    at = rng.randrange(flat.size)
    some = slice(at, at + rng.choice([1, 1, 1, 3, flat.size]))
    if value.dtype.kind == "f":
        near = [flat[some] * 1.5, flat[some] + 1e-3, -flat[some], flat[some] * 0]
        far = [np.nan, np.inf, -np.inf, 1e30, 1e-30, -1.0, 100.0, 3e38]
        with np.errstate(all="ignore"):
            flat[some] = rng.choice(near) if rng.random() < 0.5 else rng.choice(far)
    else:
        low, high = (np.iinfo(value.dtype).min, np.iinfo(value.dtype).max) if value.dtype.kind != "b" else (0, 1)
        moved = int(flat[at]) + rng.choice([-1, 1, 2, -5])
        flat[some] = max(low, min(high, rng.choice([moved, moved, moved, 0, 1, -1, 31, 63, 64, 2000, low, high])))
    _put(file, name, data=value)


def _linked(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    name = rng.choice(names)
    other = rng.choice(names)
    kind = rng.choice(["soft", "root", "dangling", "external", "pipe", "loop", "hard"])
    if kind == "hard":
        file["again"] = file[other]
        return
    if kind == "loop":
        file["loop"] = file["/"]
        return
    del file[name]
    links = {
        "soft": h5py.SoftLink(f"/{other}"),
        "root": h5py.SoftLink("/"),
        "dangling": h5py.SoftLink("/nowhere"),
        "external": h5py.ExternalLink("other.h5", "/d"),
        "pipe": h5py.ExternalLink("pipe", "/d"),
    }
    file[name] = links[kind]


def _elsewhere(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    """The numbers lie in another file: external storage, or a virtual data set."""
    name = rng.choice(data)
    old = file[name]
    shape, dtype = old.shape or (1,), old.dtype
    if dtype.hasobject:
        return
    if rng.random() < 0.5:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        _put(
            file,
            name,
            shape=shape,
            dtype=dtype,
            external=[(rng.choice(["/etc/passwd", "pipe", "other.h5"]), 0, max(1, size))],
        )
        return
    layout = h5py.VirtualLayout(shape=shape, dtype=dtype)
    layout[...] = h5py.VirtualSource(rng.choice(["other.h5", "."]), "d", shape=shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def _exchanged(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    one, other = rng.choice(data), rng.choice(data)
    a, b = file[one][()], file[other][()]
    _put(file, one, data=b)
    if one != other:
        _put(file, other, data=a)


def _attribute(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    owners = [owner for owner in [file, *(file[name] for name in names)] if len(owner.attrs)]
    if not owners:
        file.attrs["format"] = "x"
        return
    owner = rng.choice(owners)
    key = rng.choice(list(owner.attrs))
    value = owner.attrs[key]
    text = value.decode(errors="replace") if isinstance(value, bytes) else None
    kind = rng.choice(["edit", "edit", "edit", "edit", "odd", "delete", "rename", "bytes"])
    if kind == "edit" and text and text[0] in "{[":
        changed = in_json(rng, text.encode())
        if 0 < len(changed) < 60_000:
            owner.attrs[key] = np.bytes_(changed)
    elif kind == "delete":
        del owner.attrs[key]
    elif kind == "rename":
        owner.attrs[key + "_"] = owner.attrs.pop(key)
    elif kind == "bytes" and text:
        owner.attrs[key] = np.bytes_(in_bytes(rng, text.encode()).replace(b"\0", b"") or b"x")
    else:
        odd = [
            1,
            -1,
            0,
            2.5,
            np.nan,
            2**62,
            "text",
            np.bytes_("x"),
            [1, 2],
            ["a", "b"],
            np.zeros((2, 2)),
            h5py.Empty("S4"),
            True,
        ]
        owner.attrs[key] = rng.choice(odd)


def _added(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    place = rng.choice(["extra", "rule", "learner", "rule/extra", "learned", "000009", "units/extra"])
    if place not in file:
        file.create_dataset(place, data=1.0) if rng.random() < 0.5 else file.create_group(place)


def _huge(rng: Random, file: Any, names: list[str], data: list[str]) -> None:
    """A few bytes declare more numbers than any memory holds."""
    name = rng.choice(data)
    old = file[name]
    if not old.dtype.hasobject and old.shape:
        sizes = [1 << 20, 1 << 33, 1 << 40]
        axis = rng.randrange(len(old.shape))
        shape = tuple(rng.choice(sizes) if i == axis else max(1, n) for i, n in enumerate(old.shape))
        _put(file, name, shape=shape, dtype=old.dtype, chunks=tuple(min(64, n) for n in shape), compression="gzip")


def in_gzip(rng: Random, content: bytes) -> bytes:
    """Edit what is within, or the archive: members, flags, tails, and more zeros than were announced."""
    inner = gzip.decompress(content)
    kind = rng.choice(["within", "within", "header", "header", "bomb", "members", "tail", "level", "plain"])
    if kind == "within":
        return gzip.compress(in_bytes(rng, inner), 1, mtime=0)
    if kind == "header":
        head = bytearray(inner[:16])
        at = rng.randrange(16)
        head[at] = rng.choice([0, 1, 2, 8, 127, 255])
        return gzip.compress(bytes(head) + inner[16:], 1, mtime=0)
    if kind == "bomb":
        count = rng.choice([1 << 21, 1 << 25])
        head = inner[:4] + (count // 784).to_bytes(4, "big") + inner[8:16]
        return gzip.compress(rng.choice([head, inner]) + bytes(count), 9, mtime=0)
    if kind == "members":
        return content + gzip.compress(rng.randbytes(rng.randrange(40)), 1)
    if kind == "tail":
        return content + rng.randbytes(rng.randrange(1, 40))
    return inner if kind == "plain" else gzip.compress(inner, 9, mtime=1)


def in_sqlite(rng: Random, content: bytes) -> bytes:
    """Edit rows, or what the file is made of, as an editor of a valid file could; pages that no longer fit."""
    column = rng.choice(["document", "arrays", "checksum"])
    which, byte = f"number={rng.randrange(1, 4)}", f"x'{rng.randrange(256):02x}'"
    document = {"config": rng.choice(ODD), "provenance": {}, "seconds": rng.choice(ODD), "values": {}, "arrays": []}
    document["arrays"] = [rng.choice([["a", "<f8", [rng.choice(ODD)], "bytes zlib", rng.choice(ODD)], ODD, None])]
    bomb = zlib.compress(rng.choice([bytes(1 << 25), b"[" * 99_999, json.dumps(document, default=str).encode()]))
    values = ["7", "1.5", "'text'", "x''", "zeroblob(99999)"]
    numbers = ["NULL", "0", "1", "2", "3", "9", "-1", "999", "9e99", "9223372036854775807", "'x'"]
    ways = [
        f"UPDATE records SET {column}={column} || {byte} WHERE {which}",
        f"UPDATE records SET {column}=substr({column}, {rng.randrange(1, 9)}) WHERE {which}",
        f"UPDATE records SET {column}={rng.choice(values)} WHERE {which}",
        f"UPDATE records SET base={rng.choice(numbers)} WHERE {which}",
        f"UPDATE records SET number={rng.choice([-5, 0, 9, 2000, 2**40, 2**63 - 1])} WHERE {which}",
        f"UPDATE records SET base=NULL, document=x'{bomb.hex()}' WHERE {which}",
        f"UPDATE records SET {column}=(SELECT {column} FROM records WHERE number=1) WHERE {which}",
        f"DELETE FROM records WHERE {which}",
        "DELETE FROM records",
        f"UPDATE sqlite_sequence SET seq={rng.choice(numbers)}",
        "DELETE FROM sqlite_sequence",
        "DROP TABLE records",
        "ALTER TABLE records ADD COLUMN mine",
        "ALTER TABLE records RENAME TO theirs",
        "CREATE TRIGGER mine AFTER INSERT ON records BEGIN DELETE FROM records; END",
        "CREATE VIEW mine AS SELECT * FROM records",
        "CREATE INDEX mine ON records (checksum)",
        f"PRAGMA user_version={rng.choice([0, 1, 3, -1])}",
        "PRAGMA application_id=7",
        "PRAGMA journal_mode=WAL",
        f"PRAGMA page_size={rng.choice([512, 65536])}",
        "PRAGMA encoding='UTF-16'",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(content)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection, suppress(sqlite3.Error):
            for way in rng.sample(ways, rng.choice([1, 1, 2])):
                connection.execute(way)
            if rng.random() < 0.2:
                connection.execute("VACUUM")
        return path.read_bytes()
