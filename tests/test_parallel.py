"""
Jobs in threads, with one BLAS thread each.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from astropy.utils.exceptions import AstropyUserWarning
from threadpoolctl import threadpool_info, threadpool_limits

from lpiphot._parallel import run_jobs

PATIENCE = 30  # seconds until a test gives up; it needs milliseconds


def blas_threads():
    """
    The numbers of threads of the BLAS libraries that are loaded.
    """
    return [library['num_threads'] for library in threadpool_info()
            if library['user_api'] == 'blas']


def in_thread(function, *args):
    """
    Call a function in a thread of its own, which then ends: only the
    thread that set the limit of OpenBLAS may change it while it lives.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result(PATIENCE)


@pytest.fixture
def before():
    """
    The numbers of threads before a call: two of each library, if it can.
    """
    limits = in_thread(lambda: threadpool_limits(2, user_api='blas'))
    numbers = blas_threads()
    if not numbers or min(numbers) == 1:
        pytest.skip('the BLAS library has but one thread')
    yield numbers
    in_thread(limits.restore_original_limits)


def run(function, n_jobs=1, n_threads=1):
    """
    Run jobs of length one.
    """
    return run_jobs(function, [[i] for i in range(n_jobs)],
                    n_threads=n_threads, progress_bar=False)


def test_no_tqdm(monkeypatch):
    """
    The work is done without a progress bar.
    """
    monkeypatch.setitem(sys.modules, 'tqdm.auto', None)
    with pytest.warns(AstropyUserWarning, match='pip install tqdm'):
        assert run_jobs(sum, [[1, 2], [3]], n_threads=1,
                        progress_bar=True) == [3, 3]


@pytest.mark.parametrize('n_threads', [1, 3])
def test_one_blas_thread(before, n_threads):
    """
    One inside each job; afterwards as many as before.
    """
    for _ in range(2):
        for numbers in run(lambda job: blas_threads(), 5, n_threads):
            assert set(numbers) == {1}
        assert blas_threads() == before


def test_restored_after_an_error(before):
    """
    An exception goes up, and the number comes back.
    """
    def fail(job):
        raise RuntimeError(str(job[0]))

    with pytest.raises(RuntimeError, match='0'):
        run(fail, 3, 2)
    assert blas_threads() == before


@pytest.mark.parametrize('first_ends_first', [True, False])
def test_overlapping_calls(before, first_ends_first):
    """
    Calls of two threads of the user, in either order of return.
    """
    began = [threading.Event() for _ in range(2)]
    may_end = [threading.Event() for _ in range(2)]

    def job(which):
        began[which].set()
        assert may_end[which].wait(PATIENCE)
        return blas_threads()

    with ThreadPoolExecutor(2) as users:
        calls = []
        for which in range(2):
            calls.append(users.submit(run, lambda _, w=which: job(w)))
            assert began[which].wait(PATIENCE)
            assert set(blas_threads()) == {1}
        for which in (0, 1) if first_ends_first else (1, 0):
            may_end[which].set()
            numbers, = calls[which].result(PATIENCE)
            assert set(numbers) == {1}
            if not all(call.done() for call in calls):
                assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_order():
    """
    Results are in the order of the jobs, whichever ends first.
    """
    second_done = threading.Event()

    def job(job):
        if job[0] == 0:
            assert second_done.wait(PATIENCE)
        if job[0] == 1:
            second_done.set()
        return job[0]

    assert run(job, 7, 2) == list(range(7))


def test_no_jobs():
    """
    No jobs, no results.
    """
    assert run(None, 0, 2) == []
