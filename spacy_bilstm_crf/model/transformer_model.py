"""A transformer for spaCy's `transformer` component in which each token is seen alone."""

from textwrap import shorten
from typing import Any, Callable, Dict, List, Tuple

from spacy.tokens import Doc
from spacy_transformers.data_classes import (
    FullTransformerBatch,
    HFObjects,
    TransformerData,
)
from spacy_transformers.layers import TransformerModel
from spacy_transformers.layers.transformer_model import huggingface_from_pretrained
from thinc.api import Model
from thinc.types import Ragged
from thinc.util import partial, torch2xp
from transformers.utils import ModelOutput

from .transformer import GetSpans
from .transformer_rows import find_limit, lay_out, run
from .transformer_shim import TransformerShim
from .windows import align, cut_rows
from .wordpieces import find_specials, split_tokens

Backprop = Callable[[FullTransformerBatch], List[Doc]]


class TokenTransformer(TransformerModel):
    """spacy-transformers' model with another way from tokens to wordpieces and back: see
    `split_tokens`, `cut_rows` and `align`.

    name (str): Name of a model of the Hugging Face hub, or its folder.
    get_spans (Callable): Gives the windows of each Doc.
    tokenizer_config (Dict[str, Any]): Settings of the tokenizer.
    transformer_config (Dict[str, Any]): Settings of the transformer.
    precision (str): What it computes in; see `TransformerShim`.
    overlap (str): Which vector a token of several windows has; see `align`.
    """

    def __init__(
        self,
        name: str,
        get_spans: GetSpans,
        *,
        tokenizer_config: Dict[str, Any],
        transformer_config: Dict[str, Any],
        precision: str,
        overlap: str,
    ) -> None:
        super().__init__(name, get_spans)
        self._func = partial(forward, overlap)
        self.init = init
        objects = HFObjects(None, None, None, tokenizer_config, transformer_config)
        shim = TransformerShim(objects, precision)
        self._layers: List[Model[Any, Any]] = [Model("transformer-rows", run, shims=[shim])]
        self.attrs["replace_listener_cfg"] = replace_listener_cfg

    def copy(self) -> Model[Any, Any]:
        # That of the base class makes a model of the base class.
        copied: Model[Any, Any] = self._copy()
        return copied


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Load the transformer that the config names, unless one is there.

    RAISES (ValueError): If it cannot be loaded.
    """
    if model.attrs["has_transformer"]:
        return
    name, objects = model.attrs["name"], _objects(model)
    try:
        loaded = huggingface_from_pretrained(
            name,
            dict(objects._init_tokenizer_config),
            dict(objects._init_transformer_config),
        )
    except Exception as error:
        # Some list all the kinds of models that there are.
        reason = shorten(str(error), 300, placeholder=" ...")
        raise ValueError(
            f"the transformer {name!r} cannot be loaded: give the folder of one "
            "(config.json, the weights, the tokenizer's files), or the name of one on the "
            f"Hugging Face hub if that can be reached ({type(error).__name__}: {reason})"
        ) from error
    model.attrs["set_transformer"](model, loaded)


def forward(
    overlap: str, model: Model[Any, Any], docs: List[Doc], is_train: bool
) -> Tuple[FullTransformerBatch, Backprop]:
    """Run the transformer over the windows of all Docs.

    overlap (str): Which vector a token of several windows has; see `align`.
    docs (List[Doc]): The Docs.
    is_train (bool): Whether the callback will be called.
    RETURNS (Tuple[FullTransformerBatch, Callable]): Vectors of the wordpieces, and where
        those of each token are; and the callback that takes their gradient.
    """
    objects = _objects(model)
    if objects.transformer is None:
        raise ValueError(
            "the transformer has no weights yet: initialize the pipeline or load one "
            "(spaCy initializes no frozen components: they need a source that has weights)"
        )
    tokenizer = objects.tokenizer
    before, after = find_specials(tokenizer)
    limit = find_limit(objects.transformer, tokenizer) - len(before) - len(after)
    pieces = split_tokens(tokenizer, docs)
    rows = cut_rows(docs, model.attrs["get_spans"](docs), pieces.lengths, limit)
    flat = [row for found in rows for row in found]
    if not flat:
        return FullTransformerBatch.empty(len(docs)), lambda d_output: docs

    ids = [pieces.ids[row.start : row.end].tolist() for row in flat]
    wordpieces = lay_out(tokenizer, [[*before, *row, *after] for row in ids])
    vectors, backprop_rows = model.layers[0](wordpieces, is_train)
    array: Any = torch2xp(vectors)
    width = array.shape[1]
    places: Any
    counts: Any
    places, counts = align(flat, pieces, len(before), width, overlap)

    data = []
    row = token = place = 0
    for doc, found in zip(docs, rows, strict=True):
        here = counts[token : token + len(doc)]
        size = int(here.sum())
        data.append(
            TransformerData(
                wordpieces=wordpieces[row : row + len(found)],
                model_output=ModelOutput(last_hidden_state=array[row : row + len(found)]),
                align=Ragged(places[place : place + size] - row * width, here),
            )
            if found
            else TransformerData.empty()
        )
        row, token, place = row + len(found), token + len(doc), place + size
    output = FullTransformerBatch(
        spans=[[row.span for row in found] for found in rows],
        wordpieces=wordpieces,
        model_output=ModelOutput(last_hidden_state=vectors),
        align=Ragged(places, counts),
        cached_doc_data=data,
    )

    def backprop(d_output: FullTransformerBatch) -> List[Doc]:
        (d_vectors,) = d_output.model_output.values()
        backprop_rows(d_vectors)
        return docs

    return output, backprop


def replace_listener_cfg(
    transformer: Dict[str, Any], listener: Dict[str, Any]
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The config of what stands in a listener's place once it has
    a transformer of its own."""
    config = {**transformer, "@architectures": "spacy-bilstm-crf.Tok2VecTransformer.v1"}
    for name in ("pooling", "grad_factor"):
        if name in listener:
            config[name] = listener[name]
    return config


def _objects(model: Model[Any, Any]) -> HFObjects:
    shim: Any = model.layers[0].shims[0]
    objects: HFObjects = shim._hfmodel
    return objects
