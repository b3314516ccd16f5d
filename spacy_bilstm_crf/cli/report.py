"""spacy bilstm-crf report: what a pipeline gets wrong, on one page."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Dict, Optional

import spacy
from spacy.cli._util import Arg, Opt, import_code, setup_gpu
from spacy.language import Language

from .. import __version__
from ..component import BiLSTMCRF
from ..corpus.outputs import write_whole
from ..evaluation.scores import score_outcomes
from ..evaluation.suspects import LEAST
from ..report.curves import read_curves
from ..tags import tag_names
from .evaluate import (
    CODE,
    DATA,
    FAULTS,
    GOLD_PREPROC,
    GPU_ID,
    MODEL,
    SAMPLES,
    SCHEME,
    SEED,
    choose_scheme,
    read_forms,
    read_outcomes,
)
from .show import msg

OUTPUT = "The page, an .html file."
TRAIN = "Training data (.spacy): what does the pipeline know from them?"
LOG = "Step log of the training. Default: steps.jsonl beside the folder of MODEL, if there."
SENTENCES = "List so many sentences at most, the worst ones."
STEP_LOG = "steps.jsonl"
SUFFIXES = (".html", ".htm")
# What draws the page. Jinja2 comes with spaCy.
LIBRARIES = ("altair", "vl_convert")


def report_cli(
    model: Annotated[str, Arg(help=MODEL, show_default=False)],
    data: Annotated[Path, Arg(help=DATA, show_default=False)],
    output: Annotated[Path, Arg(help=OUTPUT, show_default=False, dir_okay=False)],
    train: Annotated[Optional[Path], Opt("--train", help=TRAIN)] = None,
    log: Annotated[Optional[Path], Opt("--log", help=LOG, dir_okay=False)] = None,
    sentences: Annotated[int, Opt("--sentences", help=SENTENCES, min=0)] = 500,
    scheme: Annotated[Optional[str], Opt("--scheme", help=SCHEME)] = None,
    samples: Annotated[int, Opt("--samples", help=SAMPLES, min=1)] = 1000,
    seed: Annotated[int, Opt("--seed", help=SEED, min=0)] = 0,
    code_path: Annotated[Optional[Path], Opt("--code", "-c", help=CODE)] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
    gold_preproc: Annotated[bool, Opt("--gold-preproc", "-G", help=GOLD_PREPROC)] = False,
) -> None:
    """
    Write an HTML page about the entities that a pipeline finds in test data: all scores,
    what is taken for what, with examples, how far its confidence can be trusted, where
    the gold may be wrong, and the worst sentences, to be filtered and searched. It is one
    file, which needs no network. Any component that sets doc.ents can be looked at.
    """
    import_code(code_path)
    require_libraries()
    # It needs them.
    from ..report.page import Evaluated, make_page

    try:
        require_page(output)
        setup_gpu(use_gpu, silent=True)
        nlp = spacy.load(model)
        log = log or find_log(model)
        curves = None if log is None else read_curves(log)
        forms = None if train is None else read_forms(nlp, train)
        tagging = choose_scheme(nlp, scheme)
        outcomes = read_outcomes(nlp, data, gold_preproc, minimum=LEAST)
        shown = Evaluated(
            model=model,
            data=str(data),
            lang=nlp.lang or "",
            direction=nlp.vocab.writing_system.get("direction", "ltr"),
            version=__version__,
            outcomes=outcomes,
            scores=score_outcomes(
                outcomes, tagging, forms=forms, samples=samples, seed=seed
            ),
            forms=forms,
            transitions=list_transitions(nlp),
            curves=curves,
        )
        # Byte by byte what was hashed.
        with write_whole(output) as file:
            file.write(make_page(shown, sentences).encode())
    except FAULTS as error:
        msg.fail(" ".join(str(error).split()), exits=1)
    else:
        msg.good(f"{output}: {output.stat().st_size / 1e6:.1f} MB, for any browser")


def require_libraries() -> None:
    """Exit if a library that draws the page is not installed."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        msg.fail(
            f"the report needs {', '.join(missing)}: "
            "python -m pip install 'spacy-bilstm-crf[report]'",
            exits=1,
        )


def require_page(output: Path) -> None:
    """See to it that the page can be written, before all the work.

    output (Path): The page. Its folder is created if need be.
    RAISES (ValueError): If it is called as if it were something else, such as the data.
    RAISES (OSError): If its folder cannot be created, or written to.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{output} is no name for a page: let it end in .html")
    output.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(output.parent, os.W_OK):
        raise PermissionError(
            f"{output.parent} cannot be written to: choose another folder"
        )


def find_log(model: str) -> Optional[Path]:
    """RETURNS (Optional[Path]): The step log beside the folder of a pipeline, if there."""
    # A name is that of an installed package.
    folder = Path(model)
    path = folder.resolve().parent / STEP_LOG
    return path if folder.is_dir() and path.is_file() else None


def list_transitions(nlp: Language) -> Dict[str, Any]:
    """RETURNS (Dict[str, Transitions]): What the CRF of each component has learned."""
    # It needs torch.
    from ..model.transitions import read_transitions

    found = {
        name: read_transitions(component.model, tag_names(component.labels))
        for name, component in nlp.pipeline
        if isinstance(component, BiLSTMCRF)
    }
    return {name: transitions for name, transitions in found.items() if transitions}
