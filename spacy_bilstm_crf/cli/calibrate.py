"""spacy bilstm-crf calibrate: can the confidence be trusted?"""

import math
from pathlib import Path
from typing import Annotated, Any, Iterator, List, Optional

import spacy
from spacy.cli._util import Arg, Opt, setup_gpu
from spacy.language import Language
from spacy.training import Corpus, Example
from wasabi.printer import Printer
from wasabi.tables import table

from ..component_names import require_plain_names
from ..corpus.debug.splits import count_stored
from ..evaluation.calibration import SEARCH, Calibration, Reliability, fit_temperature
from ..evaluation.judge import prepare
from .show import msg, show_text

# What a wrong path, file, name or GPU ends in, here or within spaCy.
FAULTS = (ValueError, OSError, ImportError)
# On ResumeNER, where 1.3 fits, nine in ten random draws of so many entities give 0.9 to
# 1.6; draws of half as many give 0.25 to 1.6, which is often worse than none.
MIN_ENTITIES = 100
MODEL = "Trained pipeline: its folder or its name."
DATA = "Development data that it was not trained on (.spacy)."
OUTPUT = "Write the pipeline with the temperature found to this folder, not that of MODEL."
NAME = "Name of the component, if the pipeline has several."
GPU_ID = "GPU ID or -1 for CPU"
BAR = 20


def calibrate_cli(
    model: Annotated[str, Arg(help=MODEL, show_default=False)],
    data: Annotated[Path, Arg(help=DATA, show_default=False)],
    output: Annotated[Optional[Path], Opt("--output", "-o", help=OUTPUT)] = None,
    name: Annotated[Optional[str], Opt("--name", "-n", help=NAME)] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
) -> None:
    """
    Compare the confidence of predicted entities with their precision, and find the
    temperature with which it says most about what is true: that of the smallest log
    loss. It changes how sure the component is of entities, and none of them, unless a
    threshold drops some.
    """
    try:
        setup_gpu(use_gpu, silent=True)
        nlp = spacy.load(model)
        name = find_component(nlp, name)
        if output is not None:
            check_output(output, nlp)
        batches = prepare(nlp, name, read_examples(nlp, data), progress=True)
        component: Any = nlp.get_pipe(name)
        found = fit_temperature(component, batches, progress=True)
        show_calibration(found)
        if output is not None and not found.at_limit:
            component.cfg["temperature"] = found.temperature
            # spaCy makes no folders above it.
            output.mkdir(parents=True, exist_ok=True)
            nlp.to_disk(output)
            msg.good(f"Saved with this temperature: {output}")
    except FAULTS as error:
        msg.fail(" ".join(str(error).split()), exits=1)
    else:
        if output is not None and found.at_limit:
            msg.fail(f"Not saved: {output}", exits=1)


def find_component(nlp: Language, name: Optional[str] = None) -> str:
    """Find the component to calibrate.

    nlp (Language): The pipeline.
    name (Optional[str]): The name that it should have. Default: any, if there is one only.
    RETURNS (str): Its name.
    RAISES (ValueError): If there is no such component, or several.
    """
    names = [n for n in nlp.pipe_names if nlp.get_pipe_meta(n).factory == "bilstm_crf"]
    if not names:
        found = ", ".join(nlp.pipe_names) or "none at all"
        raise ValueError(f"no component of the factory bilstm_crf in the pipeline: {found}")
    if name is None and len(names) == 1:
        return names[0]
    if name not in names:
        fault = "several components" if name is None else f"no component '{name}'"
        raise ValueError(
            f"{fault} of the factory bilstm_crf: take --name {' or --name '.join(names)}"
        )
    return name


def check_output(output: Path, nlp: Language) -> None:
    """Make sure that a pipeline can be written, before the long work, and that nothing is
    lost if that fails halfway.

    output (Path): The folder.
    nlp (Language): The pipeline.
    RAISES (ValueError): If it is a file, or where the pipeline was loaded from, or if a
        component has a name that leads elsewhere.
    """
    require_plain_names(nlp)
    if not output.exists():
        return
    if not output.is_dir():
        raise ValueError(f"{output} is a file: --output is a folder")
    if nlp.path is not None and output.samefile(nlp.path):
        raise ValueError(f"{output} is the pipeline itself: name another --output")


def read_examples(nlp: Language, path: Path) -> Iterator[Example]:
    """Read development data.

    nlp (Language): The pipeline, whose tokenizer makes the predicted Docs.
    path (Path): A .spacy file, or a folder of them.
    RETURNS (Iterator[Example]): The examples.
    RAISES (CorpusError): If there is no such file, or it is no DocBin.
    """
    corpus = Corpus(path)
    # spaCy only warns if there is no file, and does not say which one is none of its own.
    count_stored(corpus)
    examples: Iterator[Example] = corpus(nlp)
    return examples


def show_calibration(found: Calibration) -> None:
    """Print what was found, and whether it can be relied on.

    found (Calibration): The temperature and its figures.
    """
    judged = found.judged
    show_reliability(found.before, "Temperature 1")
    show_reliability(found.after, f"Temperature {found.temperature:.2f}")
    if judged.given:
        msg.info(
            f"{judged.given:,} more set by earlier components or hard words of the "
            "dictionary: not the model's confidence, left out"
        )
    if judged.unknown:
        msg.info(f"{judged.unknown:,} more on tokens without gold annotation: left out")
    count, right = len(judged.correct), int(judged.correct.sum())
    if count < MIN_ENTITIES:
        msg.warn(
            f"Only {count:,} entities: with fewer than {MIN_ENTITIES} the temperature is "
            "mostly chance, take more data"
        )
    if found.at_limit:
        msg.warn(
            f"No temperature from {math.exp(SEARCH[0]):.2f} to {math.exp(SEARCH[1]):.2f} "
            f"fits, {right:,} of {count:,} entities are right: take data that are fully "
            "annotated, and that the pipeline was not trained on"
        )


def show_reliability(found: Reliability, title: str) -> None:
    """Print a reliability diagram.

    found (Reliability): The figures.
    title (str): What stands above it.
    """
    # As wide as the terminal, unlike the lines of `msg`.
    Printer().divider(title)
    rows: List[Any] = [
        (
            f"{b.low:.1f}-{b.high:.1f}",
            f"{b.count:,}",
            f"{b.confidence:.3f}" if b.count else "",
            f"{b.precision:.3f}" if b.count else "",
            "#" * round(BAR * b.precision),
        )
        for b in found.bins
    ]
    header = ("confidence", "entities", "mean", "precision", "")
    show_text(table(rows, header=header, divider=True, aligns=["l", "r", "r", "r", "l"]))
    show_text(
        f"Expected calibration error: {found.error:.4f}, log loss {found.log_loss:.4f}"
    )
