"""A BiLSTM-CRF as tutorials write it: `nn.Embedding`, `nn.LSTM` over packed sequences,
pytorch-crf, 32 sentences at a time, in the order in which they come."""

from typing import Callable, Dict, List, Tuple

import torch
import torchcrf
from spacy.tokens import Doc
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

BATCH = 32


class PlainBiLSTMCRF(nn.Module):
    """width (int): Of the characters' vectors.
    hidden_width (int): Of each direction.
    """

    def __init__(self, characters: int, width: int, hidden_width: int, tags: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, width)
        self.lstm = nn.LSTM(width, hidden_width, batch_first=True, bidirectional=True)
        self.scorer = nn.Linear(2 * hidden_width, tags)
        self.crf = torchcrf.CRF(tags, batch_first=True)

    def emissions(self, ids: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            self.embed(ids), lengths, batch_first=True, enforce_sorted=False
        )
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        scores: Tensor = self.scorer(hidden)
        return scores


def make_plain(
    docs: List[Doc], texts: List[str], width: int, hidden_width: int
) -> Tuple[Callable[[], None], Callable[[], None]]:
    """RETURNS (Tuple[Callable, Callable]): Trains on Docs; tags texts."""
    tags: Dict[str, int] = {}
    characters: Dict[str, int] = {}
    gold = []
    for doc in docs:
        names = [f"{token.ent_iob_}-{token.ent_type_}" for token in doc]
        gold.append([tags.setdefault(name, len(tags)) for name in names])
        for token in doc:
            characters.setdefault(token.text, len(characters) + 1)
    model = PlainBiLSTMCRF(len(characters) + 1, width, hidden_width, len(tags))
    optimizer = torch.optim.Adam(model.parameters())

    def make_batch(tokens: List[List[str]]) -> Tuple[Tensor, Tensor, Tensor]:
        rows = [torch.tensor([characters.get(c, 0) for c in row]) for row in tokens]
        lengths = torch.tensor([len(row) for row in rows])
        ids = pad_sequence(rows, batch_first=True)
        return ids, lengths, torch.arange(ids.shape[1]) < lengths.unsqueeze(1)

    def train() -> None:
        for start in range(0, len(docs), BATCH):
            here = slice(start, start + BATCH)
            ids, lengths, mask = make_batch([[t.text for t in doc] for doc in docs[here]])
            labels = pad_sequence(
                [torch.tensor(row) for row in gold[here]], batch_first=True
            )
            optimizer.zero_grad()
            loss = -model.crf(model.emissions(ids, lengths), labels, mask)
            loss.backward()
            optimizer.step()

    def tag() -> None:
        with torch.no_grad():
            for start in range(0, len(texts), BATCH):
                ids, lengths, mask = make_batch(
                    [list(t) for t in texts[start : start + BATCH]]
                )
                model.crf.decode(model.emissions(ids, lengths), mask)

    return train, tag
