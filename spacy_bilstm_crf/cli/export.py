"""spacy bilstm-crf export: DocBin files to corpora."""

from pathlib import Path
from typing import Annotated, List, Optional

from spacy.cli._util import Arg, Opt

from ..corpus.export import export
from ..corpus.sentence import CorpusError
from .show import msg, show_report

INPUTS = "Files of Docs (.spacy), gold or predicted, e.g. by `spacy apply`."
OUTPUT = "The file to write; for brat an empty or a new folder."
FORMAT = "columns, jsonl, brat, doccano or prodigy."
SCHEME = (
    "Tagging scheme for columns and jsonl: bio, iob1, bioes, bmes, bilou, bmewo, bmewo+ "
    "or io."
)
LANG = (
    "Language code of the Docs, for columns: where words are written without spaces, "
    "spaces get rows of their own."
)
SPANS_KEY = "Write the entities in doc.spans[KEY], not those in doc.ents."
REPORT = "List everything that could not be written as it is in this JSONL file."


def export_cli(
    inputs: Annotated[List[Path], Arg(help=INPUTS, show_default=False)],
    output: Annotated[Path, Arg(help=OUTPUT, show_default=False)],
    format: Annotated[str, Opt("--format", "-f", help=FORMAT, show_default=False)],
    scheme: Annotated[str, Opt("--scheme", "-s", help=SCHEME)] = "bio",
    lang: Annotated[
        Optional[str], Opt("--lang", "-l", help=LANG, show_default=False)
    ] = None,
    spans_key: Annotated[Optional[str], Opt("--spans-key", help=SPANS_KEY)] = None,
    report: Annotated[
        Optional[Path], Opt("--report", "-r", help=REPORT, dir_okay=False)
    ] = None,
) -> None:
    """
    Write the entities in spaCy's binary files as a corpus, for other tools and for
    people. `spacy bilstm-crf convert` reads it back: the same texts, the same
    entities. What a format cannot hold is counted, and listed with the number of
    the Doc.
    """
    try:
        result = export(
            inputs,
            output,
            format=format,
            scheme=scheme,
            lang=lang,
            spans_key=spans_key,
            report_path=report,
            progress=True,
        )
    except (CorpusError, OSError) as error:
        msg.fail(str(error), exits=1)
    else:
        show_report(result)
