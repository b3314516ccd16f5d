"""torch: dropout -> BiLSTM -> Linear -> CRF or softmax."""

from typing import Optional, Protocol

import torch
from torch import Tensor, nn

from ..tags import count_labels, legal_tags
from .bilstm import BiLSTM, drop
from .crf import Legal, LinearChainCRF
from .softmax import Softmax

DECODERS = ("crf", "softmax")


class Decoder(Protocol):
    """What turns emissions into a loss or into tags; see `LinearChainCRF`."""

    def nll(self, emissions: Tensor, allowed: Tensor, mask: Tensor) -> Tensor: ...

    def best_tags(self, emissions: Tensor, mask: Tensor) -> Tensor: ...

    def path_probabilities(
        self, emissions: Tensor, mask: Tensor, path: Tensor, temperature: float = 1.0
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
        RETURNS (Tensor): Loss of each sequence, float32, shape (B,); or tag ids, int64,
            shape (T, B); or, if a temperature is given, float32, shape (T, B, 3): the tag
            ids, and the decoder's `path_probabilities`.
        """
        emissions = self.emissions(vectors, lengths, dropout=dropout, locked=locked)
        steps = torch.arange(vectors.shape[0], device=lengths.device)
        mask = steps.unsqueeze(1) < lengths
        with torch.autocast(vectors.device.type, enabled=False):
            if not loss:
                if allowed is not None:
                    emissions = emissions.masked_fill(~allowed, -torch.inf)
                tags = self.decoder.best_tags(emissions, mask)
                if temperature is None:
                    return tags
                sure = self.decoder.path_probabilities(emissions, mask, tags, temperature)
                # Ids up to 2^24 are exact.
                return torch.cat((tags.unsqueeze(-1).to(sure.dtype), sure), dim=-1)
            if allowed is None:
                allowed = torch.ones_like(emissions, dtype=torch.bool)
            return self.decoder.nll(emissions, allowed, mask)

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
        x = drop(vectors, dropout, locked)
        x = self.bilstm(x, lengths, dropout, locked)
        # Without LSTM layers "before" and "after" are the same place.
        x = drop(x, dropout, locked) if len(self.bilstm.forwards) else x
        scores: Tensor = self.scorer(x)
        return scores
