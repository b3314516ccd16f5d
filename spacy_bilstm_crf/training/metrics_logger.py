"""spaCy's console logger, with a bar over the whole training, and a log of each step."""

import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from timeit import default_timer as timer
from typing import IO, Any, Callable, Dict, Iterable, Optional, Tuple

import tqdm
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry
from thinc.api import Model, Optimizer
from thinc.util import partial

from .step_log import EVALUATION, STEP, Row, StepLog

Info = Dict[str, Any]
Callbacks = Tuple[Callable[[Optional[Info]], None], Callable[[], None]]
SetupLogger = Callable[[Language, IO[str], IO[str]], Callbacks]


def create_metrics_logger(
    progress_bar: bool = True, output_file: Optional[str] = None
) -> SetupLogger:
    """Create a logger that shows what spaCy's console logger does; a bar with the Docs per
    second, and with the time that is left if max_steps is set; and writes the step log.

    progress_bar (bool): Whether to show the bar. It is for terminals only.
    output_file (Optional[str]): A JSONL file for a line per step and per evaluation. A
        training that begins replaces what an earlier one has written. A training that is
        resumed removes what was written of steps that it does again, and appends.
    RETURNS (SetupLogger): The logger.
    """

    def setup_logger(
        nlp: Language, stdout: IO[str] = sys.stdout, stderr: IO[str] = sys.stderr
    ) -> Callbacks:
        setup_console = registry.get("loggers", "spacy.ConsoleLogger.v1")()
        console = setup_console(nlp, stdout, stderr)
        # Both may refuse to go on, and nothing is to be left behind then.
        last = find_last_learner(nlp)
        log = StepLog(Path(output_file)) if output_file else None
        make_bar = partial(
            tqdm.tqdm,
            total=nlp.config["training"]["max_steps"],
            unit="step",
            # None is for a bar on terminals only.
            disable=None if progress_bar else True,
            leave=False,
            file=stderr,
        )
        logger = MetricsLogger(StepWatch(nlp, last), console, make_bar, log)
        return logger.log_step, logger.finalize

    return setup_logger


def find_last_learner(nlp: Language) -> Any:
    """Find a component that is updated in each step, as late as possible.

    nlp (Language): The pipeline, without components that are frozen.
    RETURNS (Any): The component. Not spaCy's `ner` or `parser`: as classes of C they let
        nobody wrap a method.
    RAISES (ValueError): If there is none.
    """
    for _, pipe in reversed(nlp.pipeline):
        model = getattr(pipe, "model", None)
        learns = getattr(pipe, "is_trainable", False) and isinstance(model, Model)
        if learns and hasattr(pipe, "__dict__"):
            return pipe
    raise ValueError(
        "no component learns whose steps can be logged, which those of spaCy's ner and "
        "parser cannot: set [training.logger] to spacy.ConsoleLogger.v1"
    )


class StepWatch:
    """Sees what the steps of spaCy's loop do. Loggers are told of evaluations only, so two
    methods of two objects are wrapped until `close`.

    nlp (Language): The pipeline, of which `update` is wrapped.
    last (Any): A component that learns, of which `finish_update` is wrapped.
    """

    def __init__(self, nlp: Language, last: Any) -> None:
        # Of the last step that has ended. A training that is resumed goes through the
        # steps that were done before, without updates: they count.
        self.number = -1
        self.learn_rate = 0.0
        self.ended = timer()
        self._began: Optional[float] = None
        self._docs = self._tokens = 0
        self._losses: Dict[str, float] = defaultdict(float)
        self._wrappers = ExitStack()
        self._wrap(nlp, "update", self._update)
        self._wrap(last, "finish_update", self._finish_update)

    def close(self) -> None:
        """Leave the pipeline as it was."""
        self._wrappers.close()

    def take(self) -> Row:
        """RETURNS (Row): What the last step did, once."""
        seconds = 0.0 if self._began is None else self.ended - self._began
        row = {
            "step_seconds": seconds,
            "docs": self._docs,
            "tokens": self._tokens,
            "docs_per_second": self._docs / seconds if seconds else 0.0,
            "learn_rate": self.learn_rate,
            "losses": dict(self._losses),
        }
        self._began = None
        self._docs = self._tokens = 0
        self._losses = defaultdict(float)
        return row

    def _wrap(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        before = vars(owner).get(name)
        setattr(owner, name, partial(wrapper, getattr(owner, name)))
        if before is None:
            self._wrappers.callback(delattr, owner, name)
        else:
            self._wrappers.callback(setattr, owner, name, before)

    def _update(
        self,
        update: Callable[..., Any],
        examples: Iterable[Example],
        *args: Any,
        losses: Optional[Dict[str, float]] = None,
        **kwargs: Any,
    ) -> Any:
        # The first one of the step: gradients may be accumulated.
        self._began = timer() if self._began is None else self._began
        losses = {} if losses is None else losses
        before = dict(losses)
        result = update(examples, *args, losses=losses, **kwargs)
        for name, loss in losses.items():
            self._losses[name] += float(loss) - before.get(name, 0.0)
        for example in examples:
            self._docs += 1
            self._tokens += len(example)
        return result

    def _finish_update(self, finish_update: Callable[..., Any], sgd: Optimizer) -> None:
        finish_update(sgd)
        self.number += 1
        self.learn_rate = sgd.learn_rate
        self.ended = timer()


class MetricsLogger:
    """Joins the console, the bar and the step log.

    steps (StepWatch): What happens in each step.
    console (Callbacks): spaCy's console logger.
    make_bar (Callable[..., Any]): Makes the bar, given the step that it is at.
    log (Optional[StepLog]): The step log.
    """

    def __init__(
        self,
        steps: StepWatch,
        console: Callbacks,
        make_bar: Callable[..., Any],
        log: Optional[StepLog],
    ) -> None:
        self._steps = steps
        self._show, self._finalize_console = console
        self._make_bar = make_bar
        self._log = log
        self._bar: Any = None
        # When the training would have begun, had it never been interrupted.
        self._started = timer()
        self._epoch: Optional[int] = None
        self._docs = 0
        self._seconds = 0.0

    def log_step(self, info: Optional[Info]) -> None:
        """Log a step.

        info (Optional[Info]): What spaCy's loop tells if it has evaluated, or None.
        """
        if self._bar is None:
            self._start()
        row = self._steps.take()
        if info is not None:
            self._epoch = info["epoch"]
            self._bar.clear()
        self._show(info)
        self._write(STEP, self._steps.ended, row)
        if info is not None:
            scores = {"score": info["score"], "scores": info["other_scores"]}
            # Of each rank, where there are several.
            pace = {key: info[key] for key in ("rank_docs_per_second",) if key in info}
            self._write(EVALUATION, timer(), {**scores, "losses": info["losses"], **pace})
        self._docs += row["docs"]
        self._seconds += row["step_seconds"]
        if self._seconds:
            speed = f"{self._docs / self._seconds:.0f} sentences/s"
            self._bar.set_postfix_str(speed, refresh=False)
        # The first one has the number 0, as in the table.
        self._bar.update(self._steps.number - self._bar.n)

    def finalize(self) -> None:
        """Leave all as it was, whatever the training has ended with."""
        self._steps.close()
        if self._bar is not None:
            self._bar.close()
        self._finalize_console()
        if self._log is not None:
            self._log.close()

    def _start(self) -> None:
        # Only now is it known whether this is the first step of a training.
        self._bar = self._make_bar(initial=self._steps.number)
        if self._log is not None:
            last = self._log.cut(self._steps.number)
            self._started -= last.get("seconds", 0.0)
            self._epoch = last.get("epoch")

    def _write(self, kind: str, now: float, row: Row) -> None:
        if self._log is None:
            return
        place = {"step": self._steps.number, "epoch": self._epoch}
        self._log.write(kind, {**place, "seconds": now - self._started, **row})
