from dataclasses import replace

import pytest

from spacy_bilstm_crf.corpus.debug.checks import run_checks
from spacy_bilstm_crf.corpus.debug.figures import (
    Figures,
    LabelFigures,
    Lengths,
    Overlap,
    Recognizer,
    SplitFigures,
)

LENGTHS = Lengths(9.0, 9, 9, 9)
LABEL = LabelFigures(
    count=50, share=0.5, documents=45, lengths=LENGTHS, forms=20, seen=None
)
TRAIN = SplitFigures(
    documents=200,
    unread_tokens=0,
    texts=200,
    tokens=1800,
    missing_tokens=0,
    entities=100,
    entities_per_document=0.5,
    without_entities=110,
    forms=40,
    seen=None,
    lengths=LENGTHS,
    labels={"LOC": LABEL, "PER": LABEL},
    overlaps={},
    problems={},
    examples={},
)
DEV = replace(TRAIN, seen=0.5, overlaps={"train": Overlap()})
CLEAN = Figures(
    lang="zh",
    recognizers={"tagger": Recognizer("bilstm_crf", None)},
    max_tokens=500,
    discard_oversize=False,
    splits={"train": TRAIN, "dev": DEV},
)
NER = {"tagger": Recognizer("ner", None)}


def change(split, figures=CLEAN, **fields):
    changed = replace(figures.splits[split], **fields)
    return replace(figures, splits={**figures.splits, split: changed})


def found(figures):
    """All that is not good, as level and text."""
    checks = [check for subject in run_checks(figures).values() for check in subject]
    return [(check.level, check.text) for check in checks if check.level != "good"]


def test_nothing_is_wrong_with_clean_data():
    assert found(CLEAN) == []
    subjects = {subject: len(checks) for subject, checks in run_checks(CLEAN).items()}
    assert subjects == {"Documents": 3, "Labels": 5, "Entities": 4, "Overlap": 3}


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize(
    ("problem", "text"),
    [
        ("unannotated", "3 of 200 documents (1.5%): no entity annotation: they teach"),
        ("too-long", "3 of 200 documents (1.5%): longer than 500 tokens"),
        ("tokenization", "3 of 200 documents (1.5%): other tokens than the pipeline's"),
        ("duplicate", "3 of 200 documents (1.5%): the text of an earlier one"),
        ("conflict", "3 of 200 documents (1.5%): the text of an earlier one, but other"),
        ("misaligned", "3 of 100 entities (3.0%): lost"),
        ("whitespace-edge", "3 of 100 entities (3.0%): whitespace at an edge"),
        ("punctuation-edge", "3 of 100 entities (3.0%): punctuation at an edge"),
        ("ambiguous", "3 of 40 surface forms (7.5%): several labels"),
        ("empty", "documents without text: 3"),
    ],
)
def test_each_problem_is_a_warning_with_its_share(split, problem, text):
    [(level, shown)] = found(change(split, problems={problem: 3}))
    assert level == "warn"
    assert shown.startswith(f"{split}: {text}")


def test_examples_are_handed_on():
    figures = change("dev", problems={"duplicate": 1}, examples={"duplicate": ["here"]})
    [check] = [c for c in run_checks(figures)["Overlap"] if c.level == "warn"]
    assert check.examples == ["here"]


def test_split_without_documents_fails():
    for split in ("train", "dev"):
        assert found(change(split, documents=0, tokens=0, entities=0, labels={})) == [
            ("fail", f"{split}: no documents"),
            ("fail", f"{split}: no entities"),
        ]


@pytest.mark.parametrize("split", ["train", "dev"])
def test_split_without_entities_fails(split):
    figures = change(split, entities=0, labels={}, without_entities=200)
    assert found(figures) == [("fail", f"{split}: no entities")]


def test_few_documents_are_a_warning_for_training_only():
    assert found(change("dev", documents=99)) == []
    [(level, text)] = found(change("train", documents=99))
    assert level == "warn"
    assert text.startswith("train: 99 documents")


def test_tokens_that_the_reader_leaves_out_are_a_warning():
    [(level, text)] = found(change("train", unread_tokens=1200))
    assert level == "warn"
    assert "1,200 of 3,000 tokens are left out" in text


def test_long_documents_name_the_setting_that_drops_them():
    figures = change("train", problems={"too-long": 1})
    [(_, text)] = found(replace(figures, max_tokens=1200, discard_oversize=True))
    assert "longer than 1,200 tokens: discard_oversize" in text
    assert "discard_oversize" not in found(figures)[0][1]


def test_rare_labels_are_a_warning():
    labels = {"LOC": LABEL, "PER": replace(LABEL, count=49)}
    [(level, text)] = found(change("train", labels=labels))
    assert level == "warn"
    assert text.startswith("train: PER 49: fewer than 50")


def test_label_of_every_document_is_a_warning():
    labels = {"LOC": LABEL, "PER": replace(LABEL, documents=200)}
    assert found(change("train", labels=labels)) == [
        ("warn", "train: PER: in every document")
    ]


def test_no_document_without_entities_is_a_warning():
    assert found(change("train", without_entities=0)) == [
        ("warn", "train: no documents without entities")
    ]


def test_labels_that_only_one_split_has_are_a_warning():
    assert found(change("train", labels={"LOC": LABEL, "ORG": LABEL})) == [
        ("warn", "PER: in dev, not in train: not learned"),
        ("warn", "ORG: in train, not in dev: not scored"),
    ]


def test_label_that_the_component_is_not_told_of_fails():
    told = {"tagger": Recognizer("bilstm_crf", ["PER"])}
    [(level, text)] = found(replace(CLEAN, recognizers=told))
    assert level == "fail"
    assert text.startswith("LOC: in train, but no label of 'tagger'")


def test_label_of_the_component_that_train_lacks_is_a_warning():
    told = {"tagger": Recognizer("bilstm_crf", ["LOC", "ORG", "PER"])}
    assert found(replace(CLEAN, recognizers=told)) == [
        ("warn", "ORG: a label of 'tagger', but not in train: not learned")
    ]


def test_pipeline_that_learns_no_entities_is_a_warning():
    [(level, _)] = found(replace(CLEAN, recognizers={}))
    assert level == "warn"


def test_more_than_half_of_the_entities_misaligned_fails():
    assert found(change("train", problems={"misaligned": 50}))[0][0] == "warn"
    assert found(change("train", problems={"misaligned": 51}))[0][0] == "fail"
    assert found(change("dev", problems={"misaligned": 51}))[0][0] == "warn"


def test_whitespace_at_an_edge_fails_where_the_component_refuses_it():
    figures = replace(change("train", problems={"whitespace-edge": 1}), recognizers=NER)
    assert found(figures)[0][0] == "fail"
    figures = replace(change("dev", problems={"whitespace-edge": 1}), recognizers=NER)
    assert found(figures)[0][0] == "warn"


def test_overlap_is_a_warning_with_its_share_and_conflicts():
    overlap = Overlap(4, 0.02, 1, ["here"], ["there"])
    figures = change("dev", overlaps={"train": overlap})
    assert found(figures) == [
        ("warn", "dev: 4 of 200 texts (2.0%): in train too"),
        ("warn", "dev: 1 of 4 texts in train too: other entities there"),
    ]
    checks = [c for c in run_checks(figures)["Overlap"] if c.level == "warn"]
    assert [check.examples for check in checks] == [["here"], ["there"]]
