"""Make a small BERT with random weights, to try the transformer configs without a network.

Its vocabulary is the characters of the .spacy files."""

import argparse
from pathlib import Path
from typing import Iterable

import torch
from spacy.lang.xx import MultiLanguage
from spacy.tokens import DocBin
from transformers import BertConfig, BertModel, BertTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the folder to write")
    parser.add_argument("data", type=Path, nargs="+", help=".spacy files")
    parser.add_argument("--layers", type=int, default=2, help="number of layers")
    parser.add_argument("--width", type=int, default=64, help="width, 32 for each head")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights")
    args = parser.parse_args()
    vocab = MultiLanguage().vocab
    docs = (doc for path in args.data for doc in DocBin().from_disk(path).get_docs(vocab))
    characters = {character for doc in docs for character in doc.text}
    make_bert(args.output, characters, args.layers, args.width, args.seed)


def make_bert(
    output: Path, pieces: Iterable[str], layers: int = 2, width: int = 64, seed: int = 0
) -> None:
    """Write a BERT with random weights.

    output (Path): The folder.
    pieces (Iterable[str]): The vocabulary: characters and, if wanted, words.
    layers (int): Number of layers.
    width (int): Width of the vectors, 32 for each head.
    seed (int): Seed of the weights.
    """
    output.mkdir(parents=True, exist_ok=True)
    known = sorted({piece.lower() for piece in pieces if not piece.isspace()})
    vocabulary = [*SPECIAL, *known, *(f"##{piece}" for piece in known)]
    (output / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf8")
    tokenizer = BertTokenizerFast(str(output / "vocab.txt"), model_max_length=512)
    tokenizer.save_pretrained(output)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 32),
        intermediate_size=4 * width,
    )
    torch.manual_seed(seed)
    BertModel(config).save_pretrained(output)


if __name__ == "__main__":
    main()
