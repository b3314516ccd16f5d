"""torch: linear-chain CRF (Lafferty et al. 2001; Lample et al. 2016)."""

from typing import List, Optional, Tuple

import torch
import torchcrf
from torch import Tensor
from torch.types import Number

from .chain import path_probabilities, span_chain
from .kbest import kbest
from .log_partition import expectations, log_partition
from .rehearsal import Scores, path_divergence
from .viterbi import viterbi

Legal = Tuple[Tensor, Tensor, Tensor]


class LinearChainCRF(torchcrf.CRF):
    """pytorch-crf's `CRF`, faster, with legal transitions and partial labels.

    Same constructor, parameters and public methods. Differences: a path that `legal`
    forbids has no probability and is never decoded; sequences may be empty (loss 0, no
    tags); a mask that is not a prefix of each sequence is an error, where pytorch-crf gives
    a wrong loss. The scores of the start and end of a sequence are the start and end
    transitions. Everything is computed in float32.

    num_tags (int): K.
    batch_first (bool): Whether the public methods take (B, T, K) rather than (T, B, K).
    legal (Optional[Legal]): Masks of legal starts (K,), transitions (K, K) and ends (K,).
    """

    legal_start: Tensor
    legal_transitions: Tensor
    legal_end: Tensor

    def __init__(
        self, num_tags: int, batch_first: bool = False, *, legal: Optional[Legal] = None
    ) -> None:
        super().__init__(num_tags, batch_first)
        if legal is None:
            any_tag = torch.ones(num_tags, dtype=torch.bool)
            legal = (any_tag, any_tag.expand(num_tags, num_tags), any_tag)
        names = ("legal_start", "legal_transitions", "legal_end")
        for name, mask in zip(names, legal, strict=True):
            # Not saved: whoever builds the module knows them.
            self.register_buffer(name, mask.bool().clone(), persistent=False)

    def forward(
        self,
        emissions: Tensor,
        tags: Tensor,
        mask: Optional[Tensor] = None,
        reduction: str = "sum",
    ) -> Tensor:
        """Compute the log likelihood of paths.

        emissions (Tensor): Shape (T, B, K).
        tags (Tensor): int64, shape (T, B).
        mask (Optional[Tensor]): True at tokens, shape (T, B). Default: everywhere.
        reduction (str): none, sum, mean (over sequences) or token_mean.
        RETURNS (Tensor): Shape (B,) for none, else ().
        """
        if reduction not in ("none", "sum", "mean", "token_mean"):
            raise ValueError(f"invalid reduction: {reduction}")
        emissions, mask = self._time_major(emissions, mask, tags)
        tags = tags.T if self.batch_first else tags
        log_likelihood = self._log_likelihood(emissions.float(), tags, mask)
        if reduction == "none":
            return log_likelihood
        if reduction == "mean":
            return log_likelihood.mean()
        total = log_likelihood.sum()
        return total if reduction == "sum" else total / mask.sum()

    def decode(
        self, emissions: Tensor, mask: Optional[Tensor] = None
    ) -> List[List[Number]]:
        """Find the best legal path of each sequence.

        emissions (Tensor): Shape (T, B, K).
        mask (Optional[Tensor]): True at tokens, shape (T, B). Default: everywhere.
        RETURNS (List[List[int]]): Tag ids, one list per sequence.
        """
        emissions, mask = self._time_major(emissions, mask)
        paths = self.best_tags(emissions, mask).T.tolist()
        lengths = mask.sum(0).tolist()
        return [path[:length] for path, length in zip(paths, lengths, strict=True)]

    def _log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        full = mask.any(0)
        if full.all() and len(full):
            scores = self.legal_scores()
            score = _path_score(emissions, *scores, tags, mask)
            return score - log_partition(emissions, *scores, mask)
        # The sum over no steps: zeros, and part of the graph.
        nothing = emissions[:0].sum((0, 2))
        if not full.any():
            return nothing
        some = self._log_likelihood(emissions[:, full], tags[:, full], mask[:, full])
        return nothing.masked_scatter(full, some)

    def nll(self, emissions: Tensor, allowed: Tensor, mask: Tensor) -> Tensor:
        """Negative log probability of the set of paths that the allowed tags leave:
        log Z of all paths less log Z of those. One allowed tag is a label, all tags a
        missing one.

        emissions (Tensor): Shape (T, B, K).
        allowed (Tensor): bool, shape (T, B, K).
        mask (Tensor): True at tokens, a prefix of each sequence, bool, shape (T, B).
        RETURNS (Tensor): Loss of each sequence, float32, shape (B,). It is infinite if no
            legal path is allowed.
        """
        num_allowed = allowed.sum(-1)
        # Sequences that nothing is known of, or that are empty, stay out: the difference
        # of two equal sums leaves rounding errors, and Adam makes whole steps of them.
        told = ((num_allowed < self.num_tags) & mask).any(0)
        if not told.all():
            # The sum over no steps: zeros, and part of the graph.
            loss = emissions[:0].float().sum((0, 2))
            if told.any():
                some = self.nll(emissions[:, told], allowed[:, told], mask[:, told])
                loss = loss.masked_scatter(told, some)
            return loss
        emissions = emissions.float()
        # A sequence with one tag at each token has one path: its score needs no recursion.
        # The others go through the recursion a second time, as more rows of one batch.
        partial = ((num_allowed != 1) & mask).any(0)
        tags = allowed.to(torch.int8).argmax(-1)
        if not partial.any():
            return -self._log_likelihood(emissions, tags, mask)
        scores = self.legal_scores()
        known = _path_score(emissions, *scores, tags, mask)
        some = emissions[:, partial].masked_fill(~allowed[:, partial], -torch.inf)
        log_z = log_partition(
            torch.cat((emissions, some), dim=1),
            *scores,
            torch.cat((mask, mask[:, partial]), dim=1),
        )
        log_z, log_z_allowed = log_z[: len(known)], log_z[len(known) :]
        return log_z - known.masked_scatter(partial, log_z_allowed)

    def best_tags(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Find the best legal path of each sequence.

        emissions (Tensor): Shape (T, B, K). -inf forbids a tag.
        mask (Tensor): True at tokens, a prefix of each sequence, bool, shape (T, B).
        RETURNS (Tensor): Tag ids, 0 at padding, int64, shape (T, B).

        Raises ValueError if a sequence has no path.
        """
        full = mask.any(0)
        if not full.all():
            tags = torch.zeros_like(mask, dtype=torch.int64)
            if full.any():
                tags[:, full] = self.best_tags(emissions[:, full], mask[:, full])
            return tags
        return viterbi(emissions.float(), *self.legal_scores(), mask)

    def path_probabilities(
        self, emissions: Tensor, mask: Tensor, path: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """How sure the CRF is of a path, step by step; see `chain`.

        emissions (Tensor): Shape (T, B, K).
        mask (Tensor): True at tokens, a prefix of each sequence and nowhere empty, bool,
            shape (T, B).
        path (Tensor): Tag ids, int64, shape (T, B).
        temperature (float): All scores are divided by it. Above 1 the CRF is less sure.
        RETURNS (Tensor): float32, shape (T, B, 2).
        """
        scores = self._tempered(emissions, temperature)
        return path_probabilities(*scores, mask, path.unsqueeze(2)).squeeze(2)

    @torch.no_grad()
    def tag_marginals(
        self, emissions: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """Probability of each tag at each token. Arguments as for `path_probabilities`.

        RETURNS (Tensor): float32, 0 at padding, shape (T, B, K).
        """
        return expectations(*self._tempered(emissions, temperature), mask).tags

    def span_chain(
        self, emissions: Tensor, mask: Tensor, path: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """What the probability of any span is a product of; see `chain`. Arguments as for
        `path_probabilities`. The tags are BILUO tags.

        RETURNS (Tensor): float32, shape (T, B, 2 + 6L).
        """
        return span_chain(*self._tempered(emissions, temperature), mask, path)

    def best_paths(
        self, emissions: Tensor, mask: Tensor, k: int, temperature: float = 1.0
    ) -> Tuple[Tensor, Tensor]:
        """Find the k best legal paths of each sequence, best first. Arguments as for
        `path_probabilities`.

        RETURNS (Tuple[Tensor, Tensor]): Tag ids, int64, shape (k, T, B), and log
            probabilities, float32, shape (k, B): -inf where there are fewer paths.
        """
        return kbest(*self._tempered(emissions, temperature), mask, k)

    def divergence(
        self, emissions: Tensor, mask: Tensor, teacher: "LinearChainCRF", taught: Tensor
    ) -> Tensor:
        """Compute how far the paths have moved away from those of another CRF; see
        `rehearsal`.

        emissions (Tensor): Shape (T, B, K).
        mask (Tensor): As for `path_probabilities`.
        teacher (LinearChainCRF): The other CRF, of the same legal transitions.
        taught (Tensor): Its emissions, shape (T, B, K).
        RETURNS (Tensor): float32, shape (B,).
        """
        old = (taught.float(), *teacher.legal_scores())
        return path_divergence(old, (emissions.float(), *self.legal_scores()), mask)

    def log_z(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Compute the log of the sum over all legal paths; see `log_partition`.

        emissions (Tensor): Shape (T, B, K); -inf for tags that are not allowed.
        mask (Tensor): As for `path_probabilities`.
        RETURNS (Tensor): float32, shape (B,).
        """
        return log_partition(emissions.float(), *self.legal_scores(), mask)

    def legal_scores(self) -> Tuple[Tensor, Tensor, Tensor]:
        """RETURNS (Tuple): Start, transition and end scores, -inf where illegal."""
        return (
            self.start_transitions.masked_fill(~self.legal_start, -torch.inf),
            self.transitions.masked_fill(~self.legal_transitions, -torch.inf),
            self.end_transitions.masked_fill(~self.legal_end, -torch.inf),
        )

    def _tempered(self, emissions: Tensor, temperature: float) -> Scores:
        start, transitions, end = (score / temperature for score in self.legal_scores())
        return emissions.float() / temperature, start, transitions, end

    def _time_major(
        self, emissions: Tensor, mask: Optional[Tensor], tags: Optional[Tensor] = None
    ) -> Tuple[Tensor, Tensor]:
        """Check what a caller passed, and bring it to (T, B, K) and (T, B)."""
        if emissions.dim() != 3 or emissions.shape[2] != self.num_tags:
            raise ValueError(
                f"expected emissions of 3 dimensions, the last of {self.num_tags} tags, "
                f"got {tuple(emissions.shape)}"
            )
        for name, value in (("tags", tags), ("mask", mask)):
            if value is not None and value.shape != emissions.shape[:2]:
                raise ValueError(
                    f"the first two dimensions of emissions and {name} must match, got "
                    f"{tuple(emissions.shape[:2])} and {tuple(value.shape)}"
                )
        if mask is None:
            mask = torch.ones_like(emissions[..., 0])
        mask = mask.bool()
        if self.batch_first:
            emissions, mask = emissions.transpose(0, 1), mask.T
        if (mask[1:] & ~mask[:-1]).any():
            raise ValueError("mask must be on for the first tokens of each sequence only")
        return emissions, mask


def _path_score(
    emissions: Tensor,
    start: Tensor,
    transitions: Tensor,
    end: Tensor,
    tags: Tensor,
    mask: Tensor,
) -> Tensor:
    """Score one path per sequence. RETURNS (Tensor): Shape (B,)."""
    last = tags.gather(0, mask.sum(0, keepdim=True) - 1).squeeze(0)
    at_tokens = emissions.gather(2, tags.unsqueeze(-1)).squeeze(-1)
    between = transitions[tags[:-1], tags[1:]]
    score = torch.where(mask, at_tokens, 0.0).sum(0) + start[tags[0]] + end[last]
    return score + torch.where(mask[1:], between, 0.0).sum(0)
