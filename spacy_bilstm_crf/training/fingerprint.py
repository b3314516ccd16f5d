"""What a training depends on: its config, and the content of the files that it names."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from thinc.api import Config

# May change from one part of a training to the next: how long it goes on, what it shows.
FREE = ("training.max_steps", "training.logger")
# Where any string is a path if there is such a file or folder. In other sections a folder
# "ner" does not make a path of the component's name.
DATA = ("paths.", "corpora.", "initialize.")
CHECKSUM = "sha256 "
BLOCK = 2**20
SHOWN = 40

Fingerprint = Dict[str, str]


def take_fingerprint(config: Config, output: Optional[Path]) -> Fingerprint:
    """Describe what a training depends on.

    config (Config): The config, interpolated.
    output (Optional[Path]): The output folder, which exists. It is left out, as are those
        that it is in: the training itself changes their content.
    RETURNS (Fingerprint): The value of each setting, as JSON. Of files and folders the
        checksum: it is their content that counts, and not where they are.
    """
    checksums: Dict[str, str] = {}
    fingerprint = {}
    for name, value in _flatten(config, ""):
        if name.startswith(FREE):
            continue
        if _is_path(name, value):
            if output is not None and _holds(Path(value), output):
                continue
            if value not in checksums:
                checksums[value] = take_checksum(Path(value))
            fingerprint[name] = checksums[value]
        else:
            fingerprint[name] = json.dumps(value, ensure_ascii=False, default=str)
    return fingerprint


def list_differences(old: Fingerprint, new: Fingerprint) -> List[str]:
    """RETURNS (List[str]): Which settings are not the same, each in a few words."""
    differences = []
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if was and now and was.startswith(CHECKSUM) and now.startswith(CHECKSUM):
            differences.append(f"the content of {name} has changed")
        else:
            differences.append(f"{name} was {_show(was)} and is {_show(now)}")
    return differences


def take_checksum(path: Path) -> str:
    """RETURNS (str): Checksum of a file, or of all files of a folder and their names."""
    checksum = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix()
        checksum.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(BLOCK):
                checksum.update(block)
    return f"{CHECKSUM}{checksum.hexdigest()}"


def _flatten(value: Any, name: str) -> Iterator[Tuple[str, Any]]:
    """YIELDS (Tuple[str, Any]): The dotted name of each setting, and its value."""
    if not isinstance(value, dict) or not value:
        yield name, value
        return
    for key, inner in value.items():
        yield from _flatten(inner, f"{name}.{key}" if name else key)


def _is_path(name: str, value: Any) -> bool:
    if not isinstance(value, str) or not os.path.exists(value):
        return False
    path = Path(value)
    return name.startswith(DATA) or len(path.parts) > 1 or bool(path.suffix)


def _holds(path: Path, output: Path) -> bool:
    return output.resolve().is_relative_to(path.resolve())


def _show(value: Optional[str]) -> str:
    if value is None:
        return "not set"
    if value.startswith(CHECKSUM):
        return "a file or folder"
    return value if len(value) <= SHOWN else f"{value[:SHOWN]}..."
