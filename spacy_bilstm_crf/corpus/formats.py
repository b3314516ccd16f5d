"""Which format a file has, and which files of a folder are corpora."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

from .looks import looks_tagged
from .readers import brat, inline, offsets, parallel, tagged_json
from .readers.columns import ColumnReader
from .sentence import CorpusError, Options, Reader, Record


def _no_other(path: Path) -> Optional[Path]:
    return None


class Format(NamedTuple):
    """A family of files that one reader reads.

    reader (Callable[[Path, Options], Reader]): Opens a file of this format.
    suffixes (Tuple[str, ...]): Names of such files in a folder end like this. If
        there are none, whatever matches is taken.
    matches (Callable[[Path], bool]): Looks into a file, or at a folder, and says
        whether it has this format. The first format that matches is taken.
    other_half (Callable[[Path], Optional[Path]]): The file that is read along
        with this one, if there is one.
    """

    reader: Callable[[Path, Options], Reader]
    suffixes: Tuple[str, ...]
    matches: Callable[[Path], bool]
    other_half: Callable[[Path], Optional[Path]] = _no_other


def _offsets_format(tool: str) -> Format:
    reader = partial(offsets.OffsetsReader, tool=tool)
    return Format(reader, (".json", ".jsonl"), partial(offsets.matches, tool=tool))


# In the order in which they are tried.
FORMATS: Dict[str, Format] = {
    "brat": Format(brat.BratReader, (".ann",), brat.matches, brat.text_file),
    "parallel": Format(parallel.ParallelReader, (), parallel.matches, parallel.tag_file),
    "inline": Format(inline.InlineReader, (".txt",), inline.matches),
    **{tool: _offsets_format(tool) for tool in offsets.TOOLS},
    # Takes what is JSON by its name and matched nothing before.
    "jsonl": Format(
        tagged_json.TaggedJsonReader, (".json", ".jsonl", ".txt"), tagged_json.matches
    ),
    "columns": Format(
        ColumnReader,
        (
            *(".bio", ".iob", ".iob1", ".iob2", ".io", ".bioes", ".bmes", ".bilou"),
            *(".bmewo", ".bmewo+", ".ner", ".conll", ".tsv", ".txt"),
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
    others = {path.resolve() for path in other_halves(paths, name)}
    paths = [path for path in paths if path.resolve() not in others]
    if not paths:
        raise CorpusError("No input: name at least one file or folder")
    resolved = Counter(path.resolve() for path in paths)
    for path, count in resolved.items():
        # A folder that is a source has its files.
        if count > 1 or path.parent in resolved:
            raise CorpusError(f"{path} is given twice: name each file once")
    return paths


def other_halves(sources: Iterable[Path], name: str = "auto") -> List[Path]:
    """Find the files that are read along with others.

    sources (Iterable[Path]): Files, and folders that are one corpus.
    name (str): Name of the format they all have, or "auto".
    RETURNS (List[Path]): The other half of each that has one.
    """
    return [
        other
        for path in sources
        for format_ in _candidates(name)
        if format_.matches(path) and (other := format_.other_half(path)) is not None
    ]


def list_unread(
    inputs: Iterable[Union[str, Path]], sources: List[Path], name: str = "auto"
) -> List[Record]:
    """List what lies in the given folders and is not read.

    inputs (Iterable[Union[str, Path]]): Files and folders.
    sources (List[Path]): What `find_sources` made of them.
    name (str): Name of the format they all have, or "auto".
    RETURNS (List[Record]): A record for each file and sub-folder.
    """
    read = {*sources, *other_halves(sources, name)}
    # A folder that is one corpus speaks for itself.
    folders = [path for path in map(Path, inputs) if path.is_dir() and path not in read]
    return [
        Record(
            str(path),
            1,
            "not-read",
            "a sub-folder: name it to have it read"
            if path.is_dir()
            else "no corpus by its name and first lines: name it to have it read",
            fault=False,
        )
        for folder in folders
        for path in sorted(folder.iterdir())
        if path not in read and not path.name.startswith(".")
    ]


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


def _candidates(name: str) -> List[Format]:
    return list(FORMATS.values()) if name == "auto" else [get_format(name)]


def _expand(path: Path, name: str) -> List[Path]:
    formats = _candidates(name)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist")
    if any(format_.matches(path) for format_ in formats):
        return [path]
    suffixes = tuple(dict.fromkeys(s for format_ in formats for s in format_.suffixes))
    names = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    by_name = [format_ for format_ in formats if not format_.suffixes]
    files = [
        p
        for p in names
        if p.is_file()
        and (
            p.suffix in suffixes
            or any(format_.matches(p) for format_ in by_name)
            or (FORMATS["columns"] in formats and looks_tagged(p))
        )
    ]
    if not files:
        raise CorpusError(f"{path} has no corpus file ({' '.join(suffixes) or name})")
    return files
