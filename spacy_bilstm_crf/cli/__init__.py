"""The command group `spacy bilstm-crf`, found by spaCy through an entry point."""

import typer
from spacy.cli._util import app

from .apply_parallel import apply_parallel_cli
from .calibrate import calibrate_cli
from .convert import convert_cli
from .converters import add_converters
from .debug_data import debug_data_cli
from .doctor import doctor_cli
from .evaluate import evaluate_cli
from .export import export_cli
from .report import report_cli
from .show_entities import show_entities_cli
from .train import train_cli
from .vectors import vectors_cli

NAME = "bilstm-crf"
HELP = "Commands for BiLSTM-CRF entity recognition: corpora, data, training, scores."

group = typer.Typer(name=NAME, help=HELP, no_args_is_help=True, rich_markup_mode=None)
group.command("apply-parallel")(apply_parallel_cli)
group.command("calibrate")(calibrate_cli)
group.command("convert")(convert_cli)
overridable = {"allow_extra_args": True, "ignore_unknown_options": True}
group.command("debug-data", context_settings=overridable)(debug_data_cli)
group.command("doctor")(doctor_cli)
group.command("evaluate")(evaluate_cli)
group.command("export")(export_cli)
group.command("report")(report_cli)
group.command("show")(show_entities_cli)
group.command("train", context_settings=overridable)(train_cli)
group.command("vectors")(vectors_cli)

# A module can be executed twice (importlib.reload): spaCy's app must not then
# list the group twice.
if NAME not in [registered.name for registered in app.registered_groups]:
    app.add_typer(group, name=NAME)
add_converters()
