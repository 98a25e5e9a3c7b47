"""
Scenes and clocks for the benchmarks.
"""

import threading
import time
from pathlib import Path

import numpy as np
from astropy.table import QTable
from photutils.psf import CircularGaussianPRF
from scipy.linalg.lapack import get_lapack_funcs
from threadpoolctl import threadpool_limits

from lpiphot.datasets import make_cloud_image
from lpiphot.lpi.psf import PSF, Sources
from lpiphot.lpi.rendering import StarRenderer
from lpiphot.lpi.tiles import Region

FWHM = 4.0
NOISE = 10.0


def make_scene(shape, n_stars, *, level=0.0, seed=1):
    """
    Make an image of clouds, noise and stars, with the true catalogue.

    Parameters
    ----------
    shape : 2-tuple of int
        The shape of the image.

    n_stars : int
        The number of stars, at random positions with fluxes of a power
        law.

    level : float, optional
        A constant added to the image.

    seed : int, optional
        The seed.

    Returns
    -------
    data : 2-D `~numpy.ndarray`
        The image, float32.

    table : `~astropy.table.QTable`
        The catalogue.

    psf_model : `~photutils.psf.CircularGaussianPRF`
        The PSF.
    """
    rng = np.random.default_rng(seed)
    psf_model = CircularGaussianPRF(fwhm=FWHM)
    flux = 30 * NOISE * (1 - rng.random(n_stars)) ** -1.0
    table = QTable({'x_fit': rng.uniform(0, shape[1] - 1, n_stars),
                    'y_fit': rng.uniform(0, shape[0] - 1, n_stars),
                    'flux_fit': np.minimum(flux, 1e4 * NOISE)})
    data = make_cloud_image(shape, rms=5 * NOISE, seed=seed) + level
    data += rng.normal(0, NOISE, shape)
    sources = Sources(*(np.array(table[name]) for name in
                        ('x_fit', 'y_fit', 'flux_fit')), {})
    renderer = StarRenderer(PSF(psf_model), sources, shape, (33, 33),
                            0.01 * NOISE)
    for part, values in renderer.render(Region((0, 0), shape)):
        data[part] += values
    return data.astype(np.float32), table, psf_model


def matched_error(psf_model):
    """
    Return the error of a flux by a matched filter in white noise of 1.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        The PSF, of a flux of 1 at (0, 0).

    Returns
    -------
    error : float
        The error.
    """
    y, x = np.mgrid[-20:21, -20:21]
    return 1 / np.sqrt(np.sum(psf_model(x, y) ** 2))


class Clock:
    """
    A context that measures wall and core time.
    """

    def __enter__(self):
        self._start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *exception):
        self.wall = time.perf_counter() - self._start[0]
        self.core = time.process_time() - self._start[1]


def own_memory():
    """
    Return the bytes of this process, without the pages of mapped files.
    """
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('RssAnon:'):
            return 1024 * int(line.split()[1])
    msg = '/proc/self/status has no line RssAnon: this needs Linux'
    raise OSError(msg)


class PeakMemory:
    """
    A context that looks at `own_memory` a hundred times a second.
    """

    def __enter__(self):
        self.bytes = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._end.wait(0.01):
            self.bytes = max(self.bytes, own_memory())

    def __exit__(self, *exception):
        self._end.set()
        self._thread.join()


def cholesky_floor(sizes, dtype, *, n_repeat=15):
    """
    Return the mean time of LAPACK's bare Cholesky for some sizes.

    Parameters
    ----------
    sizes : array_like of int
        The sizes of the matrices, all those of a run.

    dtype : str
        The dtype.

    n_repeat : int, optional
        The number of repeats at each of five quantiles of the sizes; the
        median of them counts.

    Returns
    -------
    seconds : float
        The time for one matrix.
    """
    quantiles = np.quantile(sizes, [0.1, 0.3, 0.5, 0.7, 0.9]).astype(int)
    medians = []
    with threadpool_limits(1, user_api='blas'):
        for size in quantiles:
            matrix = np.full((size, size), 0.5, dtype=dtype, order='F')
            matrix[np.diag_indices(size)] = 2.0
            potrf, = get_lapack_funcs(('potrf',), (matrix,))
            times = []
            for _ in range(n_repeat):
                copy = matrix.copy(order='F')
                start = time.perf_counter()
                potrf(copy, lower=1, overwrite_a=1, clean=0)
                times.append(time.perf_counter() - start)
            medians.append(np.median(times))
    return float(np.mean(medians))
