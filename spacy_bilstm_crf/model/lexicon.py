"""Embedding of the words of a lexicon that cover each token, for the tok2vec slot."""

from itertools import accumulate
from pathlib import Path
from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Tuple, Union, cast

import numpy
from spacy.tokens import Doc
from spacy.util import logger
from thinc.api import Model, uniform_init
from thinc.types import Floats2d, Ints2d
from thinc.util import partial

from ..query import CHECK_LOADED, GATHER_ENTITIES
from ..vector_file import VectorReport, read_vectors
from ..wordlist import read_lexicon
from .embed import EmbedT
from .lexicon_gather import gather_lexicon
from .lexicon_sets import NUM_SETS, make_soft_sets
from .lexicon_words import Lexicon, Matches

# Rows of the table: one for a set without words, one for all words that have none of their
# own, then those of the types, then those of words.
NO_WORD = 0
NOT_OWN = 1
FIRST_TYPE = 2


def build_lexicon_embed(
    width: int = 16,
    entities: bool = True,
    words: Optional[Union[str, Path]] = None,
    vectors: Optional[Union[str, Path]] = None,
    min_freq: int = 3,
    dropout: float = 0.0,
) -> EmbedT:
    """Embed the words of a lexicon that begin at each token, have it inside, end with it,
    or are nothing else: one vector for each of these four sets, concatenated (SoftLexicon,
    Ma et al. 2020).

    A word's vector is that of its type plus, if it has one, its own. The lexicon is
    gathered when a `bilstm_crf` component is initialized, and saved with the model: the
    files are not needed afterwards.

    width (int): Width of each set's vector. The output is 4 times as wide.
    entities (bool): Whether the entities of the training data are words of the lexicon,
        with their labels as types. In training each text sees those of all others.
    words (Optional[Union[str, Path]]): Path of a UTF-8 file with a word, a tab and a type
        on each line, and after another tab its frequency, if it is known.
    vectors (Optional[Union[str, Path]]): Path of a text file of word vectors, of any width.
        They stay as they are; how they become vectors of this width is learned.
    min_freq (int): In how many training texts an entity must occur for its own vector.
    dropout (float): The share of words that training does not see.
    """
    if not entities and words is None and vectors is None:
        raise ValueError(
            "LexiconEmbed has no words: set entities to true, or words or vectors to the "
            "path of a file"
        )
    if width < 1 or min_freq < 1 or not 0.0 <= dropout < 1.0:
        raise ValueError(
            "LexiconEmbed needs a width and a min_freq of 1 or more, and a dropout from 0 "
            f"to less than 1: got width {width}, min_freq {min_freq}, dropout {dropout}"
        )
    settings = Settings(width, entities, words, vectors, min_freq, dropout)
    return Model(
        "lexicon_embed",
        partial(forward, settings),
        init=partial(init, settings),
        dims={"nO": NUM_SETS * width},
        params={"E": None, "W": None},
        attrs={
            "lexicon": gather_lexicon([], [], [], min_freq),
            "gathered": False,
            GATHER_ENTITIES: partial(gather_entities, settings),
            CHECK_LOADED: partial(check_loaded, settings),
        },
    )


class Settings(NamedTuple):
    """See `build_lexicon_embed`."""

    width: int
    entities: bool
    words: Optional[Union[str, Path]]
    vectors: Optional[Union[str, Path]]
    min_freq: int
    dropout: float


def gather_entities(settings: Settings, model: EmbedT, docs: Iterable[Doc]) -> None:
    """Gather the words of the lexicon, before the model is initialized.

    docs (Iterable[Doc]): All Docs of the training data, with their entities.
    """
    report = VectorReport()
    lexicon = gather_lexicon(
        docs if settings.entities else [],
        [] if settings.words is None else read_lexicon(settings.words),
        [] if settings.vectors is None else read_vectors(Path(settings.vectors), report),
        settings.min_freq,
    )
    if settings.vectors is not None:
        logger.info("%s: %d x %d vectors", settings.vectors, report.rows, report.width)
    for line in report.list_skipped():
        logger.warning(line)
    if settings.entities and not lexicon.num_entities:
        logger.warning(
            "LexiconEmbed has seen no entity. A shared 'tok2vec' component never sees one: "
            "put LexiconEmbed into the 'bilstm_crf' component, or set entities to false"
        )
    model.attrs["lexicon"] = lexicon
    model.attrs["gathered"] = True


def init(
    settings: Settings, model: EmbedT, X: Optional[List[Doc]] = None, Y: Any = None
) -> None:
    """Draw the vectors of types and words.

    X (Optional[List[Doc]]): Docs to gather entities from, if nobody has done so.
    """
    if not model.attrs["gathered"]:
        gather_entities(settings, model, X or [])
    # Whoever initializes the model anew gathers anew.
    model.attrs["gathered"] = False
    lexicon: Lexicon = model.attrs["lexicon"]
    # Vectors of length 1 on average.
    bound = (3 / settings.width) ** 0.5
    shape = (_num_rows(lexicon), settings.width)
    model.set_param("E", uniform_init(model.ops, shape, lo=-bound, hi=bound))
    if lexicon.vectors.shape[1]:
        shape = (settings.width, lexicon.vectors.shape[1])
        model.set_param("W", uniform_init(model.ops, shape, lo=-bound, hi=bound))


def check_loaded(settings: Settings, model: EmbedT) -> None:
    """Raise ValueError unless the vectors are those of the lexicon."""
    lexicon: Lexicon = model.attrs["lexicon"]
    given = lexicon.vectors.shape[1]
    shapes = {"E": (_num_rows(lexicon), settings.width), "W": (settings.width, given)}
    for name, shape in shapes.items():
        if model.has_param(name) and model.get_param(name).shape != shape:
            raise ValueError("the vectors of LexiconEmbed are not those of its words")


def forward(
    settings: Settings, model: EmbedT, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    """Sum the vectors of the words in each set.

    RETURNS (Tuple[List[Floats2d], Callable]): One array of shape (tokens, nO) per Doc, and
        the callback that takes their gradients.
    """
    ops: Any = model.ops
    E = cast(Floats2d, model.get_param("E"))
    lexicon: Lexicon = model.attrs["lexicon"]
    matches = lexicon.match(docs, leave_out=is_train)
    if is_train:
        kept = numpy.random.random(len(matches.hits.entries)) >= settings.dropout
        matches = matches.pick(kept)
    num_tokens = sum(len(doc) for doc in docs)
    # As they are, the frequencies of common words would leave nothing for others.
    weights = numpy.log1p(matches.frequencies)
    sets = make_soft_sets(matches.hits, weights, num_tokens)
    slots = ops.asarray1i(sets.slots.astype("int32"))
    which = ops.asarray1i(sets.which.astype("int32"))
    shares = ops.asarray2f(sets.shares[:, None])
    empty_shares = ops.asarray2f(sets.empty_shares[:, None])
    type_rows, own_rows = _find_rows(ops, matches, lexicon)
    given = ops.asarray2f(lexicon.vectors[matches.vectors])

    words = E[type_rows] + E[own_rows]
    if model.has_param("W"):
        words += ops.gemm(given, cast(Floats2d, model.get_param("W")), trans2=True)
    flat = empty_shares * E[NO_WORD]
    ops.scatter_add(flat, slots, words[which] * shares)
    flat = ops.reshape2f(flat, num_tokens, model.get_dim("nO"))
    ends = list(accumulate(len(doc) for doc in docs))
    vectors = [flat[end - len(doc) : end] for doc, end in zip(docs, ends, strict=True)]

    def backprop(d_vectors: List[Floats2d]) -> List[Doc]:
        d_flat = ops.reshape2f(ops.flatten(d_vectors), -1, settings.width)
        d_words = ops.alloc2f(*words.shape)
        ops.scatter_add(d_words, which, d_flat[slots] * shares)
        dE = ops.alloc2f(*E.shape)
        ops.scatter_add(dE, type_rows, d_words)
        ops.scatter_add(dE, own_rows, d_words)
        dE[NO_WORD] = (empty_shares * d_flat).sum(axis=0)
        model.inc_grad("E", dE)
        if model.has_param("W"):
            model.inc_grad("W", ops.gemm(d_words, given, trans1=True))
        return []

    return vectors, backprop


def _num_rows(lexicon: Lexicon) -> int:
    return FIRST_TYPE + lexicon.num_types + lexicon.num_own


def _find_rows(ops: Any, matches: Matches, lexicon: Lexicon) -> Ints2d:
    """RETURNS (int array, shape (2, N)): Rows of the words' types, and their own rows."""
    first_own = FIRST_TYPE + lexicon.num_types
    own = numpy.where(matches.own < 0, NOT_OWN, first_own + matches.own)
    return cast(Ints2d, ops.asarray2i(numpy.stack((FIRST_TYPE + matches.types, own))))
