"""spacy bilstm-crf show: the entities of texts, in colour, and how sure each is."""

import sys
from pathlib import Path
from typing import Annotated, Dict, Iterable, Iterator, List, Optional

import spacy
import typer
from spacy.cli._util import Arg, Opt, import_code, setup_gpu
from spacy.language import Language

from ..component import BiLSTMCRF
from ..corpus.lines import NOT_UTF8, decode
from ..reading import read_text
from .entity_tables import pick_color, show_reading, wants_colors
from .show import msg

# What a wrong path, text or GPU ends in, here or within spaCy.
FAULTS = (ValueError, OSError, ImportError)
STDIN = "-"
MODEL = "Trained pipeline: its folder or its name."
TEXTS = "The texts. Default, and for each -: the lines of standard input."
ALTERNATIVES = "Show so many of the best analyses of each text, and how probable each is."
CODE = "Path to a Python file with registered functions that a pipeline needs."
GPU_ID = "GPU ID or -1 for CPU"


def show_entities_cli(
    model: Annotated[str, Arg(help=MODEL, show_default=False)],
    texts: Annotated[Optional[List[str]], Arg(help=TEXTS, show_default=False)] = None,
    alternatives: Annotated[
        Optional[int], Opt("--alternatives", "-a", help=ALTERNATIVES, min=1, max=100)
    ] = None,
    code_path: Annotated[Optional[Path], Opt("--code", "-c", help=CODE)] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
) -> None:
    """
    Show the entities that a pipeline finds in texts: in colour on a terminal, in
    brackets elsewhere. Below each text stands how sure the component is of each
    entity; of those of rules and other components nobody knows.
    """
    import_code(code_path)
    try:
        setup_gpu(use_gpu, silent=True)
        nlp = spacy.load(model)
        if alternatives is not None:
            require_component(nlp)
        colors = make_colors(nlp) if wants_colors() else None
        found = 0
        for text in read_texts(texts or [STDIN]):
            reading = read_text(nlp, text, alternatives)
            show_reading(reading, colors)
            found += len(reading.ents)
    except BrokenPipeError:
        # Nobody reads on, as in `| head`: typer ends without a word.
        raise
    except FAULTS as error:
        msg.fail(" ".join(str(error).split()), exits=1)
    else:
        if not found and not list_setters(nlp):
            names = list_names(nlp)
            msg.warn(f"No component of the pipeline is known to set entities: {names}")


def require_component(nlp: Language) -> None:
    """Raise ValueError if no component of a pipeline has alternatives."""
    if not any(isinstance(component, BiLSTMCRF) for _, component in nlp.pipeline):
        raise ValueError(
            "--alternatives: no component of the factory bilstm_crf in the pipeline: "
            f"{list_names(nlp)}"
        )


def list_names(nlp: Language) -> str:
    """RETURNS (str): The names of the components, for a message."""
    return ", ".join(nlp.pipe_names) or "none at all"


def list_setters(nlp: Language) -> List[str]:
    """RETURNS (List[str]): Names of the components that say that they set entities."""
    return [n for n in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(n).assigns]


def make_colors(nlp: Language) -> Dict[str, int]:
    """Give each label of a pipeline a colour: the same one, whatever the texts.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, int]): The colours, by label.
    """
    labels = {label for n in list_setters(nlp) for label in nlp.pipe_labels.get(n, ())}
    colors: Dict[str, int] = {}
    for label in sorted(labels):
        pick_color(colors, label)
    return colors


def read_texts(texts: Iterable[str]) -> Iterator[str]:
    """Go through the texts.

    texts (Iterable[str]): The texts; - stands for the lines of standard input.
    YIELDS (str): The texts.
    """
    for text in texts:
        if text == STDIN:
            yield from read_stdin()
        else:
            yield text


def read_stdin() -> Iterator[str]:
    """Read texts from standard input, one per line; blank lines are left out.

    YIELDS (str): The texts, each as soon as its line is there.
    RAISES (ValueError): If a line is not UTF-8.
    """
    if sys.stdin.isatty():
        typer.echo("One text per line. Ctrl-D, or Ctrl-Z on Windows, ends.", err=True)
    for number, line in enumerate(sys.stdin.buffer, 1):
        text = decode(line.rstrip(b"\r\n"))
        if text is None:
            raise ValueError(f"standard input:{number}: {NOT_UTF8}")
        if number == 1:
            text = text.removeprefix("\ufeff")
        if text.strip():
            yield text
