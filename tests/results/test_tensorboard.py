"""A TensorBoard run under Ctrl-C."""

import signal
import subprocess
import sys
import threading

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vidtldr.results.tensorboard import RunLogger, interrupts_wait

_INTERRUPTED_IN_THE_QUEUE = """
import signal, sys, threading
from vidtldr.results.tensorboard import RunLogger

logger = RunLogger(sys.argv[1], name="", version="run", default_hp_metric=False)
logger.experiment
enter = threading.Condition.__enter__

def enter_and_press(condition):
    threading.Condition.__enter__ = enter
    taken = enter(condition)
    signal.raise_signal(signal.SIGINT)  # the lock is taken; the block that gives it back is not entered yet
    return taken

threading.Condition.__enter__ = enter_and_press
try:
    logger.log_metrics({"loss": 1.0}, step=0)
except KeyboardInterrupt:
    logger.finalize("failed")
    print("closed")
"""


@pytest.fixture
def logger(tmp_path):
    return RunLogger(tmp_path, name="", version="run", default_hp_metric=False)


def _steps(folder, tag):
    events = EventAccumulator(str(folder)).Reload()
    return [event.step for event in events.Scalars(tag)]


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_while_the_writers_queue_is_locked_still_closes_it(tmp_path):
    command = [sys.executable, "-c", _INTERRUPTED_IN_THE_QUEUE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "closed\n", done.stderr
    assert _steps(tmp_path / "run", "loss") == [0]


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_what_is_being_written_is_written_before_ctrl_c_takes_effect(logger, tmp_path, monkeypatch):
    add_scalar = logger.experiment.add_scalar

    def press_first(*args):
        signal.raise_signal(signal.SIGINT)
        add_scalar(*args)

    monkeypatch.setattr(logger.experiment, "add_scalar", press_first)
    with pytest.raises(KeyboardInterrupt):
        logger.log_metrics({"loss": 1.0}, step=3)
    logger.finalize("failed")
    assert _steps(tmp_path / "run", "loss") == [3]


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_waits_for_the_outermost_block():
    reached = []

    def press_in_the_inner_of_two_blocks():
        with interrupts_wait():
            with interrupts_wait():
                signal.raise_signal(signal.SIGINT)
                reached.append("inner")
            reached.append("outer")

    with pytest.raises(KeyboardInterrupt):
        press_in_the_inner_of_two_blocks()
    assert reached == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_wait():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_write_too(logger, tmp_path):
    thread = threading.Thread(target=logger.log_metrics, args=({"loss": 1.0}, 5))
    thread.start()
    thread.join()
    logger.finalize("success")
    assert _steps(tmp_path / "run", "loss") == [5]
