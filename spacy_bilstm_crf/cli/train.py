"""spacy bilstm-crf train: `spacy train`, with a checkpoint to resume from."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Dict, Optional

import typer
from click import NoSuchOption
from spacy.cli._util import (
    Arg,
    Opt,
    import_code,
    parse_config_overrides,
    setup_gpu,
    show_validation_error,
)
from spacy.training.initialize import init_nlp
from spacy.util import load_config, logger
from wasabi.printer import Printer

from ..component_names import require_plain_names
from ..model.transformer import require_transformers
from .show import msg

if TYPE_CHECKING:
    from ..training.ranks.group import Ranks

# What a wrong config, path or option ends in, here or within spaCy; and what stops a
# training, with a message that says what to do.
FAULTS = (ValueError, KeyError, OSError, ImportError, NoSuchOption, MemoryError)
CONFIG = "Path to the training config."
OUTPUT = "Folder for the trained pipeline, model-best and model-last, and the checkpoint."
RESUME = (
    "Go on with the training in the output folder that was interrupted. If there is none, "
    "start from the beginning."
)
CODE = "Path to a Python file with registered functions that the config needs."
GPU_ID = "GPU ID or -1 for CPU"
VERBOSE = "Show more of what happens, and where an error comes from."


def train_cli(
    ctx: typer.Context,  # holds the overrides
    config_path: Annotated[
        Path, Arg(help=CONFIG, exists=True, allow_dash=True, show_default=False)
    ],
    output: Annotated[
        Optional[Path], Opt("--output", "--output-path", "-o", help=OUTPUT, file_okay=False)
    ] = None,
    resume: Annotated[bool, Opt("--resume", "-r", help=RESUME)] = False,
    code_path: Annotated[Optional[Path], Opt("--code", "-c", help=CODE)] = None,
    verbose: Annotated[bool, Opt("--verbose", "-V", "-VV", help=VERBOSE)] = False,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
) -> None:
    """
    Train a pipeline as `spacy train` does, with the same config, options and output, and
    lose nothing when it is interrupted. Each evaluation writes a checkpoint to the output
    folder; --resume goes on from there, to the same weights as without an interruption.
    Whenever the process is killed, the last complete pipeline is there. Settings of the
    config can be overridden, as for `spacy train`: --paths.train ./train.spacy
    """
    if verbose:
        logger.setLevel(logging.DEBUG)
    try:
        # It needs torch: the other commands do not, and `doctor` says so if it is broken.
        from ..training.ranks.join import join_ranks

        with join_ranks(use_gpu, () if verbose else FAULTS) as ranks:
            import_code(code_path)
            overrides = parse_config_overrides(ctx.args)
            run(config_path, output, overrides, resume=resume, use_gpu=use_gpu, ranks=ranks)
    except FAULTS as error:
        if verbose:
            raise
        msg.fail(" ".join(str(error).split()), exits=1)


def run(
    config_path: Path,
    output: Optional[Path],
    overrides: Dict[str, Any],
    *,
    resume: bool = False,
    use_gpu: int = -1,
    ranks: "Optional[Ranks]" = None,
) -> None:
    """Initialize a pipeline, and train it from the beginning or from a checkpoint.

    config_path (Path): The training config.
    output (Optional[Path]): The output folder.
    overrides (Dict[str, Any]): Settings that the config gets, by their dotted name.
    resume (bool): Whether to go on from the checkpoint in the output folder.
    use_gpu (int): GPU ID or -1.
    ranks (Optional[Ranks]): The processes that train together, if there are several.
    """
    from ..training.checkpoint import find_checkpoint
    from ..training.loop import train

    checkpoint = None
    if output is None:
        if resume:
            raise ValueError("--resume needs --output, the folder with the checkpoint")
        msg.info("No output directory provided")
    elif ranks is None or ranks.leads:
        # Initializing takes time: whatever is wrong here is better said before.
        checkpoint = find_checkpoint(output, resume)
        if not output.exists():
            output.mkdir(parents=True)
            msg.good(f"Created output directory: {output}")
        msg.info(f"Saving to output directory: {output}")
    if ranks is not None:
        checkpoint = ranks.broadcast(checkpoint)
        use_gpu = ranks.pick_gpu(use_gpu)
    setup_gpu(use_gpu)
    with show_validation_error(config_path):
        config = load_config(config_path, overrides=overrides, interpolate=False)
    require_transformers(config)
    # As wide as the terminal, unlike the lines of `msg`.
    divider = Printer().divider
    divider("Initializing pipeline")
    with show_validation_error(config_path, hint_fill=False):
        nlp = init_nlp(config, use_gpu=use_gpu)
    require_plain_names(nlp)
    msg.good("Initialized pipeline")
    divider("Training pipeline")
    if checkpoint is not None:
        msg.info(f"Resuming after step {checkpoint.progress.step}")
        for change in checkpoint.list_other_versions():
            msg.warn(f"Another version: {change}. The last digits may differ")
    elif resume:
        msg.info(f"No checkpoint in {output}: starting from the beginning")
    train(
        nlp,
        output,
        checkpoint=checkpoint,
        ranks=ranks,
        stdout=sys.stdout,
        stderr=sys.stderr,
    )
