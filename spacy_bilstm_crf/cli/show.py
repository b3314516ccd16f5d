"""What several commands show on the screen."""

from wasabi.printer import Printer
from wasabi.tables import table
from wasabi.util import locale_escape

from ..corpus.report import Report

MAX_SHOWN = 10
# Lines are as long as they are: a path that is broken up can be neither copied nor found.
msg = Printer(line_max=1_000_000)


def show_report(result: Report) -> None:
    """Print how the files were understood, what was written and what was not.

    result (Report): The report.
    """
    for source, evidence in result.evidence.items():
        msg.info(source)
        show_text(evidence)
    read, written = result.entities_read, result.entities_written
    dropped = result.entities_dropped
    counts = [(label, n, written[label], dropped[label]) for label, n in read.most_common()]
    counts.append(("all", read.total(), written.total(), dropped.total()))
    *rows, total = [(label, *(f"{n:,}" for n in numbers)) for label, *numbers in counts]
    header = ("entities", "read", "written", "dropped")
    show_text(
        table(rows, header=header, footer=total, divider=True, aligns=["l", "r", "r", "r"])
    )
    show_text(
        f"{result.sentences_read:,} sentences with {result.tokens_read:,} tokens read, "
        f"{result.sentences_written:,} with {result.tokens_written:,} tokens written"
    )
    if result.tokens_missing:
        show_text(f"{result.tokens_missing:,} of these tokens marked as not annotated")
    for output, n_docs in result.outputs.items():
        msg.good(f"{output}: {n_docs:,} {'Doc' if n_docs == 1 else 'Docs'}")
    for hint in result.hints:
        msg.warn(hint)
    if result.kinds:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in result.kinds.most_common())
        msg.warn(f"Repairs and drops: {kinds}")
    for record in result.records[:MAX_SHOWN]:
        show_text(str(record))
    if result.kinds.total() > MAX_SHOWN:
        show_text("... (--report FILE.jsonl lists all of them)")


def show_text(text: str) -> None:
    """Print without wasabi's wrapping, which would break up lines and tables.

    text (str): The text.
    """
    Printer(pretty=False).text(locale_escape(text))
