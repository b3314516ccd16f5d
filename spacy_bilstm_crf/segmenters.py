"""Where words begin in a Doc whose tokens are characters."""

import warnings
from importlib.util import find_spec
from typing import Callable, Iterable

import numpy
from numpy.typing import NDArray
from spacy.attrs import IDX
from spacy.tokens import Doc
from spacy.util import filter_spans
from thinc.util import partial

# For each token whether a word begins at it, shape (tokens,). Its first token always does.
Starts = NDArray[numpy.bool_]
Segmenter = Callable[[Doc], Starts]

NO_WORDS = (
    "there are no words in doc.spans[{!r}], so each token is one by itself: put a "
    "component that sets them before this one, and name it in [training] "
    "annotating_components"
)
NO_JIEBA = (
    "JiebaSegmenter needs the package jieba: "
    'python -m pip install "spacy-bilstm-crf[jieba]"'
)


def create_jieba_segmenter() -> Segmenter:
    """Create a segmenter that finds Chinese words with jieba and its dictionary. Words
    added to jieba itself (`jieba.load_userdict`) are not saved with the pipeline.

    RAISES (ImportError): If jieba is not installed.
    """
    if find_spec("jieba") is None:
        raise ImportError(NO_JIEBA)
    return segment_with_jieba


def segment_with_jieba(doc: Doc) -> Starts:
    # An extra. It takes a second to read its dictionary.
    import jieba

    return word_starts(doc, jieba.cut(doc.text))


def create_span_segmenter(spans_key: str = "words") -> Segmenter:
    """Create a segmenter for the words that an earlier component has found: a SpanRuler,
    or one of the user's own. Of words that overlap the longest counts, then the first.
    Tokens of none are words by themselves. A Doc that nobody has looked for words in is
    warned of.

    spans_key (str): Where in `doc.spans` the words are.
    """
    return partial(segment_by_spans, spans_key)


def segment_by_spans(spans_key: str, doc: Doc) -> Starts:
    if spans_key not in doc.spans and len(doc):
        # No error: `spacy debug model` shows a model Docs that no component has seen.
        warnings.warn(NO_WORDS.format(spans_key), stacklevel=2)
    starts = numpy.ones(len(doc), dtype="bool")
    for span in filter_spans(doc.spans.get(spans_key, ())):
        starts[span.start + 1 : span.end] = False
    return starts


def word_starts(doc: Doc, words: Iterable[str]) -> Starts:
    """Lay the words that a segmenter found in a text over the tokens. What lies between
    them, whitespace as a rule, is no part of them. A token that holds several words counts
    to that of its first character.

    doc (Doc): The Doc.
    words (Iterable[str]): The words in the order of the text.
    RETURNS (Starts): For each token whether a word begins at it.
    RAISES (ValueError): At a word that the text does not have there.
    """
    text, end = doc.text, 0
    edges = []
    for word in words:
        start = text.find(word, end)
        if start < 0:
            raise ValueError(
                f"the segmenter gave the word {word!r}, which the text does not have "
                f"after character {end}: its words must be parts of the text, in order"
            )
        end = start + len(word)
        edges += [start, end]
    pieces = numpy.searchsorted(edges, doc.to_array(IDX).astype("int64"), side="right")
    starts = numpy.ones(len(doc), dtype="bool")
    starts[1:] = pieces[1:] != pieces[:-1]
    return starts
