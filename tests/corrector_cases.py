"""
What the tests of the corrector share: settings, oracle, comparisons.
"""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import GaussianPSF

from lpiphot import LPIBackgroundCorrector, decode_dnt_flags
from lpiphot.lpi import masks
from oracles import dense_lpi
from oracles.scenes import star_image

PSF = GaussianPSF(x_fwhm=2.0, y_fwhm=2.5)
CORNERED = 10  # row of the very bright star that is partly off the image

# Every number that the corrector could choose is chosen here.
LIMITS = {'mask_threshold': 5.0, 'min_mask_flux': 2000.0,
          'condition_radius': 7}
KEYS = {'stamp_shape': (13, 11), 'window_shape': (41, 45), **LIMITS,
        'residual_threshold': 60.0, 'rng': 7}

FLUXES = ('cflux', 'dcflux', 'dcflux_diag', 'fdb_res', 'fdb_pred')
COUNTS = ('kcond0', 'kcond', 'kpred')
ADDED = (*FLUXES, 'cchi2', *COUNTS, 'dnt')
PUBLISHED = 127  # dnt bits that are not lpiphot's own
MISFIT = 32768  # one that is, and that the oracle knows

# Two float64 computations of the same equations: the condition number
# of the covariances here is some 1e5 and rounding 1e-16, so that 1e-8
# would do; a wrong pixel or a wrong formula shows at 1e-3 and above.
EXACT = 1e-7


def make(psf_model=PSF, **keys):
    """
    A corrector with the limits above, in float64 unless told otherwise.
    """
    return LPIBackgroundCorrector(psf_model,
                                  **({'dtype': 'float64'} | KEYS | keys))


def no_outliers(monkeypatch):
    """
    Take nothing for an outlier without a threshold: as the oracle does.
    """
    monkeypatch.setattr(masks, 'ROBUST_LIMIT', 1e9)
    return {'residual_threshold': None}


def oracle_rows(scene, result, *, gain=None, neighbours=False, groups=False,
                positions=False, robust=False, error=None, **keys):
    """
    The oracle's rows and details, given lpiphot's (random) infill.

    If ``robust``, no residual is an outlier: see `no_outliers`.
    """
    keys = KEYS | keys
    if robust:
        keys['residual_threshold'] = np.inf
    limits = {name: keys[name] for name in LIMITS}
    residual = scene.residual
    mask, nodata = dense_lpi.image_mask(
        residual, scene.star_images, scene.phot['flux_fit'],
        keys['mask_threshold'], keys['residual_threshold'], scene.mask)
    rows, details = [], []
    for x, y, flux, group in scene.phot.iterrows('x_fit', 'y_fit', 'flux_fit',
                                                 'group_id'):
        iy, ix = dense_lpi.stamp_centre(x, y)
        ny, nx = keys['stamp_shape']
        # the PSF is needed off the image too, so on a canvas around it
        def stamp(x, y, ix=ix, iy=iy, shape=(ny, nx)):
            return star_image(scene.psf_model, x - ix + shape[1] // 2,
                              y - iy + shape[0] // 2, shape)

        others = [(other['flux_err'], stamp(other['x_fit'], other['y_fit']))
                  for other in scene.phot
                  if neighbours and (other['x_fit'], other['y_fit']) != (x, y)]
        partners = []
        for other in scene.phot:
            place = other['x_fit'], other['y_fit']
            cy, cx = dense_lpi.stamp_centre(*place)
            if (groups and place != (x, y) and other['group_id'] == group
                    and abs(cy - iy) <= ny // 2 and abs(cx - ix) <= nx // 2):
                partners.append((other['flux_fit'], place))
        places = np.array([(x, y), *(place for _, place in partners)])

        def shapes(shifts, places=places, stamp=stamp):
            moved = places + shifts.T
            return np.array([stamp(*place) for place in moved]), np.array([
                (stamp(a + dx, b + dy) - stamp(a - dx, b - dy)) / 2e-4
                for dx, dy in ((1e-4, 0), (0, 1e-4)) for a, b in moved])

        partners = [(flux, stamp(*place)) for flux, place in partners]
        row, detail = dense_lpi.correct_star(
            x, y, flux, stamp(x, y), residual, np.asarray(result.filled), mask,
            nodata, window_shape=keys['window_shape'], gain=gain,
            star_model=scene.star_model, neighbours=others,
            partners=partners, shapes=shapes if positions else None,
            robust=robust, error=error, **limits)
        rows.append(row)
        details.append(detail)
    return rows, details


def agree(table, rows, rtol, *, but=()):
    """
    All ten columns; fluxes are compared in units of the row's error.
    """
    assert len(table) == len(rows)
    for i, (got, want) in enumerate(zip(table, rows, strict=True)):
        if i in but:
            continue
        for name in (*COUNTS, 'dnt'):
            value = got[name]
            if name == 'dnt':
                value = value & (PUBLISHED | MISFIT)
            assert value == want[name], (i, name)
        for name in FLUXES:
            assert_allclose(float(got[name]), want[name], rtol=rtol,
                            atol=rtol * want['dcflux'],
                            err_msg=f'{name} in row {i}')
        assert_allclose(float(got['cchi2']), want['cchi2'], rtol=10 * rtol,
                        err_msg=f'cchi2 in row {i}')


def same(one, two, rtol=0.0):
    """
    The added columns of two tables: to the bit, or nearly.
    """
    for name in ADDED:
        a, b = (np.asarray(getattr(t[name], 'value', t[name]))
                for t in (one, two))
        if rtol == 0 or a.dtype.kind in 'iu':
            assert_array_equal(a, b, err_msg=name)
        else:
            atol = rtol * np.nanmax(np.asarray(
                getattr(one['dcflux'], 'value', one['dcflux'])))
            assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=name)


def undone(row):
    """
    Whether a row is NaN with a bit that says why.
    """
    return (all(np.isnan(float(row[name])) for name in FLUXES)
            and np.isnan(float(row['cchi2'])) and row['dnt'] >= 128
            and len(decode_dnt_flags(int(row['dnt']))) > 0)


def with_unit(phot, unit):
    """
    The table with its flux columns in a unit.
    """
    phot = phot.copy()
    for name in ('flux_fit', 'flux_err'):
        phot[name] = phot[name] * unit
    return phot
