"""Transformers with random weights, and tokenizers of several kinds, made on the spot."""

import json
import string
from contextlib import nullcontext

import pytest

# Not all that the texts of the tests have: others are unknown.
CHARACTERS = sorted(
    {*string.ascii_letters, *string.digits, *string.punctuation, *"张伟在我们公司"}
)
# What a tokenizer would like to make of several tokens.
WORDS = ["20", "2017", "ab", "##ab", "我们"]
KINDS = ("bert", "slow bert", "byte-level bpe", "unigram")


@pytest.fixture(scope="session")
def make_objects(bert, tmp_path_factory):
    """Make a transformer of a kind and its tokenizer. RETURNS (HFObjects): Both."""
    from spacy_transformers.data_classes import HFObjects

    vocab = tmp_path_factory.mktemp("tokenizers") / "vocab.txt"
    pieces = (bert / "vocab.txt").read_text(encoding="utf8").split()
    vocab.write_text("\n".join([*pieces, *WORDS, ""]), encoding="utf8")

    def make(kind="bert", max_length=512, **config):
        if kind == "byte-level bpe":
            tokenizer = _make_bpe(vocab.parent, max_length)
        elif kind == "unigram":
            tokenizer = _make_unigram(max_length)
        else:
            tokenizer = _make_wordpiece(vocab, kind == "slow bert", max_length)
        return HFObjects(tokenizer, _make_transformer(tokenizer, config), None)

    return make


@pytest.fixture(scope="session", params=KINDS)
def objects(request, make_objects):
    """A transformer and its tokenizer, of each kind in turn."""
    return make_objects(request.param)


@pytest.fixture(scope="session")
def make_model():
    """Make the project's model around a transformer and its tokenizer."""
    from spacy_transformers.span_getters import configure_strided_spans

    from spacy_bilstm_crf.model.transformer import build_transformer

    def make(objects, window=384, stride=288, get_spans=None, **settings):
        get_spans = get_spans or configure_strided_spans(window, stride)
        model = build_transformer("", get_spans, **settings)
        model.attrs["set_transformer"](model, objects)
        return model

    return make


@pytest.fixture(scope="session")
def make_stock_model():
    """Make that of spacy-transformers."""
    from spacy_transformers.layers import TransformerModel
    from spacy_transformers.span_getters import configure_strided_spans

    def make(objects, window=384, stride=288):
        model = TransformerModel("", configure_strided_spans(window, stride), {}, {})
        model.attrs["set_transformer"](model, objects)
        return model

    return make


@pytest.fixture
def passes(monkeypatch):
    """Has a CPU do in float32 what a shim does on a GPU in 16 bits, loss scaling included.
    RETURNS (List): Device, precision, and whether it is used, of each pass so far."""
    import torch
    from thinc.api import PyTorchGradScaler

    found = []

    def autocast(device, dtype=None, enabled=True):
        # The CRF says that it wants none, with no precision.
        if dtype is not None:
            found.append((device, dtype, enabled))
        return nullcontext()

    def scale(self, tensor, *args):
        return tensor * self._scale

    monkeypatch.setattr(torch, "autocast", autocast)
    monkeypatch.setattr(PyTorchGradScaler, "_scale_tensor", scale)
    return found


def _make_wordpiece(vocab, slow, max_length):
    """RETURNS (PreTrainedTokenizerBase): One like BERT's."""
    from transformers import BertTokenizer, BertTokenizerFast

    cls = BertTokenizer if slow else BertTokenizerFast
    return cls(str(vocab), model_max_length=max_length)


def _make_bpe(folder, max_length):
    """RETURNS (PreTrainedTokenizerFast): One like RoBERTa's, without any Chinese: these
    characters have three pieces each."""
    from transformers import RobertaTokenizerFast
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    merges = [("2", "0"), ("1", "7"), ("20", "17"), ("a", "b"), ("Ġ", "a"), ("Ġ", "2")]
    pieces = [*special, *bytes_to_unicode().values(), *map("".join, merges)]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf8")
    lines = ["#version: 0.2", *map(" ".join, merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf8")
    paths = [str(folder / "vocab.json"), str(folder / "merges.txt")]
    return RobertaTokenizerFast(*paths, model_max_length=max_length)


def _make_unigram(max_length):
    """RETURNS (PreTrainedTokenizerFast): One like XLM-R's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import XLMRobertaTokenizerFast

    pieces = [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    known = [*CHARACTERS, *WORDS, "▁a", "▁2", "▁20", "▁我们", "▁京"]
    pieces += [("▁", -4.0), *((piece, -8.0 + len(piece)) for piece in known)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    # The original has a table. It drops control characters too, and takes line breaks and
    # wide spaces for spaces.
    normalize = [normalizers.Replace("\u200b", ""), normalizers.Replace("\n", " ")]
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *normalize])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return XLMRobertaTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_length)


def _make_transformer(tokenizer, settings):
    """RETURNS (PreTrainedModel): One that can take 512 wordpieces, like BERT or RoBERTa."""
    import torch
    from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

    small = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "intermediate_size": 128,
        **settings,
    }
    torch.manual_seed(0)
    if tokenizer.cls_token == "[CLS]":
        return BertModel(BertConfig(**small)).eval()
    # It counts from 2 on.
    config = RobertaConfig(**small, max_position_embeddings=514, pad_token_id=1)
    return RobertaModel(config).eval()
