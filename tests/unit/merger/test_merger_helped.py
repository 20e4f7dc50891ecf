"""A task's items are done by the threads that have nothing to do, and else by itself."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pipekit_merger.helped import each


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_results_come_in_the_order_of_the_items(pool):
    """Whoever made them."""
    numbers = list(range(100))
    assert list(each(str, numbers, pool, 3)) == [str(number) for number in numbers]


def test_a_thread_without_work_helps(pool):
    """Two items that wait for each other are done at the same time, by a single task."""
    meeting = threading.Barrier(2, timeout=30)
    task = pool.submit(lambda: list(each(lambda _: meeting.wait() >= 0, "ab", pool, 2)))
    assert task.result(60) == [True, True]


def test_tasks_that_keep_all_threads_busy_go_on_by_themselves(pool):
    """None waits for a thread that waits as it does."""
    tasks = [pool.submit(lambda: sum(each(abs, range(-9, 1), pool, 3))) for _ in range(8)]
    assert [task.result(60) for task in tasks] == [45] * 8


def test_no_more_items_are_begun_than_asked_for(pool):
    """What is not yet wanted takes no memory."""
    begun = []
    results = each(begun.append, range(100), pool, 4)
    next(results)
    pool.submit(int).result(60)
    assert len(begun) <= 5


def test_the_error_of_an_item_is_raised(pool):
    """Here as well as in the thread that came upon it."""
    with pytest.raises(ZeroDivisionError):
        list(each(lambda number: 1 // number, [1, 0], pool, 1))
