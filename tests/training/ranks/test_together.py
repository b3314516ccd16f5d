import random

import numpy
import pytest
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import Optimizer

from spacy_bilstm_crf.training.ranks.pace import Pace
from spacy_bilstm_crf.training.ranks.together import Together, describe_pace
from spacy_bilstm_crf.training.weights import list_weights

NO_DROPOUT = {
    "components.ner.model.dropout": 0.0,
    "components.ner.model.tok2vec.dropout": [0.0, 0.0],
    "components.ner.model.tok2vec.singleton_dropout": 0.0,
}
TOK2VEC = {
    "factory": "tok2vec",
    "model": {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "width": 8,
        "depth": 1,
        "embed_size": 100,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": False,
        "pretrained_vectors": None,
    },
}
TOK2VEC_LISTENER = {
    "@architectures": "spacy.Tok2VecListener.v1",
    "width": 8,
    "upstream": "*",
}
TRANSFORMER = {
    "factory": "transformer",
    "model": {
        "@architectures": "spacy-bilstm-crf.TransformerModel.v1",
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "tokenizer_config": {"use_fast": True},
        "transformer_config": {
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
    },
}
TRANSFORMER_LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "pooling": {"@layers": "reduce_mean.v1"},
    "upstream": "*",
}


class Recorder(Optimizer):
    """Keeps the gradients that it is called with, and changes nothing."""

    __slots__ = ["seen"]

    def __init__(self):
        super().__init__(0.0)
        self.seen = {}

    def __call__(self, key, weights, gradient):
        self.seen[key] = gradient.copy()
        return weights, gradient


def learn(nlp, examples, optimizer):
    """A step of spaCy's loop."""
    if examples:
        nlp.update(examples, sgd=False)
    for _, pipe in nlp.pipeline:
        pipe.finish_update(optimizer)
    optimizer.step_schedules()


def name_gradients(nlp, recorder):
    weights = list_weights(nlp, ())
    return {n: recorder.seen[w.key] for n, w in weights.items() if w.key in recorder.seen}


def read_examples(nlp, corpus, count):
    docs = list(DocBin().from_disk(corpus).get_docs(nlp.vocab))[:count]
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def listen_to_tok2vec(config):
    config["nlp"]["pipeline"] = ["tok2vec", "ner"]
    config["components"]["tok2vec"] = TOK2VEC
    config["components"]["ner"]["model"]["tok2vec"] = TOK2VEC_LISTENER


def listen_to_transformer(config):
    config["nlp"]["pipeline"] = ["transformer", "ner"]
    config["components"]["transformer"] = TRANSFORMER
    config["components"]["ner"]["model"]["tok2vec"] = TRANSFORMER_LISTENER


@pytest.fixture(params=["n-grams", "tok2vec", "transformer"])
def nlp(make, request):
    """A pipeline without dropout. The adversarial pass may stay: each token is perturbed by
    itself."""
    if request.param == "n-grams":
        return make({**NO_DROPOUT, "components.ner.model.adversarial_norm": 0.5})
    if request.param == "tok2vec":
        return make({"components.ner.model.dropout": 0.0}, listen_to_tok2vec)
    bert = str(request.getfixturevalue("bert"))
    settings = {"components.ner.model.dropout": 0.0}

    def change(config):
        listen_to_transformer(config)
        config["components"]["transformer"]["model"]["name"] = bert

    return make(settings, change)


@pytest.mark.parametrize("cut", [9, 0])
def test_gradients_are_those_of_one_process_on_all_batches(nlp, corpus, run_ranks, cut):
    # With the cut at 0 the batch of rank 0 is empty, in its first step.
    examples = read_examples(nlp, corpus, 20)
    shares = [examples[:cut], examples[cut:]]

    def work(ranks):
        recorder = Recorder()
        together = Together(ranks, recorder)
        together.start(nlp, ())
        learn(nlp, shares[ranks.rank], together.optimizer)
        return name_gradients(nlp, recorder)

    found = run_ranks(work)
    recorder = Recorder()
    learn(nlp, examples, recorder)
    expected = name_gradients(nlp, recorder)
    for part in ("embed", "bilstm.", "decoder.transitions"):
        assert any(part in name for name in expected)
    for gradients in found:
        assert gradients.keys() == expected.keys()
        for name, gradient in expected.items():
            # In theory a transformer's key.bias has none.
            size = max(abs(gradient).max(), 1e-3)
            assert abs(gradients[name] - gradient).max() < 1e-5 * size, name


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_rank_takes_every_third_batch(fake_ranks, number):
    together = Together(fake_ranks(number, 3), Recorder())
    batches = [(index // 4, [f"batch {index}"]) for index in range(8)]
    shares = list(together.share(iter(batches)))
    left_over = [["batch 6"], ["batch 7"], []]
    # Two epochs may meet in one step.
    assert [epoch for epoch, _ in shares] == [0, 0, 1]
    assert [batch for _, batch in shares] == [
        [f"batch {number}"],
        [f"batch {number + 3}"],
        left_over[number],
    ]


def test_what_a_rank_draws_in_between_does_not_change_the_data(fake_ranks):
    def draw():
        for _ in range(10):
            yield 0, [str(random.random())]

    random.seed(5)
    expected = [batch for _, batch in draw()][::2]
    random.seed(5)
    found = []
    others = random.getstate()
    for _, batch in Together(fake_ranks(0, 2), Recorder()).share(draw()):
        found.append(batch)
        # Nor do the data change what the rank draws.
        assert random.getstate() == others
        random.random()
        others = random.getstate()
    assert found == expected


def test_ranks_drop_other_units_and_rank_0_those_of_one_process(fake_ranks):
    drawn = []
    for number in range(3):
        numpy.random.seed(5)
        Together(fake_ranks(number, 3), Recorder()).draw_differently()
        drawn.append(numpy.random.random())
    assert len(set(drawn)) == 3
    numpy.random.seed(5)
    assert drawn[0] == numpy.random.random()


def test_only_rank_0_evaluates_and_all_get_its_scores(run_ranks):
    def work(ranks):
        def evaluate():
            assert ranks.leads
            return 0.75, {"ents_f": 0.75}

        return Together(ranks, Recorder()).evaluate_once(evaluate)()

    assert run_ranks(work) == [(0.75, {"ents_f": 0.75})] * 2


def test_losses_words_and_speeds_are_those_of_all_ranks(run_ranks, monkeypatch):
    monkeypatch.setattr(Pace, "take", lambda self: (12, 4.0))

    def work(ranks):
        # One of them has learned nothing yet.
        losses = {"ner": 4.0, "other": 1.0} if ranks.leads else {"ner": 0.5}
        info = {"losses": losses, "words": 100 + ranks.rank}
        states = Together(ranks, Recorder()).combine(info)
        return info, len(states)

    (info, states), (other, others_states) = run_ranks(work)
    assert info == {
        "losses": {"ner": 4.5, "other": 1.0},
        "words": 201,
        "rank_docs_per_second": [3.0, 3.0],
    }
    assert describe_pace(info) == "6 sentences/s: 3 + 3"
    assert other == {"losses": {"ner": 0.5}, "words": 101}
    assert (states, others_states) == (1, 0)


def test_the_pace_is_that_of_steps(monkeypatch):
    times = iter([0.0, 10.0, 13.0, 20.0, 24.0])
    monkeypatch.setattr("spacy_bilstm_crf.training.ranks.pace.timer", lambda: next(times))
    pace = Pace()
    for docs in (5, 6):
        pace.begin(docs)
        pace.end()
    assert pace.take() == (11, 7.0)
    assert pace.take() == (0, 0.0)
