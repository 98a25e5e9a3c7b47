"""
Small synthetic fields of known truth.
"""

from dataclasses import dataclass

import numpy as np
from astropy.table import QTable
from scipy.ndimage import gaussian_filter

__all__ = ['Scene', 'filaments', 'star_image', 'structured_field']


def star_image(psf_model, x, y, shape, flux=1.0):
    """
    One star on the whole image, by the model itself.
    """
    names = [getattr(psf_model, f'{key}_name', default) for key, default in
             (('x', 'x_0'), ('y', 'y_0'), ('flux', 'flux'))]
    model = psf_model.copy()
    for name, value in zip(names, (x, y, flux), strict=True):
        setattr(model, name, value)
    yy, xx = np.mgrid[:shape[0], :shape[1]]
    return model(xx, yy)


@dataclass(frozen=True)
class Scene:
    """
    An image, its catalogue, and what the catalogue's stars look like.
    """

    data: np.ndarray
    phot: QTable
    psf_model: object
    mask: np.ndarray  # the user's bad pixels

    @property
    def star_images(self):
        """
        The unit-flux PSF of every catalogued star on the whole image.
        """
        return [star_image(self.psf_model, x, y, self.data.shape)
                for x, y in zip(self.phot['x_fit'], self.phot['y_fit'],
                                strict=True)]

    @property
    def star_model(self):
        """
        All catalogued stars with their fitted fluxes.
        """
        return sum(flux * image for flux, image in
                   zip(self.phot['flux_fit'], self.star_images, strict=True))

    @property
    def residual(self):
        """
        Data - model.
        """
        return self.data - self.star_model


def catalogue(x, y, flux, error):
    """
    A table with photutils' names.
    """
    n = len(x)
    numbers = np.arange(1, n + 1)
    return QTable({'id': numbers, 'group_id': numbers,
                   'x_fit': np.array(x, float),
                   'y_fit': np.array(y, float),
                   'flux_fit': np.array(flux, float),
                   'flux_err': np.full(n, float(error)),
                   'flags': np.zeros(n, int)})


def structured_field(psf_model, *, seed=405, shape=(97, 113), level=-3.0,
                     n_unseen=0, loud=1.0):
    """
    Anisotropic clouds and white noise under stars of every kind.

    The clouds have sigma 6, the noise 1.7; the catalogue's fluxes are
    wrong by some 20, as fits to such a field are. ``n_unseen`` faint stars
    are not in the catalogue; from x = 64 on and up to y = 48, clouds and noise
    are ``loud`` times as strong.
    """
    stars = np.array([  # x, y, true flux
        (30.3, 40.6, 3000.0),  # ordinary
        (55.5, 20.5, 800.0),  # half pixels; fainter than min_mask_flux
        (0.2, 50.1, 4000.0),  # left edge
        (112.4, 96.4, 5000.0),  # last pixel of the last row
        (-0.5, 10.0, 2500.0),  # the outermost coordinate inside
        (80.7, 70.2, 20000.0),  # a close pair ...
        (84.9, 72.8, 1500.0),  # ... of unequal stars
        (60.0, 60.0, -50.0),  # negative flux
        (95.2, 30.4, 5e5),  # so bright that good pixels are few
        (24.7, 75.3, 6e6),  # brighter: the ring is forced
        (3.6, 91.7, 6e6),  # the same, with the stamp partly off the image
        (70.1, 40.9, 3000.0),  # beside a bad column
        (45.4, 50.2, 6000.0),  # NaN under it
        (99.0, 52.3, 6000.0),  # a cosmic ray in its good pixels
    ])
    rng = np.random.default_rng(seed)
    data = gaussian_filter(rng.normal(size=shape), (1.5, 4.0))
    data *= 6 / data.std()
    data += 1.7 * rng.normal(size=shape)
    data[:48, 64:] *= loud
    data += level
    for x, y, flux in stars:
        data += star_image(psf_model, x, y, shape, flux)
    for _ in range(n_unseen):
        data += star_image(psf_model, *rng.uniform(0, shape[::-1]), shape,
                           rng.uniform(150, 350))
    data[55, 101] += 4000
    data[50, 45:47] = np.nan
    mask = np.zeros(shape, dtype=bool)
    mask[30:55, 73] = True
    data[mask] = 1e6
    wrong = rng.normal(scale=20, size=len(stars))
    phot = catalogue(stars[:, 0], stars[:, 1], stars[:, 2] + wrong, 15.0)
    return Scene(data, phot, psf_model, mask)


def filaments(shape, x_bright, x_dark, height, fwhm=6.7):
    """
    One bright and one dark straight filament along y (section 4.1).
    """
    sigma = fwhm / (2 * np.sqrt(2 * np.log(2)))
    x = np.arange(shape[1])
    profile = (np.exp(-0.5 * ((x - x_bright) / sigma) ** 2)
               - np.exp(-0.5 * ((x - x_dark) / sigma) ** 2))
    return np.broadcast_to(height * profile, shape)
