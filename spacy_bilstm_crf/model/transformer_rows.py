"""Rows of wordpieces through a transformer, a bounded number at a time."""

from typing import Any, Callable, List, Sequence, Tuple, cast

import numpy
import torch
from spacy_transformers.data_classes import WordpieceBatch
from thinc.api import Model
from thinc.types import ArgsKwargs
from thinc.util import xp2torch
from torch import Tensor, nn

# Wordpieces, with padding, that run at a time: one long Doc has any number of windows.
PADDED_PIECES = 8192


def find_limit(transformer: nn.Module, tokenizer: Any) -> int:
    """Find how long a row can be.

    transformer (nn.Module): A model of the package transformers.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    RETURNS (int): The most wordpieces, special ones included.
    """
    limit: int = tokenizer.model_max_length
    for name, module in transformer.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa counts from the number of its padding on.
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            limit = min(limit, module.num_embeddings - unused)
    return limit


def lay_out(tokenizer: Any, ids: Sequence[List[int]]) -> WordpieceBatch:
    """RETURNS (WordpieceBatch): Rows of ids with padding, as numpy arrays."""
    lengths = [len(row) for row in ids]
    padding = tokenizer.pad_token_id or 0
    input_ids = numpy.full((len(ids), max(lengths)), padding, dtype="int64")
    attention_mask = numpy.zeros(input_ids.shape, dtype="float32")
    for number, row in enumerate(ids):
        input_ids[number, : len(row)] = row
        attention_mask[number, : len(row)] = 1.0
    return WordpieceBatch(
        strings=[tokenizer.convert_ids_to_tokens(row) for row in input_ids.tolist()],
        input_ids=input_ids,
        attention_mask=attention_mask,
        lengths=lengths,
        token_type_ids=None,
    )


def run(
    model: Model[WordpieceBatch, Tensor], X: WordpieceBatch, is_train: bool
) -> Tuple[Tensor, Callable[[Tensor], WordpieceBatch]]:
    """Run rows of similar length together.

    model (Model): The layer with the transformer's shim.
    X (WordpieceBatch): The rows.
    is_train (bool): Whether the callback will be called.
    RETURNS (Tuple[Tensor, Callable]): Vectors of the wordpieces, float32, shape
        (rows, wordpieces, width), without a meaning at the padding; and the callback that
        takes their gradient, which is zero there.
    """
    shim: Any = model.shims[0]
    lengths = numpy.array(X.lengths)
    order = numpy.argsort(-lengths, kind="stable")
    vectors = None
    parts = []
    while len(order):
        longest = int(lengths[order[0]])
        size = max(1, PADDED_PIECES // longest)
        here, order = order[:size], order[size:]
        arrays = {"input_ids": X.input_ids, "attention_mask": X.attention_mask}
        kwargs = {
            name: xp2torch(array[here, :longest], device=shim.device)
            for name, array in arrays.items()
        }
        output, callback = shim(ArgsKwargs(args=(), kwargs=kwargs), is_train)
        where = torch.from_numpy(here).to(shim.device)
        Y = output.last_hidden_state.float()
        if vectors is None:
            vectors = Y.new_zeros(*X.input_ids.shape, Y.shape[-1])
        vectors[where, :longest] = Y.detach()
        if is_train:
            parts.append((where, Y, callback))

    def backprop(d_vectors: Tensor) -> WordpieceBatch:
        for where, Y, callback in parts:
            d_Y = d_vectors[where, : Y.shape[1]]
            callback(ArgsKwargs(args=(Y,), kwargs={"grad_tensors": d_Y}))
        return X

    return cast(Tensor, vectors), backprop
