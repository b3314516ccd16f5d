"""The one border between Docs' vectors and padded tensors."""

from typing import Any, Callable, Dict, List, Optional, Tuple, Union, cast

import numpy
from spacy.ml.models.tok2vec import get_tok2vec_width
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import ArgsKwargs, Floats1d, Floats2d, Ints1d
from thinc.util import partial, torch2xp, xp2torch

from ..query import SAMPLE_SIZE, Allowed, Query
from .batches import (
    CELLS,
    PADDED_TOKENS,
    Array,
    Batch,
    batch_spans,
    pad,
    plan_batches,
    split,
)
from .embed import gather_vocabularies
from .network import DECODERS
from .shim import BiLSTMCRFShim

PRECISIONS = ("float32", "bfloat16")

InT = Union[List[Doc], Tuple[List[Doc], Allowed], Query]
OutT = Union[List[Ints1d], List[Floats2d], Floats1d]


def build_bilstm_crf(
    tok2vec: Model[List[Doc], List[Floats2d]],
    hidden_width: int,
    depth: int,
    dropout: float,
    decoder: str = "crf",
    mixed_precision: bool = False,
    locked_dropout: bool = True,
    adversarial_norm: float = 0.5,
    precision: str = "float32",
    nO: Optional[int] = None,
) -> Model[InT, OutT]:
    """Build a BiLSTM-CRF tagger over token vectors (Lample et al. 2016).

    The model takes Docs, or a `Query`: Docs with the tags that are allowed at each of their
    tokens. In prediction it gives each Doc's best legal tag ids, and how sure they are if
    the query asks for it; in training each Doc's loss.

    tok2vec (Model[List[Doc], List[Floats2d]]): Subnetwork that gives one vector per token:
        an embedding, or a listener to a `tok2vec` or `transformer` component.
    hidden_width (int): Width of each direction of the LSTM.
    depth (int): Number of LSTM layers. 0 means no LSTM.
    dropout (float): Rate before, between and after the LSTM layers. `[training] dropout`
        drops in addition: of what the one keeps, the other keeps its share.
    decoder (str): "crf", or "softmax" for tags that are scored one by one.
    mixed_precision (bool): Train the LSTM in 16 bits: bfloat16 on a CPU; on CUDA, where it
        holds for prediction too, float16 with loss scaling, or bfloat16 without if that is
        the `precision`. The CRF stays in float32.
    locked_dropout (bool): Drop the same units at every token of a Doc (Gal & Ghahramani
        2016) instead of drawing anew for each.
    adversarial_norm (float): Train each batch a second time with every token's vector moved
        by this much in the direction that is worst for it (FGM, Miyato et al. 2017). 0 for
        not; else training takes twice as long.
    precision (str): What the LSTM predicts in on a CPU, "float32" or "bfloat16". The latter
        is faster where the processor has instructions for it, and not used elsewhere.
    nO (Optional[int]): K, the number of BILUO tags. Set from the labels, if not given.
    """
    if decoder not in DECODERS:
        raise ValueError(f"decoder is {decoder!r}, expected one of {', '.join(DECODERS)}")
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}"
        )
    if hidden_width < 1 or depth < 0:
        raise ValueError(
            f"hidden_width is {hidden_width} and depth {depth}, expected at least 1 and 0"
        )
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout is {dropout}, expected a rate from 0 to less than 1")
    settings = {"hidden_width": hidden_width, "depth": depth, "decoder": decoder}
    return Model(
        "bilstm_crf",
        partial(forward, dropout, locked_dropout),
        init=partial(init, settings),
        layers=[tok2vec],
        shims=[
            BiLSTMCRFShim(
                mixed_precision=mixed_precision,
                precision=precision,
                adversarial_norm=adversarial_norm,
                expected=settings,
            )
        ],
        dims={"nO": nO},
        refs={"tok2vec": tok2vec},
        # spaCy writes `[training] dropout` here before each update.
        attrs={"dropout_rate": 0.0},
    )


def init(
    settings: Dict[str, Any],
    model: Model[InT, OutT],
    X: Optional[InT] = None,
    Y: Any = None,
) -> None:
    """Initialize the token vectors and build the network on their width.

    settings (Dict[str, Any]): Arguments of `BiLSTMCRF`, but for widths and tags.
    X (Optional[InT]): Docs of the training data: all of them, if a layer gathers a
        vocabulary.
    """
    docs = (X[0] if isinstance(X, tuple) else X) or []
    tok2vec = model.layers[0]
    gather_vocabularies(tok2vec, docs)
    # A chain of layers runs on what it is given here: a sample must do.
    tok2vec.initialize(X=docs[:SAMPLE_SIZE] or None)
    for node in tok2vec.walk():
        for name in node.param_names:
            if node.has_grad(name):
                # Training leaves one behind, of the shape that the weights had.
                node.set_grad(name, node.ops.xp.zeros_like(node.get_param(name)))
    width = get_tok2vec_width(model)
    if width is None:
        raise ValueError(
            f"the width of the token vectors is not known: '{tok2vec.name}' sets no nO"
        )
    num_tags = model.get_dim("nO")
    _shim(model).build({**settings, "width": width, "num_tags": num_tags})


def forward(
    dropout: float, locked: bool, model: Model[InT, OutT], X: InT, is_train: bool
) -> Tuple[OutT, Callable[[Floats1d], List[Doc]]]:
    """Run the network over sub-batches of Docs of similar length.

    dropout (float): Dropout rate in training, to which the model's `dropout_rate` adds.
    locked (bool): Whether it drops the same units at every token.
    X (InT): Docs, or a `Query`.
    is_train (bool): Whether to give losses and a callback rather than tags.
    RETURNS (Tuple[OutT, Callable]): Tag ids per Doc, int64, or, for a query with a
        temperature, what it wants, float32, shape (tokens, columns), see `BiLSTMCRF`; or
        a loss per Doc, shape (Docs,), and the callback that takes its gradient.
    """
    query = Query(*X) if isinstance(X, tuple) else Query(X)
    docs, allowed, temperature, teacher, *_ = query
    lengths = numpy.array([len(doc) for doc in docs], dtype="int64")
    num_tokens = int(lengths.sum())
    num_tags = model.get_dim("nO")
    tags: Array = query.make_answer(num_tokens, num_tags)
    losses: Array = model.ops.alloc1f(len(docs))
    if not lengths.any():
        # Some embeddings cannot take a batch without tokens.
        return (losses if is_train else split(tags, lengths)), lambda d_losses: []

    shim, xp = _shim(model), model.ops.xp
    vectors, backprop_tok2vec = model.layers[0](docs, is_train)
    flat_vectors: Array = _join(xp, vectors)
    flat_allowed = numpy.concatenate(allowed) if allowed else None
    flat_bonus = numpy.concatenate(query.bonus) if query.bonus else None
    flat_taught: Array = None
    if teacher is not None:
        flat_taught = _join(xp, teacher.layers[0].predict(docs))
    kwargs: Dict[str, Any] = {
        "temperature": temperature,
        "want": query.want,
        "top_k": query.top_k,
    }
    if is_train:
        keep = (1.0 - dropout) * (1.0 - model.attrs["dropout_rate"])
        kwargs = {"loss": True, "dropout": 1.0 - keep, "locked": locked}

    callbacks = []
    max_sequences = CELLS // (num_tags**2 * query.top_k)
    for batch in plan_batches(lengths, PADDED_TOKENS, max_sequences):
        here = Batch(*map(xp.asarray, batch))
        args = [
            xp2torch(pad(flat_vectors, here), requires_grad=is_train, device=shim.device),
            xp2torch(here.lengths, device=shim.device),
        ]
        if flat_allowed is not None:
            padded = pad(flat_allowed, batch)
            args.append(xp2torch(padded, device=shim.device))
        if teacher is not None:
            taught = xp2torch(pad(flat_taught, here), device=shim.device)
            kwargs["teacher"] = (_shim(teacher).network, taught)
        if flat_bonus is not None:
            kwargs["bonus"] = xp2torch(pad(flat_bonus, batch), device=shim.device)
        if query.incorrect is not None:
            spans = xp.asarray(batch_spans(query.incorrect, batch))
            kwargs["incorrect"] = xp2torch(spans, device=shim.device)
        # A copy: the callback uses them too, when this loop is at another batch.
        inputs = ArgsKwargs(args=tuple(args), kwargs=dict(kwargs))
        Y, callback = shim(inputs, is_train)
        if is_train:
            losses[here.docs] = torch2xp(Y.detach())
            callbacks.append((here, Y, callback))
        else:
            tags[batch.tokens] = Y.cpu().numpy()[batch.rows, batch.columns]

    def backprop(d_losses: Floats1d) -> List[Doc]:
        d_flat: Array = model.ops.alloc2f(*flat_vectors.shape)
        for here, Y, callback in callbacks:
            d_Y = xp2torch(cast(Floats1d, d_losses[here.docs]), device=shim.device)
            inputs = callback(ArgsKwargs(args=(Y,), kwargs={"grad_tensors": d_Y}))
            d_padded: Array = torch2xp(inputs.args[0])
            d_flat[here.tokens] = d_padded[here.rows, here.columns]
        # One array per Doc, empty ones included: a listener adds them in place.
        d_docs: List[Doc] = backprop_tok2vec(split(d_flat, lengths))
        return d_docs

    return (losses if is_train else split(tags, lengths)), backprop


def _join(xp: Any, vectors: List[Floats2d]) -> Array:
    # A transformer's listener gives empty Docs vectors of no width.
    full = [rows for rows in vectors if len(rows)]
    return full[0] if len(full) == 1 else xp.concatenate(full)


def _shim(model: Model[InT, OutT]) -> BiLSTMCRFShim:
    return cast(BiLSTMCRFShim, model.shims[0])
