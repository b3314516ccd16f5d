"""What spaCy's own `spacy convert` does with tagged files named .bmes and the
like. By itself it knows none of them, and with `-c ner` it makes an entity of
each of their characters without a word.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, cast

from spacy.cli.convert import CONVERTERS
from spacy.tokens import Doc, DocBin
from wasabi.printer import Printer

from ..corpus.convert import convert
from ..corpus.pipeline import make_nlp
from ..corpus.sentence import CorpusError
from .show import show_report

# File names that spaCy's command has no converter for. Its own stay.
SUFFIXES = ("bmes", "bio", "bioes", "bilou", "bmewo", "iob1", "iob2")


def tagged_to_docs(
    input_data: str,
    n_sents: int = 1,
    lang: Optional[str] = None,
    no_print: bool = False,
    **unused: Any,
) -> List[Doc]:
    """Convert a column file, as `spacy bilstm-crf convert` does.

    input_data (str): The text of the file.
    n_sents (int): Number of sentences in a Doc. 0 is 1.
    lang (Optional[str]): Language code of the tokenizer. By default Chinese for
        text with Chinese characters, and spaCy's multi-language one otherwise.
    no_print (bool): Print nothing.
    **unused (Any): What spaCy passes to all converters.
    RETURNS (List[Doc]): The Docs.
    """
    msg = Printer(no_print=no_print, line_max=1_000_000)
    ignored = [
        name for name in ("seg_sents", "merge_subtokens", "ner_map") if unused.get(name)
    ]
    if ignored:
        msg.warn(f"Not used for these files: {', '.join(ignored)}")
    if lang is None:
        has_chinese = any("\u4e00" <= char <= "\u9fff" for char in input_data)
        lang = "zh" if has_chinese else "xx"
        msg.info(f"No --lang: tokens are cut as in '{lang}'")
    # Readers go through a file twice.
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "input"), Path(folder, "output.spacy")
        source.write_text(input_data, encoding="utf8", newline="")
        try:
            nlp = make_nlp(lang)
            report = convert([source], output, nlp, format="columns")
        except CorpusError as error:
            why = str(error).replace(f"{source}:", "line ")
            msg.fail(why.replace(f" to write to {output}", ""), exits=1)
        docs = list(DocBin().from_disk(output).get_docs(nlp.vocab))
    if not no_print:
        # spaCy tells its converters the text of a file, but not its name.
        report.evidence = {"Tagging scheme": report.evidence[str(source)]}
        report.records = [replace(record, source="line") for record in report.records]
        report.outputs = {}
        show_report(report)
    if n_sents < 2:
        return docs
    groups = (docs[i : i + n_sents] for i in range(0, len(docs), n_sents))
    return [Doc.from_docs(group, ensure_whitespace=False) for group in groups]


def add_converters() -> None:
    """Let `spacy convert` know this project's converter by the names of files."""
    converters = cast(Dict[str, Callable[..., Iterable[Doc]]], CONVERTERS)
    for suffix in SUFFIXES:
        converters.setdefault(suffix, tagged_to_docs)
