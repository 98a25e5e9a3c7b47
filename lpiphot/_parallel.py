# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Threads over independent jobs, with a progress bar.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from astropy.utils.exceptions import AstropyUserWarning
from threadpoolctl import threadpool_limits

__all__ = ['as_n_threads', 'run_jobs']


def as_n_threads(n_threads):
    """
    Return a number of threads that was checked.
    """
    if isinstance(n_threads, bool) or not hasattr(n_threads, '__index__'):
        msg = f'n_threads must be an integer; got {n_threads!r}'
        raise TypeError(msg)
    if n_threads < 1:
        msg = f'n_threads must be at least 1; got {n_threads}'
        raise ValueError(msg)
    return int(n_threads)


@contextmanager
def _progress(total, show):
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
    with tqdm(total=total, desc='LPI', unit='star') as progress_bar:
        yield progress_bar.update


def run_jobs(function, jobs, *, n_threads, progress_bar):
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

    Returns
    -------
    results : list
        What the function returned.
    """
    total = sum(len(job) for job in jobs)
    results = []
    with (threadpool_limits(1, user_api='blas'),
          _progress(total, progress_bar) as advance,
          ThreadPoolExecutor(n_threads) as pool):
        if n_threads == 1:
            calls = map(function, jobs)
        else:
            calls = pool.map(function, jobs)
        for job, result in zip(jobs, calls, strict=True):
            results.append(result)
            advance(len(job))
    return results
