"""Time whole pipelines against their limit, a bare LSTM over the same characters.

Everything is measured in turn in one process: making Docs, the bare LSTM, `nlp.pipe` and
training steps of this package's component, and the same of spaCy's own `ner` in its default
architecture and of a BiLSTM-CRF as tutorials write it, on the same texts and labels.
"""

import argparse
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import spacy
import timing
import torch
from plain_torch import make_plain
from spacy.language import Language
from spacy.training import Example
from spacy.training.batchers import minibatch_by_padded_size
from thinc.api import Adam, fix_random_seed
from torch import Tensor, nn

from spacy_bilstm_crf.corpus.docs import make_doc
from spacy_bilstm_crf.corpus.readers.columns import ColumnReader
from spacy_bilstm_crf.model.batches import CELLS, PADDED_TOKENS, plan_batches
from spacy_bilstm_crf.tags import count_tags

PLAIN = "packed nn.LSTM and pytorch-crf"
DEMO = Path(__file__).resolve().parent.parent / "assets" / "demo"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--train", type=Path, default=DEMO / "train.bmes", help="column file"
    )
    parser.add_argument(
        "--texts", type=Path, default=DEMO / "test.bmes", help="column file"
    )
    parser.add_argument(
        "--characters", type=int, default=100_000, help="texts are repeated"
    )
    parser.add_argument("--hidden-width", type=int, default=128)
    parser.add_argument("--embed-width", type=int, default=64, help="of each n-gram order")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--json", type=Path, default=Path("benchmarks/results/pipeline.json")
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    fix_random_seed(0)
    docs = [make_doc(s, spacy.blank("zh"))[0] for s in ColumnReader(args.train)]
    widths = (args.embed_width, args.hidden_width)
    pipelines = {
        "spacy-bilstm-crf": make_bilstm_crf(widths, adversarial_norm=0.0),
        "spacy-bilstm-crf, adversarial": make_bilstm_crf(widths, adversarial_norm=0.5),
        "spaCy ner": spacy.blank("zh"),
    }
    pipelines["spaCy ner"].add_pipe("ner")
    batches = list(minibatch_by_padded_size(docs, size=1200, buffer=512))[5:35]
    num_trained = sum(len(doc) for batch in batches for doc in batch)
    lstm = make_lstm(2 * args.embed_width, args.hidden_width)
    padded = [pad([len(doc) for doc in batch], lstm.input_size) for batch in batches]
    texts = repeat(["".join(s.tokens) for s in ColumnReader(args.texts)], args.characters)
    num_read = sum(map(len, texts))
    train_plainly, predict_plainly = make_plain(
        [doc for batch in batches for doc in batch],
        texts,
        2 * args.embed_width,
        args.hidden_width,
    )
    training = {"bare LSTM": make_bare_training(lstm, padded)}
    for name, nlp in pipelines.items():
        training[name] = make_training(nlp, docs, batches)
    training[PLAIN] = train_plainly
    trained = timing.interleave(training, seconds=0, min_rounds=args.rounds)

    nlp = pipelines["spacy-bilstm-crf"]
    num_tags = count_tags(len(nlp.pipe_labels["ner"]))
    prediction = {
        "make_doc": lambda: [nlp.make_doc(text) for text in texts],
        "bare LSTM": make_bare_prediction(lstm, texts, nlp.batch_size, num_tags),
        "spacy-bilstm-crf": make_prediction(nlp, texts),
        "spaCy ner": make_prediction(pipelines["spaCy ner"], texts),
        PLAIN: predict_plainly,
    }
    predicted = timing.interleave(prediction, seconds=0, min_rounds=args.rounds)
    report = {
        "prediction": describe(predicted, num_read),
        "training": describe(trained, num_trained),
    }
    for task, rows in report.items():
        print(f"\n{task}, {args.threads} thread(s)")
        header = (
            "",
            "characters/s",
            "of the bare LSTM",
            "times spaCy ner",
        )
        cells = ((name, *row.values()) for name, row in rows.items())
        timing.show(header, list(cells))
    timing.write_json(args.json, report)


def make_bilstm_crf(widths: Tuple[int, int], *, adversarial_norm: float) -> Language:
    embed_width, hidden_width = widths
    nlp = spacy.blank("zh")
    model = {
        "tok2vec": {"width": embed_width},
        "hidden_width": hidden_width,
        "adversarial_norm": adversarial_norm,
    }
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": model})
    return nlp


def make_lstm(width: int, hidden_width: int) -> nn.LSTM:
    return nn.LSTM(width, hidden_width, bidirectional=True)


def pad(lengths: List[int], width: int) -> Tensor:
    """RETURNS (Tensor): Random vectors of the shape of a padded batch."""
    return torch.randn(max(lengths), len(lengths), width)


def make_bare_training(lstm: nn.LSTM, batches: List[Tensor]) -> Callable[[], None]:
    def run() -> None:
        for x in batches:
            lstm.zero_grad()
            lstm(x.detach().requires_grad_())[0].sum().backward()

    return run


def make_training(
    nlp: Language, docs: List[Any], batches: List[List[Any]]
) -> Callable[[], None]:
    """Steps from gold Docs to updated weights, as `spacy train` takes them."""
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    optimizer = Adam(0.001, use_averages=True)
    examples = [
        [Example(nlp.make_doc(doc.text), doc) for doc in batch] for batch in batches
    ]

    def run() -> None:
        for batch in examples:
            nlp.update(batch, sgd=optimizer)

    return run


def make_bare_prediction(
    lstm: nn.LSTM, texts: List[str], batch_size: int, num_tags: int
) -> Callable[[], None]:
    """The LSTM over the sub-batches that the component makes of these texts."""
    batches = []
    for start in range(0, len(texts), batch_size):
        lengths = torch.tensor([len(text) for text in texts[start : start + batch_size]])
        plan = plan_batches(lengths.numpy(), PADDED_TOKENS, CELLS // num_tags**2)
        batches += [pad(batch.lengths.tolist(), lstm.input_size) for batch in plan]

    def run() -> None:
        with torch.inference_mode():
            for x in batches:
                lstm(x)

    return run


def make_prediction(nlp: Language, texts: List[str]) -> Callable[[], None]:
    def run() -> None:
        for _ in nlp.pipe(texts):
            pass

    return run


def repeat(texts: List[str], characters: int) -> List[str]:
    """Repeat the texts until they hold this many characters."""
    times = -(-characters // sum(map(len, texts)))
    return texts * times


def describe(runs: timing.Runs, characters: int) -> Dict[str, Dict[str, Any]]:
    """RETURNS (Dict): For each way its median speed, its share of the bare LSTM's, and how
    many times faster than spaCy's it is, with quartiles."""
    return {
        name: {
            "characters/s": round(characters / timing.median(seconds)),
            "of the bare LSTM": timing.spread(timing.ratio(runs, "bare LSTM", name), 2),
            "times spaCy ner": timing.spread(timing.ratio(runs, "spaCy ner", name)),
        }
        for name, seconds in runs.items()
    }


if __name__ == "__main__":
    main()
