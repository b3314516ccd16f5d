"""n-gram embeddings for the tok2vec slot."""

from itertools import accumulate
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union, cast

import numpy
from numpy.typing import NDArray
from spacy.attrs import intify_attr
from spacy.strings import get_string_id
from spacy.tokens import Doc
from spacy.util import logger
from thinc.api import Model, uniform_init
from thinc.types import Floats2d, Ints2d
from thinc.util import partial

from ..query import CHECK_LOADED, GATHER_VOCABULARY, SAMPLE_SIZE

Keys = NDArray[numpy.uint64]
EmbedT = Model[List[Doc], List[Floats2d]]

UNKNOWN_ROW = 0
# Before the name of an extension attribute, as in spaCy's patterns and scorers.
EXTENSION = "_."


def build_ngram_embed(
    width: int = 64,
    # Not spaCy's frozen lists: `init fill-config` copies defaults, and those refuse.
    orders: Sequence[int] = (1, 2),
    min_freq: Sequence[int] = (1, 2),
    dropout: Sequence[float] = (0.05, 0.3),
    singleton_dropout: float = 0.5,
    attr: str = "ORTH",
) -> EmbedT:
    """Embed the n-grams that start at each token, one vector per order, concatenated.

    An n-gram that the training data holds often enough has a row of its own; all others
    of its order share one learned row. The vocabulary is gathered from all the training
    data when a `bilstm_crf` component is initialized, and saved with the model.

    width (int): Width of each order's vectors. The output is `len(orders)` times as wide.
    orders (Sequence[int]): Lengths of the n-grams: 1 for the token alone, 2 for the token
        and the next one, and so on.
    min_freq (Sequence[int]): For each order, how often an n-gram must occur for its own
        row.
    dropout (Sequence[float]): For each order, the share of n-grams that training replaces
        with the unknown row.
    singleton_dropout (float): The same share for n-grams that occur once, if it is larger:
        they stand for what prediction has never seen.
    attr (str): Token attribute that the n-grams are made of: ORTH, NORM, LOWER, SHAPE ...,
        or an extension attribute, "_.name", whose values are told apart as strings.
    """
    if not len(orders) == len(min_freq) == len(dropout) or not orders or min(orders) < 1:
        raise ValueError(
            "NgramEmbed needs orders of 1 or more, and one value of min_freq and dropout "
            f"for each: got orders {orders}, min_freq {min_freq}, dropout {dropout}"
        )
    is_extension = attr.startswith(EXTENSION)
    if not is_extension and intify_attr(attr) is None:
        raise ValueError(f"NgramEmbed: there is no token attribute {attr!r}")
    settings = Settings(
        width=width,
        orders=list(orders),
        min_freq=list(min_freq),
        dropout=list(dropout),
        singleton_dropout=singleton_dropout,
        attr=attr if is_extension else intify_attr(attr),
    )
    return Model(
        "ngram_embed",
        partial(forward, settings),
        init=partial(init, settings),
        dims={"nO": width * len(orders)},
        params={"E": None},
        attrs={
            "keys": [],
            "singletons": [],
            "gathered": False,
            GATHER_VOCABULARY: partial(gather_vocabulary, settings),
            CHECK_LOADED: partial(check_loaded, settings),
        },
    )


class Settings(NamedTuple):
    """See `build_ngram_embed`."""

    width: int
    orders: List[int]
    min_freq: List[int]
    dropout: List[float]
    singleton_dropout: float
    attr: Union[int, str]


def gather_vocabularies(model: Model[Any, Any], docs: List[Doc]) -> None:
    """Show Docs to the layers that gather a vocabulary. One that has other layers inside
    does as it sees fit with those.

    model (Model): The layer to begin with.
    docs (List[Doc]): All the Docs of the training data.
    """
    if GATHER_VOCABULARY in model.attrs:
        model.attrs[GATHER_VOCABULARY](model, docs)
    else:
        for layer in model.layers:
            gather_vocabularies(layer, docs)


def gather_vocabulary(settings: Settings, model: EmbedT, docs: List[Doc]) -> None:
    """Count the n-grams of the training data, before the model is initialized.

    docs (List[Doc]): All the Docs.
    """
    keys, singletons = [], []
    all_orders = _ngram_keys(docs, settings)
    for order_keys, threshold in zip(all_orders, settings.min_freq, strict=True):
        unique, counts = numpy.unique(order_keys, return_counts=True)
        keys.append(unique[counts >= threshold])
        singletons.append(counts[counts >= threshold] == 1)
    model.attrs["keys"], model.attrs["singletons"] = keys, singletons
    model.attrs["gathered"] = True


def init(
    settings: Settings, model: EmbedT, X: Optional[List[Doc]] = None, Y: Any = None
) -> None:
    """Draw the vectors of the vocabulary.

    X (Optional[List[Doc]]): Docs to gather the vocabulary from, if nobody has done so.
    """
    if not model.attrs["gathered"]:
        if X and len(X) <= SAMPLE_SIZE:
            logger.warning(
                "NgramEmbed has seen %d texts and knows no other n-grams. A shared "
                "'tok2vec' component never sees more: put NgramEmbed into the "
                "'bilstm_crf' component, or share a MultiHashEmbed",
                len(X),
            )
        gather_vocabulary(settings, model, X or [])
    # Whoever initializes the model anew gathers anew.
    model.attrs["gathered"] = False
    num_rows = sum(1 + len(order_keys) for order_keys in model.attrs["keys"])
    # Vectors of length 1 on average.
    bound = (3 / settings.width) ** 0.5
    shape = (num_rows, settings.width)
    model.set_param("E", uniform_init(model.ops, shape, lo=-bound, hi=bound))


def check_loaded(settings: Settings, model: EmbedT) -> None:
    """Raise ValueError unless the vocabulary is one, and the vectors are its own."""
    keys, singletons = model.attrs["keys"], model.attrs["singletons"]
    if not model.has_param("E") and not keys:
        return
    # `searchsorted` finds nothing in keys that are not sorted.
    sound = len(keys) == len(singletons) == len(settings.orders) and all(
        key.dtype == "uint64"
        and single.dtype == "bool"
        and key.ndim == 1
        and key.shape == single.shape
        and bool((key[1:] > key[:-1]).all())
        for key, single in zip(keys, singletons, strict=True)
    )
    num_rows = sum(1 + len(key) for key in keys)
    if not sound or model.get_param("E").shape != (num_rows, settings.width):
        raise ValueError("the vectors of NgramEmbed are not those of its n-grams")


def forward(
    settings: Settings, model: EmbedT, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    """Look up the vectors of the n-grams at each token.

    RETURNS (Tuple[List[Floats2d], Callable]): One array of shape (tokens, nO) per Doc, and
        the callback that takes their gradients.
    """
    E = cast(Floats2d, model.get_param("E"))
    rows = model.ops.asarray1i(_find_rows(settings, model, docs, is_train).ravel())
    flat = model.ops.reshape2f(E[rows], -1, model.get_dim("nO"))
    ends = list(accumulate(len(doc) for doc in docs))
    vectors = [flat[end - len(doc) : end] for doc, end in zip(docs, ends, strict=True)]

    def backprop(d_vectors: List[Floats2d]) -> List[Doc]:
        d_flat = model.ops.flatten(d_vectors)
        dE = model.ops.alloc2f(*E.shape)
        d_rows = model.ops.reshape2f(d_flat, len(rows), settings.width)
        model.ops.scatter_add(dE, rows, d_rows)
        model.inc_grad("E", dE)
        return []

    return vectors, backprop


def _find_rows(
    settings: Settings, model: EmbedT, docs: List[Doc], is_train: bool
) -> Ints2d:
    """RETURNS (int array): Rows of the table, shape (tokens, orders). Each order's rows lie
    together, the unknown one first."""
    found, offset = [], 0
    all_orders = _ngram_keys(docs, settings)
    for order_keys, known, singletons, rate in zip(
        all_orders,
        model.attrs["keys"],
        model.attrs["singletons"],
        settings.dropout,
        strict=True,
    ):
        rows = numpy.zeros(len(order_keys), dtype="int32")
        if len(known):
            places = numpy.searchsorted(known, order_keys)
            places[places == len(known)] = 0
            seen = known[places] == order_keys
            if is_train:
                singleton_rate = max(rate, settings.singleton_dropout)
                rates = numpy.where(singletons[places], singleton_rate, rate)
                seen &= numpy.random.random(len(rows)) >= rates
            rows = numpy.where(seen, places + 1, UNKNOWN_ROW).astype("int32")
        found.append(rows + offset)
        offset += 1 + len(known)
    return cast(Ints2d, numpy.stack(found, axis=1))


def _ngram_keys(docs: List[Doc], settings: Settings) -> List[Keys]:
    """Hash the n-grams that start at each token of the Docs laid end to end. Past the end
    of a Doc stands a token of its own, 0, which no string has as its id.

    RETURNS (List[Keys]): One array of shape (tokens,) per order.
    """
    arrays: List[Any] = [_token_ids(doc, settings.attr) for doc in docs]
    token = numpy.concatenate(arrays or [numpy.zeros(0)]).astype("uint64")
    lasts = numpy.cumsum([len(array) for array in arrays if len(array)], dtype="int64") - 1
    by_order, keys = {}, token
    for order in range(1, max(settings.orders) + 1):
        if order > 1:
            token = numpy.append(token[1:], numpy.uint64(0))
            token[lasts] = 0
            keys = _mix(keys) ^ token
        by_order[order] = keys
    return [by_order[order] for order in settings.orders]


def _token_ids(doc: Doc, attr: Union[int, str]) -> Keys:
    if isinstance(attr, int):
        return cast(Keys, doc.to_array(attr))
    name = attr.removeprefix(EXTENSION)
    values = [get_string_id(str(token._.get(name))) for token in doc]
    return numpy.array(values, dtype="uint64")


def _mix(keys: Keys) -> Keys:
    """Scramble 64-bit keys one to one (the finaliser of splitmix64, Steele et al. 2014)."""
    keys = (keys ^ (keys >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    mixed: Keys = keys ^ (keys >> numpy.uint64(31))
    return mixed
