"""spacy bilstm-crf calibrate: can the confidence be trusted?"""

from pathlib import Path
from typing import Annotated, Any, List, Optional

import spacy
from spacy.cli._util import Arg, Opt, setup_gpu
from spacy.language import Language
from spacy.training import Corpus
from wasabi.tables import table

from ..evaluation.calibration import Reliability, fit_temperature, prepare
from .show import msg, show_text

MODEL = "Trained pipeline: its folder or its name."
DATA = "Development data that it was not trained on (.spacy)."
OUTPUT = "Write the pipeline with the temperature found to this folder."
NAME = "Name of the component, if the pipeline has several."
GPU_ID = "GPU ID or -1 for CPU"
BAR = 20


def calibrate_cli(
    model: Annotated[str, Arg(help=MODEL, show_default=False)],
    data: Annotated[Path, Arg(help=DATA, exists=True, show_default=False)],
    output: Annotated[
        Optional[Path], Opt("--output", "-o", help=OUTPUT, file_okay=False)
    ] = None,
    name: Annotated[Optional[str], Opt("--name", "-n", help=NAME)] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
) -> None:
    """
    Compare the confidence of predicted entities with their precision, and find the
    temperature that brings the two closest. It changes no entity, only how sure the
    component is of them.
    """
    setup_gpu(use_gpu, silent=True)
    try:
        nlp = spacy.load(model)
        name = name or find_component(nlp)
        examples = prepare(nlp, name, Corpus(data)(nlp))
        temperature, before, after = fit_temperature(nlp, name, examples)
    except (OSError, ValueError) as error:
        msg.fail(" ".join(str(error).split()), exits=1)
    else:
        show_reliability(before, "Temperature 1")
        show_reliability(after, f"Temperature {temperature:.2f}")
        if output is not None:
            component: Any = nlp.get_pipe(name)
            component.cfg["temperature"] = temperature
            # spaCy makes no folders above it.
            output.mkdir(parents=True, exist_ok=True)
            nlp.to_disk(output)
            msg.good(f"Saved with this temperature: {output}")


def find_component(nlp: Language) -> str:
    """Find the component to calibrate.

    nlp (Language): The pipeline.
    RETURNS (str): Its name.
    """
    names = [n for n in nlp.pipe_names if nlp.get_pipe_meta(n).factory == "bilstm_crf"]
    if len(names) != 1:
        raise ValueError(
            f"the pipeline has {len(names)} components of the factory bilstm_crf, of "
            f"{nlp.pipe_names}: name one with --name"
        )
    return names[0]


def show_reliability(found: Reliability, title: str) -> None:
    """Print a reliability diagram.

    found (Reliability): The figures.
    title (str): What stands above it.
    """
    msg.divider(title)
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
