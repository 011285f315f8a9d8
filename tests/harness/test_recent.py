"""Values made last are kept, each made once however many threads want it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.recent import Recent


def test_a_value_that_several_threads_want_at_once_is_made_once():
    recent, made = Recent(4), []

    def make():
        made.append(1)
        threading.Event().wait(0.05)
        return object()

    with ThreadPoolExecutor(6) as threads:
        values = list(threads.map(lambda _: recent.get("a", make), range(6)))
    assert len(made) == 1
    assert len(set(map(id, values))) == 1


def test_two_values_are_made_at_once():
    recent, both = Recent(4), threading.Barrier(2, timeout=5)
    with ThreadPoolExecutor(2) as threads:
        values = list(threads.map(lambda key: recent.get(key, lambda: both.wait() * 0 + ord(key)), "ab"))
    assert values == [97, 98]


def test_a_value_that_could_not_be_made_is_tried_again():
    recent = Recent(4)
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 // 0)
    assert recent.get("a", lambda: 7) == 7


def test_the_oldest_value_goes_first():
    recent = Recent(2)
    for key in "abc":
        recent.get(key, lambda key=key: key)
    assert recent.get("b", lambda: "new") == "b"
    assert recent.get("a", lambda: "new") == "new"
