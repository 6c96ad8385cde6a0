"""What Ctrl-C and SIGTERM do during training."""

import signal
import threading

import pytest

from t2tlite.training.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_a_second_one_has_its_usual_effect(number):
    usual, reasons = [], []
    before = signal.signal(number, lambda *_: usual.append(True))
    try:
        with stop_on_signals(reasons.append):
            signal.raise_signal(number)
            assert (reasons, usual) == ([number.name], [])
            signal.raise_signal(number)
            assert (reasons, usual) == ([number.name], [True])
        with stop_on_signals(reasons.append):
            pass
        signal.raise_signal(number)
        assert len(usual) == 2
    finally:
        signal.signal(number, before)


def test_in_another_thread_handlers_stay():
    before, seen = signal.getsignal(signal.SIGINT), []

    def enter():
        with stop_on_signals(print):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]
