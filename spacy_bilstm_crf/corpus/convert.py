"""From corpora to DocBin files: the one place that decides what becomes of a
sentence, and that accounts for all of it.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence, Union

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from .docs import MISSING, join_by, make_doc
from .formats import find_sources, list_unread, open_reader, other_halves
from .hints import find_hints
from .outputs import Outputs, Shards, check_distinct, plan_outputs
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
    missing: str = "none",
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
    missing (str): Which tokens are not annotated, rather than annotated as no
        entity: "none", those of sentences that are "empty" of entities, or all
        that are "outside" of entities.
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
    if missing not in MISSING:
        raise CorpusError(f"Unknown missing '{missing}'. Use: {', '.join(MISSING)}")
    _check_sizes(shards, max_docs)
    splitter = Splitter(split, max_tokens, spans_key)
    inputs = list(inputs)
    found = find_sources(inputs, format)
    plan = plan_outputs(found, Path(output))
    check_distinct([*found, *other_halves(found, format)], plan, report_path)
    with ExitStack() as stack:
        # None: hidden unless on a terminal.
        hide = None if progress else True
        listed = stack.enter_context(record_file(report_path)) if report_path else None
        report = Report(on_record=listed)
        report.add(list_unread(inputs, found, format))
        outputs = stack.enter_context(Outputs())
        for target, sources in plan.items():
            readers = [open_reader(source, options, format) for source in sources]
            for source, reader in zip(sources, readers, strict=True):
                report.evidence[str(source)] = reader.evidence
                if not len(reader):
                    why = "no sentence in this file"
                    empty = Record(str(source), 1, "empty-file", why)
                    _check_allowed([empty], on_error, report)
                    report.add([empty])
            shard = Shards(outputs, target, numbered=bool(shards or max_docs))
            total = sum(map(len, readers))
            sentences = tqdm(_chain(readers), target.name, total, leave=False, disable=hide)
            undecodable = 0
            for i, sentence in enumerate(sentences):
                undecodable += any(r.kind == "not-utf8" for r in sentence.records)
                if shards and i * shards // total != (i - 1) * shards // total:
                    shard.next_file()
                doc = _convert_sentence(sentence, nlp, report, on_error, spans_key, missing)
                for piece in [] if doc is None else splitter(doc):
                    if len(shard) == max_docs:
                        shard.next_file()
                    _check_piece(piece, sentence, max_tokens, report, on_error)
                    _count(piece, report, spans_key)
                    shard.add(piece)
            if 2 * undecodable > total:
                # The few that happen to be ASCII would pass for a corpus.
                raise CorpusError(
                    f"{sources[0]}: most sentences are not UTF-8: save the file as UTF-8 "
                    "(if it is GBK: iconv -f GB18030 -t UTF-8 FILE > NEW)"
                )
            shard.next_file()
            if not shard.sizes and target.exists():
                raise CorpusError(f"Nothing is left for {target}: remove the old file")
            report.outputs.update((str(path), n) for path, n in shard.sizes.items())
        if not report.outputs:
            why = next((f": {r}" for r in report.records if r.kind != "not-read"), "")
            raise CorpusError(f"No sentence is left to write to {output}{why}")
    is_split = split != "none" or max_tokens is not None
    report.hints += find_hints(report.tally, str(nlp.lang), is_split)
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
    missing: str,
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
        doc, moves = make_doc(sentence, nlp, spans_key, missing)
        report.tally.add(sentence, doc)
        records += moves
    faults = [record for record in records if record.fault]
    _check_allowed(faults, on_error, report)
    if doc is None or (faults and on_error == "skip"):
        report.add(record for record in records if record.kind == "not-read")
        report.add(_drop(sentence, records, join_by(sentence, nlp)))
        return None
    report.add(records)
    report.sentences_written += 1
    return doc


def _count(doc: Doc, report: Report, spans_key: Optional[str]) -> None:
    report.tokens_written += len(doc)
    report.tokens_missing += int((doc.to_array("ENT_IOB") == 0).sum())
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
    _check_allowed([record], on_error, report)
    report.add([record])


def _check_allowed(faults: Sequence[Record], on_error: str, report: Report) -> None:
    if faults and on_error == "raise":
        first = min(faults, key=lambda record: record.line)
        report.add([first])
        hint = "correct the file, or use --on-error repair or skip"
        raise CorpusError(f"{first}: {hint}")


def _drop(sentence: Sentence, faults: List[Record], separator: str) -> List[Record]:
    """List a sentence that is left out, with all its entities."""
    ranked = sorted(faults, key=lambda f: (f.kind not in UNREPAIRABLE, not f.fault))
    fault = ranked[0]
    source = sentence.source
    where = "" if fault.line == sentence.line else f"line {fault.line}: "
    why = f"sentence left out: {where}{fault.why}"
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
