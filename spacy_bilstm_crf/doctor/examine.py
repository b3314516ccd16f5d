"""All checks, each on its own: one that breaks says so, and the others go on."""

from collections import defaultdict
from functools import partial
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from .component import check_component
from .finding import Finding, describe
from .gpu import check_gpu
from .packages import check_entry_points, check_extras, check_python, check_requirements
from .pipeline import check_pipeline
from .processor import check_processor

Check = Callable[[], Iterator[Finding]]


def examine(
    pipeline: Optional[str] = None, *, text: Optional[str] = None, gpu_id: int = -1
) -> Dict[str, List[Finding]]:
    """Look at what this package needs, and whether it works.

    pipeline (Optional[str]): Folder or name of a pipeline to look at as well.
    text (Optional[str]): What to let it predict on.
    gpu_id (int): Number of the GPU to work on, or less than 0 for the CPU.
    RETURNS (Dict[str, List[Finding]]): What was found, by subject.
    """
    checks: List[Tuple[str, Check]] = [
        ("Packages", check_python),
        ("Packages", check_requirements),
        ("Packages", check_entry_points),
        ("Extras", check_extras),
        ("Processor", check_processor),
        ("GPU", partial(check_gpu, gpu_id)),
        ("Component", check_component),
    ]
    if pipeline is not None:
        checks.append((f"Pipeline {pipeline}", partial(check_pipeline, pipeline, text)))
    findings: Dict[str, List[Finding]] = defaultdict(list)
    for subject, check in checks:
        findings[subject].extend(run(check))
    return dict(findings)


def run(check: Check) -> Iterator[Finding]:
    """Run a check, whatever becomes of it.

    check (Check): The check.
    YIELDS (Finding): What it finds, and the error that ends it, if one does.
    """
    try:
        yield from check()
    except Exception as error:
        text = f"this check did not come to its end, {describe(error)}"
        yield Finding("fail", text, "if nothing above says why, tell us what --json prints")
