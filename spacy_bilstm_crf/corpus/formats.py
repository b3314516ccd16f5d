"""Which format a file has, and which files of a folder are corpora."""

from collections import Counter
from pathlib import Path
from typing import Callable, Dict, Iterable, List, NamedTuple, Tuple, Union

from .readers.columns import ColumnReader
from .sentence import CorpusError, Options, Reader


class Format(NamedTuple):
    """A family of files that one reader reads.

    reader (Callable[[Path, Options], Reader]): Opens a file of this format.
    suffixes (Tuple[str, ...]): Names of such files in a folder end like this.
    matches (Callable[[Path], bool]): Looks into a file, or at a folder, and says
        whether it has this format. The first format that matches is taken.
    """

    reader: Callable[[Path, Options], Reader]
    suffixes: Tuple[str, ...]
    matches: Callable[[Path], bool]


# In the order in which they are tried.
FORMATS: Dict[str, Format] = {
    "columns": Format(
        ColumnReader,
        (
            *(".bio", ".iob", ".iob1", ".iob2", ".io", ".bioes", ".bmes", ".bilou"),
            *(".bmewo", ".ner", ".conll", ".tsv", ".txt"),
        ),
        Path.is_file,
    ),
}


def find_sources(inputs: Iterable[Union[str, Path]], name: str = "auto") -> List[Path]:
    """Find the corpora among files and folders.

    inputs (Iterable[Union[str, Path]]): Files and folders.
    name (str): Name of the format they all have, or "auto".
    RETURNS (List[Path]): Files, and folders that are one corpus.
    """
    paths = [path for given in inputs for path in _expand(Path(given), name)]
    if not paths:
        raise CorpusError("No input: name at least one file or folder")
    twice = [path for path, n in Counter(p.resolve() for p in paths).items() if n > 1]
    if twice:
        raise CorpusError(f"{twice[0]} is given twice: name each file once")
    return paths


def open_reader(path: Path, options: Options, name: str = "auto") -> Reader:
    """Open a corpus.

    path (Path): The file or folder.
    options (Options): How to read it.
    name (str): Name of its format, or "auto" to look into it.
    RETURNS (Reader): Its sentences.
    """
    if name == "auto":
        name = next(name for name, format_ in FORMATS.items() if format_.matches(path))
    return get_format(name).reader(path, options)


def get_format(name: str) -> Format:
    """Look up a format by its name.

    name (str): Name of the format.
    RETURNS (Format): The format.
    """
    if name not in FORMATS:
        raise CorpusError(f"Unknown format '{name}'. Use: auto, {', '.join(FORMATS)}")
    return FORMATS[name]


def _expand(path: Path, name: str) -> List[Path]:
    formats = FORMATS.values() if name == "auto" else [get_format(name)]
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist")
    if any(format_.matches(path) for format_ in formats):
        return [path]
    suffixes = tuple(suffix for format_ in formats for suffix in format_.suffixes)
    names = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    files = [p for p in names if p.suffix in suffixes and p.is_file()]
    if not files:
        raise CorpusError(f"{path} has no corpus file ({' '.join(suffixes)})")
    return files
