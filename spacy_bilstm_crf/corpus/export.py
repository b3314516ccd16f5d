"""From DocBin files to corpora: the way back, with an account of all that a format
cannot hold.
"""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from spacy.tokens import Doc, DocBin, Span
from spacy.util import get_lang_class
from spacy.vocab import Vocab
from tqdm import tqdm

from .docs import UNSPACED_LANGS
from .outputs import check_distinct
from .report import Report, record_file
from .schemes import get_scheme
from .sentence import CorpusError, Record
from .writers import Annotated, Style, Writer
from .writers.brat import write_brat
from .writers.columns import write_columns
from .writers.offsets import write_doccano, write_prodigy
from .writers.sinks import open_file, open_folder
from .writers.tagged_json import write_tagged_json


class Format(NamedTuple):
    """A format that can be written.

    write (Writer): Writes a Doc.
    has_rows (bool): Whether the text is made anew from tokens, as the language
        joins them.
    suffixes (Tuple[str, ...]): Names of the files of each Doc in a folder end
        like this. None: one file has all Docs.
    """

    write: Writer
    has_rows: bool = False
    suffixes: Tuple[str, ...] = ()


FORMATS: Dict[str, Format] = {
    "columns": Format(write_columns, has_rows=True),
    "jsonl": Format(write_tagged_json),
    "brat": Format(write_brat, suffixes=(".txt", ".ann")),
    "doccano": Format(write_doccano),
    "prodigy": Format(write_prodigy),
}


def export(
    inputs: Iterable[Union[str, Path]],
    output: Union[str, Path],
    *,
    format: str,
    scheme: str = "bio",
    lang: Optional[str] = None,
    spans_key: Optional[str] = None,
    report_path: Optional[Path] = None,
    progress: bool = False,
) -> Report:
    """Write the Docs of DocBin files, gold or predicted, as a corpus. It appears
    when it is complete, or not at all.

    inputs (Iterable[Union[str, Path]]): DocBin files.
    output (Union[str, Path]): A file for all of them. For brat a folder, which
        must be empty if it exists.
    format (str): Name of the format.
    scheme (str): Name of the tagging scheme, for formats with tags.
    lang (Optional[str]): Language of the Docs, for formats with rows of tokens.
    spans_key (Optional[str]): Write `doc.spans[spans_key]`, not `doc.ents`.
    report_path (Optional[Path]): JSONL file for the list of all records.
    progress (bool): Show a progress bar on stderr, if that is a terminal.
    RETURNS (Report): Counts, and a record of everything that could not be written
        as it is. The line of a record is the number of the Doc in its file.
    RAISES (CorpusError): If the Docs cannot be read, or not be written like this.
    """
    if format not in FORMATS:
        raise CorpusError(f"Unknown format '{format}'. Use: {', '.join(FORMATS)}")
    write, has_rows, suffixes = FORMATS[format]
    if scheme == "auto":
        raise CorpusError("The scheme 'auto' is for reading: name the one to write")
    style = Style(get_scheme(scheme), _space(lang) if has_rows else "")
    paths, output = [Path(path) for path in inputs], Path(output)
    _check_inputs(paths)
    check_distinct(paths, [output], report_path)
    keys: Set[str] = set()
    with ExitStack() as stack:
        listed = stack.enter_context(record_file(report_path)) if report_path else None
        report = Report(on_record=listed)
        opened = open_folder(output, suffixes) if suffixes else open_file(output)
        sink = stack.enter_context(opened)
        # None: hidden unless on a terminal.
        hide = None if progress else True
        for path in paths:
            docs = tqdm(read_docs(path, spans_key), path.name, leave=False, disable=hide)
            for item, records in docs:
                keys.update(item.doc.spans)
                written = write(item, style)
                sink(written.parts)
                report.add([*records, *written.records])
                _count(item, records, written.records, report)
        if spans_key is not None and spans_key not in keys:
            found = ", ".join(sorted(keys)) or "none"
            raise CorpusError(f"No Doc has spans under '{spans_key}'. Found: {found}")
        if not report.sentences_written:
            why = f": {report.records[0]}" if report.records else ""
            raise CorpusError(f"No Doc is left to write to {output}{why}")
        report.outputs[str(output)] = report.sentences_written
    return report


def read_docs(
    path: Path, spans_key: Optional[str] = None
) -> Iterator[Tuple[Annotated, List[Record]]]:
    """Read a DocBin file.

    path (Path): The file.
    spans_key (Optional[str]): Take `doc.spans[spans_key]`, not `doc.ents`.
    YIELDS (Tuple[Annotated, List[Record]]): Its Docs, see `annotate`.
    RAISES (CorpusError): If this is no such file, or a broken one.
    """
    try:
        docs = DocBin().from_disk(path).get_docs(Vocab())
        for number, doc in enumerate(docs, 1):
            yield annotate(doc, str(path), number, spans_key)
    except OSError:
        raise
    except Exception as error:
        # Whatever spaCy, srsly and zlib raise for bytes that are something else,
        # and spaCy for entities and words that it only looks at now.
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path} cannot be read as a .spacy file: {reason}") from error


def annotate(
    doc: Doc, source: str, number: int, spans_key: Optional[str] = None
) -> Tuple[Annotated, List[Record]]:
    """Collect the entities of a Doc that can be written in some format.

    doc (Doc): The Doc.
    source (str): Path of its file.
    number (int): Its number there, counted from 1.
    spans_key (Optional[str]): Take `doc.spans[spans_key]`, not `doc.ents`.
    RETURNS (Tuple[Annotated, List[Record]]): The Doc with its entities in order,
        and what no format can say.
    """
    if spans_key is None:
        spans = list(doc.ents)
        iobs, labels = doc.to_array("ENT_IOB"), doc.to_array("ENT_TYPE")
        # 0 is missing. A blocked token begins an entity that has no label.
        unknown = int(((iobs == 0) | ((iobs == 3) & (labels == 0))).sum())
        why = f"{unknown} of {len(doc)} tokens missing or blocked: written as no entity"
    else:
        spans = list(doc.spans.get(spans_key) or [])
        if not all(_lies_in(span, doc) for span in spans):
            raise ValueError(f"Doc {number} has spans whose characters and tokens differ")
        unknown = spans_key not in doc.spans
        why = f"no spans under '{spans_key}': written as no entity"
    writable: List[Span] = []
    records: List[Record] = []
    item = Annotated(doc, writable, source, number)
    if unknown:
        records.append(item.record("not-annotated", why))
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not len(span) or not span.label_.strip():
            missing = "label" if len(span) else "tokens"
            records.append(item.drop(span, f"it has no {missing}"))
        else:
            writable.append(span)
    return item, records


def _lies_in(span: Span, doc: Doc) -> bool:
    true = doc[span.start : span.end]
    # spaCy believes what a file says of characters.
    return (span.start_char, span.end_char) == (true.start_char, true.end_char)


def _count(
    item: Annotated, before: List[Record], after: List[Record], report: Report
) -> None:
    """Account for a Doc, given what was found before and while it was written."""
    labels = Counter(span.label_ for span in item.spans)
    unwritable, dropped = (
        Counter(r.label for r in records if r.kind == "entity-dropped")
        for records in (before, after)
    )
    report.sentences_read += 1
    report.tokens_read += len(item.doc)
    report.entities_read += labels + unwritable
    report.entities_written += labels - dropped
    if not any(record.kind == "sentence-dropped" for record in after):
        report.sentences_written += 1
        report.tokens_written += len(item.doc)


def _space(lang: Optional[str]) -> str:
    """What stands between the tokens of a language in its texts."""
    if lang is None:
        raise CorpusError("Which language? Rows of tokens need it: --lang zh")
    try:
        get_lang_class(lang)
    except ImportError as error:
        raise CorpusError(f"No language for --lang {lang}: {error}") from error
    return "" if lang in UNSPACED_LANGS else " "


def _check_inputs(paths: List[Path]) -> None:
    if not paths:
        raise CorpusError("No input: name at least one .spacy file")
    for path in paths:
        if path.is_dir():
            raise CorpusError(f"{path} is a folder: name the .spacy files in it")
        if not path.exists():
            raise CorpusError(f"{path} does not exist")
