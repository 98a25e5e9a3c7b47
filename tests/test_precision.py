"""
float32 against float64.
"""

import numpy as np
import pytest
from astropy.table import QTable
from photutils.psf import CircularGaussianPRF

from lpiphot import LPIBackgroundCorrector
from lpiphot.datasets import make_cloud_image

SHAPE = (300, 310)


# A level costs no digits. Smooth structure far above the noise would:
# a covariance good to 1e-6 of the structure is not good to the noise.
@pytest.mark.parametrize(('level', 'power', 'rms'), [
    (0, -3, 5), (1e5, -3, 5), (-1e5, -3, 100), (0, -4, 1e3), (0, -4, 1e4)])
def test_float32_is_enough(level, power, rms):
    rng = np.random.default_rng(8)
    data = rng.normal(level, 1.7, SHAPE)
    data += 1.7 * make_cloud_image(SHAPE, power=power, rms=rms, seed=8)
    model = CircularGaussianPRF(fwhm=4.0)
    phot = QTable({'x_fit': rng.uniform(10, 300, 12),
                   'y_fit': rng.uniform(10, 290, 12),
                   'flux_fit': rng.uniform(50, 3000, 12)})
    y, x = np.mgrid[:SHAPE[0], :SHAPE[1]]
    for row in phot:
        data += model.evaluate(x, y, row['flux_fit'], row['x_fit'],
                               row['y_fit'], 4.0)
    single, double = (
        LPIBackgroundCorrector(model, dtype=dtype)(data, phot)
        for dtype in ('float32', 'float64'))
    assert np.isfinite(double['cflux']).all()
    assert np.all(abs(single['cflux'] - double['cflux'])
                  < 0.01 * double['dcflux'])
    np.testing.assert_allclose(single['dcflux'], double['dcflux'],
                               rtol=0.005)
