"""From corpora to DocBin files: the one place that decides what becomes of a
sentence, and that accounts for all of it.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence, Union

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from .docs import join_by, make_doc
from .formats import find_sources, open_reader
from .outputs import Outputs, Shards, plan_outputs
from .report import Report, record_file
from .sentence import UNREPAIRABLE, CorpusError, Options, Reader, Record, Sentence
from .split import Splitter

ON_ERROR = ("repair", "skip", "raise")


def convert(
    inputs: Iterable[Union[str, Path]],
    output: Union[str, Path],
    nlp: Language,
    *,
    format: str = "auto",
    options: Options = Options(),
    on_error: str = "repair",
    spans_key: Optional[str] = None,
    split: str = "none",
    max_tokens: Optional[int] = None,
    shards: Optional[int] = None,
    max_docs: Optional[int] = None,
    report_path: Optional[Path] = None,
    progress: bool = False,
) -> Report:
    """Convert corpora to DocBin files for `spacy train`. The files appear when
    all of them are complete, or not at all.

    inputs (Iterable[Union[str, Path]]): Files and folders.
    output (Union[str, Path]): A path ending in .spacy for one file of all
        inputs. Otherwise a folder, which gets one file for each input.
    nlp (Language): The pipeline whose tokenizer makes the Docs.
    format (str): Name of the format of all inputs, or "auto" to look at each.
    options (Options): How to read them.
    on_error (str): "repair" faulty input, "skip" the sentences that need it, or
        "raise" at the first one.
    spans_key (Optional[str]): Where in `doc.spans` to put all entities, those
        that overlap included.
    split (str): Where to cut long Docs, see `corpus.split.Splitter`.
    max_tokens (Optional[int]): Tokens in a piece, at most.
    shards (Optional[int]): Number of files to make of each output.
    max_docs (Optional[int]): Docs in a file, at most: makes as many as needed.
    report_path (Optional[Path]): JSONL file for the list of all records.
    progress (bool): Show a progress bar on stderr, if that is a terminal.
    RETURNS (Report): Counts, and a record of every repair and drop.
    RAISES (CorpusError): If the input cannot be converted, or under "raise".
    """
    if on_error not in ON_ERROR:
        raise CorpusError(f"Unknown on_error '{on_error}'. Use: {', '.join(ON_ERROR)}")
    _check_sizes(shards, max_docs)
    splitter = Splitter(split, max_tokens, spans_key)
    plan = plan_outputs(find_sources(inputs, format), Path(output))
    with ExitStack() as stack:
        # None: hidden unless on a terminal.
        hide = None if progress else True
        listed = stack.enter_context(record_file(report_path)) if report_path else None
        report = Report(on_record=listed)
        outputs = stack.enter_context(Outputs())
        for target, sources in plan.items():
            readers = [open_reader(source, options, format) for source in sources]
            for source, reader in zip(sources, readers, strict=True):
                report.evidence[str(source)] = reader.evidence
                if not len(reader):
                    why = "no sentence in this file"
                    empty = Record(str(source), 1, "empty-file", why)
                    _check_allowed([empty], on_error)
                    report.add([empty])
            shard = Shards(outputs, target, numbered=bool(shards or max_docs))
            total = sum(map(len, readers))
            sentences = tqdm(_chain(readers), target.name, total, leave=False, disable=hide)
            for i, sentence in enumerate(sentences):
                if shards and i * shards // total != (i - 1) * shards // total:
                    shard.next_file()
                doc = _convert_sentence(sentence, nlp, report, on_error, spans_key)
                for piece in [] if doc is None else splitter(doc):
                    if len(shard) == max_docs:
                        shard.next_file()
                    _check_piece(piece, sentence, max_tokens, report, on_error)
                    _count(piece, report, spans_key)
                    shard.add(piece)
            shard.next_file()
            if not shard.sizes:
                why = f": {report.records[0]}" if report.records else ""
                raise CorpusError(f"No sentence is left to write to {target}{why}")
            report.outputs.update((str(path), n) for path, n in shard.sizes.items())
    return report


def _chain(readers: Sequence[Reader]) -> Iterator[Sentence]:
    for reader in readers:
        yield from reader


def _convert_sentence(
    sentence: Sentence,
    nlp: Language,
    report: Report,
    on_error: str,
    spans_key: Optional[str],
) -> Optional[Doc]:
    """Make a Doc, or None if the sentence is left out. Account for either."""
    report.sentences_read += 1
    report.tokens_read += len(sentence.tokens)
    report.entities_read.update(span.label for span in sentence.spans)
    unread = [r.label for r in sentence.records if r.kind == "entity-dropped"]
    report.entities_read.update(unread)
    doc = None
    records = [*sentence.records, *_unusable(sentence, nlp)]
    if not any(record.kind in UNREPAIRABLE for record in records):
        doc, moves = make_doc(sentence, nlp, spans_key)
        records += moves
    # What somebody has left out on purpose is no fault.
    if not any(record.kind == "not-gold" for record in records):
        _check_allowed(records, on_error)
    if doc is None or (records and on_error == "skip"):
        report.add(_drop(sentence, records, join_by(sentence, nlp)))
        return None
    report.add(records)
    report.sentences_written += 1
    return doc


def _count(doc: Doc, report: Report, spans_key: Optional[str]) -> None:
    report.tokens_written += len(doc)
    spans = doc.ents if spans_key is None else doc.spans[spans_key]
    report.entities_written.update(span.label_ for span in spans)


def _check_piece(
    doc: Doc,
    sentence: Sentence,
    max_tokens: Optional[int],
    report: Report,
    on_error: str,
) -> None:
    if max_tokens is None or len(doc) <= max_tokens:
        return
    why = f"an entity fills a piece of {len(doc)} tokens, at most {max_tokens} asked for"
    record = Record(sentence.source, sentence.line, "split-too-long", why)
    _check_allowed([record], on_error)
    report.add([record])


def _check_allowed(records: Sequence[Record], on_error: str) -> None:
    if records and on_error == "raise":
        first = min(records, key=lambda record: record.line)
        hint = "correct the file, or use on-error repair or skip"
        raise CorpusError(f"{first}: {hint}")


def _drop(sentence: Sentence, faults: List[Record], separator: str) -> List[Record]:
    """List a sentence that is left out, with all its entities."""
    fault = next((f for f in faults if f.kind in UNREPAIRABLE), faults[0])
    source = sentence.source
    why = f"sentence left out: line {fault.line}: {fault.why}"
    records = [Record(source, sentence.line, "sentence-dropped", why)]
    for start, end, label, line in sentence.spans:
        text = separator.join(sentence.tokens[start:end])
        why = "entity dropped with its sentence"
        records.append(Record(source, line, "entity-dropped", why, text, label=label))
    unread = (r for r in sentence.records if r.kind == "entity-dropped")
    return [*records, *unread]


def _unusable(sentence: Sentence, nlp: Language) -> List[Record]:
    """Texts that the tokenizer of a pipeline refuses."""
    text = join_by(sentence, nlp).join(sentence.tokens)
    source, line = sentence.source, sentence.line
    records = []
    if len(text) > nlp.max_length:
        why = f"{len(text):,} characters in one piece, {nlp.max_length:,} allowed"
        records.append(Record(source, line, "too-long", why))
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        why = "half of a surrogate pair: save the file as UTF-8"
        records.append(Record(source, line, "not-utf8", why))
    return records


def _check_sizes(shards: Optional[int], max_docs: Optional[int]) -> None:
    if shards is not None and max_docs is not None:
        raise CorpusError("Give either a number of shards or of Docs in each, not both")
    for name, number in (("shards", shards), ("max_docs", max_docs)):
        if number is not None and number < 1:
            raise CorpusError(f"{name} is {number}: ask for at least 1")
