"""spacy bilstm-crf vectors: word vectors for `[initialize] vectors`."""

from pathlib import Path
from typing import Annotated

from spacy.cli._util import Arg, Opt

from ..corpus.pipeline import make_nlp
from ..corpus.sentence import CorpusError
from ..vector_file import VectorReport, load_vectors
from .show import msg

SOURCE = "Vectors in the text format of word2vec, GloVe or fastText, plain or .gz."
OUTPUT = "The folder to write, for `[initialize] vectors`."
LANG = "Language code of the pipelines that will use them."
TRUNCATE = "Read so many vectors only, the first ones. 0 for all."


def vectors_cli(
    source: Annotated[Path, Arg(help=SOURCE, show_default=False)],
    output: Annotated[Path, Arg(help=OUTPUT, file_okay=False, show_default=False)],
    lang: Annotated[str, Opt("--lang", "-l", help=LANG, show_default=False)],
    truncate: Annotated[int, Opt("--truncate", "-t", help=TRUNCATE, min=0)] = 0,
) -> None:
    """
    Convert word vectors for spaCy, as `spacy init vectors` does, from files as they are:
    without a header or with a wrong one, with whitespace among the words, with rows that
    are broken or there twice.
    """
    try:
        nlp = make_nlp(lang)
        report = load_vectors(nlp.vocab, source, truncate)
        # spaCy makes no folders above it.
        output.mkdir(parents=True, exist_ok=True)
        nlp.to_disk(output)
    except (CorpusError, OSError) as error:
        msg.fail(str(error), exits=1)
    else:
        show_vectors(report, truncate)
        msg.good(f"{output}: {report.rows:,} x {report.width} vectors")


def show_vectors(report: VectorReport, truncate: int) -> None:
    """Print what was not as it should be.

    report (VectorReport): What was read.
    truncate (int): How many vectors were to be read, 0 for all.
    """
    for line in report.list_skipped():
        msg.warn(line)
    if report.declared is None or truncate:
        return
    found = (report.rows + report.skipped.total(), report.width)
    if report.declared != found:
        msg.warn(
            f"The header says {report.declared[0]:,} x {report.declared[1]}, "
            f"the file has {found[0]:,} x {found[1]}"
        )
