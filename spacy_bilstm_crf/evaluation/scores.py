"""All scores of a pipeline on some data."""

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Set

from ..corpus.schemes import Scheme
from .groups import Form, by_document_length, by_entity_length, by_seen
from .matches import MatchCounts, Way, count_matches
from .metrics import Counts
from .outcomes import Outcome
from .single_tags import SingleTags, score_single_tags
from .strict import StrictScores, score_strictly


@dataclass(frozen=True)
class Scores:
    """All scores.

    documents (int): Documents that are scored.
    unannotated (int): Documents without any gold annotation, which are not.
    tokens (int): Tokens of the gold.
    missing_tokens (int): Those of them without annotation.
    ignored (int): Predicted entities on tokens without annotation: neither right nor
        wrong.
    misaligned (int): True entities that begin or end within a token of the pipeline.
    strict (StrictScores): Of whole entities.
    matches (Dict[Way, MatchCounts]): Of entities that are nearly right as well.
    by_entity_length (Dict[str, Counts]): By the number of tokens of the entity.
    by_document_length (Dict[str, Counts]): By the number of tokens of the document.
    by_seen (Optional[Dict[str, Counts]]): By whether the training data have the entity.
        None if there were none to look at.
    tags (SingleTags): Of single tags.
    """

    documents: int
    unannotated: int
    tokens: int
    missing_tokens: int
    ignored: int
    misaligned: int
    strict: StrictScores
    matches: Dict[Way, MatchCounts]
    by_entity_length: Dict[str, Counts]
    by_document_length: Dict[str, Counts]
    by_seen: Optional[Dict[str, Counts]]
    tags: SingleTags


def score_outcomes(
    outcomes: Sequence[Optional[Outcome]],
    scheme: Scheme,
    *,
    forms: Optional[Set[Form]] = None,
    samples: int = 1000,
    seed: int = 0,
) -> Scores:
    """Work out all scores.

    outcomes (Sequence[Optional[Outcome]]): Gold and predictions, from `predict_outcomes`.
    scheme (Scheme): The tagging scheme of the scores of single tags.
    forms (Optional[Set[Form]]): The entities of the training data, from `collect_forms`.
    samples (int): Number of samples of the bootstrap.
    seed (int): Seed of its random numbers.
    RETURNS (Scores): The scores.
    RAISES (ValueError): If there are no documents, or none has annotation.
    """
    known = require_annotated(outcomes)
    return Scores(
        documents=len(known),
        unannotated=len(outcomes) - len(known),
        tokens=sum(outcome.tokens for outcome in known),
        missing_tokens=sum(len(outcome.missing) for outcome in known),
        ignored=sum(outcome.ignored for outcome in known),
        misaligned=sum(len(outcome.misaligned) for outcome in known),
        strict=score_strictly(known, samples=samples, seed=seed),
        matches=count_matches(known),
        by_entity_length=by_entity_length(known),
        by_document_length=by_document_length(known),
        by_seen=None if forms is None else by_seen(known, forms),
        tags=score_single_tags(known, scheme),
    )


def require_annotated(outcomes: Sequence[Optional[Outcome]]) -> List[Outcome]:
    """Leave out documents without annotation.

    outcomes (Sequence[Optional[Outcome]]): Gold and predictions.
    RETURNS (List[Outcome]): Those of documents that have annotation.
    RAISES (ValueError): If there are none.
    """
    known = [outcome for outcome in outcomes if outcome is not None]
    if not outcomes:
        raise ValueError("nothing to evaluate: the data have no Docs with tokens")
    if not known:
        raise ValueError(
            "nothing to evaluate: the data have no gold annotation of entities"
        )
    return known
