"""From sentences to Docs: the one place that decides what becomes of a corpus,
and that accounts for all of it.
"""

import os
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from tqdm import tqdm

from .columns import SUFFIXES, ColumnReader
from .sentence import CorpusError, Kind, Reader, Record, Report, Sentence

# Languages written without spaces between words. spaCy's writing_system does
# not tell: Korean reads like Chinese there, and Thai like English.
UNSPACED_LANGS = frozenset(("zh", "ja", "th", "lo", "km", "my", "bo"))
ON_ERROR = ("repair", "skip", "raise")
# Kinds of record that leave no true sentence to keep.
UNREPAIRABLE = ("not-utf8", "too-long")


def convert(
    inputs: Iterable[Union[str, Path]],
    output: Union[str, Path],
    nlp: Language,
    *,
    scheme: str = "auto",
    on_error: str = "repair",
    progress: bool = False,
) -> Report:
    """Convert corpus files to DocBin files for `spacy train`.

    inputs (Iterable[Union[str, Path]]): Column files, or folders of them.
    output (Union[str, Path]): A path ending in .spacy for one file of all
        inputs. Otherwise a folder, which gets one file for each input file.
    nlp (Language): The pipeline whose tokenizer makes the Docs.
    scheme (str): Name of the tagging scheme, or "auto" to detect it per file.
    on_error (str): "repair" faulty input, "skip" the sentences that need it, or
        "raise" at the first one.
    progress (bool): Show a progress bar on stderr, if that is a terminal.
    RETURNS (Report): Counts, and a record of every repair and drop.
    RAISES (CorpusError): If the input cannot be converted, or under "raise".
    """
    if on_error not in ON_ERROR:
        raise CorpusError(f"Unknown on_error '{on_error}'. Use: {', '.join(ON_ERROR)}")
    report = Report()
    for target, paths in plan_outputs(inputs, Path(output)).items():
        docs = DocBin()
        for path in paths:
            reader: Reader = ColumnReader(path, scheme)
            report.evidence[str(path)] = reader.evidence
            if not len(reader):
                empty = Record(str(path), 1, "empty-file", "no tokens in this file")
                _check_allowed([empty], on_error)
                report.records.append(empty)
            hide = None if progress else True  # None: hidden unless on a terminal
            for sentence in tqdm(reader, path.name, leave=False, disable=hide):
                doc = _convert_sentence(sentence, nlp, report, on_error)
                if doc is not None:
                    docs.add(doc)
        if not len(docs):
            why = f": {report.records[0]}" if report.records else ""
            raise CorpusError(f"No sentence is left to write to {target}{why}")
        write_docbin(docs, target)
        report.outputs[str(target)] = len(docs)
    return report


def plan_outputs(
    inputs: Iterable[Union[str, Path]], output: Path
) -> Dict[Path, List[Path]]:
    """Decide which files go where, and find clashes before anything is written.

    inputs (Iterable[Union[str, Path]]): Files and folders.
    output (Path): A .spacy file, or a folder.
    RETURNS (Dict[Path, List[Path]]): The input files of each output file.
    """
    paths = [path for given in inputs for path in _find_files(Path(given))]
    if not paths:
        raise CorpusError("No input: name at least one file or folder")
    twice = [path for path, n in Counter(p.resolve() for p in paths).items() if n > 1]
    if twice:
        raise CorpusError(f"{twice[0]} is given twice: name each file once")
    if output.suffix == ".spacy":
        if output.is_dir():
            raise CorpusError(f"{output} is a folder: give another name to the output")
        return {output: paths}
    if output.exists() and not output.is_dir():
        raise CorpusError(f"{output} is no folder: the output is a .spacy file or a folder")
    plan: Dict[Path, List[Path]] = {}
    for path in paths:
        # Up to the first dot: train.char.bmes -> train.spacy
        target = output / f"{path.name.split('.')[0]}.spacy"
        if target in plan:
            raise CorpusError(
                f"{plan[target][0]} and {path} would both be written to {target}: "
                "rename one, or join them in one .spacy file"
            )
        plan[target] = [path]
    return plan


def make_doc(sentence: Sentence, nlp: Language) -> Tuple[Doc, List[Record]]:
    """Make a Doc with the pipeline's own tokenizer, and place the entities on
    its tokens by their character offsets.

    sentence (Sentence): The sentence.
    nlp (Language): The pipeline.
    RETURNS (Tuple[Doc, List[Record]]): The Doc, and every entity that could not
        be placed exactly where it stands.
    """
    space = _space(nlp)
    text = space.join(sentence.tokens)
    lengths = (len(token) + len(space) for token in sentence.tokens)
    offsets = list(accumulate(lengths, initial=0))
    doc = nlp.make_doc(text)
    ents: List[Span] = []
    records: List[Record] = []
    taken = [False] * len(doc)
    for start, end, label in sentence.spans:
        i, j = offsets[start], offsets[end] - len(space)
        before = text[i:j]
        span = _place(doc, text, i, j, label)
        if span is None or any(taken[span.start : span.end]):
            why = "only whitespace" if span is None else "shares a token with another"
            why = f"entity dropped: {why}"
            drop = sentence.record(start, "entity-dropped", why, before, label=label)
            records.append(drop)
            continue
        ents.append(span)
        taken[span.start : span.end] = [True] * len(span)
        if (span.start_char, span.end_char) != (i, j):
            kind, why = _why_moved(before, span.text)
            move = sentence.record(start, kind, why, before, span.text, label)
            records.append(move)
    doc.set_ents(ents, default="outside")
    return doc, records


def write_docbin(docs: DocBin, path: Path) -> None:
    """Write a DocBin under another name and rename it, so that an interrupted
    run leaves no half file behind.

    docs (DocBin): The Docs.
    path (Path): The file. Its folder is created if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(docs.to_bytes())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _convert_sentence(
    sentence: Sentence, nlp: Language, report: Report, on_error: str
) -> Optional[Doc]:
    """Make a Doc, or None if the sentence is left out. Account for either."""
    report.sentences_read += 1
    report.tokens_read += len(sentence.tokens)
    report.entities_read.update(label for _, _, label in sentence.spans)
    doc = None
    records = [*sentence.records, *_too_long(sentence, nlp)]
    if not any(record.kind in UNREPAIRABLE for record in records):
        doc, moves = make_doc(sentence, nlp)
        records += moves
    _check_allowed(records, on_error)
    if doc is None or (records and on_error == "skip"):
        report.records += _drop(sentence, records, _space(nlp))
        return None
    report.records += records
    report.sentences_written += 1
    report.tokens_written += len(doc)
    report.entities_written.update(ent.label_ for ent in doc.ents)
    return doc


def _check_allowed(records: List[Record], on_error: str) -> None:
    if records and on_error == "raise":
        first = min(records, key=lambda record: record.line)
        hint = "correct the file, or use on-error repair or skip"
        raise CorpusError(f"{first}: {hint}")


def _drop(sentence: Sentence, faults: List[Record], space: str) -> List[Record]:
    """List a sentence that is left out, with all its entities."""
    fault = next((f for f in faults if f.kind in UNREPAIRABLE), faults[0])
    why = f"sentence left out: line {fault.line}: {fault.why}"
    records = [sentence.record(0, "sentence-dropped", why)]
    for start, end, label in sentence.spans:
        text = space.join(sentence.tokens[start:end])
        why = "entity dropped with its sentence"
        drop = sentence.record(start, "entity-dropped", why, text, label=label)
        records.append(drop)
    return records


def _place(doc: Doc, text: str, start: int, end: int, label: str) -> Optional[Span]:
    """Find the tokens that hold the characters of an entity, without whitespace
    at its edges. None if it has no others.
    """
    core = text[start:end].strip()
    if not core:
        return None
    start = text.index(core, start)
    return doc.char_span(start, start + len(core), label, alignment_mode="expand")


def _why_moved(before: str, after: str) -> Tuple[Kind, str]:
    if after == before.strip():
        return "span-trimmed", "an entity begins or ends with whitespace"
    return "span-expanded", "an entity begins or ends within a token"


def _space(nlp: Language) -> str:
    return "" if nlp.lang in UNSPACED_LANGS else " "


def _too_long(sentence: Sentence, nlp: Language) -> List[Record]:
    """The tokenizer of a pipeline refuses long texts."""
    length = len(_space(nlp).join(sentence.tokens))
    if length <= nlp.max_length:
        return []
    why = f"{length:,} characters without a blank line, at most {nlp.max_length:,} allowed"
    return [sentence.record(0, "too-long", why)]


def _find_files(path: Path) -> List[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist")
    names = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    files = [p for p in names if p.suffix in SUFFIXES and p.is_file()]
    if not files:
        raise CorpusError(f"{path} has no column file ({' '.join(SUFFIXES)})")
    return files
