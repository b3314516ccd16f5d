"""The files of a saved component, and their checksums."""

import hashlib
from pathlib import Path
from typing import Dict, Iterable, Mapping, NamedTuple, Union

import srsly

from .loading import explain

# What the base class saves. The vocabulary is spaCy's own.
PARTS = ("cfg", "model")
CHECKSUMS = "checksums"

CHANGED = (
    "{} has changed since it was saved, or was not copied whole: copy it again (if it was "
    "changed on purpose, remove the checksums beside it)"
)


class Saved(NamedTuple):
    """What there is to load.

    where (str): What stands before the names of the parts in messages.
    parts (Dict[str, bytes]): The parts by name.
    """

    where: str
    parts: Dict[str, bytes]


def add_to_bytes(data: bytes) -> bytes:
    """RETURNS (bytes): What the base class has saved, with checksums."""
    found = srsly.msgpack_loads(data)
    parts = {name: _encode(found[name]) for name in PARTS if name in found}
    sealed: bytes = srsly.msgpack_dumps({**found, CHECKSUMS: _checksums(parts)})
    return sealed


def add_to_folder(path: Path, exclude: Iterable[str]) -> None:
    """Write checksums beside what the base class has saved.

    path (Path): The folder.
    exclude (Iterable[str]): Names of parts that were not saved.
    """
    parts = {name: (path / name).read_bytes() for name in PARTS if name not in exclude}
    (path / CHECKSUMS).write_bytes(_checksums(parts))


def read_bytes(name: str, data: bytes, exclude: Iterable[str]) -> Saved:
    """Find the parts of a component in bytes.

    name (str): The component's name.
    data (bytes): What was saved.
    exclude (Iterable[str]): Names of parts to leave out.
    RETURNS (Saved): The parts that are there.
    RAISES (ValueError): If they are not what was saved.
    """
    where = f"the bytes of component '{name}', "
    with explain(f"{where}all"):
        found = srsly.msgpack_loads(data)
        names = [part for part in (*PARTS, CHECKSUMS) if part in found]
        parts = {part: _encode(found[part]) for part in names if part not in exclude}
    return _compare(Saved(where, parts))


def read_folder(name: str, path: Path, exclude: Iterable[str]) -> Saved:
    """Find the parts of a component in a folder.

    name (str): The component's name.
    path (Path): The folder.
    exclude (Iterable[str]): Names of parts to leave out.
    RETURNS (Saved): The parts.
    RAISES (FileNotFoundError): If one is missing. Checksums may be.
    RAISES (ValueError): If they are not what was saved.
    """
    parts = {}
    for part in (*PARTS, CHECKSUMS):
        file = path / part
        if part in exclude or (part == CHECKSUMS and not file.exists()):
            continue
        if not file.is_file():
            raise FileNotFoundError(
                f"component '{name}' needs {file}: copy the whole folder again"
            )
        parts[part] = file.read_bytes()
    return _compare(Saved(f"component '{name}', {path}/", parts))


def _compare(saved: Saved) -> Saved:
    """Raise ValueError unless the parts are what was saved, if that is known."""
    parts = dict(saved.parts)
    where = f"{saved.where}{CHECKSUMS}"
    with explain(where):
        sums = srsly.json_loads(parts.pop(CHECKSUMS, b"{}"))
        if not sums.keys() <= set(PARTS):
            raise ValueError(f"it has checksums of {sorted(sums)}")
        expected = {name: sums.get(name) for name in parts}
    for name, part in parts.items():
        if expected[name] not in (None, _digest(part)):
            raise ValueError(CHANGED.format(f"{saved.where}{name}"))
    return Saved(saved.where, parts)


def _checksums(parts: Mapping[str, bytes]) -> bytes:
    sums = {name: _digest(part) for name, part in parts.items()}
    return _encode(srsly.json_dumps(sums, sort_keys=True))


def _digest(part: bytes) -> str:
    return hashlib.sha256(part).hexdigest()


def _encode(part: Union[str, bytes]) -> bytes:
    return part.encode("utf8") if isinstance(part, str) else part
