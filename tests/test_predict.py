"""
The conditional Gaussian behind one star, as the user gets it.
"""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn
from corrector_cases import EXACT, PSF, make, oracle_rows, with_unit
from numpy.testing import assert_allclose, assert_array_equal

from oracles.scenes import structured_field

IDS = [6, 1, 10]  # beside another star; ordinary; with a forced ring


@pytest.fixture(scope='module')
def scene():
    """
    Clouds, noise, and stars of every kind.
    """
    return structured_field(PSF)


@pytest.fixture(scope='module')
def predictions(scene):
    """
    Of three stars, not in the order of the table.
    """
    return make().predict(scene.data, scene.phot, IDS, mask=scene.mask)


def test_oracle(scene, predictions):
    """
    Classes, mean (eq. 4) and covariance (eq. 5) of each.
    """
    result = make().run(scene.data, scene.phot, mask=scene.mask)
    rows, details = oracle_rows(scene, result)
    for name, got in zip(IDS, predictions, strict=True):
        row, want = rows[name - 1], details[name - 1]
        assert_array_equal(got.classes == 1, want['good'])
        assert_array_equal(got.classes == 2, want['hidden'])
        assert_array_equal(got.ignored, ~(want['good'] | want['hidden']))
        sigma = np.sqrt(np.diag(want['covariance']))
        assert_allclose(got.mean, want['mean'], rtol=0,
                        atol=EXACT * sigma.max())
        assert_allclose(got.covariance, want['covariance'], rtol=0,
                        atol=EXACT * sigma.max() ** 2)
        assert got.stamp.shape == (13, 11)
        assert_allclose(got.chi2, row['cchi2'], rtol=EXACT)


def test_repr_is_short(predictions):
    text = repr(predictions[1])
    n_hidden = len(predictions[1].mean)
    assert text.startswith(f'Prediction(id={IDS[1]}, centre=(')
    assert 'stamp (13, 11): ' in text
    assert f', {n_hidden} hidden, ' in text
    assert len(text) < 100


def test_draw(predictions):
    """
    Draws have the mean and covariance, and leave known pixels alone.
    """
    got = predictions[1]
    n = 4000
    draws = got.draw(n, rng=1)
    assert draws.shape == (n, 13, 11)
    hidden = got.classes == 2
    assert_array_equal(draws[:, ~hidden], np.broadcast_to(
        got.stamp[~hidden], (n, (~hidden).sum())))
    # along every eigenvector: mean to 1 / sqrt(n) = 0.016, variance to
    # sqrt(2 / n) = 0.022; 5 sigma, as there are some 25 of them
    values, vectors = np.linalg.eigh(got.covariance)
    white = (draws[:, hidden] - got.mean) @ vectors / np.sqrt(values)
    assert np.abs(white.mean(axis=0)).max() < 0.08
    assert np.abs(white.var(axis=0) - 1).max() < 0.11
    assert np.abs(np.corrcoef(white.T) - np.eye(len(values))).max() < 0.08
    assert_array_equal(draws, got.draw(n, rng=1))
    assert np.any(draws != got.draw(n, rng=2))


def test_one(scene, predictions):
    """
    A single id gives that star.
    """
    one = make().predict(scene.data, scene.phot, 1, mask=scene.mask)
    assert_allclose(one.mean, predictions[1].mean, rtol=0, atol=1e-9)


def test_units(scene, predictions):
    """
    Data with units: the same numbers.
    """
    one = make().predict(scene.data * u.adu, with_unit(scene.phot, u.adu), 1,
                         mask=scene.mask)
    mean = getattr(one.mean, 'value', one.mean)
    assert_allclose(mean, predictions[1].mean, rtol=0, atol=1e-9)
    assert one.unit == u.adu
    assert predictions[1].unit is None


def test_float32_of_high_level(scene):
    """
    Products are of what is left of the level: it costs no digits.
    """
    single = make(dtype='float32', residual_threshold=1e9)
    results = []
    for level in (0.0, 1e7):
        args = scene.data + level, scene.phot
        results.append((single.predict(*args, 1, mask=scene.mask),
                        single(*args, mask=scene.mask)))
    (one, table), (high, same) = results
    assert one.mean.dtype == one.covariance.dtype == float
    # float32 numbers near 1e7 are 1 apart; float64 ones, of which sums are
    # made, 2e-9
    assert_allclose(high.mean - 1e7, one.mean, rtol=0, atol=1e-4)
    assert_allclose(high.covariance, one.covariance, rtol=1e-4, atol=1e-4)
    assert_allclose(same['cflux'], table['cflux'], rtol=0,
                    atol=1e-3 * table['dcflux'].min())


def test_mean_stamp_is_a_copy(predictions):
    """
    The residual is not overwritten by the prediction.
    """
    got = predictions[1]
    before = got.stamp.copy()
    assert np.any(got.mean_stamp != before)
    assert_array_equal(got.stamp, before)


def test_plot(predictions):
    """
    Stamps at their place in the image, the star between two pixels' edges.
    """
    pytest.importorskip('matplotlib')
    got = predictions[1]
    figure = got.plot(n_draws=3, rng=4)
    residual, classes, mean, *draws = figure.axes[:6]
    y, x = got.centre
    for axes in (residual, classes, mean, *draws):
        artist, = axes.images
        # the middle pixel of 13 x 11, about its centre
        left, right, bottom, top = artist.get_extent()
        assert (left + 5, right - 5) == (x - 0.5, x + 0.5)
        assert (bottom + 6, top - 6) == (y - 0.5, y + 0.5)
    assert_array_equal(residual.images[0].get_array(), got.stamp)
    assert_array_equal(classes.images[0].get_array(), got.classes)
    assert_array_equal(mean.images[0].get_array(), got.mean_stamp)
    for axes, draw in zip(draws, got.draw(3, rng=4), strict=True):
        assert_array_equal(axes.images[0].get_array(), draw)


@pytest.mark.parametrize('ids', [99, [1, 99], -1])
def test_unknown_id(scene, ids):
    """
    An id that is not in the table.
    """
    with pytest.raises(ValueError, match='ids'):
        make().predict(scene.data, scene.phot, ids, mask=scene.mask)


def test_no_ids(scene):
    """
    Of an empty table.
    """
    with pytest.raises(ValueError, match='ids has 1, but the table is empty'):
        make().predict(scene.data, scene.phot[:0], 1, mask=scene.mask)


@pytest.mark.parametrize('kind', ['U', 'S'])
def test_names(scene, predictions, kind):
    """
    Ids may be texts, as they are or as FITS has them.
    """
    phot = scene.phot.copy()
    phot['id'] = np.array([f'star {i}' for i in phot['id']], dtype=kind)
    corrector = make()
    for name in ('star 1', phot['id'].tolist()[0]):
        got = corrector.predict(scene.data, phot, name, mask=scene.mask)
        assert_array_equal(got.mean, predictions[1].mean)
    for unknown in ('star', 1):
        with pytest.raises(ValueError, match=r'ids are star 1 to star 9'):
            corrector.predict(scene.data, phot, unknown, mask=scene.mask)


def test_masked_ids(scene, predictions):
    """
    What is behind a mask is no id.
    """
    phot = scene.phot.copy()
    ids = np.ones(len(phot), dtype=int)
    phot['id'] = MaskedColumn(ids, mask=np.arange(len(phot)) > 0)
    got = make().predict(scene.data, phot, 1, mask=scene.mask)
    assert_array_equal(got.mean, predictions[1].mean)


def test_ids_that_are_not_unique(scene):
    """
    Which star is meant cannot be told.
    """
    phot = scene.phot.copy()
    phot['id'] = 7
    with pytest.raises(ValueError, match=r'ids has 7, which \d+ rows of phot'):
        make().predict(scene.data, phot, 7, mask=scene.mask)


@pytest.mark.parametrize('n_draws', [-1, 1.5])
def test_bad_number_of_draws(predictions, n_draws):
    with pytest.raises((ValueError, TypeError), match='n_draws must be'):
        predictions[0].draw(n_draws)


def test_undone(scene):
    """
    Asked for by name, a star that cannot be done is an error.
    """
    phot = scene.phot.copy()
    phot['x_fit'][0] = np.nan
    with pytest.raises(ValueError, match='ids'):
        make().predict(scene.data, phot, 1, mask=scene.mask)
