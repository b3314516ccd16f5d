import numpy
import pytest
import spacy
import torch
from spacy_transformers.layers import split_trf_batch, trfs2arrays
from thinc.api import reduce_mean

from spacy_bilstm_crf.model import transformer_rows
from spacy_bilstm_crf.model.transformer_rows import find_limit, lay_out

NLP = spacy.blank("zh")
TEXTS = ["张伟在公司2017", "ab 20", "", "中\n中", "我们我们我们我们", "x"]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def make_docs():
    # Some objects are there twice.
    docs = [NLP.make_doc(text) for text in TEXTS]
    return [*docs, docs[0]]


def watch(model):
    """RETURNS (List[Tuple[int, int]]): Rows and wordpieces of all that will run."""
    shapes = []
    model.layers[0].shims[0]._model.register_forward_hook(
        lambda module, args, output: shapes.append(output.last_hidden_state.shape[:2])
    )
    return shapes


def learn(model, docs):
    """RETURNS (Tuple): The output, its gradient for each Doc, and those of the weights."""
    full, backprop = model.begin_update(docs)
    generator = numpy.random.default_rng(0)
    d_arrays = []
    for data in full.doc_data:
        if "last_hidden_state" in data.model_output:
            vectors = data.model_output.last_hidden_state
            d_vectors = generator.normal(size=vectors.shape).astype("f")
            d_arrays.append(d_vectors * data.wordpieces.attention_mask[..., None])
    backprop(full.unsplit_by_doc([[d_vectors] for d_vectors in d_arrays]))
    transformer = model.layers[0].shims[0]._model
    gradients = {name: p.grad for name, p in transformer.named_parameters()}
    return full, d_arrays, gradients


def assert_same_gradients(ones, others):
    assert ones.keys() == others.keys()
    for name, gradient in ones.items():
        if gradient is None:
            assert others[name] is None, name
        else:
            torch.testing.assert_close(
                gradient, others[name], rtol=1e-4, atol=1e-5, msg=lambda text, n=name: n
            )


def test_limit_is_that_of_the_tokenizer_or_of_the_positions(objects):
    transformer, tokenizer = objects.transformer, objects.tokenizer
    assert find_limit(transformer, tokenizer) == 512


@pytest.mark.parametrize("kind", ["bert", "byte-level bpe"])
def test_limit_without_one_of_the_tokenizer(make_objects, kind):
    objects = make_objects(kind, max_length=int(1e30))
    # RoBERTa has 514 positions, and counts from 2 on.
    assert find_limit(objects.transformer, objects.tokenizer) == 512


def test_limit_of_the_tokenizer_is_the_smaller_one(make_objects):
    objects = make_objects("bert", max_length=100)
    assert find_limit(objects.transformer, objects.tokenizer) == 100
    # Some have no table of positions.
    assert find_limit(torch.nn.Linear(2, 2), objects.tokenizer) == 100


def test_rows_are_laid_out_with_padding(objects):
    tokenizer = objects.tokenizer
    known, padding = tokenizer.convert_tokens_to_ids("a"), tokenizer.pad_token_id
    batch = lay_out(tokenizer, [[known], [known, known, known]])
    assert batch.input_ids.tolist() == [[known, padding, padding], [known] * 3]
    assert batch.attention_mask.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert batch.lengths == [1, 3]
    assert batch.strings == [["a", tokenizer.pad_token, tokenizer.pad_token], ["a"] * 3]


def test_a_tokenizer_without_a_piece_for_padding(make_objects):
    tokenizer = make_objects("bert").tokenizer
    tokenizer.pad_token = None
    assert lay_out(tokenizer, [[5], [5, 6]]).input_ids.tolist() == [[5, 0], [5, 6]]


@pytest.mark.parametrize("padded_pieces", [1, 12, 40])
def test_sub_batches_give_what_one_batch_gives(
    make_objects, make_model, monkeypatch, padded_pieces
):
    docs = make_docs()
    for kind in ("bert", "byte-level bpe"):
        results = []
        for size in (8192, padded_pieces):
            monkeypatch.setattr(transformer_rows, "PADDED_PIECES", size)
            model = make_model(make_objects(kind, **NO_DROPOUT), 6, 4)
            shapes = watch(model)
            full, _, gradients = learn(model, docs)
            vectors = full.model_output.last_hidden_state
            assert vectors.dtype == torch.float32
            mask = torch.from_numpy(full.wordpieces.attention_mask).unsqueeze(-1)
            results.append((vectors * mask, gradients, shapes))
        (vectors, gradients, shapes), (others, other_gradients, other_shapes) = results
        torch.testing.assert_close(vectors, others, rtol=1e-4, atol=1e-5)
        assert_same_gradients(gradients, other_gradients)
        assert len(shapes) == 1
        assert len(other_shapes) > 1
        assert all(rows == 1 or rows * n <= padded_pieces for rows, n in other_shapes)
        # Of similar length.
        assert sum(rows for rows, _ in other_shapes) == shapes[0][0]
        widths = [n for _, n in other_shapes]
        assert widths == sorted(widths, reverse=True)


def run_by_hand(objects, docs, d_arrays):
    """Run each Doc that is not empty alone and without padding, forward and backward.
    RETURNS (List[Tensor]): The vectors."""
    found = []
    tokenizer, transformer = objects.tokenizer, objects.transformer
    for doc, d_array in zip(filter(len, docs), d_arrays, strict=True):
        # What is not in the vocabulary is unknown.
        ids = tokenizer.convert_tokens_to_ids([token.text for token in doc])
        ids = [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]
        vectors = transformer(torch.tensor([ids])).last_hidden_state
        (vectors * torch.from_numpy(d_array[:, : len(ids)])).sum().backward()
        found.append(vectors.detach())
    return found


def test_vectors_and_gradients_are_those_of_the_transformer(make_objects, make_model):
    docs = make_docs()
    model = make_model(make_objects("bert", **NO_DROPOUT))
    full, d_arrays, gradients = learn(model, docs)
    objects = make_objects("bert", **NO_DROPOUT)
    vectors = run_by_hand(objects, docs, d_arrays)
    filled = [data for data in full.doc_data if len(data.wordpieces)]
    for data, expected in zip(filled, vectors, strict=True):
        found = data.model_output.last_hidden_state[:, : expected.shape[1]]
        numpy.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
    expected = {name: p.grad for name, p in objects.transformer.named_parameters()}
    assert_same_gradients(gradients, expected)
    # None are missing but those of the pooler.
    without = {name for name, gradient in gradients.items() if gradient is None}
    assert without == {"pooler.dense.weight", "pooler.dense.bias"}


def test_gradients_of_token_vectors_reach_the_pieces(make_objects, make_model):
    docs = make_docs()
    model = make_model(make_objects("bert", **NO_DROPOUT))
    pool = trfs2arrays(reduce_mean(), 1.0)
    split = split_trf_batch()
    full, backprop = model.begin_update(docs)
    datas, backprop_split = split.begin_update(full)
    arrays, backprop_pool = pool.begin_update(datas)
    generator = numpy.random.default_rng(0)
    d_arrays = [generator.normal(size=array.shape).astype("f") for array in arrays]
    backprop(backprop_split(backprop_pool([array.copy() for array in d_arrays])))
    gradients = {
        name: p.grad for name, p in model.layers[0].shims[0]._model.named_parameters()
    }
    objects = make_objects("bert", **NO_DROPOUT)
    around = [
        numpy.pad(d_array, ((1, 1), (0, 0)))[None] for d_array in d_arrays if len(d_array)
    ]
    run_by_hand(objects, docs, around)
    expected = {name: p.grad for name, p in objects.transformer.named_parameters()}
    assert_same_gradients(gradients, expected)


def test_a_transformer_that_gives_16_bits(make_objects, make_model):
    docs = make_docs()
    gradients = []
    for reduced in (False, True):
        model = make_model(make_objects("bert", **NO_DROPOUT))
        transformer = model.layers[0].shims[0]._model
        if reduced:
            # The last layer of most gives 32 all the same.
            transformer.register_forward_hook(halve)
        full, _, found = learn(model, docs)
        assert full.model_output.last_hidden_state.dtype == torch.float32
        gradients.append(found["embeddings.LayerNorm.weight"])
    torch.testing.assert_close(*gradients, rtol=0.1, atol=0.1)


def halve(module, args, output):
    output.last_hidden_state = output.last_hidden_state.bfloat16()
    return output
