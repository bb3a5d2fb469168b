import threading
import time
from concurrent.futures import CancelledError

import pytest

from bloodseg_lib.prediction.ahead import Ahead, beside


def test_what_is_begun_is_done_in_another_thread_and_once():
    done = []
    with Ahead(lambda item, _: done.append((item, threading.get_ident())) or item) as ahead:
        ahead.begin("a")
        assert ahead.take("a") == "a" and ahead.take("b") == "b"
    assert [item for item, _ in done] == ["a", "b"]
    assert threading.get_ident() not in {thread for _, thread in done}


def test_what_was_begun_and_is_not_taken_next_costs_nothing():
    with Ahead(lambda number, _: 1 / number) as ahead:
        ahead.begin(0)
        assert ahead.take(2) == 0.5
        with pytest.raises(ZeroDivisionError):
            ahead.take(0)


def test_what_is_done_beside_a_block_is_done_when_it_ends_and_raises_what_it_raised():
    done = []
    with beside(lambda: time.sleep(0.05) or done.append(threading.get_ident())):
        assert not done
    assert done and done[0] != threading.get_ident()
    with pytest.raises(ZeroDivisionError), beside(lambda: 1 / 0):
        pass


def test_work_that_nobody_waits_for_any_more_is_told():
    begun, told = threading.Event(), []

    def work(item, go_on):
        begun.set()
        try:
            while True:
                time.sleep(0.001)
                go_on(0.5)
        except CancelledError:
            told.append(item)

    with pytest.raises(KeyboardInterrupt), Ahead(work) as ahead:
        ahead.begin("a")
        begun.wait()
        raise KeyboardInterrupt
    assert told == ["a"]
