"""spacy bilstm-crf convert: corpora to DocBin files."""

from pathlib import Path
from typing import Annotated, List, Optional

from spacy.cli._util import Arg, Opt

from ..corpus.convert import convert
from ..corpus.pipeline import make_nlp
from ..corpus.sentence import CorpusError, Options
from .show import msg, show_report

INPUTS = "Corpora: files, or folders of them."
OUTPUT = (
    "OUTPUT.spacy: one file for all inputs. Anything else is a folder that gets one "
    "file per input, named up to the first dot: train.char.bmes -> train.spacy."
)
LANG = "Language code of the pipeline whose tokenizer makes the Docs, e.g. zh or en."
PIPELINE = (
    "Take the tokenizer of this pipeline: a config.cfg, or a pipeline's folder or name. "
    "With --lang too, that is the language of the config."
)
FORMAT = (
    "columns, inline, parallel, jsonl, cluener, doccano, prodigy, label-studio, spacy, "
    "offsets or brat. 'auto' looks into each file."
)
SCHEME = (
    "Tagging scheme: bio, iob1, bioes, bmes, bilou, bmewo, bmewo+ or io. "
    "'auto' detects it for each file."
)
TOKEN_COLUMN = "Column of the token, counted from 0; -1 is the last one."
TAG_COLUMN = "Column of the tag, likewise."
COMMENT = "Skip lines of column files that begin with this, e.g. '# '."
SEGMENTATION = "Cut the digit off the tokens of column files such as Weibo's 科0 技1."
SPLIT = (
    "Where long texts may be cut: after a 'newline', after a 'sentence', or, with "
    "'none', between any tokens, if --max-tokens asks for it. Never inside an entity."
)
MAX_TOKENS = "Make pieces as long as possible, but not longer than this."
SPANS_KEY = "Put all entities into doc.spans[KEY] too, those that overlap included."
SHARDS = "Write each output as this many files, into a folder."
MAX_DOCS = "Write each output as files of so many Docs, into a folder."
ON_ERROR = (
    "What to do about faulty input: 'repair' it, 'skip' the sentences that need a "
    "repair, or 'raise' an error at the first fault."
)
MISSING = (
    "Which tokens are not annotated, rather than annotated as no entity: 'none', those of "
    "sentences that are 'empty' of entities, or all that are 'outside' of entities."
)
REPORT = "List every repair, adjustment and drop in this JSONL file."


def convert_cli(
    inputs: Annotated[List[Path], Arg(help=INPUTS, show_default=False)],
    output: Annotated[Path, Arg(help=OUTPUT, show_default=False)],
    lang: Annotated[
        Optional[str], Opt("--lang", "-l", help=LANG, show_default=False)
    ] = None,
    pipeline: Annotated[
        Optional[str], Opt("--pipeline", "-p", help=PIPELINE, show_default=False)
    ] = None,
    format: Annotated[str, Opt("--format", "-f", help=FORMAT)] = "auto",
    scheme: Annotated[str, Opt("--scheme", "-s", help=SCHEME)] = "auto",
    token_column: Annotated[int, Opt("--token-column", help=TOKEN_COLUMN)] = 0,
    tag_column: Annotated[int, Opt("--tag-column", help=TAG_COLUMN)] = -1,
    comment: Annotated[Optional[str], Opt("--comment", help=COMMENT)] = None,
    segmentation: Annotated[bool, Opt("--segmentation", help=SEGMENTATION)] = False,
    split: Annotated[str, Opt("--split", help=SPLIT)] = "none",
    max_tokens: Annotated[Optional[int], Opt("--max-tokens", help=MAX_TOKENS)] = None,
    spans_key: Annotated[Optional[str], Opt("--spans-key", help=SPANS_KEY)] = None,
    shards: Annotated[Optional[int], Opt("--shards", help=SHARDS)] = None,
    max_docs: Annotated[Optional[int], Opt("--max-docs", help=MAX_DOCS)] = None,
    missing: Annotated[str, Opt("--missing", help=MISSING)] = "none",
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
        result = convert(
            inputs,
            output,
            make_nlp(lang, pipeline),
            format=format,
            options=Options(scheme, token_column, tag_column, comment, segmentation),
            on_error=on_error,
            missing=missing,
            spans_key=spans_key,
            split=split,
            max_tokens=max_tokens,
            shards=shards,
            max_docs=max_docs,
            report_path=report,
            progress=True,
        )
    except (CorpusError, OSError) as error:
        msg.fail(str(error), exits=1)
    else:
        show_report(result)
