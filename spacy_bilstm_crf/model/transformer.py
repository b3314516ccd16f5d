"""Transformers under character tokens, for spaCy's `transformer` component."""

from importlib.util import find_spec
from typing import Any, Callable, Dict, List

from spacy.tokens import Doc, Span
from spacy.util import SimpleFrozenDict
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

GetSpans = Callable[[List[Doc]], List[List[Span]]]

PACKAGE = "spacy_transformers"
PRECISIONS = ("float32", "float16", "bfloat16")
OVERLAPS = ("context", "mean")
NOT_INSTALLED = (
    "transformers need the package spacy-transformers: "
    'python -m pip install "spacy-bilstm-crf[transformers]"'
)


def build_transformer(
    name: str,
    get_spans: GetSpans,
    tokenizer_config: Dict[str, Any] = SimpleFrozenDict(),
    transformer_config: Dict[str, Any] = SimpleFrozenDict(),
    precision: str = "float32",
    overlap: str = "context",
) -> Model[List[Doc], Any]:
    """Build the model of a `transformer` component (spacy-transformers) that gives every
    token wordpieces of its own, whitespace and unknown characters included. The stock
    model splits the text as a whole, so that in a text of character tokens "2017" is one
    wordpiece and a line break is none.

    Windows that are too long for the transformer are cut into halves, and nothing is left
    out.

    name (str): The name of a model on the Hugging Face hub, or the path of its folder.
    get_spans (Callable): A function that gives the windows of each Doc, such as
        `spacy-transformers.strided_spans.v1`.
    tokenizer_config (Dict[str, Any]): Settings for the tokenizer.
    transformer_config (Dict[str, Any]): Settings for the transformer. Of what it gives
        the last hidden state alone is kept.
    precision (str): What it computes in: "float32"; "float16" on CUDA, with the loss
        scaled; "bfloat16" on CUDA and on a CPU that has instructions for it. Where the
        hardware has no such thing it is float32. The weights always are.
    overlap (str): Which vector a token of several windows has: "context" for the one from
        the window that shows most of the text around it, "mean" for the mean of all, as in
        the stock model.
    RAISES (ImportError): If spacy-transformers is not installed.
    """
    _require(precision=(precision, PRECISIONS), overlap=(overlap, OVERLAPS))
    if find_spec(PACKAGE) is None:
        raise ImportError(NOT_INSTALLED)
    # An extra, and it takes seconds to import.
    from .transformer_model import TokenTransformer

    return TokenTransformer(
        name,
        get_spans,
        tokenizer_config=tokenizer_config,
        transformer_config=transformer_config,
        precision=precision,
        overlap=overlap,
    )


def build_tok2vec_transformer(
    name: str,
    get_spans: GetSpans,
    pooling: Model[Ragged, Floats2d],
    tokenizer_config: Dict[str, Any] = SimpleFrozenDict(),
    transformer_config: Dict[str, Any] = SimpleFrozenDict(),
    precision: str = "float32",
    overlap: str = "context",
    grad_factor: float = 1.0,
) -> Model[List[Doc], List[Floats2d]]:
    """Build a transformer of a component's own, for its `tok2vec` slot: what
    `nlp.replace_listeners` puts into the place of a listener. Arguments as of
    `build_transformer`, and:

    pooling (Model[Ragged, Floats2d]): Makes one vector of a token's wordpieces.
    grad_factor (float): What the gradient of the token vectors is multiplied with.
    """
    transformer = build_transformer(
        name, get_spans, tokenizer_config, transformer_config, precision, overlap
    )
    from spacy_transformers.layers import split_trf_batch, trfs2arrays

    # Nested as after `nlp.replace_listeners`.
    return chain(chain(transformer, split_trf_batch()), trfs2arrays(pooling, grad_factor))


def require_transformers(config: Dict[str, Any]) -> None:
    """Raise ImportError if a pipeline has a transformer, and the package is missing: spaCy
    would not know the factory, and could not tell where it comes from.

    config (Dict[str, Any]): The pipeline's config.
    """
    components = config.get("components", {}).values()
    factories = [settings.get("factory") for settings in components]
    if "transformer" in factories and find_spec(PACKAGE) is None:
        raise ImportError(NOT_INSTALLED)


def _require(**settings: Any) -> None:
    for setting, (value, known) in settings.items():
        if value not in known:
            raise ValueError(f"{setting} is {value!r}, expected one of {', '.join(known)}")
