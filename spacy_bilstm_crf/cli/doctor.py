"""spacy bilstm-crf doctor: does everything work here, and if not, what to do?"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Optional

import typer
from spacy.cli._util import Arg, Opt, import_code
from wasabi.printer import Printer

from .. import __version__
from ..doctor.examine import examine
from ..doctor.finding import Finding, Level
from .show import msg, show_text

PIPELINE = "Trained pipeline to look at as well: its folder or its name."
TEXT = "Let it predict on this text, not on spaCy's example of its language."
GPU_ID = "GPU ID or -1 for CPU"
CODE = "Path to a Python file with registered functions that the pipeline needs."
JSON = "Print all findings as JSON, for bug reports."
COUNTED: Dict[Level, str] = {"fail": "problem", "warn": "warning"}


def doctor_cli(
    pipeline: Annotated[Optional[str], Arg(help=PIPELINE, show_default=False)] = None,
    text: Annotated[Optional[str], Opt("--text", "-t", help=TEXT)] = None,
    use_gpu: Annotated[int, Opt("--gpu-id", "-g", help=GPU_ID)] = -1,
    code_path: Annotated[
        Optional[Path], Opt("--code-path", "--code", "-c", help=CODE)
    ] = None,
    as_json: Annotated[bool, Opt("--json", "-j", help=JSON)] = False,
) -> None:
    """
    Look at the versions of packages, threads, GPUs, and whether the component works,
    as well as a PIPELINE, if one is given. Says what to do about problems.

    Exits with 1 if something that is needed does not work, and with 0 otherwise.
    """
    import_code(code_path)
    findings = examine(pipeline, text=text, gpu_id=use_gpu)
    levels = Counter(finding.level for found in findings.values() for finding in found)
    if as_json:
        listed = {
            subject: [f._asdict() for f in found] for subject, found in findings.items()
        }
        # ASCII, which every terminal prints and every tracker takes.
        show_text(json.dumps({"version": __version__, "findings": listed}, indent=2))
    else:
        show_findings(findings, levels)
    if levels["fail"]:
        raise typer.Exit(1)


def show_findings(findings: Dict[str, List[Finding]], levels: Counter[Level]) -> None:
    """Print what was found.

    findings (Dict[str, List[Finding]]): The findings, by subject.
    levels (Counter[Level]): How many there are of each level.
    """
    show: Dict[Level, Callable[..., Any]]
    show = {"good": msg.good, "info": msg.info, "warn": msg.warn, "fail": msg.fail}
    for subject, found in findings.items():
        # As wide as the terminal, unlike the lines of `msg`.
        Printer().divider(subject)
        for finding in found:
            show[finding.level](finding.text)
            if finding.advice:
                # On a line of its own, so that commands can be copied.
                show_text(f"    {finding.advice}")
    Printer().divider("Summary")
    for level, noun in COUNTED.items():
        count = levels[level]
        if count:
            show[level](f"{count} {noun if count == 1 else noun + 's'}")
    if not levels["fail"]:
        msg.good("Everything that is needed works")
