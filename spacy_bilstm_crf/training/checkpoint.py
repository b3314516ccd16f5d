"""A training as it was after one of its steps, on disk."""

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence

from spacy.language import Language
from thinc.api import Optimizer

from .arrays import load_arrays, save_arrays
from .fingerprint import Fingerprint, list_differences
from .folders import replace_folder, settle
from .random_state import get_random_state, set_random_state
from .weights import list_weights

DIR_CHECKPOINT = "checkpoint"
STATE = "state.json"
# Written into every checkpoint. A training is over in days: other formats are refused.
FORMAT = 1
PACKAGES = ("spacy-bilstm-crf", "spacy", "thinc", "torch", "numpy")
SHOWN = 3


class CheckpointError(ValueError):
    """Raised for a checkpoint that is in the way, or that cannot be continued from. The
    message says what to do about it.
    """


@dataclass
class Progress:
    """How far a training has come.

    step (int): The last step that was done, counted from 0.
    scores (List[float]): The main score of each evaluation.
    losses (Dict[str, float]): The losses since the last evaluation, by component.
    words (int): Number of tokens that were learned from.
    seconds (int): How long it took.
    epoch_starts (List[Any]): State of `random` at the start of each epoch.
    performance (Dict[str, Any]): What the pipeline's meta says of the last evaluation.
    finished (bool): Whether there is nothing left to do.
    """

    step: int
    scores: List[float]
    losses: Dict[str, float]
    words: int
    seconds: int
    epoch_starts: List[Any]
    performance: Dict[str, Any]
    finished: bool = False


@dataclass
class Checkpoint:
    """All of a training but its arrays, which lie beside it.

    folder (Path): Where it was read from.
    progress (Progress): How far the training has come.
    random (Dict[str, Any]): State of the generators of random numbers.
    nr_update (Dict[str, int]): How often each of the weights was updated.
    fingerprint (Fingerprint): What the training depends on.
    versions (Dict[str, str]): Versions of the packages that it ran with.
    others (List[Dict[str, Any]]): State of the generators of the other ranks, if there were
        several.
    rank (int): The rank that goes on from it. Rank 0 gives the others what they need of the
        arrays.
    """

    folder: Path
    progress: Progress
    random: Dict[str, Any]
    nr_update: Dict[str, int]
    fingerprint: Fingerprint
    versions: Dict[str, str]
    others: List[Dict[str, Any]] = field(default_factory=list)
    rank: int = 0

    def of_rank(self, rank: int) -> "Checkpoint":
        """RETURNS (Checkpoint): The same, for another rank than 0. What all of them have
        learned is the past of rank 0, whose figures are added to those of the others."""
        progress = replace(self.progress, losses={}, words=0)
        return replace(self, progress=progress, random=self.others[rank - 1], rank=rank)

    def require_same_training(self, fingerprint: Fingerprint) -> None:
        """Raise CheckpointError if a training is another one.

        fingerprint (Fingerprint): What it depends on.
        """
        differences = list_differences(self.fingerprint, fingerprint)
        if differences:
            more = f", and {len(differences) - SHOWN} more" if differences[SHOWN:] else ""
            raise CheckpointError(
                f"{self.folder} is of another training: {', '.join(differences[:SHOWN])}"
                f"{more}: resume it as it was, or train anew into another folder"
            )

    def list_other_versions(self) -> List[str]:
        """RETURNS (List[str]): The packages that have changed, for which the result may
        differ in the last digits."""
        now = _list_versions()
        return [
            f"{name} was {was} and is {now[name]}"
            for name, was in self.versions.items()
            if now[name] != was
        ]

    def restore(self, nlp: Language, optimizer: Optimizer, exclude: Iterable[str]) -> None:
        """Put everything in place.

        nlp (Language): The initialized pipeline.
        optimizer (Optimizer): The optimizer, its schedules at this step.
        exclude (Iterable[str]): Names of components that are not trained.
        RAISES (CheckpointError): If a file is broken, or of another model.
        """
        weights = list_weights(nlp, exclude)
        try:
            if self.rank == 0:
                load_arrays(self.folder, weights, optimizer)
        except ValueError as error:
            raise CheckpointError(f"{error}: remove {self.folder} to start anew") from error
        for name, count in self.nr_update.items():
            optimizer.nr_update[weights[name].key] = count
            # The optimizer is called for weights that have a gradient. From the first one
            # on they always do, if only of zeros.
            weights[name].zero_grad()
        if self.progress.performance:
            nlp.meta["performance"] = self.progress.performance
        set_random_state(self.random)

    def mark_finished(self) -> None:
        """Take down that there is nothing left to do, if that is not known yet: the process
        was killed after its last evaluation, or shall do fewer steps than it has done.
        """
        if self.progress.finished:
            return
        state = json.loads((self.folder / STATE).read_text(encoding="utf8"))
        state["progress"]["finished"] = True
        with replace_folder(self.folder) as folder:
            shutil.copytree(self.folder, folder, dirs_exist_ok=True)
            _write(folder, state)


def save_checkpoint(
    path: Path,
    nlp: Language,
    optimizer: Optimizer,
    exclude: Iterable[str],
    progress: Progress,
    fingerprint: Fingerprint,
    others: Sequence[Dict[str, Any]] = (),
) -> None:
    """Write a checkpoint in the place of the one before.

    path (Path): The folder.
    nlp (Language): The pipeline.
    optimizer (Optimizer): The optimizer.
    exclude (Iterable[str]): Names of components that are not trained.
    progress (Progress): How far the training has come.
    fingerprint (Fingerprint): What the training depends on.
    others (Sequence[Dict[str, Any]]): State of the generators of the other ranks.
    """
    weights = list_weights(nlp, exclude)
    counts = optimizer.nr_update
    state = {
        "format": FORMAT,
        "versions": _list_versions(),
        "fingerprint": fingerprint,
        "progress": asdict(progress),
        "nr_update": {n: counts[w.key] for n, w in weights.items() if w.key in counts},
        "random": get_random_state(),
        "others": list(others),
    }
    with replace_folder(path) as folder:
        save_arrays(folder, weights, optimizer)
        _write(folder, state)


def find_checkpoint(output: Path, resume: bool) -> Optional[Checkpoint]:
    """Find what a training shall go on from.

    output (Path): The output folder of the training.
    resume (bool): Whether it shall go on, rather than start anew.
    RETURNS (Optional[Checkpoint]): The checkpoint, or None to start from the beginning.
    RAISES (CheckpointError): If it cannot be read; or if one is in the way that somebody
        may want to go on from.
    """
    folder = output / DIR_CHECKPOINT
    settle(folder)
    if not folder.exists():
        return None
    try:
        checkpoint = _read(folder)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder} cannot be read ({error}): remove it to start anew"
        ) from error
    if resume:
        return checkpoint
    if not checkpoint.progress.finished:
        raise CheckpointError(
            f"{output} has a training that was interrupted after step "
            f"{checkpoint.progress.step}: go on with --resume, or remove {folder} to "
            "start anew"
        )
    return None


def _write(folder: Path, state: Dict[str, Any]) -> None:
    # Scores may be numbers of numpy.
    text = json.dumps(state, ensure_ascii=False, default=float)
    (folder / STATE).write_text(text, encoding="utf8")


def _read(folder: Path) -> Checkpoint:
    state = json.loads((folder / STATE).read_text(encoding="utf8"))
    if state["format"] != FORMAT:
        raise ValueError(f"it has format {state['format']}, and this version {FORMAT}")
    del state["format"]
    progress = Progress(**state.pop("progress"))
    return Checkpoint(folder=folder, progress=progress, **state)


def _list_versions() -> Dict[str, str]:
    return {name: version(name) for name in PACKAGES}
