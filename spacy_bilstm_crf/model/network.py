"""torch: dropout -> BiLSTM -> Linear -> CRF or softmax."""

from typing import Any, Optional, Protocol, Tuple

import torch
from torch import Tensor, nn

from ..tags import count_labels, legal_tags
from .bilstm import BiLSTM, drop
from .crf import Legal, LinearChainCRF
from .long_lstm import is_long, score_long
from .softmax import Softmax
from .span_penalty import span_penalty

DECODERS = ("crf", "softmax")


class Decoder(Protocol):
    """What turns emissions into a loss or into tags; see `LinearChainCRF`."""

    def nll(self, emissions: Tensor, allowed: Tensor, mask: Tensor) -> Tensor: ...

    def best_tags(self, emissions: Tensor, mask: Tensor) -> Tensor: ...

    def path_probabilities(
        self, emissions: Tensor, mask: Tensor, path: Tensor, temperature: float = 1.0
    ) -> Tensor: ...

    def tag_marginals(
        self, emissions: Tensor, mask: Tensor, temperature: float = 1.0
    ) -> Tensor: ...

    def span_chain(
        self, emissions: Tensor, mask: Tensor, path: Tensor, temperature: float = 1.0
    ) -> Tensor: ...

    def best_paths(
        self, emissions: Tensor, mask: Tensor, k: int, temperature: float = 1.0
    ) -> Tuple[Tensor, Tensor]: ...

    def log_z(self, emissions: Tensor, mask: Tensor) -> Tensor: ...

    def divergence(
        self, emissions: Tensor, mask: Tensor, teacher: Any, taught: Tensor
    ) -> Tensor: ...


class BiLSTMCRF(nn.Module):
    """From padded token vectors to tags.

    width (int): Width of the token vectors.
    hidden_width (int): Width of each direction of the LSTM.
    depth (int): Number of LSTM layers. 0 means none: the token vectors are scored as they
        are.
    decoder (str): "crf", or "softmax" for tags that are scored one by one.
    num_tags (int): K, the number of BILUO tags.
    """

    def __init__(
        self, *, width: int, hidden_width: int, depth: int, decoder: str, num_tags: int
    ) -> None:
        super().__init__()
        legal = legal_tags(count_labels(num_tags))
        masks: Legal = tuple(torch.from_numpy(mask) for mask in legal)  # type: ignore[assignment]
        self.bilstm = BiLSTM(width, hidden_width, depth)
        self.scorer = nn.Linear(self.bilstm.width_out, num_tags)
        self.decoder: Decoder = (
            LinearChainCRF(num_tags, legal=masks)
            if decoder == "crf"
            else Softmax(num_tags, legal=masks)
        )

    def forward(
        self,
        vectors: Tensor,
        lengths: Tensor,
        allowed: Optional[Tensor] = None,
        *,
        loss: bool = False,
        dropout: float = 0.0,
        locked: bool = False,
        temperature: Optional[float] = None,
        teacher: Optional[Tuple["BiLSTMCRF", Tensor]] = None,
        bonus: Optional[Tensor] = None,
        incorrect: Optional[Tensor] = None,
        want: str = "path",
        top_k: int = 1,
    ) -> Tensor:
        """Score a batch against the allowed tags, or find its best tags.

        vectors (Tensor): Right-padded token vectors, shape (T, B, width).
        lengths (Tensor): Length of each sequence, int64, shape (B,).
        allowed (Optional[Tensor]): Tags allowed at each token, bool, shape (T, B, K).
            Default: all.
        loss (bool): Whether to give the loss rather than the tags.
        dropout (float): Rate before, between and after the LSTM layers.
        locked (bool): Drop the same units at every step of a sequence.
        temperature (Optional[float]): Tell how sure the tags are, with all scores divided
            by this.
        teacher (Optional[Tuple]): Another network of as many tags, and its token vectors.
            The loss is how far the tags have moved away from its own.
        bonus (Optional[Tensor]): In prediction, added to the score of each tag, float32,
            shape (T, B, K).
        incorrect (Optional[Tensor]): Spans that are no entities, int64, shape (S, 4), see
            `span_penalty`, which is added to the loss of their sequences.
        want (str): What to tell if a temperature is given, see `Query`.
        top_k (int): The number of best paths, where these are wanted.
        RETURNS (Tensor): Loss of each sequence, float32, shape (B,); or tag ids, int64,
            shape (T, B); or, if a temperature is given, what is wanted, float32, of shape
            "path", (T, B, 3): the tag ids, and the decoder's `path_probabilities`;
            "spans", (T, B, 3 + 6L): the same, and its `span_chain`;
            "paths", (T, B, 2k): the tag ids of the best paths, and their log probabilities;
            "tags", (T, B, K): its `tag_marginals`.
        """
        emissions = self.emissions(vectors, lengths, dropout=dropout, locked=locked)
        steps = torch.arange(vectors.shape[0], device=lengths.device)
        mask = steps.unsqueeze(1) < lengths
        taught: Any = None
        if teacher is not None:
            with torch.no_grad():
                taught = (teacher[0].decoder, teacher[0].emissions(teacher[1], lengths))
        with torch.autocast(vectors.device.type, enabled=False):
            if not loss:
                if bonus is not None:
                    emissions = emissions + bonus
                if allowed is not None:
                    forbidden = ~allowed & mask.unsqueeze(-1)
                    emissions = emissions.masked_fill(forbidden, -torch.inf)
                if temperature is None:
                    return self.decoder.best_tags(emissions, mask)
                if want == "tags":
                    return self.decoder.tag_marginals(emissions, mask, temperature)
                if want == "paths":
                    return self._best_paths(emissions, mask, temperature, top_k)
                tags = self.decoder.best_tags(emissions, mask)
                chain = want == "spans"
                tell = self.decoder.span_chain if chain else self.decoder.path_probabilities
                sure = tell(emissions, mask, tags, temperature)
                if allowed is not None:
                    # A tag that is given is certain, whatever rounding makes of it.
                    sure[..., :2].masked_fill_(allowed.sum(-1, keepdim=True) == 1, 1.0)
                # Ids up to 2^24 are exact.
                return torch.cat((tags.unsqueeze(-1).to(sure.dtype), sure), dim=-1)
            if taught is not None:
                return self.decoder.divergence(emissions, mask, *taught)
            if allowed is None:
                allowed = torch.ones_like(emissions, dtype=torch.bool)
            losses = self.decoder.nll(emissions, allowed, mask)
            if incorrect is None or not len(incorrect):
                return losses
            penalty = span_penalty(self.decoder.log_z, emissions, mask, incorrect)
            return losses.index_add(0, incorrect[:, 0], penalty)

    def _best_paths(
        self, emissions: Tensor, mask: Tensor, temperature: float, top_k: int
    ) -> Tensor:
        paths, log_p = self.decoder.best_paths(emissions, mask, top_k, temperature)
        # One tensor, as for all else: what holds for a path is told at each token.
        sure = log_p.T.expand(len(mask), -1, -1)
        return torch.cat((paths.permute(1, 2, 0).to(sure.dtype), sure), dim=-1)

    def emissions(
        self,
        vectors: Tensor,
        lengths: Tensor,
        *,
        dropout: float = 0.0,
        locked: bool = False,
    ) -> Tensor:
        """Score each tag at each token.

        RETURNS (Tensor): Shape (T, B, K); values at padding are arbitrary.
        """
        has_layers = len(self.bilstm.forwards) > 0
        if has_layers and dropout == 0.0 and is_long(vectors):
            return score_long(self.bilstm, self.scorer, vectors, lengths)
        x = drop(vectors, dropout, locked)
        x = self.bilstm(x, lengths, dropout, locked)
        # Without LSTM layers "before" and "after" are the same place.
        x = drop(x, dropout, locked) if has_layers else x
        scores: Tensor = self.scorer(x)
        return scores
