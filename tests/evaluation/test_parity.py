"""Real predictions are counted as others count them: spaCy, seqeval, nervaluate, and the
algorithm of conlleval.pl. They are those of small pipelines without a CRF, after little
training on a slice of each corpus, so that there is much to get wrong."""

import runpy
from pathlib import Path
from typing import List, NamedTuple

import pytest
import spacy
from seqeval.metrics import classification_report
from seqeval.metrics.sequence_labeling import get_entities
from spacy.training import Corpus, Example
from thinc.api import fix_random_seed

from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.corpus.schemes import get_scheme, spans_to_tags, tags_to_spans
from spacy_bilstm_crf.evaluation.matches import count_matches
from spacy_bilstm_crf.evaluation.metrics import count_named
from spacy_bilstm_crf.evaluation.outcomes import Outcome, predict_outcomes
from spacy_bilstm_crf.evaluation.strict import score_strictly
from spacy_bilstm_crf.model import softmax
from spacy_bilstm_crf.tags import tag_names

ROOT = Path(__file__).parents[2]
ORACLES = runpy.run_path(str(ROOT / "benchmarks" / "accuracy_oracles.py"))
TRAINED_ON, TESTED_ON = 200, 120
MODEL = {
    "@architectures": "spacy-bilstm-crf.BiLSTMCRF.v1",
    "hidden_width": 24,
    "depth": 1,
    "dropout": 0.0,
    "decoder": "softmax",
    "tok2vec": {"@architectures": "spacy-bilstm-crf.NgramEmbed.v1", "width": 16},
}
BIOES = get_scheme("bioes")


class Predicted(NamedTuple):
    nlp: spacy.Language
    examples: List[Example]
    outcomes: List[Outcome]


@pytest.fixture(scope="module", params=["resume", "chinese_ner", "english"])
def predicted(request, samples, tmp_path_factory):
    if request.param == "english":
        sources, suffix, rounds = [samples / "english.bio"] * 2, ".bio", 2
    else:
        names, suffix, rounds = {
            "resume": (("train.char.bmes", "test.char.bmes"), ".bmes", 2),
            "chinese_ner": (("example.dev", "example.test"), ".bio", 7),
        }[request.param]
        folder = request.getfixturevalue("corpora") / request.param
        sources = [folder / name for name in names]
    folder = tmp_path_factory.mktemp(request.param)
    nlp = spacy.blank("en" if request.param == "english" else "zh")
    parts = []
    for name, source, number in zip(
        ("train", "test"), sources, (TRAINED_ON, TESTED_ON), strict=True
    ):
        sentences = source.read_text(encoding="utf8").split("\n\n")[:number]
        text = folder / f"{name}{suffix}"
        text.write_text("\n\n".join(sentences) + "\n", encoding="utf8")
        convert([text], folder / f"{name}.spacy", nlp)
        parts.append(list(Corpus(folder / f"{name}.spacy")(nlp)))
    train, test = parts
    fix_random_seed(0)
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    optimizer = nlp.initialize(lambda: train)
    optimizer.learn_rate = 0.03
    for _ in range(rounds):
        for start in range(0, len(train), 10):
            nlp.update(train[start : start + 10], sgd=optimizer)
    return Predicted(nlp, test, list(predict_outcomes(nlp, test)))


def write_tags(outcomes, scheme):
    """The gold and the predicted tags."""
    columns = []
    for field in ("gold", "guessed"):
        spans = [[ent[:3] for ent in getattr(outcome, field)] for outcome in outcomes]
        lengths = [outcome.tokens for outcome in outcomes]
        pairs = zip(spans, lengths, strict=True)
        columns.append([spans_to_tags(some, length, scheme) for some, length in pairs])
    return columns


def count_spans(gold, guessed):
    """Count the entities that each sentence has, as spans."""
    pairs = zip(gold, guessed, strict=True)
    return count_named(
        ([(span[2], span) for span in some], [(span[2], span) for span in found])
        for some, found in pairs
    )


def count_by_seqeval(gold, guessed):
    """In its default mode."""
    return count_spans(
        [[(s, e, name) for name, s, e in get_entities(tags)] for tags in gold],
        [[(s, e, name) for name, s, e in get_entities(tags)] for tags in guessed],
    )


def score(outcomes):
    return score_strictly(outcomes, samples=2, seed=0)


def test_there_is_enough_to_get_wrong(predicted):
    micro = score(predicted.outcomes).micro
    assert 0 < micro.correct < min(micro.guessed, micro.gold)


def test_scores_are_those_of_spacy(predicted):
    strict = score(predicted.outcomes)
    theirs = predicted.nlp.evaluate(predicted.examples)
    for name, found in (("p", "precision"), ("r", "recall"), ("f", "f1")):
        assert getattr(strict.micro, found) == pytest.approx(theirs[f"ents_{name}"])
        for label, shares in theirs["ents_per_type"].items():
            ours = getattr(strict.per_label[label], found)
            assert ours == pytest.approx(shares[name])


def test_counts_are_those_of_seqeval_and_conlleval(predicted):
    per_label = score(predicted.outcomes).per_label
    bilou, bioes, bio = (
        write_tags(predicted.outcomes, get_scheme(name))
        for name in ("bilou", "bioes", "bio")
    )
    assert ORACLES["count_by_seqeval"](*bilou) == per_label
    assert count_by_seqeval(*bioes) == per_label
    assert count_by_seqeval(*bio) == per_label
    assert ORACLES["count_by_conlleval"](*bioes) == per_label
    assert ORACLES["count_by_conlleval"](*bio) == per_label


def test_the_macro_average_is_that_of_seqeval(predicted):
    macro = score(predicted.outcomes).macro
    tags = write_tags(predicted.outcomes, BIOES)
    report = classification_report(*tags, output_dict=True, zero_division=0)
    theirs = report["macro avg"]
    assert macro.precision == pytest.approx(theirs["precision"])
    assert macro.recall == pytest.approx(theirs["recall"])
    assert macro.f1 == pytest.approx(theirs["f1-score"])


def test_matches_are_those_of_nervaluate(predicted):
    nervaluate = pytest.importorskip("nervaluate", reason="needs Python 3.11")
    docs = [
        [
            [
                {"label": ent.label, "start": ent.start, "end": ent.end - 1}
                for ent in getattr(outcome, field)
            ]
            for outcome in predicted.outcomes
        ]
        for field in ("gold", "guessed")
    ]
    labels = sorted(score(predicted.outcomes).per_label)
    theirs = nervaluate.Evaluator(*docs, tags=labels, loader="dict").evaluate()["overall"]
    for way, counts in count_matches(predicted.outcomes).items():
        other = theirs["ent_type" if way == "type" else way]
        assert vars(counts) == {name: getattr(other, name) for name in vars(counts)}
        for name in ("precision", "recall", "f1"):
            assert getattr(counts, name) == pytest.approx(getattr(other, name))


def predict_tags(predicted):
    """The tags that the decoder gives, in the letters of BIOES."""
    ner = predicted.nlp.get_pipe("ner")
    names = [name.replace("L-", "E-").replace("U-", "S-") for name in tag_names(ner.labels)]
    docs = [predicted.nlp.make_doc(eg.reference.text) for eg in predicted.examples]
    return [[names[int(i)] for i in tags] for tags in ner.model.predict(docs)]


def is_legal(tags):
    return not tags_to_spans(tags, BIOES)[1]


def test_the_softmax_decoder_gives_legal_tags_only(predicted):
    assert all(map(is_legal, predict_tags(predicted)))


def test_illegal_tags_are_read_as_conlleval_and_seqeval_by_default_do(
    predicted, monkeypatch
):
    """Tags taken from the softmax as they are: a file with such tags can be converted."""
    monkeypatch.setattr(softmax, "viterbi", lambda emissions, *others: emissions.argmax(-1))
    guessed = predict_tags(predicted)
    gold, _ = write_tags(predicted.outcomes, BIOES)
    assert not all(map(is_legal, guessed))
    ours = count_spans(
        *([tags_to_spans(tags, BIOES)[0] for tags in some] for some in (gold, guessed))
    )
    assert ours == count_by_seqeval(gold, guessed)
    assert ours == ORACLES["count_by_conlleval"](gold, guessed)
    # In its strict mode seqeval leaves out what is illegal.
    bilou = ([[to_bilou(tag) for tag in tags] for tags in some] for some in (gold, guessed))
    strict = ORACLES["count_by_seqeval"](*bilou)
    assert sum(n.guessed for n in strict.values()) < sum(n.guessed for n in ours.values())


def to_bilou(tag):
    return tag.replace("E-", "L-").replace("S-", "U-")
