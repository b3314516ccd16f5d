import errno
import re
import sys
from types import SimpleNamespace

import pytest
import spacy
from click import unstyle
from spacy.training import Example
from thinc.api import fix_random_seed
from thinc.util import has_cupy_gpu
from typer.testing import CliRunner

from spacy_bilstm_crf.cli import group, show_entities
from spacy_bilstm_crf.cli.show_entities import read_stdin, show_entities_cli

TEXT = "张伟在北京工作"
MODEL = {"hidden_width": 16, "dropout": 0.1, "tok2vec": {"width": 8}}
PROBABILITY = r"(?:0\.\d\d|1\.00)"
BRACKETS = rf"\[张伟\|PER {PROBABILITY}\]在\[北京\|LOC {PROBABILITY}\]工作"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline that has learned a little, and others that need no training."""
    path = tmp_path_factory.mktemp("folder")
    fix_random_seed(0)
    nlp = spacy.blank("zh")
    nlp.to_disk(path / "blank")
    ruler = nlp.add_pipe("entity_ruler")
    names = {"张伟": "PER", "北京": "LOC", "שלום": "LOC", "a\nb": "LOC", "\x1b": "ORG"}
    ruler.add_patterns([{"label": names[name], "pattern": name} for name in names])
    nlp.to_disk(path / "rules")
    nlp = spacy.blank("zh")
    nlp.add_pipe("bilstm_crf", name="ner", config={"model": MODEL})
    nlp.to_disk(path / "untrained")
    gold = {"entities": [(0, 2, "PER"), (3, 5, "LOC")]}
    examples = [Example.from_dict(nlp.make_doc(TEXT), gold)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(path / "model")
    (path / "nothing").mkdir()
    return path


def tidy(shown):
    """What was shown, as one line without colours."""
    return " ".join(unstyle(shown).split())


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def invoke(*args, stdin=None):
        result = CliRunner().invoke(group, ["show", *map(str, args)], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.output

    return invoke


@pytest.fixture
def show(folder, monkeypatch, capsys):
    """Run the command on a terminal."""
    monkeypatch.chdir(folder)
    for name in ("NO_COLOR", "ANSI_COLORS_DISABLED"):
        monkeypatch.delenv(name, raising=False)

    def call(*args):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        show_entities_cli(*args)
        return capsys.readouterr().out

    return call


def test_entities_stand_in_brackets_and_in_a_table(run):
    code, shown = run("model", TEXT)
    assert code == 0
    lines = shown.splitlines()
    assert re.fullmatch(BRACKETS, lines[0])
    assert lines[2].split() == ["label", "characters", "confidence", "entity"]
    assert re.fullmatch(r"PER +0-2 +0\.\d{3} +'张伟' *", lines[4])
    assert re.fullmatch(r"LOC +3-5 +0\.\d{3} +'北京' *", lines[5])
    assert "Alternatives" not in shown


def test_entities_of_rules_have_no_confidence(run):
    code, shown = run("rules", TEXT)
    assert code == 0
    assert shown.startswith("[张伟|PER]在[北京|LOC]工作\n")
    assert re.search(r"PER +0-2 +- +'张伟'", shown)


def test_several_texts(run):
    code, shown = run("rules", "张伟", "今天", "北京")
    assert code == 0
    shown = [line for line in shown.splitlines() if "|" in line or "今" in line]
    assert shown == ["[张伟|PER]", "今天", "[北京|LOC]"]


@pytest.mark.parametrize("args", [(), ("-",)])
def test_lines_of_standard_input(run, args):
    stdin = "\ufeff张伟\r\n\n  \n今天\n北京".encode()
    code, shown = run("rules", *args, stdin=stdin)
    assert code == 0
    assert shown.startswith("[张伟|PER]\n")
    assert shown.count("\n[北京|LOC]\n") == 1
    # The blank lines are no texts.
    assert shown.count("No entities") == 1


def test_only_line_feeds_end_a_line(run):
    code, shown = run("rules", stdin="张伟\u2028北京\n".encode())
    assert code == 0
    assert shown.startswith("[张伟|PER]\u2028[北京|LOC]\n")


def test_who_types_is_told_what_to_do(monkeypatch, capsys):
    keyboard = SimpleNamespace(isatty=lambda: True, buffer=[b"a\n"])
    monkeypatch.setattr(sys, "stdin", keyboard)
    assert list(read_stdin()) == ["a"]
    assert "One text per line." in capsys.readouterr().err
    keyboard.isatty = lambda: False
    assert list(read_stdin()) == ["a"]
    assert capsys.readouterr().err == ""


def test_each_text_is_shown_before_the_next_is_read(show, monkeypatch):
    flushed = []
    out = sys.stdout
    monkeypatch.setattr(out, "flush", lambda: flushed.append(out.getvalue()))
    show("rules", ["张伟", "北京"])
    assert "张伟" in flushed[0]
    assert "北京" not in flushed[0]


def test_texts_and_standard_input(run):
    code, shown = run("rules", "张伟", "-", "张伟在", stdin="北京\n")
    assert code == 0
    shown = [line for line in shown.splitlines() if "|" in line]
    assert shown == ["[张伟|PER]", "[北京|LOC]", "[张伟|PER]在"]


def test_input_that_is_not_utf8_is_one_clear_error(run):
    code, shown = run("rules", stdin="张伟\n北京\n".encode("gb18030"))
    assert code == 1
    fault = "standard input:1: not UTF-8: save the file as UTF-8"
    assert tidy(shown) == f"✘ {fault}"


def test_alternatives_are_shown_with_their_probability(run):
    code, shown = run("model", TEXT, "--alternatives", 3)
    assert code == 0
    table = shown.split("Alternatives of 'ner'")[1]
    probabilities = [float(p) for p in re.findall(r"^(\d\.\d{3})", table, re.M)]
    assert len(probabilities) == 3
    assert probabilities == sorted(probabilities, reverse=True)
    assert re.search(rf"^{probabilities[0]:.3f} +the same", table, re.M)
    assert re.search(r"^\d\.\d{3} +[-+] '", table, re.M)


def test_alternatives_are_told_by_what_they_have_not_and_have(run, folder, tmp_path):
    nlp = spacy.load(folder / "model")
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "ORG", "pattern": "北 京"}])
    nlp.to_disk(tmp_path / "both")
    code, shown = run(tmp_path / "both", TEXT, "--alternatives", 1)
    assert code == 0
    assert re.search(r"^\d\.\d{3} +- '北京' ORG *\n +\+ '北京' LOC", shown, re.M)


@pytest.mark.parametrize("name", ["blank", "rules"])
def test_alternatives_need_the_component(run, name):
    code, shown = run(name, TEXT, "--alternatives", 2)
    names = {"blank": "none at all", "rules": "entity_ruler"}[name]
    assert code == 1
    assert tidy(shown) == (
        f"✘ --alternatives: no component of the factory bilstm_crf in the pipeline: {names}"
    )


def test_no_entities(run):
    code, shown = run("rules", "今天")
    assert (code, shown.split()) == (0, ["今天", "No", "entities"])


def test_an_empty_text(run):
    for model in ("rules", "model"):
        code, shown = run(model, "", "--alternatives" if model == "model" else "--", 1)
        assert code == 0
        assert shown.startswith("\n\nNo entities\n")


def test_a_pipeline_without_entity_recognition_is_told(run):
    code, shown = run("blank", TEXT)
    assert code == 0
    assert shown.startswith(f"{TEXT}\n\nNo entities\n")
    fault = "No component of the pipeline is known to set entities: none at all"
    assert tidy(shown).endswith(f"⚠ {fault}")


def test_line_breaks_and_other_writing(run):
    code, shown = run("rules", "x a\nb\t🎉 שלום 张伟")
    assert code == 0
    assert shown.startswith("x [a\nb|LOC]\t🎉 [שלום|LOC] [张伟|PER]\n")
    assert re.search(r"LOC +2-5 +- +'a\\nb'", shown)
    assert re.search(r"LOC +8-12 +- +'שלום'", shown)


def test_texts_cannot_command_the_terminal(run):
    code, shown = run("rules", "\x1b[31m\r\x07\x7f\x9b张伟")
    assert code == 0
    assert shown.startswith("[␛|ORG][31m␍␇␡\ufffd[张伟|PER]\n")
    assert r"'\x1b'" in shown
    assert "\x1b" not in shown


def test_colours_on_a_terminal(show):
    shown = show("model", [TEXT])
    colors = dict(re.findall(r"^\x1b\[38;5;16;48;5;(\d+)m(PER|LOC)\x1b\[0m ", shown, re.M))
    colors = {label: color for color, label in colors.items()}
    assert len(set(colors.values())) == 2
    per, loc = (f"\x1b[38;5;16;48;5;{colors[label]}m" for label in ("PER", "LOC"))
    assert shown.startswith(f"{per}张伟\x1b[0m在{loc}北京\x1b[0m工作\n")
    # The same columns as without colours.
    header, _, first, second = unstyle(shown).splitlines()[2:6]
    assert first.index("'张") == second.index("'北") == header.index("entity")


def test_a_label_has_the_same_colour_whatever_the_texts(show):
    def find(shown):
        return re.search(r"(\S+)北京", shown).group(1)

    assert find(show("rules", ["北京"])) == find(show("rules", ["张伟", "שלום", "北京"]))


def test_colours_end_at_line_breaks(show):
    shown = show("rules", ["a\nb"])
    assert re.match(r"\x1b\[[\d;]+ma\x1b\[0m\n\x1b\[[\d;]+mb\x1b\[0m\n", shown)


def test_labels_that_no_component_names_have_colours(show, make_own):
    path, code_path = make_own("NEW")
    shown = show(str(path), ["张伟"], None, code_path)
    assert re.match(r"\x1b\[[\d;]+m张伟\x1b\[0m\n", shown)
    assert "⚠" not in shown


@pytest.mark.parametrize("name", ["NO_COLOR", "ANSI_COLORS_DISABLED"])
def test_colours_can_be_switched_off(show, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    shown = show("rules", [TEXT])
    assert shown.startswith("[张伟|PER]在")
    assert "\x1b" not in shown


def test_no_colours_in_a_pipe(run, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    code, shown = run("model", TEXT)
    assert code == 0
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nowhere", "Can't find model 'nowhere'"),
        ("nothing", "Could not read meta.json from nothing"),
        ("untrained", "[E109] Component 'ner' could not be run"),
    ],
)
def test_wrong_pipelines_are_one_clear_error(run, model, message):
    code, shown = run(model, TEXT)
    assert code == 1
    # Nothing else was shown.
    assert tidy(shown).startswith("✘ ")
    assert message in tidy(shown)


def test_a_text_that_is_too_long_is_one_clear_error(run):
    code, shown = run("rules", stdin="a" * 1_000_001)
    assert code == 1
    assert tidy(shown).startswith("✘ [E088] Text of length 1000001 exceeds maximum")


def test_bytes_that_are_no_text_are_one_clear_error(run):
    code, shown = run("rules", "张\udcff")
    assert code == 1
    assert tidy(shown).startswith("✘ 'utf-8' codec can't encode")


def test_a_pipe_that_nobody_reads_is_no_error(run, monkeypatch):
    def fail(*args):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(show_entities, "show_reading", fail)
    assert run("rules", "张伟") == (1, "")


@pytest.mark.skipif(has_cupy_gpu, reason="it has one")
def test_a_gpu_that_is_not_there_is_one_clear_error(run):
    code, shown = run("model", TEXT, "--gpu-id", "0")
    assert code == 1
    assert tidy(shown).startswith("✘ Cannot use GPU")


def test_help_explains_every_option(run):
    code, shown = run("--help")
    assert code == 0
    for option in ("--alternatives", "--code", "--gpu-id"):
        assert option in shown
