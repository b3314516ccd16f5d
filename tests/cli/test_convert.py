import importlib
import re

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_bilstm_crf import cli
from spacy_bilstm_crf.corpus.pipeline import make_nlp
from spacy_bilstm_crf.corpus.sentence import CorpusError

BROKEN = "王 B-PER\n博 M-PER\n\n沪 S-LOC\n"


@pytest.fixture
def run():
    def invoke(*args):
        # Through spaCy's own app, as `python -m spacy bilstm-crf convert`.
        command = ["bilstm-crf", "convert", *map(str, args)]
        result = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
        return result.exit_code, " ".join(result.output.split())

    return invoke


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.bmes"
    path.write_text(BROKEN, encoding="utf8")
    return path


def test_spacy_loads_the_group_by_its_entry_point():
    assert spacy.registry.cli.get_all()["bilstm-crf"] is cli


def test_loading_twice_registers_once():
    importlib.reload(cli)
    names = [registered.name for registered in app.registered_groups]
    assert names.count("bilstm-crf") == 1


def test_no_built_in_command_is_shadowed():
    commands = [command.name for command in app.registered_commands]
    assert commands.count("convert") == 1
    assert "bilstm-crf" not in commands


def test_convert_writes_docs_and_shows_what_it_found(run, samples, tmp_path):
    output = tmp_path / "out.spacy"
    code, shown = run(samples / "chinese.bmes", output, "--lang", "zh")
    assert code == 0, shown
    assert len(DocBin().from_disk(output)) == 5
    assert "bmes, detected (letters B 7, E 7, M 8, S 2" in shown
    assert "LOC 5 5 0" in shown
    assert "all 9 9 0" in shown
    assert "5 sentences with 63 tokens read" in shown
    assert "Repairs" not in shown


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--format", "jsonl"], "not JSON|neither JSON"),
        (["--scheme", "io"], "io, as given"),
        (["--token-column", "1"], "both be in column 1"),
        (["--tag-column", "0"], "both be in column 0"),
        (["--comment", "王"], "4 tokens read"),
        (["--segmentation"], "5 tokens written"),
        (["--split", "word"], "split 'word'"),
        (["--max-tokens", "2"], "out.spacy: 4 Docs"),
        (["--shards", "2"], "00001.spacy: 1 Doc"),
        (["--max-docs", "1"], "00002.spacy: 1 Doc"),
        (["--missing", "outside"], "2 .* not annotated"),
        (["--lang", "en"], "5 tokens written"),
    ],
)
def test_every_option_reaches_the_conversion(run, tmp_path, options, expected):
    path = tmp_path / "in.bmes"
    path.write_text("王 O\n在 O\n沪 S-LOC\n\n杭1 S-LOC\n。 O\n", encoding="utf8")
    lang = [] if "--lang" in options else ["--lang", "zh"]
    _, shown = run(path, tmp_path / "out.spacy", *lang, *options)
    assert re.search(expected, shown), shown


def test_convert_puts_spans_where_it_is_told(run, samples, tmp_path):
    output = tmp_path / "out.spacy"
    run(samples / "brat", output, "--lang", "zh", "--spans-key", "sc")
    docs = list(DocBin().from_disk(output).get_docs(spacy.blank("zh").vocab))
    assert any(doc.spans["sc"] for doc in docs)


def test_convert_counts_tokens_that_are_not_annotated(run, samples, tmp_path):
    args = (samples / "chinese.bmes", tmp_path / "out.spacy", "--lang", "zh")
    code, shown = run(*args, "--missing", "outside")
    assert code == 0, shown
    assert "39 of these tokens marked as not annotated" in shown
    assert "not annotated" not in run(*args)[1]


def test_convert_shows_repairs_with_file_and_line(run, broken, tmp_path):
    code, shown = run(broken, tmp_path / "out.spacy", "--lang", "zh")
    assert code == 0, shown
    assert "Repairs and drops: illegal-tag 1" in shown
    assert f"{broken}:2: the entity is left open ('M-PER' -> 'E-PER')" in shown


def test_convert_shows_only_the_first_ten_repairs(run, tmp_path):
    path = tmp_path / "many.bio"
    path.write_text("中 O\n国 I-LOC\n" * 12, encoding="utf8")
    code, shown = run(path, tmp_path / "out.spacy", "--lang", "zh", "--scheme", "bio")
    assert code == 0, shown
    assert shown.count("many.bio:") == 10
    assert "--report" in shown


def test_report_lists_every_record(run, broken, tmp_path):
    report = tmp_path / "new" / "report.jsonl"
    args = (broken, tmp_path / "out.spacy", "--lang", "zh", "--report", report)
    code, shown = run(*args)
    assert code == 0, shown
    assert list(srsly.read_jsonl(report)) == [
        {
            "source": str(broken),
            "line": 2,
            "kind": "illegal-tag",
            "why": "the entity is left open",
            "before": "M-PER",
            "after": "E-PER",
            "label": "",
            "fault": True,
        }
    ]


def test_skip_leaves_out_and_lists(run, broken, tmp_path):
    code, shown = run(
        *(broken, tmp_path / "out.spacy", "--lang", "zh", "--on-error", "skip")
    )
    assert code == 0, shown
    assert "PER 1 0 1" in shown
    assert "entity dropped with its sentence ('王博')" in shown


def test_raise_exits_with_one_line_that_names_the_place(run, broken, tmp_path):
    code, shown = run(
        *(broken, tmp_path / "out.spacy", "--lang", "zh", "--on-error", "raise")
    )
    assert code == 1
    assert f"{broken}:2: the entity is left open" in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out.spacy").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lang", "qq"), "No pipeline for --lang qq"),
        ((), "Name a language"),
        (("--pipeline", "no.cfg"), "No pipeline for --pipeline no.cfg"),
        (("--pipeline", "no_such_model"), "No pipeline for --pipeline no_such_model"),
        (("--lang", "zh", "--scheme", "bies"), "Unknown scheme 'bies'"),
        (("--lang", "zh", "--on-error", "ignore"), "Unknown on_error 'ignore'"),
    ],
)
def test_wrong_options_are_one_clear_error(run, broken, tmp_path, options, message):
    code, shown = run(broken, tmp_path / "out.spacy", *options)
    assert code == 1
    assert message in shown


def test_output_that_cannot_be_written_is_one_clear_error(run, broken):
    blocked = broken.with_name("file")
    blocked.write_bytes(b"")
    code, shown = run(broken, blocked / "out.spacy", "--lang", "zh")
    assert code == 1
    assert "Not a directory" in shown or "exists" in shown


PATTERN = """
[nlp]
lang = "en"
pipeline = ["ner"]
tokenizer = {"@tokenizers": "spacy-bilstm-crf.CharTokenizer.v1"}
before_creation = ${paths.nothing}

[paths]
nothing = null

[components]

[components.ner]
factory = "bilstm_crf"
"""


def test_tokenizer_comes_from_a_config(tmp_path):
    path = tmp_path / "config.cfg"
    path.write_text(PATTERN, encoding="utf8")
    nlp = make_nlp(None, str(path))
    assert (nlp.lang, nlp.pipe_names) == ("en", [])
    assert [token.text for token in nlp.make_doc("ab")] == ["a", "b"]
    assert make_nlp("zh", str(path)).lang == "zh"


def test_tokenizer_is_initialized_as_training_does_it(tmp_path):
    spacy.blank("de").to_disk(tmp_path / "base")
    path = tmp_path / "config.cfg"
    text = PATTERN.replace(
        "[components]\n",
        "[initialize]\n\n[initialize.before_init]\n"
        '@callbacks = "spacy.copy_from_base_model.v1"\n'
        f'tokenizer = "{tmp_path / "base"}"\n\n[components]\n',
        1,
    ).replace('tokenizer = {"@tokenizers": "spacy-bilstm-crf.CharTokenizer.v1"}\n', "")
    path.write_text(text, encoding="utf8")
    nlp = make_nlp("de", str(path))
    assert [token.text for token in nlp.make_doc("z.B. so")] == ["z.B.", "so"]


def test_config_without_a_pipeline_is_a_clear_error(tmp_path):
    path = tmp_path / "config.cfg"
    path.write_text("[paths]\ntrain = null\n", encoding="utf8")
    with pytest.raises(CorpusError, match=r"no section \[nlp\]"):
        make_nlp(None, str(path))


def test_tokenizer_comes_from_a_pipeline(tmp_path):
    spacy.blank("de").to_disk(tmp_path)
    assert make_nlp(None, str(tmp_path)).lang == "de"


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in ("--lang", "--scheme", "--on-error", "--report"):
        assert option in shown
