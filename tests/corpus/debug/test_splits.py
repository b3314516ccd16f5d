import re
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokenizer import Tokenizer
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_config
from thinc.api import ConfigValidationError

from spacy_bilstm_crf.corpus.convert import convert
from spacy_bilstm_crf.corpus.debug.splits import debug_data, label_names
from spacy_bilstm_crf.corpus.sentence import CorpusError

CONFIG = Path(__file__).parents[3] / "configs" / "bilstm_crf.cfg"
ZH = spacy.blank("zh")


def make(text, *ents):
    doc = ZH.make_doc(text)
    doc.set_ents([doc.char_span(*ent) for ent in ents], default="outside")
    return doc


@pytest.fixture
def write(tmp_path):
    def write_docs(name, *docs):
        path = tmp_path / name
        DocBin(docs=docs).to_disk(path)
        return str(path)

    return write_docs


@pytest.fixture
def paths(write):
    return {
        "paths.train": write("train.spacy", make("在沪", (1, 2, "LOC")), make("好")),
        "paths.dev": write("dev.spacy", make("王先生", (0, 1, "PER"))),
    }


def debug(overrides, **settings):
    return debug_data(load_config(CONFIG, overrides=overrides), **settings)


def test_figures_of_every_split(paths, write):
    test = write("test.spacy", make("在沪", (1, 2, "LOC")))
    figures = debug(paths, test=test)
    assert (figures.lang, figures.max_tokens, figures.discard_oversize) == (
        *("zh", 500, False),
    )
    splits = figures.splits
    assert {name: split.tokens for name, split in splits.items()} == {
        "train": 3,
        "dev": 3,
        "test": 2,
    }
    assert [list(split.overlaps) for split in splits.values()] == [
        [],
        ["train"],
        ["train", "dev"],
    ]
    assert splits["test"].overlaps["train"].texts == 1
    assert splits["test"].seen == 1.0


def test_max_tokens_and_discard_oversize_are_taken_over(paths):
    figures = debug({**paths, "training.batcher.discard_oversize": True}, max_tokens=1)
    assert figures.discard_oversize
    assert figures.splits["train"].problems["too-long"] == 1


def test_what_the_reader_leaves_out_is_counted(paths, write):
    train = write("some.spacy", ZH.make_doc(""), make("在沪", (1, 2, "LOC")), make("好"))
    figures = debug({**paths, "paths.train": train, "corpora.train.max_length": 2})
    assert figures.splits["train"].documents == 1
    assert figures.splits["train"].unread_tokens == 2
    assert figures.splits["train"].problems["empty"] == 1


def test_folder_of_files_is_one_split(paths, tmp_path):
    assert debug({**paths, "paths.train": str(tmp_path)}).splits["train"].documents == 3


def test_other_readers_will_do(paths, tmp_path):
    srsly.write_jsonl(tmp_path / "train.jsonl", [{"text": "在沪"}])
    reader = "spacy.JsonlCorpus.v1"
    config = load_config(CONFIG, overrides=paths)
    config["corpora"]["train"] = {
        "@readers": reader,
        "path": str(tmp_path / "train.jsonl"),
    }
    train = debug_data(config).splits["train"]
    assert (train.documents, train.unread_tokens) == (1, 0)
    assert train.problems == {"unannotated": 1}


def test_labels_are_taken_from_the_data_unless_the_config_has_them(paths):
    [(name, recognizer)] = debug(paths).recognizers.items()
    assert (name, recognizer.factory, recognizer.labels) == ("ner", "bilstm_crf", None)
    config = load_config(CONFIG, overrides=paths)
    config["initialize"]["components"] = {"ner": {"labels": ["PER", "LOC"]}}
    assert debug_data(config).recognizers["ner"].labels == ["LOC", "PER"]


def test_components_that_learn_entities_are_known_by_what_they_assign(paths):
    config = load_config(CONFIG, overrides=paths)
    config["nlp"]["pipeline"] = ["entity_ruler", "ner", "second", "tagger"]
    config["components"].update(
        entity_ruler={"factory": "entity_ruler"},
        second={"factory": "ner"},
        tagger={"factory": "tagger"},
    )
    recognizers = debug_data(config).recognizers
    assert {name: r.factory for name, r in recognizers.items()} == {
        "ner": "bilstm_crf",
        "second": "ner",
    }


def test_component_from_another_pipeline_has_its_labels(paths, tmp_path):
    nlp = spacy.blank("zh")
    doc = make("在沪", (1, 2, "OLD"))
    nlp.add_pipe("ner")
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)])
    nlp.to_disk(tmp_path / "other")
    config = load_config(CONFIG, overrides=paths)
    config["components"]["ner"] = {"source": str(tmp_path / "other")}
    assert debug_data(config).recognizers["ner"].labels == ["OLD"]


def test_labels_of_spacys_own_recognizer_are_read(tmp_path):
    nlp = spacy.blank("zh")
    ner = nlp.add_pipe("ner")
    for label in ("PER", "LOC"):
        ner.add_label(label)
    path = tmp_path / "labels.json"
    srsly.write_json(path, ner.label_data)
    assert label_names(srsly.read_json(path)) == ["LOC", "PER"]
    assert label_names({"1": {"PER": 1}, "5": {"": 1}}) == ["PER"]
    assert label_names(None) is None


class LateTokenizer(Tokenizer):
    """Learns only from initialization that it cuts at a character."""

    def initialize(self, get_examples, *, nlp=None, infix: str = ""):
        assert [eg.reference.text for eg in get_examples()] == ["在沪", "好"]
        self.infix_finditer = re.compile(infix).finditer


@spacy.registry.tokenizers("spacy-bilstm-crf.test.LateTokenizer.v1")
def create_late_tokenizer():
    return lambda nlp: LateTokenizer(nlp.vocab)


def test_tokenizer_is_initialized_with_its_settings(paths):
    config = load_config(CONFIG, overrides={**paths, "nlp.lang": "en"})
    config["nlp"]["tokenizer"] = {"@tokenizers": "spacy-bilstm-crf.test.LateTokenizer.v1"}
    for infix, lost in ((".", 0), ("，", 1)):
        config["initialize"]["tokenizer"] = {"infix": infix}
        assert debug_data(config).splits["train"].problems.get("misaligned", 0) == lost


def test_tokenizer_of_another_pipeline_is_copied(paths, tmp_path):
    nlp = spacy.blank("en")
    nlp.tokenizer = Tokenizer(nlp.vocab, infix_finditer=re.compile("，").finditer)
    nlp.to_disk(tmp_path / "other")
    config = load_config(CONFIG, overrides={**paths, "nlp.lang": "en"})
    config["nlp"]["tokenizer"] = {"@tokenizers": "spacy.Tokenizer.v1"}
    config["initialize"]["before_init"] = {
        "@callbacks": "spacy.copy_from_base_model.v1",
        "tokenizer": str(tmp_path / "other"),
    }
    # The corpus has one token per character, this tokenizer one per clause.
    train = debug_data(config).splits["train"]
    assert train.problems["tokenization"] == train.problems["misaligned"] == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"paths.train": "nowhere"}, "nowhere: no .spacy file"),
        ({"paths.dev": str(CONFIG)}, r"bilstm_crf.cfg: no .spacy file"),
        ({"training.train_corpus": {"path": "x"}}, "names its corpora|str type expected"),
    ],
)
def test_data_that_cannot_be_found_is_one_clear_error(paths, override, message):
    # Older versions of confection look at the type first.
    with pytest.raises((CorpusError, ConfigValidationError), match=message):
        debug({**paths, **override})


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"not a DocBin"])
def test_file_that_is_no_docbin_is_one_clear_error(paths, tmp_path, content):
    path = tmp_path / "broken.spacy"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"broken.spacy: not a DocBin"):
        debug({**paths, "paths.train": str(path)})


def test_empty_split_has_no_documents(paths, write):
    figures = debug({**paths, "paths.train": write("none.spacy")})
    assert figures.splits["train"].documents == 0


def test_resume_has_the_counts_that_are_known(corpora, tmp_path):
    for name in ("train", "dev", "test"):
        source = corpora / "resume" / f"{name}.char.bmes"
        convert([source], tmp_path / f"{name}.spacy", ZH)
    paths = {f"paths.{name}": str(tmp_path / f"{name}.spacy") for name in ("train", "dev")}
    splits = debug(paths, test=tmp_path / "test.spacy").splits
    train, dev, test = splits.values()
    assert [s.documents for s in splits.values()] == [3821, 463, 477]
    assert [s.tokens for s in splits.values()] == [124_099, 13_890, 15_100]
    assert [s.entities for s in splits.values()] == [13_440, 1497, 1630]
    assert [s.without_entities for s in splits.values()] == [103, 25, 16]
    assert [s.lengths.longest for s in splits.values()] == [178, 178, 167]
    assert [round(s.lengths.mean, 2) for s in splits.values()] == [32.48, 30.0, 31.66]
    assert {label: n.count for label, n in dev.labels.items()} == {
        "TITLE": 690,
        "ORG": 523,
        "NAME": 110,
        "EDU": 106,
        "CONT": 33,
        "PRO": 18,
        "RACE": 15,
        "LOC": 2,
    }
    assert train.labels["TITLE"].count == 6308
    assert max(n.lengths.longest for n in train.labels.values()) == 58
    assert [s.problems.get("duplicate", 0) for s in splits.values()] == [18, 0, 1]
    assert [s.problems.get("conflict", 0) for s in splits.values()] == [0, 0, 0]
    assert dev.overlaps["train"].texts == 1
    assert test.overlaps["train"].texts == 4
    assert test.overlaps["dev"].texts == 1
    for split in splits.values():
        assert not {"tokenization", "misaligned", "whitespace-edge"} & {*split.problems}
