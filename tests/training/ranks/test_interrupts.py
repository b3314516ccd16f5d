import os
import signal

import pytest

from spacy_bilstm_crf.training.ranks.interrupts import Interrupts


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_it_waits_for_the_end_of_an_exchange():
    done = []

    def exchange():
        with interrupts.held():
            interrupt()
            done.append("all of it")

    interrupts = Interrupts()
    with interrupts, pytest.raises(KeyboardInterrupt):
        exchange()
    assert done


def test_an_error_in_an_exchange_takes_its_place():
    def exchange():
        with interrupts.held():
            interrupt()
            raise OSError("disk full")

    interrupts = Interrupts()
    with interrupts:
        with pytest.raises(OSError, match="disk full"):
            exchange()
        # It has not been left for later.
        with interrupts.held():
            pass


def test_it_can_be_ignored():
    interrupts = Interrupts()
    with interrupts:
        interrupts.ignore()
        interrupt()


def test_elsewhere_it_does_not_wait():
    interrupts = Interrupts()
    with interrupts:
        with interrupts.held():
            pass
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_a_second_one_does_not_break_off_what_the_first_one_leads_to():
    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        interrupt()


def test_afterwards_all_is_as_before():
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
