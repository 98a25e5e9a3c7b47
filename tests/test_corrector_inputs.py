"""
The corrector's table, its forms of input, and its errors.
"""

import warnings
from contextlib import nullcontext
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.modeling.models import Const2D, Gaussian2D
from astropy.nddata import (CCDData, Cutout2D, InverseVariance, NDData,
                            StdDevUncertainty, VarianceUncertainty)
from astropy.table import QTable, Table
from astropy.utils.exceptions import AstropyUserWarning
from astropy.utils.masked import Masked
from corrector_cases import (ADDED, COUNTS, EXACT, FLUXES, KEYS, PSF, make,
                             same, with_unit)
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import (CircularGaussianPSF, GaussianPSF, GriddedPSFModel,
                           ImagePSF, IterativePSFPhotometry, PSFPhotometry)
from psf_cases import adapted_model

from lpiphot import LPIBackgroundCorrector
from lpiphot._tables import mend_positions, parameter_values
from lpiphot.pipeline import PSFPipeline
from lpiphot.validation import InjectionRecovery, check_blank_positions
from oracles.scenes import star_image, structured_field


@pytest.fixture(scope='module')
def scene():
    """
    Clouds, noise, and stars of every kind.
    """
    return structured_field(PSF)


@pytest.fixture(scope='module')
def table(scene):
    """
    The corrector's table of the scene.
    """
    return make()(scene.data, scene.phot, mask=scene.mask)


# Of a Gaussian; a pixel of the scene is 4 of its pixels high and 2 wide
IMAGE = ImagePSF(star_image(GaussianPSF(x_fwhm=4.0, y_fwhm=10.0), 21, 20,
                            (41, 43), 8.0), oversampling=(4, 2))


def psf_meta(table):
    """
    The parameters of the PSF in the metadata.
    """
    prefix = 'lpiphot_psf_model_'
    return {name.removeprefix(prefix): value
            for name, value in table.meta.items() if name.startswith(prefix)}


class TestTable:
    """
    Columns, units, metadata and round trips.
    """

    def test_columns(self, scene, table):
        """
        The old columns, then the new ones, described and typed.
        """
        assert isinstance(table, QTable)
        n = len(scene.phot.colnames)
        assert table.colnames[:n] == scene.phot.colnames
        assert set(table.colnames[n:]) == set(ADDED)
        for name in scene.phot.colnames:
            assert_array_equal(table[name], scene.phot[name])
        for name in ADDED:
            assert table[name].info.description, name
        for name in (*COUNTS, 'dnt'):
            assert table[name].dtype.kind in 'iu', name
        for name in (*FLUXES, 'cchi2'):
            assert table[name].dtype.kind == 'f', name

    def test_identity(self, table):
        """
        cflux = flux_fit - fdb_res + fdb_pred, in every row.
        """
        assert_allclose(
            table['cflux'],
            table['flux_fit'] - table['fdb_res'] + table['fdb_pred'],
            rtol=1e-12)

    def test_meta(self, table):
        """
        Every parameter as used and the versions, in flat values.
        """
        for value in table.meta.values():
            assert value is None or isinstance(value, (str, int, float, bool))
        names = {key.lower() for key in table.meta}
        for wanted in (*KEYS, 'gain', 'dtype', 'lpiphot', 'numpy', 'astropy',
                       'photutils'):
            if wanted in ('stamp_shape', 'window_shape'):
                continue
            assert any(wanted in name for name in names), wanted
        text = {str(value) for value in table.meta.values()}
        assert any('13' in v and '11' in v for v in text)
        assert any('41' in v and '45' in v for v in text)

    def test_meta_as_used(self, scene):
        """
        What was left to the corrector is in the metadata as a number.
        """
        keys = KEYS | {'mask_threshold': None, 'min_mask_flux': None,
                       'residual_threshold': None}
        out = LPIBackgroundCorrector(PSF, **keys)(
            scene.data, scene.phot, mask=scene.mask)
        values = {}
        for name in ('mask_threshold', 'min_mask_flux', 'residual_threshold'):
            values[name], = (v for k, v in out.meta.items()
                             if k.lower().endswith(name))
        # (a robust residual_threshold may differ from place to place)
        assert values['residual_threshold'] is not None
        assert values['min_mask_flux'] == pytest.approx(
            500 * values['mask_threshold'])
        # some multiple of the noise of 1.7 on clouds of 6
        assert 1 < values['mask_threshold'] < 40

    def test_user_meta_kept(self, scene):
        """
        The user's own metadata come through.
        """
        phot = scene.phot[:2]
        phot.meta['telescope'] = 'mine'
        out = make()(scene.data, phot, mask=scene.mask)
        assert out.meta['telescope'] == 'mine'
        assert 'telescope' in phot.meta
        assert len(phot.meta) == len(scene.phot.meta) + 1

    def test_corrected_again(self, scene, table):
        """
        By other options: nothing is left of the first time.
        """
        corrector = make(rng=8, condition_radius=6)
        out = corrector(scene.data, table, mask=scene.mask)
        want = corrector(scene.data, scene.phot, mask=scene.mask)
        assert out.colnames == want.colnames
        assert out.meta == want.meta
        same(out, want)
        with_positions = make(positions=True)(scene.data, scene.phot,
                                              mask=scene.mask)
        out = corrector(scene.data, with_positions, mask=scene.mask)
        assert out.colnames == want.colnames
        # of the same name, but not of lpiphot
        phot = scene.phot.copy()
        phot['cx'] = np.arange(len(phot))
        out = corrector(scene.data, phot, mask=scene.mask)
        assert_array_equal(out['cx'], phot['cx'])

    @pytest.mark.parametrize(('model', 'want'), [
        (GaussianPSF(x_fwhm=2.0, y_fwhm=3.5, theta=30),
         {'x_fwhm': 2.0, 'y_fwhm': 3.5, 'theta': 30.0}),
        (GaussianPSF(x_fwhm=2.0, y_fwhm=3.5, theta=0.1 * u.rad),
         {'x_fwhm': 2.0, 'y_fwhm': 3.5, 'theta': '0.1 rad'}),
        (adapted_model(Gaussian2D(1, 0, 0, 0.9, 1.6), x_name='x_mean',
                       y_name='y_mean', normalize=False),
         {'amplitude_2': 1.0, 'x_stddev_2': 0.9, 'y_stddev_2': 1.6,
          'theta_2': 0.0}),
        (IMAGE, {'data_shape': '(41, 43)', 'oversampling': '(4, 2)'}),
        (GriddedPSFModel(NDData(np.array([IMAGE.data] * 4), meta={
            'grid_xypos': [(0, 0), (0, 96), (112, 0), (112, 96)],
            'oversampling': (4, 2)})),
         {'data_shape': '(4, 41, 43)', 'oversampling': '(4, 2)'})])
    def test_meta_of_psf(self, scene, table, model, want):
        """
        All that it has beside position and flux, and no other's.
        """
        out = make(model)(scene.data, table[:1], mask=scene.mask)
        assert psf_meta(out) == want
        assert out.meta['lpiphot_psf_model'] == type(model).__name__

    def test_meta_of_fitted_psf(self, scene):
        """
        The model does not tell what each star has of its own, and what is
        tied to that.
        """
        phot = scene.phot[[0, 3]]
        model = GaussianPSF(x_fwhm=5, y_fwhm=5, theta=20)
        model.x_fwhm.tied = lambda psf: 0.8 * psf.y_fwhm
        out = make(model)(scene.data, phot, mask=scene.mask)
        assert psf_meta(out) == {'x_fwhm': 5.0, 'y_fwhm': 5.0, 'theta': 20.0}
        phot['y_fwhm_fit'] = [2.4, 2.6]
        out = make(model)(scene.data, phot, mask=scene.mask)
        assert psf_meta(out) == {'x_fwhm': 'per star', 'y_fwhm': 'per star',
                                 'theta': 20.0}

    @pytest.mark.parametrize(('suffix', 'fmt'), [
        ('ecsv', 'ascii.ecsv'), ('fits', 'fits'), ('parquet', 'parquet')])
    @pytest.mark.parametrize('model', [
        GaussianPSF(x_fwhm=2.0, y_fwhm=7 / 3, theta=0.1 * u.rad), IMAGE])
    def test_round_trip(self, scene, tmp_path, suffix, fmt, model):
        """
        Written and read again: values, units, metadata.
        """
        if fmt == 'parquet':
            pytest.importorskip('pyarrow')
            pytest.importorskip('pandas')  # astropy reads Parquet with it
        phot = with_unit(scene.phot[[0, 3, 7]], u.MJy)
        phot['x_fit'][1] = np.nan  # a row of NaN survives too
        out = make(model)(scene.data * u.MJy, phot, mask=scene.mask)
        path = tmp_path / f'table.{suffix}'
        with warnings.catch_warnings():
            # long keywords become HIERARCH cards, as they should
            warnings.filterwarnings(
                'ignore', category=fits.verify.VerifyWarning,
                message='Keyword name')
            out.write(path, format=fmt)
            back = QTable.read(path, format=fmt)
        same(back, out)
        for name in FLUXES:
            assert back[name].unit == u.MJy, name
        # FITS has keywords in capitals only
        got = {key.upper(): value for key, value in back.meta.items()}
        for key, value in out.meta.items():
            assert got[key.upper()] == value, key

    def test_meta_of_photutils(self, scene, tmp_path):
        """
        Dicts and arrays in it become flat: FITS would leave them out,
        and read None as an object of its own.
        """
        init = scene.phot[[0, 3]]['x_fit', 'y_fit', 'flux_fit']
        phot = PSFPhotometry(PSF, (5, 7), xy_bounds=(1.5, 2.5))(
            scene.data, mask=scene.mask | np.isnan(scene.data),
            init_params=init)
        assert isinstance(phot.meta['version'], dict)
        assert phot.meta['finder'] is None
        phot.meta['comments'] = ['one', 'two']
        out = make()(scene.data, phot, mask=scene.mask)
        assert isinstance(phot.meta['version'], dict)
        path = tmp_path / 'table.fits'
        with warnings.catch_warnings():
            warnings.filterwarnings(
                'ignore', category=fits.verify.VerifyWarning,
                message='Keyword name')
            out.write(path)
            back = QTable.read(path)
        got = {key.upper(): value for key, value in back.meta.items()}
        assert got['VERSION_PHOTUTILS'] == phot.meta['version']['photutils']
        assert got['FIT_SHAPE'] == '5 7'
        assert got['XY_BOUNDS'] == '1.5 2.5'
        assert got['COMMENTS'] == ['one', 'two']
        assert got['FINDER'] == 'none'
        assert all(isinstance(value, (str, bool, int, float, list))
                   for value in got.values())
        assert len(got) == len(out.meta)


class TestInputs:
    """
    Every form of input gives the same numbers.
    """

    def test_quantity(self, scene, table):
        """
        Units come off at the door and go back on the table.
        """
        unit = u.MJy / u.sr
        out = make()(scene.data * unit, with_unit(scene.phot, unit),
                     mask=scene.mask)
        same(out, table)
        for name in FLUXES:
            assert out[name].unit == unit, name
        for name in ('cchi2', *COUNTS, 'dnt'):
            assert getattr(out[name], 'unit', None) in (
                None, u.dimensionless_unscaled), name

    @pytest.mark.parametrize('kind', [NDData, CCDData])
    def test_nddata(self, scene, table, kind):
        """
        An NDData brings mask and unit with it.
        """
        ccd = kind(scene.data, mask=scene.mask, unit=u.electron)
        out = make()(ccd, with_unit(scene.phot, u.electron))
        same(out, table)
        assert out['cflux'].unit == u.electron
        assert_array_equal(ccd.mask, scene.mask)

    def test_nddata_without_unit(self, scene, table):
        """
        No unit, no mask: NaN are the mask, and columns have no unit.
        """
        data = np.where(scene.mask, np.nan, scene.data)
        out = make()(NDData(data), scene.phot)
        same(out, table)
        assert getattr(out['cflux'], 'unit', None) is None

    @pytest.mark.parametrize('kind', [StdDevUncertainty, VarianceUncertainty,
                                      InverseVariance])
    def test_uncertainty(self, scene, kind):
        """
        An uncertainty of any kind is the error that it means.
        """
        error = np.sqrt(1.7 ** 2 + np.abs(scene.star_model) / 2.3)
        value = {StdDevUncertainty: error, VarianceUncertainty: error ** 2,
                 InverseVariance: error ** -2}[kind]
        ccd = CCDData(scene.data, mask=scene.mask, unit=u.adu,
                      uncertainty=kind(value))
        phot = with_unit(scene.phot, u.adu)
        out = make()(ccd, phot)
        want = make()(scene.data * u.adu, phot, mask=scene.mask,
                      error=error * u.adu)
        same(out, want, rtol=EXACT)

    def test_one_uncertainty(self, scene, table):
        """
        One number for all pixels, with a unit or without: no photon noise.
        """
        for unit in (u.adu, None):
            data = NDData(scene.data, mask=scene.mask, unit=unit,
                          uncertainty=StdDevUncertainty(1.7))
            phot = scene.phot if unit is None else with_unit(scene.phot, unit)
            same(make()(data, phot), table)

    @pytest.mark.parametrize('kind', [np.ma.MaskedArray, Masked])
    def test_masked_error(self, scene, kind):
        """
        Where the error is masked it is not known, whatever it holds.
        """
        error = np.sqrt(1.7 ** 2 + np.abs(scene.star_model) / 2.3)
        lost = np.zeros(error.shape, dtype=bool)
        lost[38:45, 28:33] = True
        want = make()(scene.data, scene.phot, mask=scene.mask,
                      error=np.where(lost, np.nan, error))
        masked = kind(np.where(lost, 1e4, error), mask=lost)
        same(make()(scene.data, scene.phot, mask=scene.mask, error=masked),
             want)
        with pytest.raises(ValueError, match='background must be finite'):
            make()(scene.data, scene.phot, background=masked)

    def test_error_gives_photon_noise(self, scene, table):
        """
        Without gain, error in excess of the sky's is the stars' noise.
        """
        error = np.sqrt(1.7 ** 2 + np.abs(scene.star_model) / 1.7)
        out = make()(scene.data, scene.phot, mask=scene.mask, error=error)
        sky = np.full(scene.data.shape, 40.0)
        want = make(gain=1.7)(scene.data, scene.phot, mask=scene.mask,
                              background=sky)
        # Same star noise; the infills differ. An infill moves dcflux by
        # a few per cent; the noise itself doubles the ordinary star's.
        assert want['dcflux'][0] > 1.5 * table['dcflux'][0]
        assert_allclose(out['dcflux'][[0, 3, 5]], want['dcflux'][[0, 3, 5]],
                        rtol=0.1)

    @pytest.mark.parametrize(('key', 'value'), [
        ('mask', np.zeros((97, 113), bool)), ('error', np.ones((97, 113)))])
    def test_given_twice(self, scene, key, value):
        """
        What the CCDData has may not be given again.
        """
        ccd = CCDData(scene.data, mask=scene.mask, unit=u.adu,
                      uncertainty=StdDevUncertainty(np.ones((97, 113))))
        with pytest.raises((ValueError, TypeError), match=key):
            make()(ccd, with_unit(scene.phot, u.adu), **{key: value})

    @pytest.mark.parametrize(('data_unit', 'phot_unit'), [
        (u.electron, u.Jy), (u.Jy, None), (None, u.Jy),
        (u.Jy, u.dimensionless_unscaled)])
    def test_unit_mismatch(self, scene, data_unit, phot_unit):
        """
        Data and fluxes in units that do not go together.
        """
        data = scene.data if data_unit is None else scene.data * data_unit
        phot = (scene.phot if phot_unit is None
                else with_unit(scene.phot, phot_unit))
        with pytest.raises(u.UnitsError, match='flux_fit'):
            make()(data, phot, mask=scene.mask)

    def test_magnitudes(self, scene):
        """
        Magnitudes are equivalent to fluxes, but their errors are not.
        """
        phot = scene.phot.copy()
        phot['flux_fit'] = (np.abs(phot['flux_fit']) * u.Jy).to(u.ABmag)
        with pytest.raises(u.UnitsError, match=r'no magnitude; got .*mag'):
            make()(scene.data * u.Jy, phot, mask=scene.mask)

    @pytest.mark.parametrize(('plain', 'angle'), [
        (GaussianPSF(x_fwhm=2.0, y_fwhm=3.5, theta=30),
         GaussianPSF(x_fwhm=2.0, y_fwhm=3.5, theta=np.pi / 6 * u.rad)),
        tuple(adapted_model(Gaussian2D(1, 0, 0, 0.9, 1.6, theta),
                            x_name='x_mean', y_name='y_mean')
              for theta in (np.pi / 6, 30 * u.deg))])
    def test_angle_with_unit(self, scene, plain, angle):
        """
        Without a unit, angles are in degrees or radians by the model; with
        one, they are in this unit.
        """
        want, out = (make(model)(scene.data, scene.phot, mask=scene.mask)
                     for model in (plain, angle))
        same(out, want, rtol=EXACT)

    def test_tied_parameters(self, scene):
        """
        Those that photutils leaves out of its table follow the others.
        """
        phot = scene.phot.copy()
        rng = np.random.default_rng(3)
        phot['y_fwhm_fit'] = rng.uniform(2.2, 2.8, len(phot))
        phot['y_fwhm_fit'][3] = np.nan
        model = GaussianPSF(x_fwhm=5, y_fwhm=5)
        model.x_fwhm.tied = lambda psf: 0.8 * psf.y_fwhm
        out = make(model)(scene.data, phot, mask=scene.mask)
        phot['x_fwhm_fit'] = 0.8 * phot['y_fwhm_fit']
        want = make(GaussianPSF())(scene.data, phot, mask=scene.mask)
        same(out, want, rtol=EXACT)
        same_widths = GaussianPSF(x_fwhm=5, y_fwhm=5)
        same_widths.x_fwhm.tied = lambda psf: psf.y_fwhm
        widths = parameter_values(phot[['y_fwhm_fit']], same_widths)
        assert_array_equal(widths['x_fwhm'], phot['y_fwhm_fit'])
        assert np.isnan(out['cflux'][3])
        assert len(make(model)(scene.data, phot[:0])) == 0
        image = make(model).run(scene.data, phot, mask=scene.mask).residual
        blank = check_blank_positions(make(model), scene.data, phot[
            'x_fit', 'y_fit', 'flux_fit', 'y_fwhm_fit'], n_positions=1)
        some = scene.mask | ~np.isfinite(image)
        # stars of some 1000 in the middle are cut where they are faint
        assert_allclose(blank.residual[~some], image[~some], atol=0.1)

    def test_angle_of_another_unit(self, scene):
        """
        Of a model without units, nobody knows which unit is meant.
        """
        phot = scene.phot.copy()
        phot['theta_fit'] = np.zeros(len(phot)) * u.rad
        with pytest.raises(u.UnitsError, match=r"theta_fit .* no unit.*'rad'"):
            make()(scene.data, phot)
        model = GaussianPSF(x_fwhm=2.0, y_fwhm=3.5, theta=0 * u.deg)
        phot['theta_fit'] = np.full(len(phot), np.pi / 6) * u.rad
        out = make(model)(scene.data, phot, mask=scene.mask)
        phot['theta_fit'] = np.full(len(phot), 30.0)
        want = make(model)(scene.data, phot, mask=scene.mask)
        same(out, want, rtol=EXACT)

    def test_things_with_data(self, scene):
        """
        What is no image but has one is named.
        """
        for thing in (fits.ImageHDU(scene.data),
                      Cutout2D(scene.data, (40, 40), 60)):
            with pytest.raises(TypeError, match=f'got {type(thing).__name__}. '
                               'Give its .data'):
                make()(thing, scene.phot)
        with pytest.raises(TypeError, match=r'got dtype object$'):
            make()(scene.data.astype(object), scene.phot)
        for name in ('image.fits', Path('image.fits')):
            with pytest.raises(TypeError, match=r'Read the file first, as by '
                               r'CCDData\.read$'):
                make()(name, scene.phot)

    def test_units_are_named(self, scene):
        """
        Dimensionless data, and data without a unit.
        """
        with pytest.raises(u.UnitsError, match=r'and dimensionless for data'):
            make()(scene.data * u.dimensionless_unscaled, scene.phot)
        with pytest.raises(u.UnitsError, match=r'gain .* data have no unit'):
            make(gain=2 * u.electron / u.adu)(scene.data, scene.phot)
        with pytest.raises(u.UnitsError, match='mask_threshold and data must'):
            make(mask_threshold=3 * u.adu)(scene.data, scene.phot)
        with pytest.raises(u.UnitsError, match=r"plain number; got .* 'pix'"):
            make(condition_radius=7 * u.pix)

    def test_gain_in_meta(self, scene):
        """
        The gain as used: electrons per unit of the data.
        """
        phot = scene.phot.copy()
        phot['flux_fit'] = phot['flux_fit'] * u.Jy
        for gain in 1.7, 1.7 * u.electron / u.Jy, 0.0017 * u.electron / u.mJy:
            meta = make(gain=gain)(scene.data * u.Jy, phot).meta
            assert abs(meta['lpiphot_gain'] - 1.7) < 1e-12

    def test_gain_of_errors_in_meta(self, scene):
        """
        The gain that errors tell; those of the sky alone tell none.
        """
        flat = np.full(scene.data.shape, 1.7)
        grown = np.sqrt(flat ** 2 + np.abs(scene.star_model) / 2.3)
        for keys, error, want in (({}, None, 'none'), ({}, flat, 'none'),
                                  ({'gain': 1.7}, grown, 'none')):
            meta = make(**keys)(scene.data, scene.phot, error=error).meta
            assert meta['lpiphot_error_gain'] == want
        meta = make()(scene.data, scene.phot, error=grown).meta
        # the wings of stars raise the level of the sky a little
        assert_allclose(meta['lpiphot_error_gain'], 2.3, rtol=0.01)

    def test_dimensionless_fluxes(self, scene, table):
        """
        Go with data without a unit.
        """
        phot = with_unit(scene.phot, u.dimensionless_unscaled)
        out = make()(scene.data, phot, mask=scene.mask)
        assert_array_equal(out['cflux'], table['cflux'])

    def test_wide_psf(self):
        """
        A warning names the flux that a star of 27 times the threshold has.
        """
        LPIBackgroundCorrector(CircularGaussianPSF(fwhm=11.0))
        wide = CircularGaussianPSF(fwhm=12.0)  # peak 0.8825 / 144
        LPIBackgroundCorrector(wide, min_mask_flux=4400.0)
        with pytest.warns(AstropyUserWarning,
                          match=r'of only 0\.0061 .*4\.4e\+03 times'):
            LPIBackgroundCorrector(wide)

    @pytest.mark.parametrize('dtype', [float, 'float', np.float64, '>f8'])
    def test_dtype(self, dtype):
        """
        Other names of the same type.
        """
        assert make(dtype=dtype).dtype == 'float64'

    def test_row(self, scene):
        """
        A row is no table.
        """
        with pytest.raises(TypeError, match=r'got Row. Give a part of the'):
            make()(scene.data, scene.phot[2])

    def test_error_unit_mismatch(self, scene):
        """
        The error must have the data's unit.
        """
        with pytest.raises(u.UnitsError, match='error'):
            make()(scene.data * u.adu, with_unit(scene.phot, u.adu),
                   mask=scene.mask, error=np.ones((97, 113)) * u.s)

    def test_plain_table_with_units(self, scene, table):
        """
        A Table (not QTable) with unit columns.
        """
        phot = Table(scene.phot)
        phot['flux_fit'].unit = phot['flux_err'].unit = 'adu'
        out = make()(scene.data * u.adu, phot, mask=scene.mask)
        same(out, table)
        assert out['cflux'].unit == u.adu

    @pytest.mark.parametrize(('names', 'worse'), [
        (('x_fit', 'y_fit', 'flux_fit'), ('xfit', 'yfit', 'fluxfit')),
        (('xfit', 'yfit', 'fluxfit'), ('x_0', 'y_0', 'flux_0')),
        (('x_0', 'y_0', 'flux_0'), ('x', 'y', 'flux'))])
    def test_older_names(self, scene, table, names, worse):
        """
        Names that photutils has used as well; of several, the one that is
        most likely the fit.
        """
        phot = scene.phot.copy()
        phot.rename_columns(('x_fit', 'y_fit', 'flux_fit'), names)
        for name in worse:
            phot.add_column(np.ones(len(phot)), index=0, name=name)
        out = make()(scene.data, phot, mask=scene.mask)
        same(out, table)
        assert out.colnames[:len(phot.colnames)] == phot.colnames

    @pytest.mark.parametrize('missing', ['x_fit', 'y_fit', 'flux_fit'])
    def test_missing_column(self, scene, missing):
        """
        The message says which names were looked for, and what is there.
        """
        phot = scene.phot.copy()
        phot.remove_column(missing)
        with pytest.raises(ValueError, match=missing) as info:
            make()(scene.data, phot, mask=scene.mask)
        assert 'flags' in str(info.value)  # a column that is there
        with pytest.raises(ValueError, match=r'it has no columns$'):
            make()(scene.data, QTable())

    @pytest.mark.parametrize('kind', [PSFPhotometry, IterativePSFPhotometry])
    def test_photometry_object(self, scene, kind):
        """
        The object that has run, and its table, are the same catalogue.
        """
        def finder(data, mask=None):
            return None

        keys = ({'finder': finder} if kind is IterativePSFPhotometry else {})
        phot = kind(PSF, (5, 5), aperture_radius=3, **keys)
        with pytest.raises(ValueError, match=r'^phot has no results: the '):
            make()(scene.data, phot, mask=scene.mask)
        init = QTable({'x': [30.0, 80.0], 'y': [41.0, 70.0]})
        data = np.nan_to_num(scene.data)
        results = phot(data, init_params=init)
        out = make()(data, phot)
        same(out, make()(data, results))
        assert out.colnames[:len(results.colnames)] == results.colnames

    @pytest.mark.parametrize('unit', [None, u.pix])
    @pytest.mark.parametrize('axes', ['xy', 'x'])
    def test_held_positions(self, scene, axes, unit):
        """
        Fits in groups at fixed positions, of which photutils 3.0 makes 0.
        """
        phot = scene.phot.copy()
        for axis in 'xy':
            phot[f'{axis}_init'] = phot[f'{axis}_fit'].copy()
            phot[f'{axis}_err'] = 0.1
        expected = make()(scene.data, phot, mask=scene.mask)
        zeros = phot.copy()
        for axis in axes:
            zeros[f'{axis}_fit'][3:5] = 0
            zeros[f'{axis}_err'][3:5] = np.nan
        zeros['x_err'][0] = np.nan  # and a position that is not 0
        if unit is not None:
            for axis in axes:
                zeros[f'{axis}_fit'] <<= unit
        before = zeros.copy()
        with pytest.warns(AstropyUserWarning, match=r'^2 sources of phot were '
                          'fitted in groups at fixed positions'):
            out = make()(scene.data, zeros, mask=scene.mask)
        same(out, expected)
        for axis in 'xy':
            assert_array_equal(u.Quantity(out[f'{axis}_fit']).value,
                               phot[f'{axis}_fit'])
            assert_array_equal(zeros[f'{axis}_fit'], before[f'{axis}_fit'])

    def test_cutout(self, scene):
        """
        A catalogue in the coordinates of a larger image.
        """
        phot = scene.phot.copy()
        phot['x_fit'] += scene.data.shape[1]
        with pytest.warns(AstropyUserWarning,
                          match=r'of the \d+ sources of phot are outside'):
            make()(scene.data, phot, mask=scene.mask)

    @pytest.mark.parametrize(('factors', 'warned'), [
        ([1] * 6, False), ([1.6] * 6, False), ([0.6] * 6, False),
        ([3] * 6, True), ([0.3] * 6, True), ([0] * 6, False),
        ([3] * 4 + [1] * 2, False), ([3] * 5 + [1], True),
        ([3] * 4, False), ([3] * 5, True)])
    def test_other_fluxes(self, factors, warned):
        """
        Most bright stars have another flux: in another unit, say.
        """
        data = np.random.default_rng(2).normal(0, 1.7, (90, 110))
        xy = np.array([(20, 30), (50, 30), (90, 30), (20, 65), (50, 65),
                       (90, 65)])[:len(factors)]
        for x, y in xy:
            data += star_image(PSF, x, y, data.shape, 1000.0)
        phot = QTable([*xy.T, 1000.0 * np.array(factors)],
                      names=['x_fit', 'y_fit', 'flux_fit'])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            make()(data, phot)
        n_other, n_bright = factors.count(factors[0]), len(factors)
        assert [str(one.message).partition(' above')[0]
                for one in caught] == warned * [
            f'{n_other} of the {n_bright} sources of phot']

    @pytest.mark.parametrize(('n_stars', 'shift', 'text'), [
        (6, (0, 0), None), (6, (0.3, -0.3), None), (4, (-1, -1), None),
        (5, (-1, -1), 'by about -1.0 pixels in x and -1.0 in y'),
        (6, (0.6, 0), r'by about \+0.6 pixels in x and [+-]0.0 in y'),
        (6, (0, -1.5), 'by about [+-]0.0 pixels in x and -1.5 in y')])
    def test_shifted(self, n_stars, shift, text):
        """
        A catalogue of which pixels are counted from 1, and the like.
        """
        data = np.random.default_rng(2).normal(0, 1.7, (90, 110))
        xy = np.array([(20, 30), (50, 3.2), (90, 30), (20, 65), (50, 65),
                       (90, 65)])[:n_stars]
        for x, y in xy:
            data += star_image(PSF, x, y, data.shape, 1000.0)
        data[64, 50] = np.nan
        phot = QTable([*(xy - shift).T, np.full(n_stars, 1000.0)],
                      names=['x_fit', 'y_fit', 'flux_fit'])
        phot.add_row((np.nan, 10.0, 1e6))
        phot.add_row((-400.0, 10.0, 1e6))
        expected = nullcontext() if text is None else pytest.warns(
            AstropyUserWarning, match=text)
        with (expected, warnings.catch_warnings()):
            warnings.filterwarnings('ignore', '.* have fluxes in data that')
            make()(data, phot)

    def test_mended_only_where_held(self):
        """
        A fit that ended at 0, with its error, stays.
        """
        table = QTable({'x_fit': [0.0, 0.0], 'x_err': [0.1, np.nan],
                        'x_init': [0.3, 7.0]})
        for axis in 'xy':
            for end in ('fit', 'err', 'init'):
                table[f'{axis}_{end}'] = table[f'x_{end}']
        assert mend_positions(table) == 1
        assert_array_equal(table['x_fit'], [0, 7])
        assert_array_equal(table['y_fit'], [0, 7])

    def test_other_image(self, scene):
        """
        A catalogue whose sources are elsewhere.
        """
        phot = scene.phot.copy()
        phot['x_fit'] = scene.data.shape[1] - phot['x_fit']
        with pytest.warns(AstropyUserWarning, match='the image that was fit'):
            make()(scene.data, phot, mask=scene.mask)

    def test_psf_model_is_a_copy(self, scene, table):
        """
        What happens to the model later changes nothing.
        """
        model = PSF.copy()
        corrector = make(model)
        model.x_fwhm = 9.0
        same(corrector(scene.data, scene.phot, mask=scene.mask), table)
        assert corrector.psf_model.x_fwhm == PSF.x_fwhm

    def test_other_psf(self, scene):
        """
        A photometry that was fitted with another PSF, whose peak is lower
        by 8 or by 14 %.
        """
        data = np.nan_to_num(scene.data)
        for width, same_psf in ((1.04, True), (1.08, False)):
            phot = PSFPhotometry(GaussianPSF(
                x_fwhm=width * PSF.x_fwhm.value,
                y_fwhm=width * PSF.y_fwhm.value), (5, 5), aperture_radius=3)
            phot(data, init_params=QTable({'x': [30.0], 'y': [41.0]}))
            with (nullcontext() if same_psf else pytest.warns(
                    AstropyUserWarning, match='not the PSF that phot was')):
                make()(data, phot)

    def test_psf_models(self, scene):
        """
        The same PSF in other clothes.
        """
        oversampled = star_image(
            GaussianPSF(x_fwhm=8.0, y_fwhm=10.0), 80, 84, (169, 161), 16.0)
        image = ImagePSF(oversampled, oversampling=4)
        grid = GriddedPSFModel(NDData(
            np.array([oversampled] * 4),
            meta={'grid_xypos': [(0, 0), (0, 96), (112, 0), (112, 96)],
                  'oversampling': 4}))
        rows = [0, 1, 2, 7]  # not those of 1e6, where 1e-5 is a sigma
        want = make()(scene.data, scene.phot[rows], mask=scene.mask)
        for model in (image, grid):
            out = make(model)(scene.data, scene.phot[rows], mask=scene.mask)
            # a cubic spline through a Gaussian of sigma 3.4: some 1e-3
            assert_allclose(out['dcflux'], want['dcflux'], rtol=0.01)
            moved = (out['cflux'] - want['cflux']) / want['dcflux']
            assert np.abs(moved).max() < 0.05

    @pytest.mark.parametrize(('sums', 'worst'), [
        ((12, 12.5, 13, 25), None),  # 0.75 to 1.56 of what it should be
        ((12, 9.9, 13, 25), '9.9, .* 16, .* divided by 0.619'),
        ((12, 12.5, 26, 25), '26, .* 16, .* divided by 1.62'),
        ((1, 1, 1, 1), '1, .* divided by 0.0625'),
        ((16, 0, 160, 16), '0, '),
    ])
    def test_psf_flux(self, sums, worst):
        """
        What the images of a PSF sum to, wherever it comes in.
        """
        stamp = star_image(GaussianPSF(x_fwhm=8.0, y_fwhm=10.0), 20, 20,
                           (41, 41), 1.0)
        images = np.array([total * stamp / stamp.sum() for total in sums])
        models = [GriddedPSFModel(NDData(images, meta={
            'grid_xypos': [(0, 0), (0, 9), (9, 0), (9, 9)],
            'oversampling': (8, 2)}))]
        if len(set(sums)) == 1:
            models.append(ImagePSF(images[0], oversampling=4))
        for model in models:
            for takes in (make, lambda psf: PSFPipeline(psf_model=psf),
                          lambda psf: InjectionRecovery(len, psf)):
                with (nullcontext() if worst is None else pytest.warns(
                        AstropyUserWarning,
                        match=f'not norm.* is {worst}')):
                    takes(model)

    def test_made_model(self, scene):
        """
        A wrapped astropy model has its own parameter names.
        """
        sigma = 2.2 / (2 * np.sqrt(2 * np.log(2)))
        made = adapted_model(Gaussian2D(x_stddev=sigma, y_stddev=sigma),
                             x_name='x_mean', y_name='y_mean')
        plain = CircularGaussianPSF(fwhm=2.2)
        rows = [0, 1, 2, 7]
        out = make(made)(scene.data, scene.phot[rows], mask=scene.mask)
        want = make(plain)(scene.data, scene.phot[rows], mask=scene.mask)
        # make_psf_model integrates the PSF numerically, to some 1e-4
        same(out, want, rtol=1e-2)


class TestErrors:
    """
    Bad input: the message names the argument.
    """

    @pytest.mark.parametrize(('key', 'value'), [
        ('stamp_shape', 12), ('stamp_shape', (13, 10)), ('stamp_shape', -3),
        ('stamp_shape', (3, 3, 3)), ('window_shape', 40),
        ('window_shape', (41, 44)), ('window_shape', 0),
        ('mask_threshold', 0), ('mask_threshold', -5.0),
        ('mask_threshold', np.nan), ('min_mask_flux', 0),
        ('min_mask_flux', -1.0), ('residual_threshold', 0),
        ('residual_threshold', -60.0), ('condition_radius', 0),
        ('condition_radius', -7), ('gain', 0), ('gain', -1.7),
        ('gain', np.nan), ('dtype', 'float16'), ('dtype', 'int32'),
        ('dtype', 'nonsense'), ('dtype', None),
        ('n_threads', 0), ('n_threads', -2)])
    def test_values(self, key, value):
        """
        Refused when the object is made, not when it runs.
        """
        with pytest.raises((ValueError, TypeError), match=key) as info:
            make(**{key: value})
        assert str(value).strip('()')[:3] in str(info.value)

    @pytest.mark.parametrize(('key', 'value'), [
        ('stamp_shape', 'big'), ('stamp_shape', 13.5), ('window_shape', None),
        ('mask_threshold', 'x'), ('n_threads', 1.5), ('rng', 'seed')])
    def test_kinds(self, key, value):
        """
        Of the wrong kind altogether.
        """
        with pytest.raises((TypeError, ValueError), match=key):
            make(**{key: value})

    @pytest.mark.parametrize('model', [
        Const2D(), Gaussian2D(), GaussianPSF, None, np.ones((5, 5))])
    def test_psf_model(self, model):
        """
        Not a model with flux and position.
        """
        with pytest.raises((ValueError, TypeError), match='psf_model'):
            make(model)

    def test_keyword_only(self):
        """
        Options are keywords.
        """
        with pytest.raises(TypeError):
            LPIBackgroundCorrector(PSF, 33)

    @pytest.mark.parametrize(('value', 'kind'), [
        (1j, 'complex128'), ('a', '<U1'),
        (SkyCoord(1, 2, unit='deg'), 'SkyCoord')])
    def test_columns(self, scene, value, kind):
        """
        Columns hold numbers.
        """
        phot = scene.phot.copy()
        zeros = np.zeros(len(phot), dtype=int)
        phot['x_fit'] = (value.reshape(1) if kind == 'SkyCoord'
                         else np.array([value]))[zeros]
        with pytest.raises(TypeError, match='column x_fit of phot must hold '
                           f'numbers; got {kind}'):
            make()(scene.data, phot)

    def test_columns_of_vectors(self, scene):
        """
        One a row.
        """
        phot = scene.phot.copy()
        phot['y_fit'] = np.transpose([phot['y_fit'], phot['y_fit']])
        with pytest.raises(ValueError, match=r'one number a row; its shape'):
            make()(scene.data, phot)

    def test_call_keyword_only(self, scene):
        """
        Those of a call too.
        """
        with pytest.raises(TypeError):
            make()(scene.data, scene.phot, np.ones(scene.data.shape))

    @pytest.mark.parametrize(('keys', 'name'), [
        ({'stamp_shape': 99}, 'stamp_shape'),
        ({'window_shape': (99, 45)}, 'window_shape'),
        ({'window_shape': (41, 115)}, 'window_shape')])
    def test_larger_than_image(self, scene, keys, name):
        """
        A stamp or window that does not fit the image.
        """
        with pytest.raises(ValueError, match=name):
            make(**keys)(scene.data, scene.phot, mask=scene.mask)

    @pytest.mark.parametrize(('name', 'value', 'kind'), [
        ('data', np.ones(5), ValueError),
        ('data', np.ones((3, 97, 113)), ValueError),
        ('data', np.ones((97, 113), complex), (TypeError, ValueError)),
        ('data', np.full((97, 113), 'a'), (TypeError, ValueError)),
        ('phot', 'table', TypeError), ('phot', None, TypeError),
        ('mask', np.zeros((113, 97), bool), ValueError),
        ('error', np.ones((113, 97)), ValueError),
        ('error', -np.ones((97, 113)), ValueError),
        ('error', np.full((97, 113), np.nan), ValueError),
        ('background', np.ones((113, 97)), ValueError)])
    def test_call(self, scene, name, value, kind):
        """
        What is passed to a call.
        """
        keys = {'data': scene.data, 'phot': scene.phot, name: value}
        data, phot = keys.pop('data'), keys.pop('phot')
        with pytest.raises(kind, match=name):
            make()(data, phot, **keys)
