import json
import random

import numpy
import torch
from thinc.api import fix_random_seed

from spacy_bilstm_crf.training.random_state import (
    get_random_state,
    get_shuffle_state,
    set_random_state,
    set_shuffle_state,
)


def draw():
    """One number of each kind: normal ones are drawn in pairs, and one is kept."""
    return [
        random.random(),
        random.gauss(0.0, 1.0),
        numpy.random.random(),
        numpy.random.normal(),
        torch.rand(1).item(),
        torch.randn(1).item(),
    ]


def test_all_generators_continue_from_a_state():
    fix_random_seed(3)
    draw()
    # As it is on disk.
    state = json.loads(json.dumps(get_random_state()))
    drawn = [draw() for _ in range(700)]
    fix_random_seed(4)
    set_random_state(state)
    assert [draw() for _ in range(700)] == drawn


def test_states_are_of_all_cuda_devices(monkeypatch):
    states = [torch.arange(16, dtype=torch.uint8), torch.zeros(16, dtype=torch.uint8)]
    found = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", found.extend)
    state = get_random_state()
    set_random_state(state)
    assert [one.tolist() for one in found] == [one.tolist() for one in states]
    # Another machine with fewer devices has no use for them.
    found.clear()
    del states[1]
    set_random_state(state)
    assert not found


def test_shuffles_continue_from_a_state_of_their_own():
    random.seed(3)
    state = json.loads(json.dumps(get_shuffle_state()))
    numbers = numpy.random.get_state()[1].tolist()
    drawn = random.random()
    set_shuffle_state(state)
    assert random.random() == drawn
    assert numpy.random.get_state()[1].tolist() == numbers
