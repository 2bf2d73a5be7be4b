"""The lock around the model: in turns, again for who has it, and never lost."""

import threading
import time

from facevae.editor.fair_lock import FairLock


def test_who_takes_it_again_and_again_waits_for_the_others() -> None:
    """With `threading.RLock` the greedy thread has it a dozen times before the other one gets it."""
    lock, order, stop = FairLock(), [], threading.Event()

    def greedy() -> None:
        while not stop.is_set():
            with lock:
                order.append("greedy")
                time.sleep(0.002)

    def patient() -> None:
        for _ in range(40):
            time.sleep(0.003)
            order.append("asks")
            with lock:
                order.append("has it")

    threads = [threading.Thread(target=target) for target in (greedy, patient)]
    threads[0].start()
    time.sleep(0.01)
    threads[1].start()
    threads[1].join()
    stop.set()
    threads[0].join()
    asked = [k for k, who in enumerate(order) if who == "asks"]
    assert all(order[k : order.index("has it", k)].count("greedy") <= 2 for k in asked)


def test_first_come_first_served_and_once_more_for_the_owner() -> None:
    lock, came = FairLock(), []

    def visit(number: int) -> None:
        with lock, lock:
            came.append(number)

    with lock:
        threads = []
        for number in range(6):
            threads.append(threading.Thread(target=visit, args=(number,)))
            threads[-1].start()
            while len(lock._waiting) <= number:
                time.sleep(0.001)
        with lock:
            pass
        assert not came
    for thread in threads:
        thread.join()
    assert came == list(range(6)) and not lock._owner


def test_an_error_gives_it_back() -> None:
    lock, got = FairLock(), threading.Event()
    try:
        with lock:
            raise ValueError
    except ValueError:
        pass
    thread = threading.Thread(target=lambda: lock.__enter__() and got.set())
    thread.start()
    assert got.wait(5)
    thread.join()
