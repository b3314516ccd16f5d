"""Features of the word that each token belongs to, for the tok2vec slot."""

from itertools import accumulate
from typing import Any, Callable, List, NamedTuple, Optional, Tuple, cast

import numpy
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc
from thinc.api import Model, uniform_init
from thinc.types import Floats2d, Ints1d
from thinc.util import partial

from ..query import CHECK_LOADED, GATHER_ENTITIES, GATHER_VOCABULARY
from ..segmenters import Segmenter, Starts
from ..tags import BEGIN, INSIDE, LAST, UNIT
from .embed import EmbedT, gather_vocabularies

NUM_POSITIONS = 4


def build_word_embed(
    segmenter: Segmenter, embed: Optional[EmbedT] = None, position_width: int = 16
) -> EmbedT:
    """Give each token the vector of the word that it is in, concatenated with the vector of
    its position there: at the begin, inside, last, or alone (B, M, E and S).

    segmenter (Segmenter): Says where in a Doc words begin.
    embed (Optional[EmbedT]): Embedding of the words, which it is given as the tokens of
        other Docs: `NgramEmbed`, or spaCy's `MultiHashEmbed` for static vectors. None for
        positions alone.
    position_width (int): Width of the positions' vectors. 0 for words alone.
    """
    if position_width < 0 or (embed is None and position_width == 0):
        raise ValueError(
            f"WordEmbed has no embed and position_width {position_width}: set one of them"
        )
    if embed is not None and any(GATHER_ENTITIES in node.attrs for node in embed.walk()):
        # Words are other texts than those of the training: a lexicon could not leave out of
        # each what that alone tells.
        raise ValueError(
            f"WordEmbed cannot have {embed.name} inside: put LexiconEmbed beside WordEmbed"
        )
    return Model(
        "word_embed",
        partial(forward, segmenter),
        init=partial(init, segmenter, position_width),
        dims={"nO": None},
        layers=[] if embed is None else [embed],
        params={"P": None} if position_width else {},
        attrs={
            GATHER_VOCABULARY: partial(gather_vocabulary, segmenter),
            CHECK_LOADED: partial(check_loaded, position_width),
        },
    )


class Words(NamedTuple):
    """The words of Docs, and where the tokens are in them.

    docs (List[Doc]): For each Doc another one, whose tokens are the words.
    owners (int array, shape (tokens,)): The word of each token, counted through all Docs.
    positions (int array, shape (tokens,)): Its position in it: BEGIN, INSIDE, LAST, UNIT.
    """

    docs: List[Doc]
    owners: Ints1d
    positions: Ints1d


def find_words(segmenter: Segmenter, docs: List[Doc]) -> Words:
    """Find the words of Docs.

    segmenter (Segmenter): Says where in a Doc words begin.
    docs (List[Doc]): The Docs.
    RETURNS (Words): Their words.
    RAISES (ValueError): If the segmenter does not say one thing of each token.
    """
    all_starts = [numpy.zeros(0, dtype="bool")]
    word_docs = []
    for doc in docs:
        starts = numpy.array(segmenter(doc), dtype="bool")
        if starts.shape != (len(doc),):
            raise ValueError(
                f"the segmenter gave {starts.size} values for a Doc of {len(doc)} tokens: "
                "it must say of each token whether a word begins at it"
            )
        starts[:1] = True
        word_docs.append(Doc(doc.vocab, words=_cut(doc, starts)))
        all_starts.append(starts)
    first = numpy.concatenate(all_starts)
    # A word ends where the next one begins.
    last = numpy.append(first[1:], True)[: len(first)]
    positions = numpy.where(
        first, numpy.where(last, UNIT, BEGIN), numpy.where(last, LAST, INSIDE)
    )
    owners = cast(Ints1d, (numpy.cumsum(first) - 1).astype("int32"))
    return Words(word_docs, owners, cast(Ints1d, positions.astype("int32")))


def _cut(doc: Doc, starts: Starts) -> List[str]:
    """RETURNS (List[str]): The words, without the space after them."""
    # Slices of the text: spans take three times as long.
    text = doc.text
    first, length = doc.to_array([IDX, LENGTH]).reshape(-1, 2).T
    begins = first[starts].tolist()
    # A word ends with its last token, the one before the next word.
    ends = (first + length)[numpy.append(starts[1:], True)[: len(doc)]].tolist()
    return [text[i:j] for i, j in zip(begins, ends, strict=True)]


def gather_vocabulary(segmenter: Segmenter, model: EmbedT, docs: List[Doc]) -> None:
    """Show the words of the training data to the embedding of words.

    docs (List[Doc]): All the Docs.
    """
    for embed in model.layers:
        gather_vocabularies(embed, find_words(segmenter, docs).docs)


def init(
    segmenter: Segmenter,
    position_width: int,
    model: EmbedT,
    X: Optional[List[Doc]] = None,
    Y: Any = None,
) -> None:
    """Initialize the embedding of words and draw the positions' vectors.

    X (Optional[List[Doc]]): A sample of the Docs.
    """
    word_docs = find_words(segmenter, X).docs if X else None
    for embed in model.layers:
        embed.initialize(X=word_docs)
    if position_width:
        # Vectors of length 1 on average.
        bound = (3 / position_width) ** 0.5
        shape = (NUM_POSITIONS, position_width)
        model.set_param("P", uniform_init(model.ops, shape, lo=-bound, hi=bound))
    widths = [embed.get_dim("nO") for embed in model.layers]
    model.set_dim("nO", sum(widths) + position_width)


def check_loaded(position_width: int, model: EmbedT) -> None:
    """Raise ValueError unless there is a vector for each position."""
    shape = (NUM_POSITIONS, position_width)
    if model.has_param("P") and model.get_param("P").shape != shape:
        raise ValueError("the vectors of WordEmbed are not those of its positions")


def forward(
    segmenter: Segmenter, model: EmbedT, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    """Look up the vectors of each token's word and position.

    RETURNS (Tuple[List[Floats2d], Callable]): One array of shape (tokens, nO) per Doc, and
        the callback that takes their gradients.
    """
    words = find_words(segmenter, docs)
    owners = model.ops.asarray1i(words.owners)
    positions = model.ops.asarray1i(words.positions)
    nO = model.get_dim("nO")
    columns, callbacks = [model.ops.alloc2f(len(owners), 0)], []
    for embed in model.layers:
        vectors, callback = embed(words.docs, is_train)
        none = model.ops.alloc2f(0, embed.get_dim("nO"))
        columns.append(model.ops.xp.vstack([none, *vectors])[owners])
        callbacks.append(callback)
    if model.has_param("P"):
        columns.append(cast(Floats2d, model.get_param("P"))[positions])
    flat = model.ops.xp.hstack(columns)

    def backprop(d_vectors: List[Floats2d]) -> List[Doc]:
        d_flat = model.ops.reshape2f(model.ops.flatten(d_vectors), len(owners), nO)
        start = 0
        for embed, callback in zip(model.layers, callbacks, strict=True):
            start = embed.get_dim("nO")
            lengths = [len(doc) for doc in words.docs]
            d_words = model.ops.alloc2f(sum(lengths), start)
            model.ops.scatter_add(d_words, owners, model.ops.as_contig(d_flat[:, :start]))
            callback(_split(d_words, lengths))
        if model.has_param("P"):
            dP = model.ops.alloc2f(NUM_POSITIONS, nO - start)
            model.ops.scatter_add(dP, positions, model.ops.as_contig(d_flat[:, start:]))
            model.inc_grad("P", dP)
        return []

    return _split(flat, [len(doc) for doc in docs]), backprop


def _split(flat: Floats2d, lengths: List[int]) -> List[Floats2d]:
    ends = accumulate(lengths)
    return [flat[end - n : end] for end, n in zip(ends, lengths, strict=True)]
