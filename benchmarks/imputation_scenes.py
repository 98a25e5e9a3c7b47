"""
Images with bright and faint parts, and bad pixels to put into them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from photutils.datasets import make_model_image
from photutils.psf import MoffatPSF
from scipy.ndimage import convolve, gaussian_filter

READ_NOISE = 5.0
FWHMS = (1.8, 2.5, 4.0)
STAR_SKY, GALAXY_SKY = 100.0, 200.0

# Real images: the file and the part of it
REAL = {
    'spitzer': ('spitzer_example_image.fits.gz', np.s_[50:450, 100:500]),
    'm67': ('M6707HH.fits.gz', np.s_[300:700, 300:700]),
    'horsehead': ('HorseHead.fits.gz', np.s_[300:700, 200:600]),
    'm13': ('M13_blue_0001.fits.gz', np.s_[300:700, 300:700]),
    'hsc': ('hsc_cosmos_35.npz', np.s_[2]),
    'plate': ('HorseHead.fits.gz', np.s_[:, :]),
}
# Images that are bright in themselves: what stands out of this many parts
# in y and x counts as bright
N_PARTS = {'plate': 4}
MASKS = ('single 0.5 %', 'single 2 %', 'tracks', 'blobs', 'column',
         'corners')
# Tracks and discs that do not seek bright pixels
ANYWHERE = ('tracks anywhere', 'blobs anywhere')


class Image(NamedTuple):
    """
    An image to spoil.

    Attributes
    ----------
    data : 2-D `~numpy.ndarray`
        The image.

    truth : 2-D `~numpy.ndarray` or `None`
        The image without noise.

    noise : 2-D `~numpy.ndarray`
        The 1-sigma noise of each pixel.

    bright : 2-D bool `~numpy.ndarray`
        The pixels more than 10 median absolute deviations above the
        median, of the image or of a part of it.
    """

    data: np.ndarray
    truth: np.ndarray
    noise: np.ndarray
    bright: np.ndarray

    def cropped(self, seed):
        """
        Return the image without up to a tenth at each side.

        Its edges and corners are others for every seed.
        """
        ny, nx = self.data.shape
        cut = np.random.default_rng(seed).integers(
            1 + min(ny, nx) // 10, size=4)
        part = np.s_[cut[0]:ny - cut[1], cut[2]:nx - cut[3]]
        return Image(*(None if plane is None
                       else np.ascontiguousarray(plane[part])
                       for plane in self))


def sky_noise(data):
    """
    Estimate the noise of the fainter 60 % of pixels.

    Second differences in both directions are of unit noise where noise
    is white, and hardly see structure. (Noise that is correlated, as on
    scanned plates, comes out too small.)
    """
    stencil = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
    difference = convolve(data, stencil)
    mean = convolve(data, np.full((3, 3), 1 / 9))
    faint = mean <= np.quantile(mean, 0.6)
    return 1.4826 * np.median(np.abs(difference[faint]))


def _above_parts(data, n_parts):
    bright = np.empty(data.shape, dtype=bool)
    rows, columns = (np.array_split(np.arange(size), n_parts)
                     for size in data.shape)
    for part in (np.ix_(y, x) for y in rows for x in columns):
        level = np.median(data[part])
        spread = np.median(np.abs(data[part] - level))
        bright[part] = data[part] > level + 10 * spread
    return bright


def _as_image(data, truth=None, noise=None, gain=None, n_parts=1):
    level = np.median(data)
    if noise is None:
        noise = np.full(data.shape, sky_noise(data))
        if gain is not None:
            noise = np.sqrt(noise ** 2 + np.maximum(data - level, 0) / gain)
    return Image(data, truth, noise, _above_parts(data, n_parts))


def load_real(name, folder):
    """
    Load a part of a real image.

    Parameters
    ----------
    name : str
        The key in ``REAL``.

    folder : str or path
        The folder of the files.

    Returns
    -------
    image : `Image`
        The image. Its noise is that of the sky, and where the header
        has a gain, photon noise.
    """
    file, part = REAL[name]
    path = Path(folder) / file
    if path.suffix == '.npz':
        return _as_image(np.load(path)['images'][part].astype(float))
    data, header = fits.getdata(path, header=True)
    gain = None
    if 'FLUXCONV' in header:  # IRAC: electrons per MJy/sr
        gain = header['GAIN'] * header['EXPTIME'] / header['FLUXCONV']
    return _as_image(data[part].astype(float), gain=gain,
                     n_parts=N_PARTS.get(name, 1))


def _with_noise(truth, rng):
    noise = np.sqrt(truth + READ_NOISE ** 2)
    return _as_image(rng.normal(truth, noise), truth, noise)


def make_stars(fwhm, *, shape=(400, 410), n_stars=1200, seed=3):
    """
    Make a field of stars: Moffat profiles, photon and read noise.
    """
    rng = np.random.default_rng(seed)
    flux = 30 * np.hypot(np.sqrt(STAR_SKY), READ_NOISE) / rng.random(n_stars)
    params = QTable({'x_0': rng.uniform(-0.5, shape[1] - 0.5, n_stars),
                     'y_0': rng.uniform(-0.5, shape[0] - 0.5, n_stars),
                     'flux': np.minimum(flux, 5e5)})
    beta = 3.0
    psf_model = MoffatPSF(alpha=fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1),
                          beta=beta)
    truth = STAR_SKY + make_model_image(
        shape, psf_model, params, model_shape=(51, 51),
        discretize_method='oversample', discretize_oversample=5)
    return _with_noise(truth, rng)


def make_arc(*, shape=(300, 400), n_lines=26, seed=5):
    """
    Make the spectrum of an arc lamp, with lines a little bent and
    inclined.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:shape[0], :shape[1]]
    truth = np.full(shape, 100.0)
    for centre, peak in zip(rng.uniform(0, shape[1], n_lines),
                            10 ** rng.uniform(2, 4.5, n_lines), strict=True):
        offset = x - centre - 0.01 * y - 3e-5 * (y - shape[0] / 2) ** 2
        truth += peak * np.exp(-0.5 * (offset / 1.2) ** 2)
    return _with_noise(truth, rng)


def make_galaxies(*, shape=(300, 320), n_galaxies=40, seed=6):
    """
    Make exponential discs at any angle, seen through a Gaussian PSF.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:shape[0], :shape[1]]
    truth = np.full(shape, GALAXY_SKY)
    for _ in range(n_galaxies):
        scale, ratio = rng.uniform(1.2, 7), rng.uniform(0.3, 1)
        angle, peak = rng.uniform(0, np.pi), 10 ** rng.uniform(2, 4)
        dx, dy = x - rng.uniform(0, shape[1]), y - rng.uniform(0, shape[0])
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = (dy * np.cos(angle) - dx * np.sin(angle)) / ratio
        truth += peak * np.exp(-np.hypot(along, across) / scale)
    return _with_noise(gaussian_filter(truth, 1.1), rng)


def make_stars_on_galaxy(*, shape=(500, 500), n_stars=600, seed=9):
    """
    Make a spiral that is brighter than most stars on it. Only the stars
    count as bright.
    """
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape) - np.array(shape).reshape(2, 1, 1) / 2
    radius = np.hypot(y / 0.7, x)
    galaxy = 6000 * np.exp(-radius / 90) * (
        1 + 0.2 * np.cos(3 * np.arctan2(y, x) + radius / 25))
    stars = make_stars(2.5, shape=shape, n_stars=n_stars, seed=4).truth
    image = _with_noise(galaxy + stars, rng)
    return image._replace(bright=stars - STAR_SKY > 10 * image.noise)


def make_images(folder, which=None):
    """
    Return all images by name, the real ones first.

    Parameters
    ----------
    folder : str or path
        The folder of the real images; those that are not there are left
        out, and named.

    which : list of str, optional
        The names of the images to make.

    Returns
    -------
    images : dict of str to `Image`
        The images.
    """
    makers = {name: lambda name=name: load_real(name, folder)
              for name in REAL}
    makers |= {f'stars {fwhm}': lambda fwhm=fwhm: make_stars(fwhm)
               for fwhm in FWHMS}
    makers |= {'arc': make_arc, 'galaxies': make_galaxies,
               'stars on galaxy': make_stars_on_galaxy}
    images = {}
    for name, make in makers.items():
        if which and name not in which:
            continue
        try:
            images[name] = make()
        except FileNotFoundError as exc:
            print(f'{name} is left out: no file {exc.filename}; give the '
                  'folder of the real images with --data')
    return images


def _draw_discs(mask, starts, rng):
    y, x = np.indices(mask.shape)
    for row, column in starts:
        part = np.s_[max(row - 3, 0):row + 4, max(column - 3, 0):column + 4]
        radius = rng.choice([1.0, 1.5, 2.0, 2.5])
        mask[part] |= np.hypot(y[part] - row, x[part] - column) <= radius


def _draw_tracks(mask, starts, rng):
    for row, column in starts:
        angle, length = rng.uniform(0, np.pi), rng.uniform(5, 25)
        along = np.arange(-length / 2, length / 2, 0.3)
        y = np.rint(row + along * np.sin(angle)).astype(int)
        x = np.rint(column + along * np.cos(angle)).astype(int)
        inside = ((y >= 0) & (y < mask.shape[0]) & (x >= 0)
                  & (x < mask.shape[1]))
        mask[y[inside], x[inside]] = True


def add_cosmic_rays(image, share, seed):
    """
    Let cosmic rays hit an image, and nobody mask them.

    They are 2 to 6 pixels long, in any direction, and 20 to 2000 times as
    bright as the noise.

    Parameters
    ----------
    image : `Image`
        The image.

    share : float
        Their number, as a share of that of the pixels.

    seed : int
        The seed.

    Returns
    -------
    data : 2-D `~numpy.ndarray`
        The image with cosmic rays.

    hit : 2-D bool `~numpy.ndarray`
        Their pixels.
    """
    rng = np.random.default_rng(seed)
    data, hit = image.data.copy(), np.zeros(image.data.shape, dtype=bool)
    for _ in range(round(share * data.size)):
        along = np.arange(rng.integers(2, 7))
        angle = rng.uniform(0, np.pi)
        y, x = (np.rint(rng.integers(size) + along * step).astype(int)
                for size, step in zip(data.shape, (np.sin(angle),
                                                   np.cos(angle)),
                                      strict=True))
        inside = (y < data.shape[0]) & (x >= 0) & (x < data.shape[1])
        place = y[inside], x[inside]
        data[place] += (image.noise[place] * 10 ** rng.uniform(1.3, 3.3)
                        * rng.uniform(0.3, 1, len(place[0])))
        hit[place] = True
    return data, hit


def make_mask(kind, image, seed):
    """
    Choose bad pixels.

    Tracks and discs number one on 1500 pixels; half of them lie on
    bright pixels, unless they are anywhere.

    Parameters
    ----------
    kind : str
        One of ``MASKS`` or ``ANYWHERE``.

    image : `Image`
        The image.

    seed : int
        The seed.

    Returns
    -------
    mask : 2-D bool `~numpy.ndarray`
        The bad pixels.
    """
    rng = np.random.default_rng(seed)
    mask = np.zeros(image.data.shape, dtype=bool)
    if kind.startswith('single'):
        return rng.random(mask.shape) < float(kind.split()[1]) / 100
    if kind.startswith(('tracks', 'blobs')):
        n_half = max(mask.size // 3000, 1)
        n_random = 2 * n_half if kind in ANYWHERE else n_half
        starts = np.argwhere(~mask)[rng.integers(mask.size, size=n_random)]
        bright = np.argwhere(image.bright)
        if len(bright) and kind not in ANYWHERE:
            n_half = min(n_half, len(bright) // 60 + 1)
            starts = np.concatenate([starts, rng.permutation(bright)[:n_half]])
        draw = _draw_tracks if kind.startswith('tracks') else _draw_discs
        draw(mask, starts, rng)
    elif kind == 'column':
        n_x = mask.shape[1]
        mask[:, rng.choice(n_x, max(3, n_x // 40), replace=False)] = True
    elif kind == 'corners':
        mask[:2, :3] = mask[-3:, :2] = mask[:3, -3:] = mask[-1, -4:] = True
        for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
            edge |= rng.random(edge.size) < 0.3
    return mask
