"""What a training writes to its output folder."""

import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

from spacy.language import Language
from spacy.training.loop import DIR_MODEL_BEST, DIR_MODEL_LAST
from thinc.api import Optimizer

from .checkpoint import DIR_CHECKPOINT, Progress, save_checkpoint
from .fingerprint import Fingerprint
from .folders import remove_folder, replace_folder, settle
from .weights import list_weights, require_finite_weights


class Saver:
    """Writes the last pipeline, the best one and the checkpoint, each of them complete at
    any moment. The pipelines come first: a process that is killed before the checkpoint
    leaves the earlier one, and whoever resumes from it writes the same pipelines again.

    nlp (Language): The pipeline.
    optimizer (Optimizer): The optimizer.
    before_to_disk (Callable[[Language], Language]): Gives what is written of the pipeline.
    exclude (List[str]): Names of components that are not trained.
    output (Path): The output folder.
    fingerprint (Fingerprint): What the training depends on.
    """

    def __init__(
        self,
        nlp: Language,
        optimizer: Optimizer,
        before_to_disk: Callable[[Language], Language],
        exclude: List[str],
        output: Path,
        fingerprint: Fingerprint,
    ) -> None:
        self.model_last = output / DIR_MODEL_LAST
        self._model_best = output / DIR_MODEL_BEST
        self._checkpoint = output / DIR_CHECKPOINT
        self._nlp = nlp
        self._optimizer = optimizer
        self._before_to_disk = before_to_disk
        self._exclude = exclude
        self._fingerprint = fingerprint

    def start(self, anew: bool) -> None:
        """Clean up after a process that was killed. Earlier pipelines stay until there are
        others.

        anew (bool): Whether an earlier checkpoint does not count any more.
        """
        # Whoever looks for the checkpoint has done this for it.
        for folder in (self.model_last, self._model_best):
            settle(folder)
        if anew:
            remove_folder(self._checkpoint)

    def save_pipeline(self, is_best: bool = False) -> None:
        """Write the pipeline with averaged weights, if the optimizer has them.

        is_best (bool): Whether it is the best one too.
        RAISES (LossError): If the weights are no numbers. Nothing was written then.
        """
        weights = list_weights(self._nlp, self._exclude)
        require_finite_weights(weights, self._optimizer)
        averages = self._optimizer.averages
        with replace_folder(self.model_last) as folder, self._nlp.use_params(averages):
            self._before_to_disk(self._nlp).to_disk(folder)
        if is_best:
            with replace_folder(self._model_best) as folder:
                shutil.copytree(self.model_last, folder, dirs_exist_ok=True)

    def save_checkpoint(
        self,
        info: Dict[str, Any],
        epoch_starts: List[Any],
        others: Sequence[Dict[str, Any]] = (),
        *,
        finished: bool = False,
    ) -> None:
        """Write the checkpoint.

        info (Dict[str, Any]): What spaCy's loop tells of the last step.
        epoch_starts (List[Any]): State of `random` at the start of each epoch.
        others (Sequence[Dict[str, Any]]): State of the generators of other ranks.
        finished (bool): Whether there is nothing left to do.
        """
        progress = Progress(
            step=info["step"],
            scores=[score for score, _ in info["checkpoints"]],
            losses=info["losses"],
            words=info["words"],
            seconds=info["seconds"],
            epoch_starts=epoch_starts,
            performance=self._nlp.meta.get("performance", {}),
            finished=finished,
        )
        save_checkpoint(
            self._checkpoint,
            self._nlp,
            self._optimizer,
            self._exclude,
            progress,
            self._fingerprint,
            others,
        )
