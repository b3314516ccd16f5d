"""spacy bilstm-crf convert: corpus files to DocBin files."""

from pathlib import Path
from typing import Annotated, List, Optional

import spacy
import srsly
from spacy.cli._util import Arg, Opt
from spacy.language import Language
from wasabi import msg
from wasabi.printer import Printer
from wasabi.tables import table
from wasabi.util import locale_escape

from ..corpus.convert import convert
from ..corpus.sentence import CorpusError, Report

MAX_SHOWN = 10
INPUTS = "Column files (one token per line, tag last), or folders of them."
OUTPUT = (
    "OUTPUT.spacy: one file for all inputs. Anything else is a folder that gets one "
    "file per input, named up to the first dot: train.char.bmes -> train.spacy."
)
LANG = "Language code of the pipeline whose tokenizer makes the Docs, e.g. zh or en."
SCHEME = (
    "Tagging scheme: bio, iob1, bioes, bmes, bilou or bmewo. "
    "'auto' detects it for each file."
)
ON_ERROR = (
    "What to do about faulty input: 'repair' it, 'skip' the sentences that need a "
    "repair, or 'raise' an error at the first fault."
)
REPORT = "List every repair and drop in this JSONL file."


def convert_cli(
    inputs: Annotated[List[Path], Arg(help=INPUTS, show_default=False)],
    output: Annotated[Path, Arg(help=OUTPUT, show_default=False)],
    lang: Annotated[str, Opt("--lang", "-l", help=LANG, show_default=False)],
    scheme: Annotated[str, Opt("--scheme", "-s", help=SCHEME)] = "auto",
    on_error: Annotated[str, Opt("--on-error", "-e", help=ON_ERROR)] = "repair",
    report: Annotated[
        Optional[Path], Opt("--report", "-r", help=REPORT, dir_okay=False)
    ] = None,
) -> None:
    """
    Convert corpora to spaCy's binary format for training. The text is tokenized
    by the pipeline's own tokenizer and the entities are placed on its tokens.
    Nothing is changed or left out silently: every repair and every drop is
    counted, and listed with file and line.
    """
    try:
        nlp = make_nlp(lang)
        result = convert(
            inputs, output, nlp, scheme=scheme, on_error=on_error, progress=True
        )
        if report is not None:
            write_report(result, report)
    except (CorpusError, OSError) as error:
        msg.fail(str(error), exits=1)
    else:
        show_report(result)


def make_nlp(lang: str) -> Language:
    """Make an empty pipeline. Its tokenizer is the one that training uses.

    lang (str): Language code.
    RETURNS (Language): The pipeline.
    """
    try:
        return spacy.blank(lang)
    except ImportError as error:
        # Either no such language, or its tokenizer needs another package.
        raise CorpusError(f"No pipeline for --lang {lang}: {error}") from error


def write_report(result: Report, path: Path) -> None:
    """Write every repair and drop to a JSONL file.

    result (Report): The report.
    path (Path): The file. Its folder is created if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_jsonl(path, [vars(record) for record in result.records])


def show_report(result: Report) -> None:
    """Print how the files were understood, what was written and what was not.

    result (Report): The report.
    """
    for source, evidence in result.evidence.items():
        msg.info(source, evidence)
    read, written = result.entities_read, result.entities_written
    dropped = result.entities_dropped
    rows = [(label, n, written[label], dropped[label]) for label, n in read.most_common()]
    total = ("all", read.total(), written.total(), dropped.total())
    header = ("entities", "read", "written", "dropped")
    _show(
        table(rows, header=header, footer=total, divider=True, aligns=["l", "r", "r", "r"])
    )
    _show(
        f"{result.sentences_read:,} sentences with {result.tokens_read:,} tokens read, "
        f"{result.sentences_written:,} with {result.tokens_written:,} tokens written"
    )
    for output, n_docs in result.outputs.items():
        msg.good(f"{output}: {n_docs:,} Docs")
    if result.records:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in result.kinds.most_common())
        msg.warn(f"Repairs and drops: {kinds}")
    for record in result.records[:MAX_SHOWN]:
        _show(str(record))
    if len(result.records) > MAX_SHOWN:
        _show("... (--report FILE.jsonl lists all of them)")


def _show(text: str) -> None:
    """Print without wasabi's wrapping, which would break up lines and tables."""
    Printer(pretty=False).text(locale_escape(text))
