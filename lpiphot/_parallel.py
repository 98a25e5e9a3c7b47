# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Threads over independent jobs, with a progress bar.
"""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from astropy.utils.exceptions import AstropyUserWarning
from threadpoolctl import threadpool_limits

__all__ = ['limit_blas_threads', 'one_blas_thread', 'run_jobs', 'run_levels',
           'show_progress']


class _OneBlasThread:
    """
    A context in which the BLAS library has one thread.

    The number of threads of OpenBLAS belongs to the process, and
    threadpoolctl lets only the thread that changed it first change it
    again. So a thread of its own holds the limit from the opening of
    the first context to the closing of the last one, in whatever order
    the threads of the user come and go.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._n_open = 0
        self._keeper = None
        self._last_closed = None

    def _keep(self, limited, last_closed):
        try:
            with limit_blas_threads():
                limited.set()
                last_closed.wait()
        finally:
            limited.set()

    def __enter__(self):
        with self._lock:
            if self._n_open == 0:
                limited, self._last_closed = (threading.Event(),
                                              threading.Event())
                self._keeper = threading.Thread(
                    target=self._keep, args=(limited, self._last_closed),
                    daemon=True)
                self._keeper.start()
                limited.wait()
            self._n_open += 1

    def __exit__(self, *exception):
        with self._lock:
            self._n_open -= 1
            if self._n_open == 0:
                self._last_closed.set()
                self._keeper.join()


def limit_blas_threads():
    """
    Limit the BLAS library to one thread, as far as it can be.
    """
    return threadpool_limits(1, user_api='blas')


one_blas_thread = _OneBlasThread()


@contextmanager
def show_progress(total, show, label, unit):
    """
    Give a function that advances a progress bar by a number of steps.
    """
    if not show:
        yield lambda _: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        warnings.warn('progress_bar=True needs the package tqdm: '
                      'pip install tqdm', AstropyUserWarning, stacklevel=4)
        yield lambda _: None
        return
    with tqdm(total=total, desc=label, unit=unit) as progress_bar:
        yield progress_bar.update


def run_jobs(function, jobs, *, n_threads, progress_bar, label='LPI',
             unit='star'):
    """
    Call a function for each job and return the results in order.

    The BLAS library gets one thread inside each call: the jobs are many
    and their matrices small, and the results are then the same, bit for
    bit, for any number of threads.

    Parameters
    ----------
    function : callable
        Called with one job.

    jobs : list of sequences
        The jobs; the length of a job is its weight in the progress bar.

    n_threads : int
        The number of threads.

    progress_bar : bool
        Whether to show a progress bar (with tqdm).

    label, unit : str, optional
        The texts of the progress bar.

    Returns
    -------
    results : list
        What the function returned.
    """
    return run_levels(function, [jobs], n_threads=n_threads,
                      progress_bar=progress_bar, label=label, unit=unit)


def run_levels(function, levels, *, n_threads, progress_bar, label='LPI',
               unit='block'):
    """
    Call a function for each job, level after level.

    Jobs of one level do not need each other, but may need all of the
    levels before.

    Parameters
    ----------
    function : callable
        Called with one job.

    levels : list of list of sequences
        The jobs, as for `run_jobs`.

    n_threads : int
        The number of threads.

    progress_bar : bool
        Whether to show a progress bar (with tqdm).

    label, unit : str, optional
        The texts of the progress bar.

    Returns
    -------
    results : list
        What the function returned, for all jobs in order.
    """
    total = sum(len(job) for jobs in levels for job in jobs)
    results = []
    # the initializer is for libraries whose limit belongs to a thread
    with (one_blas_thread,
          show_progress(total, progress_bar, label, unit) as advance,
          ThreadPoolExecutor(n_threads,
                             initializer=limit_blas_threads) as pool):
        for jobs in levels:
            for job, result in zip(jobs, pool.map(function, jobs),
                                   strict=True):
                results.append(result)
                advance(len(job))
    return results
