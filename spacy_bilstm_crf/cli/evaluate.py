"""spacy bilstm-crf evaluate: how good is a pipeline, and is another one better?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, List, Optional, Set

import spacy
import srsly
from spacy.cli._util import Arg, Opt, import_code, setup_gpu
from spacy.language import Language
from spacy.training import Corpus
from spacy.training.corpus import FILE_TYPE, walk_corpus

from ..corpus.debug.splits import count_stored
from ..corpus.schemes import Scheme, get_scheme
from ..evaluation.as_json import as_json
from ..evaluation.compare import Comparison, compare_outcomes
from ..evaluation.groups import Form, collect_forms
from ..evaluation.outcomes import Outcome, predict_outcomes
from ..evaluation.scores import Scores, score_outcomes
from .compare_tables import show_comparison
from .score_tables import show_scores
from .show import msg

# What a wrong path, file or GPU ends in, here or within spaCy.
FAULTS = (ValueError, OSError, ImportError)
MODEL = "Trained pipeline: its folder or its name."
DATA = "Test data, a .spacy file or a folder of them."
COMPARE = "Another trained pipeline, to compare MODEL with."
TRAIN = "Training data (.spacy): are entities that it has found more often?"
SCHEME = "Tags whose scores are shown. Default: bmes for Chinese, bio for all else."
SAMPLES = "Number of bootstrap samples."
SEED = "Seed of the bootstrap."
OUTPUT = "Write everything to this JSON file."
CODE = "Path to a Python file with registered functions that a pipeline needs."
GPU_ID = "GPU ID or -1 for CPU"
GOLD_PREPROC = "Predict on the tokens of the data, and on each of its sentences."


@dataclass(frozen=True)
class Other:
    """The pipeline that another one is compared with.

    model (str): Its folder or its name.
    scores (Scores): Its scores.
    comparison (Comparison): How far the other one, A, is better than this one, B.
    """

    model: str
    scores: Scores
    comparison: Comparison


@dataclass(frozen=True)
class Evaluation:
    """What the JSON file has.

    model (str): The pipeline.
    data (str): The test data.
    train (Optional[str]): The training data.
    samples (int): Number of bootstrap samples.
    seed (int): Seed of the bootstrap.
    scores (Scores): The scores.
    compare (Optional[Other]): The pipeline that it is compared with.
    """

    model: str
    data: str
    train: Optional[str]
    samples: int
    seed: int
    scores: Scores
    compare: Optional[Other]


def evaluate_cli(
    model: Annotated[str, Arg(help=MODEL, show_default=False)],
    data: Annotated[Path, Arg(help=DATA, show_default=False)],
    compare: Annotated[Optional[str], Opt("--compare", help=COMPARE)] = None,
    train: Annotated[Optional[Path], Opt("--train", help=TRAIN)] = None,
    scheme: Annotated[Optional[str], Opt("--scheme", help=SCHEME)] = None,
    samples: Annotated[int, Opt("--samples", help=SAMPLES, min=1)] = 1000,
    seed: Annotated[int, Opt("--seed", help=SEED, min=0)] = 0,
    output: Annotated[
        Optional[Path], Opt("--output", "-o", help=OUTPUT, dir_okay=False)
    ] = None,
    code_path: Annotated[Optional[Path], Opt("--code", "-c", help=CODE)] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
    gold_preproc: Annotated[bool, Opt("--gold-preproc", "-G", help=GOLD_PREPROC)] = False,
) -> None:
    """
    Score the entities that a pipeline finds in test data: as whole entities, with
    confidence intervals; as entities that are nearly right; by their length and by
    whether the training data have them; and tag by tag. Any component that sets
    doc.ents can be scored. With --compare, tell whether one pipeline is better than
    another, or only luckier.
    """
    import_code(code_path)
    try:
        setup_gpu(use_gpu, silent=True)
        nlp = spacy.load(model)
        other = None if compare is None else spacy.load(compare)
        forms = None if train is None else read_forms(nlp, train)
        tagging = choose_scheme(nlp, scheme)
        outcomes = read_outcomes(nlp, data, gold_preproc)
        scores = score_outcomes(outcomes, tagging, forms=forms, samples=samples, seed=seed)
        compared = None
        if compare is not None and other is not None:
            theirs = read_outcomes(other, data, gold_preproc)
            compared = Other(
                compare,
                score_outcomes(theirs, tagging, forms=forms, samples=samples, seed=seed),
                compare_outcomes(outcomes, theirs, samples=samples, seed=seed),
            )
        trained_on = None if train is None else str(train)
        found = Evaluation(model, str(data), trained_on, samples, seed, scores, compared)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            srsly.write_json(output, as_json(found))
    except FAULTS as error:
        msg.fail(" ".join(str(error).split()), exits=1)
    else:
        show_scores(scores, model)
        if compared is not None:
            show_comparison(compared.comparison, model, compared.model)
        if output is not None:
            msg.good(f"All figures: {output}")


def choose_scheme(nlp: Language, name: Optional[str]) -> Scheme:
    """RETURNS (Scheme): The scheme of this name, or the usual one of the language."""
    return get_scheme(name or ("bmes" if nlp.lang == "zh" else "bio"))


def read_outcomes(
    nlp: Language,
    path: Path,
    gold_preproc: bool = False,
    *,
    minimum: Optional[float] = None,
) -> List[Optional[Outcome]]:
    """Predict on test data, as `spacy evaluate` does: from the text alone.

    nlp (Language): The pipeline.
    path (Path): A .spacy file, or a folder of them.
    gold_preproc (bool): Keep the tokens of the data, and predict on its sentences.
    minimum (Optional[float]): Ask how sure it is, also of spans that it does not predict
        but finds at least so probable. Default: do not ask.
    RETURNS (List[Optional[Outcome]]): Gold and predictions, None without annotation.
    RAISES (CorpusError): If there is no such file, or it is no DocBin.
    """
    corpus = Corpus(path, gold_preproc=gold_preproc)
    # spaCy only warns if there is no file, and does not say which one is none of its own.
    stored = count_stored(corpus)
    total = None
    if stored is not None and not gold_preproc:
        total = stored.total() - stored[0]
    examples = corpus(nlp)
    return list(
        predict_outcomes(nlp, examples, minimum=minimum, total=total, progress=True)
    )


def read_forms(nlp: Language, path: Path) -> Set[Form]:
    """Read the entities of training data.

    nlp (Language): A pipeline.
    path (Path): A .spacy file, or a folder of them.
    RETURNS (Set[Form]): Label and text of each entity.
    RAISES (ValueError): If there are none.
    """
    corpus = Corpus(path)
    count_stored(corpus)
    forms = collect_forms(corpus.read_docbin(nlp.vocab, walk_corpus(path, FILE_TYPE)))
    if not forms:
        raise ValueError(f"{path}: no entities: --train is the data it was trained on")
    return forms
