"""Train as spaCy does, and lose nothing when the training is interrupted."""

import io
import math
import sys
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, Optional, Tuple

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training.loop import create_before_to_disk_callback, update_meta
from spacy.util import registry
from thinc.api import fix_random_seed
from tqdm import tqdm
from wasabi.printer import Printer

from ..losses import LossError
from ..model.memory import SMALLER, is_out_of_memory
from .checkpoint import Checkpoint
from .fingerprint import take_fingerprint
from .ranks.group import RankError, Ranks
from .ranks.same import require_same_training
from .ranks.together import Together, describe_pace
from .saver import Saver
from .steps import make_steps

# Texts only: where they go is up to the caller.
msg = Printer(no_print=True)


def train(
    nlp: Language,
    output: Optional[Path] = None,
    *,
    checkpoint: Optional[Checkpoint] = None,
    ranks: Optional[Ranks] = None,
    stdout: IO[str] = sys.stdout,
    stderr: IO[str] = sys.stderr,
) -> None:
    """Train a pipeline. What it shows and writes is what `spacy train` does, and a
    checkpoint at each evaluation.

    nlp (Language): The initialized pipeline with its config.
    output (Optional[Path]): Folder for the last and the best pipeline, and the checkpoint.
    checkpoint (Optional[Checkpoint]): Where to go on from. The weights will be those that
        a training without an interruption would have found.
    ranks (Optional[Ranks]): The processes that train together, if there are several: each
        calls this, and rank 0 evaluates, shows and saves.
    stdout (IO[str]): Where messages and scores go.
    stderr (IO[str]): Where the progress bar goes.
    RAISES (CheckpointError): If the checkpoint is of another config, data or model.
    RAISES (LossError): If a loss or weights are infinite or no numbers.
    RAISES (MemoryError): If memory does not suffice.
    """
    config = nlp.config.interpolate()
    leads = ranks is None or ranks.leads
    if not leads:
        stdout = io.StringIO()
    if output is not None:
        # A config may name it: it shall be there at the start as it is when going on.
        output.mkdir(parents=True, exist_ok=True)
    fingerprint = take_fingerprint(config, output)
    if ranks is not None:
        length = {"training.max_steps": str(config["training"]["max_steps"])}
        require_same_training(ranks, {**fingerprint, **length}, nlp.pipe_labels)
    # A step is another one for as many.
    fingerprint["the number of ranks"] = str(1 if ranks is None else ranks.count)
    if checkpoint is not None:
        checkpoint.require_same_training(fingerprint)
        if ranks is not None and not leads:
            checkpoint = checkpoint.of_rank(ranks.rank)
    if config["training"]["seed"] is not None:
        fix_random_seed(config["training"]["seed"])
    T = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    frozen = T["frozen_components"]
    saver = None
    if output is not None and leads:
        to_disk = create_before_to_disk_callback(T["before_to_disk"])
        saver = Saver(nlp, T["optimizer"], to_disk, frozen, output, fingerprint)
        saver.start(anew=checkpoint is None)
    together = None if ranks is None else Together(ranks, T["optimizer"])
    steps, epochs = make_steps(nlp, config, T, checkpoint, together)
    step = 0 if checkpoint is None else checkpoint.progress.step + 1
    info = is_best = None
    others: List[Dict[str, Any]] = []
    _announce(nlp, T, stdout)
    with nlp.select_pipes(disable=frozen):
        set_up_logger = T["logger"] if leads else _log_nothing
        log_step, finalize_logger = set_up_logger(nlp, stdout, stderr)
    try:
        for _, info, is_best in steps:
            _require_finite(info["losses"])
            if is_best is not None:
                if together is not None:
                    others = together.combine(info)
                if leads and together is not None:
                    # A bar may be on the terminal.
                    tqdm.write(msg.info(describe_pace(info)), file=stdout)
                with nlp.select_pipes(disable=frozen):
                    update_meta(T, nlp, info)
                if saver is not None:
                    saver.save_pipeline(is_best)
                    saver.save_checkpoint(info, epochs.starts, others)
                    info["output_path"] = str(saver.model_last)
            log_step(info if is_best is not None else None)
            step = info["step"] + 1
        if together is not None and info is not None and is_best is None:
            others = together.combine(info)
        if saver is not None and info is not None:
            saver.save_pipeline()
            saver.save_checkpoint(info, epochs.starts, others, finished=True)
        elif saver is not None and checkpoint is not None:
            checkpoint.mark_finished()
    except RankError:
        # What another rank has learned may be lost: what was saved before stays.
        raise
    except LossError as error:
        # The weights may be lost already: what was saved before stays.
        raise LossError(f"step {step}: {error}") from error
    except BaseException as error:
        if saver is not None and info is not None:
            saver.save_pipeline()
            text = f"Stopped in step {step} by {error!r}: saved {saver.model_last}, and "
            text += "--resume goes on from the last evaluation"
            stdout.write(msg.warn(text) + "\n")
        if is_out_of_memory(error):
            raise MemoryError(f"step {step}: {_explain(error)}") from error
        raise
    finally:
        finalize_logger()
    if info is None:
        stdout.write(msg.info(f"Nothing left to do after step {step - 1}") + "\n")
    elif saver is not None:
        stdout.write(
            msg.good("Saved pipeline to output directory", saver.model_last) + "\n"
        )


def _announce(nlp: Language, T: Dict[str, Any], stdout: IO[str]) -> None:
    """Write what spaCy writes before it trains."""
    lines = [f"Pipeline: {nlp.pipe_names}"]
    if T["frozen_components"]:
        lines.append(f"Frozen components: {T['frozen_components']}")
    if T["annotating_components"]:
        lines.append(f"Set annotations on update for: {T['annotating_components']}")
    lines.append(f"Initial learn rate: {T['optimizer'].learn_rate}")
    for line in lines:
        stdout.write(msg.info(line) + "\n")


def _require_finite(losses: Dict[str, float]) -> None:
    """Stop before a pipeline is saved that has learned from such a loss. Those of other
    components are not looked at anywhere else.

    losses (Dict[str, float]): The losses since the last evaluation, by component.
    RAISES (LossError): If one of them is infinite or no number.
    """
    for name, loss in losses.items():
        if not math.isfinite(loss):
            raise LossError(
                f"the loss of '{name}' is {loss}: lower learn_rate or grad_clip in "
                "[training.optimizer]"
            )


def _log_nothing(
    nlp: Language, stdout: IO[str], stderr: IO[str]
) -> Tuple[Callable[[Any], None], Callable[[], None]]:
    """The logger of all ranks but rank 0."""
    return (lambda info: None), (lambda: None)


def _explain(error: BaseException) -> str:
    """RETURNS (str): What to do about a lack of memory, in any component."""
    text = " ".join(str(error).split())
    return text if SMALLER in text else f"{text}: {SMALLER}"
