"""torch: tags scored one by one, the CRF's counterpart in ablations."""

from typing import Tuple

import torch
from torch import Tensor, nn

from .chain import path_probabilities, span_chain
from .crf import Legal
from .kbest import kbest
from .log_partition import expectations, log_partition
from .rehearsal import Scores, tag_divergence
from .viterbi import viterbi


class Softmax(nn.Module):
    """Independent tag distributions: no transition has a score.

    Training ignores which tag may follow which. Decoding does not: the best tags are the
    most probable legal path, because anything else would not be a list of entities.

    num_tags (int): K.
    legal (Legal): Masks of legal starts (K,), transitions (K, K) and ends (K,).
    """

    start: Tensor
    transitions: Tensor
    end: Tensor

    def __init__(self, num_tags: int, *, legal: Legal) -> None:
        super().__init__()
        for name, mask in zip(("start", "transitions", "end"), legal, strict=True):
            scores = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
            self.register_buffer(name, scores, persistent=False)

    def nll(self, emissions: Tensor, allowed: Tensor, mask: Tensor) -> Tensor:
        """See `LinearChainCRF.nll`."""
        emissions = emissions.float()
        some = emissions.masked_fill(~allowed, -torch.inf)
        losses = emissions.logsumexp(-1) - some.logsumexp(-1)
        return torch.where(mask, losses, 0.0).sum(0)

    def best_tags(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """See `LinearChainCRF.best_tags`."""
        # Each token's log Z is the same for all paths.
        return viterbi(emissions.float(), self.start, self.transitions, self.end, mask)

    def path_probabilities(
        self, emissions: Tensor, mask: Tensor, path: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """See `LinearChainCRF.path_probabilities`: of a path among the legal ones."""
        scores = self._tempered(emissions, temperature)
        return path_probabilities(*scores, mask, path.unsqueeze(2)).squeeze(2)

    @torch.no_grad()
    def tag_marginals(
        self, emissions: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """See `LinearChainCRF.tag_marginals`: over the legal paths."""
        return expectations(*self._tempered(emissions, temperature), mask).tags

    def span_chain(
        self, emissions: Tensor, mask: Tensor, path: Tensor, temperature: float = 1.0
    ) -> Tensor:
        """See `LinearChainCRF.span_chain`."""
        return span_chain(*self._tempered(emissions, temperature), mask, path)

    def best_paths(
        self, emissions: Tensor, mask: Tensor, k: int, temperature: float = 1.0
    ) -> Tuple[Tensor, Tensor]:
        """See `LinearChainCRF.best_paths`."""
        return kbest(*self._tempered(emissions, temperature), mask, k)

    def _tempered(self, emissions: Tensor, temperature: float) -> Scores:
        # What is forbidden, and what scores nothing, is so at any temperature.
        return emissions.float() / temperature, self.start, self.transitions, self.end

    def log_z(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """See `LinearChainCRF.log_z`."""
        scores = (emissions.float(), self.start, self.transitions, self.end)
        return log_partition(*scores, mask)

    def divergence(
        self, emissions: Tensor, mask: Tensor, teacher: "Softmax", taught: Tensor
    ) -> Tensor:
        """See `LinearChainCRF.divergence`."""
        return tag_divergence(taught.float(), emissions.float(), mask)
