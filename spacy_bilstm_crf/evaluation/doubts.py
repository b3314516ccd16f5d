"""What makes scores say little."""

from typing import List

from .scores import Scores

# With fewer, samples of the documents are not as varied as other documents would be.
MIN_DOCUMENTS = 30


def list_left_out(scores: Scores) -> List[str]:
    """RETURNS (List[str]): What was left out of scores, and why."""
    facts = []
    if scores.unannotated:
        facts.append(f"Documents without gold annotation: {scores.unannotated:,}: left out")
    if scores.ignored:
        facts.append(
            f"Entities found on tokens without gold annotation: {scores.ignored:,}: left "
            "out, neither right nor wrong"
        )
    return facts


def list_doubts(scores: Scores) -> List[str]:
    """RETURNS (List[str]): What is wrong with data or predictions."""
    micro = scores.strict.micro
    doubts = []
    if scores.misaligned:
        doubts.append(
            f"{scores.misaligned:,} of {micro.gold:,} entities begin or end within a token "
            "of the pipeline, which cannot find them: --gold-preproc gives it the tokens "
            "of the data"
        )
    if not micro.gold:
        doubts.append("The data have no entities: there is nothing to find")
    if not micro.guessed:
        doubts.append("The pipeline finds no entities")
    if scores.documents < MIN_DOCUMENTS:
        doubts.append(
            f"Few documents ({scores.documents}): with fewer than {MIN_DOCUMENTS} the "
            "confidence intervals are too narrow"
        )
    return doubts
