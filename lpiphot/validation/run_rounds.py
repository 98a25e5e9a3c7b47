# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Many rounds: in one process or several, and kept in a folder.
"""

import json
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version

from astropy.table import QTable

from lpiphot._files import whole_file
from lpiphot._parallel import one_blas_thread, show_progress
from lpiphot.validation.fingerprint import describe

__all__ = ['open_folder', 'run_rounds']


def open_folder(setup, n_rounds, pipeline):
    """
    Check the folder, and return the rounds that it has.

    A new folder gets a file that says what its rounds are of.

    Parameters
    ----------
    setup : `~lpiphot.validation.rounds.Setup`
        What the rounds are of; its ``folder`` may be `None`.

    n_rounds : int
        The number of rounds that are wanted.

    pipeline : object
        The description of the pipeline before it was run.

    Returns
    -------
    done : dict of `~astropy.table.QTable`
        The rounds that are there, by number.

    Raises
    ------
    ValueError
        If the folder has rounds of another configuration.
    """
    if setup.folder is None:
        return {}
    os.makedirs(setup.folder, exist_ok=True)
    path = os.path.join(setup.folder, 'setup.json')
    config = _configuration(setup, pipeline)
    if os.path.exists(path):
        with open(path, encoding='utf-8') as fh:
            known = json.load(fh)
        differ = sorted(key for key in config.keys() | known.keys()
                        if config.get(key) != known.get(key))
        if differ:
            msg = (f'folder {setup.folder} has rounds of another '
                   f'configuration: {", ".join(differ)} differ. Use '
                   'another folder, or remove this one')
            raise ValueError(msg)
    else:
        with (whole_file(path) as part,
              open(part, 'w', encoding='utf-8') as fh):
            json.dump(config, fh, indent=1)
    return {number: QTable.read(setup.path(number))
            for number in range(1, n_rounds + 1)
            if os.path.exists(setup.path(number))}


def _configuration(setup, pipeline):
    """
    Return what the results depend on, as it comes back from JSON.
    """
    return json.loads(json.dumps({
        'version': version('lpiphot'), 'seed': setup.seed,
        'data': describe(setup.data), 'error': describe(setup.error),
        'mask': describe(setup.mask),
        'pipeline': pipeline,
        'psf_model': describe(setup.psf_model),
        'corrector': describe(setup.corrector),
        'corrector_seed': getattr(setup.corrector, '_seed', None),
        'columns': list(setup.columns), 'options': setup.options,
        'existing': describe(setup.existing),
        'fluxes': describe(setup.flux_source),
        'stars': describe(setup.stars)}))


def run_rounds(setup, n_rounds, done, *, n_processes, progress_bar):
    """
    Run the rounds that are not done, and return all in order.

    Parameters
    ----------
    setup : `~lpiphot.validation.rounds.Setup`
        What the rounds need.

    n_rounds : int
        The number of rounds.

    done : dict of `~astropy.table.QTable`
        Those that are done, by number; gets the others.

    n_processes : int
        The number of processes.

    progress_bar : bool
        Whether to show a progress bar.

    Returns
    -------
    rounds : list of `~astropy.table.QTable`
        The stars of each.

    Raises
    ------
    TypeError
        If something cannot be sent to other processes.
    """
    left = [number for number in range(1, n_rounds + 1)
            if number not in done]
    with show_progress(n_rounds, progress_bar, 'injection',
                       'round') as advance:
        advance(len(done))
        for number, pairs in _results(setup, left, n_processes):
            done[number] = pairs
            advance(1)
    return [done[number] for number in sorted(done)]


def _results(setup, numbers, n_processes):
    """
    Yield the rounds as they are done.
    """
    n_processes = min(n_processes, len(numbers))
    if n_processes < 2:
        with one_blas_thread:
            for number in numbers:
                yield number, setup.run(number)
        return
    for name in ('pipeline', 'corrector', 'psf_model'):
        _check_pickles(name, getattr(setup, name))
    with ProcessPoolExecutor(
            n_processes, initializer=_start_worker, initargs=(setup,),
            mp_context=multiprocessing.get_context('spawn')) as pool:
        try:
            yield from zip(numbers, pool.map(_work, numbers),
                           strict=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_worker_setup = None


def _start_worker(setup):
    """
    Keep what the rounds need in a new process.
    """
    global _worker_setup  # noqa: PLW0603
    _worker_setup = setup


def _work(number):
    with one_blas_thread:
        return _worker_setup.run(number)


def _check_pickles(name, value):
    """
    Raise an error in the user's words if a value cannot be sent.
    """
    try:
        pickle.dumps(value)
    except Exception as exc:
        msg = (f'{name} must be a function or class of a module, to be sent '
               f'to n_processes > 1; got {value!r}, which cannot be pickled '
               f'({exc})')
        raise TypeError(msg) from exc
