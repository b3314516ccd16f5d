"""The steps of spaCy's loop, from the first one or from a checkpoint."""

from typing import Any, Dict, Iterator, Optional, Tuple

from spacy.language import Language
from spacy.training.loop import (
    create_evaluation_callback,
    create_train_batches,
    train_while_improving,
)
from spacy.util import resolve_dot_names
from thinc.api import Config
from thinc.util import partial

from .checkpoint import Checkpoint, Progress
from .ranks.together import Together
from .replay import Epochs, replay_batches, replay_scores

Steps = Iterator[Tuple[Any, Dict[str, Any], Optional[bool]]]


def make_steps(
    nlp: Language,
    config: Config,
    T: Dict[str, Any],
    checkpoint: Optional[Checkpoint],
    together: Optional[Together] = None,
) -> Tuple[Steps, Epochs]:
    """Put spaCy's loop together.

    nlp (Language): The initialized pipeline.
    config (Config): Its config, interpolated.
    T (Dict[str, Any]): What the section `[training]` makes.
    checkpoint (Optional[Checkpoint]): Where to go on from.
    together (Optional[Together]): If there are several ranks, how they train together.
    RETURNS (Tuple[Steps, Epochs]): What `train_while_improving` gives after each step, and
        the starts of the epochs.
    """
    corpora = resolve_dot_names(config, [T["train_corpus"], T["dev_corpus"]])
    epochs = Epochs(T["batcher"], checkpoint.progress.epoch_starts if checkpoint else ())
    batches = create_train_batches(nlp, corpora[0], epochs, T["max_epochs"])
    batches = epochs.begin(batches)
    evaluate = create_evaluation_callback(nlp, corpora[1], T["score_weights"])
    optimizer = T["optimizer"]
    if together is not None:
        batches = together.share(batches)
        evaluate = together.evaluate_once(evaluate)
        optimizer = together.optimizer
    if checkpoint is not None:
        restore = partial(_restore, checkpoint, nlp, T, together)
        batches = replay_batches(batches, checkpoint.progress.step + 1, restore)
        evaluate = replay_scores(evaluate, checkpoint.progress.scores)
    elif together is not None:
        together.draw_differently()
        together.start(nlp, T["frozen_components"])
    steps: Steps = train_while_improving(
        nlp,
        optimizer,
        batches,
        evaluate,
        dropout=T["dropout"],
        accumulate_gradient=T["accumulate_gradient"],
        patience=T["patience"],
        max_steps=T["max_steps"],
        eval_frequency=T["eval_frequency"],
        exclude=T["frozen_components"],
        annotating_components=T["annotating_components"],
        before_update=T["before_update"],
    )
    return (_skip(steps, checkpoint.progress) if checkpoint else steps), epochs


def _restore(
    checkpoint: Checkpoint, nlp: Language, T: Dict[str, Any], together: Optional[Together]
) -> None:
    checkpoint.restore(nlp, T["optimizer"], T["frozen_components"])
    if together is not None:
        together.start(nlp, T["frozen_components"])


def _skip(steps: Steps, past: Progress) -> Steps:
    """Leave out the steps that were done before, and go on counting."""
    for batch, info, is_best in steps:
        if info["step"] > past.step:
            info["words"] += past.words
            info["seconds"] += past.seconds
            yield batch, info, is_best
        elif info["step"] == past.step:
            # The loop adds to these, or sets them to zero if it has just evaluated.
            info["losses"].update(past.losses)
