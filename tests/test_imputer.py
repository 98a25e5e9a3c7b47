"""
GPRImputer: what it returns, for every kind of input.
"""

import copy
import json
import warnings
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import (CCDData, InverseVariance, NDData,
                            StdDevUncertainty, UnknownUncertainty,
                            VarianceUncertainty)
from astropy.utils.exceptions import AstropyUserWarning
from astropy.utils.masked import Masked
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from lpiphot import GPRImputer, decode_fill_flags, flags
from lpiphot.datasets import load_galactic_plane
from oracles import dense_gpr

SIGMA = 1.7


def width(z):
    return np.subtract(*np.percentile(z, [75, 25])) / 1.349


@pytest.fixture(scope='module')
def truth():
    """
    Stars of many fluxes on sky, without noise.
    """
    rng = np.random.default_rng(21)
    scene = np.zeros((120, 130))
    scene[rng.integers(120, size=90), rng.integers(130, size=90)] = (
        rng.uniform(50, 9000, 90))
    return 40 + gaussian_filter(scene, 1.3)


@pytest.fixture(scope='module')
def image(truth):
    rng = np.random.default_rng(22)
    return truth + SIGMA * rng.normal(size=truth.shape)


@pytest.fixture(scope='module')
def mask(image):
    """
    Single pixels, a blob, a corner, a column and a track.
    """
    mask = np.random.default_rng(23).random(image.shape) < 0.01
    mask[40:45, 60:64] = True
    mask[:3, :3] = True
    mask[:, 100] = True
    mask[np.arange(20, 60), np.arange(15, 35).repeat(2)] = True
    return mask


@pytest.fixture(scope='module')
def trained(image, mask):
    return GPRImputer().fit(image, mask=mask)


@pytest.fixture(scope='module')
def clean(image, mask, trained):
    return trained(image, mask=mask)


class TestPixels:
    """
    Good pixels stay, bad ones are filled.
    """

    def test_good_pixels(self, image, mask, clean):
        """
        Bit for bit, whatever was in the bad ones.
        """
        assert_array_equal(clean[~mask], image[~mask])
        assert np.isfinite(clean).all()
        assert clean is not image

    def test_bad_pixels_have_no_part(self, image, mask, clean, trained):
        """
        NaN, infinite and absurd values in them change nothing.
        """
        for value in (np.nan, np.inf, -np.inf, 1e30):
            data = np.where(mask, value, image)
            before = data.copy()
            assert_array_equal(trained(data, mask=mask), clean)
            assert_array_equal(data, before)

    def test_nan_without_mask(self, image, mask, clean, trained):
        result = trained.run(np.where(mask, np.nan, image))
        assert_array_equal(result.image, clean)
        assert (result.flags[mask] & flags.NOT_FINITE).all()
        assert not result.flags[~mask].any()

    def test_errors(self, image, mask, truth, trained):
        """
        Better than a median of 5 x 5 on the sky, and on stars.
        """
        clean = trained(image, mask=mask)
        single = np.random.default_rng(23).random(image.shape) < 0.01
        for some in (single & (truth < 45), single & (truth > 70)):
            median = np.array([
                np.median(image[max(y - 2, 0):y + 3, max(x - 2, 0):x + 3][
                    ~mask[max(y - 2, 0):y + 3, max(x - 2, 0):x + 3]])
                for y, x in np.argwhere(some)])
            ours = np.abs(clean - truth)[some]
            assert ours.mean() < np.abs(median - truth[some]).mean()

    def test_single_kernel(self, image, mask):
        """
        Given parameters: equation 3 for every pixel of the image.
        """
        mask = mask.copy()
        mask[0, 0] = False  # 7 good pixels in its window: it would grow
        imputer = GPRImputer(amplitude=3.02, length_scale=(0.8, 1.1),
                             noise=1.0, width=7)
        result = imputer.run(image, mask=mask)
        wanted, variance = dense_gpr.fill(
            image - 40, mask, 'squared_exponential', 3.02, (0.8, 1.1), 7)
        assert_allclose(result.image[mask], wanted[mask] + 40, rtol=1e-10)
        assert_allclose(result.std[mask], np.sqrt(variance[mask]),
                        rtol=1e-10)

    def test_noise_is_the_unit_of_the_amplitude(self, image, mask):
        """
        Only their ratio counts for values; errors grow with the noise.
        """
        one = GPRImputer(amplitude=3.0, length_scale=1.0, noise=1.0)
        two = GPRImputer(amplitude=6.0, length_scale=1.0, noise=2.0)
        one, two = (imputer.run(image, mask=mask) for imputer in (one, two))
        assert_allclose(two.image, one.image, rtol=1e-12)
        assert_allclose(two.std, 2 * one.std, rtol=1e-12)


class TestCalibration:
    """
    z of held-out pixels, (filled - measured) / error.
    """

    @pytest.mark.parametrize('kind', ['single', 'blobs', 'tracks'])
    def test_width(self, kind):
        """
        On a correlated field with noise, width 1 within its own error.
        """
        rng = np.random.default_rng(24)
        data = 30 * gaussian_filter(rng.normal(size=(300, 310)), 2.0)
        data += SIGMA * rng.normal(size=data.shape)
        mask = np.zeros(data.shape, dtype=bool)
        if kind == 'single':
            mask[5::10, 7::10] = True
        elif kind == 'blobs':
            for y in range(5, 290, 15):
                for x in range(7, 300, 15):
                    mask[y:y + 3, x:x + 3] = True
        else:
            for i in range(6):
                mask[5::15, 7 + i::15] = True
                mask[6::15, 10 + i::15] = True
        result = GPRImputer().run(data, mask=mask)
        z = (result.image - data)[mask] / result.std[mask]
        # of some 900 to 4000 pixels, few of them independent in a blob
        assert 0.9 < width(z) < 1.1
        assert abs(np.median(z)) < 0.15

    def test_crowd(self):
        """
        In a crowded field of undersampled stars, for all pixels and for
        those that were filled faint, brighter, and brightest.
        """
        data = load_galactic_plane().data.astype(float)
        imputer = GPRImputer().fit(data)
        z, filled = [], []
        for seed in range(5):
            mask = np.random.default_rng(seed).random(data.shape) < 0.02
            result = imputer.run(data, mask=mask)
            z.append((result.image - data)[mask] / result.std[mask])
            filled.append(result.image[mask])
        z, filled = np.concatenate(z), np.concatenate(filled)
        assert 0.9 < width(z) < 1.1
        edges = np.quantile(filled, [0, 0.5, 0.9, 1])
        for low, high in pairwise(edges):
            # twice its own error, of 530 pixels at least, more
            assert 0.8 < width(z[(filled >= low) & (filled <= high)]) < 1.2

    def test_sky_is_a_mean(self):
        """
        On flat noise the error against the truth is below 0.3 sigma.
        """
        data = 1000 + SIGMA * np.random.default_rng(25).normal(
            size=(200, 200))
        mask = np.zeros(data.shape, dtype=bool)
        mask[5::10, 5::10] = True
        result = GPRImputer().run(data, mask=mask)
        assert np.std(result.image[mask] - 1000) < 0.3 * SIGMA
        # a measurement has its own noise as well
        assert_allclose(np.median(result.std[mask]), SIGMA, rtol=0.1)


class TestKinds:
    """
    What goes in comes out.
    """

    def test_ccddata(self, image, mask, clean, trained):
        wcs = WCS(naxis=2)
        wcs.wcs.crpix = 4, 5
        ccd = CCDData(image, unit='adu', mask=mask, wcs=wcs,
                      meta={'OBJECT': 'field'},
                      flags=np.full(image.shape, 3))
        before = ccd.copy()
        result = trained(ccd)
        assert type(result) is CCDData
        assert_array_equal(result.data, clean)
        assert result.unit == u.adu
        assert result.wcs.wcs.crpix.tolist() == [4, 5]
        assert result.meta['OBJECT'] == 'field'
        assert_array_equal(result.mask, mask)
        assert_array_equal(result.flags, 3)
        # nothing is shared with the input, which is as it was
        result.meta['OBJECT'] = result.flags[:] = result.mask[:] = 0
        result.data[:] = 0
        assert ccd.meta == before.meta
        assert_array_equal(ccd.data, before.data)
        assert_array_equal(ccd.mask, before.mask)
        assert_array_equal(ccd.flags, before.flags)

    def test_flags_if_there_are_none(self, image, mask, trained):
        result = trained(CCDData(image, unit='adu', mask=mask))
        assert_array_equal(result.flags != 0, mask)

    @pytest.mark.parametrize('clear_mask', [False, True])
    def test_mask(self, image, mask, clear_mask):
        imputer = GPRImputer(amplitude=3, length_scale=1,
                             clear_mask=clear_mask)
        wanted = mask & (not clear_mask)
        assert_array_equal(
            imputer(CCDData(image, unit='adu', mask=mask)).mask, wanted)
        assert_array_equal(
            np.ma.getmaskarray(imputer(np.ma.MaskedArray(image, mask))),
            wanted)
        assert_array_equal(imputer(Masked(image, mask)).mask, wanted)

    def test_others(self, image, mask, clean, trained):
        """
        Quantity, masked arrays, NDData.
        """
        result = trained(image * u.Jy, mask=mask)
        assert result.unit == u.Jy
        assert_array_equal(result.value, clean)
        result = trained(np.ma.MaskedArray(image, mask))
        assert isinstance(result, np.ma.MaskedArray)
        assert_array_equal(result.data, clean)
        result = trained(Masked(image * u.Jy, mask))
        assert_array_equal(result.unmasked.value, clean)
        assert result.unit == u.Jy
        result = trained(NDData(image, mask=mask))
        assert type(result) is NDData
        assert_array_equal(result.data, clean)

    @pytest.mark.parametrize('dtype', ['>f8', '>f4', 'f4'])
    def test_floats(self, image, mask, clean, dtype, trained):
        """
        Precision and byte order stay.
        """
        data = image.astype(dtype)
        result = trained(data, mask=mask)
        assert result.dtype == np.dtype(dtype)
        assert_array_equal(result[~mask], data[~mask])
        assert_allclose(result, clean, rtol=1e-3)

    @pytest.mark.parametrize(('dtype', 'wanted'), [
        ('i2', 'f4'), ('>i2', 'f4'), ('u2', 'f4'), ('u1', 'f4'),
        ('>i4', 'f8'), ('i8', 'f8')])
    def test_integers(self, image, mask, dtype, wanted):
        """
        They become floats that hold them; filled values are no integers.
        """
        data = np.clip(image, 0, 250).astype(dtype)
        result = GPRImputer(amplitude=3, length_scale=1)(data, mask=mask)
        assert result.dtype == np.dtype(wanted)
        assert_array_equal(result[~mask], data[~mask])
        assert np.any(result[mask] % 1 != 0)

    def test_integers_beyond_float(self):
        data = np.full((20, 20), 2 ** 53 + 1)
        with pytest.raises(ValueError, match=r'2\*\*53'):
            GPRImputer()(data)

    def test_not_contiguous(self, image, mask, clean, trained):
        """
        A view of a larger array, transposed.
        """
        large = np.zeros((130, 240))
        large[:, ::2] = image.T
        assert_array_equal(trained(large[:, ::2].T, mask=mask), clean)

    def test_cube(self, image, mask):
        """
        Each image of a cube by itself; one mask serves all.
        """
        cube = np.stack([image, 3 * image + 100])
        imputer = GPRImputer()
        result = imputer.run(cube, mask=mask)
        assert_array_equal(result.image[0], imputer(image, mask=mask))
        assert_array_equal(result.image[1], imputer(cube[1], mask=mask))
        assert len(result.models) == 2
        both = imputer(cube, mask=np.stack([mask, mask]))
        assert_array_equal(both, result.image)

    def test_nothing_to_do(self, image):
        result = GPRImputer().run(image)
        assert_array_equal(result.image, image)
        assert repr(result) == (f'GPRImputation(0 of {image.size} pixels '
                                'filled)')
        assert not result.flags.any()
        assert not result.std.any()


class TestUncertainty:
    """
    The uncertainty keeps its class, unit, and the values of good pixels.
    """

    @pytest.mark.parametrize(('kind', 'power'), [
        (StdDevUncertainty, 1), (VarianceUncertainty, 2),
        (InverseVariance, -2)])
    @pytest.mark.parametrize('dtype', ['f8', 'f4', 'i4'])
    def test_classes(self, image, mask, trained, kind, power, dtype):
        array = np.full(image.shape, 3, dtype=dtype)
        own = kind(array)
        result = trained(CCDData(image, unit='adu', mask=mask,
                                 uncertainty=own))
        error = trained.run(image, mask=mask).std
        assert type(result.uncertainty) is kind
        assert_array_equal(result.uncertainty.array[~mask], 3)
        assert_allclose(result.uncertainty.array[mask],
                        error[mask] ** power, rtol=1e-6)
        assert_array_equal(own.array, 3)

    def test_unit(self, image, mask, trained):
        """
        The unit of the uncertainty may be another one.
        """
        ccd = CCDData(image, unit='Jy', mask=mask, uncertainty=(
            VarianceUncertainty(np.ones(image.shape), unit='mJy2')))
        result = trained(ccd)
        error = trained.run(image, mask=mask).std
        assert result.uncertainty.unit == u.mJy ** 2
        assert_allclose(result.uncertainty.array[mask],
                        1e6 * error[mask] ** 2, rtol=1e-10)

    def test_none(self, image, mask, trained):
        """
        Errors of filled pixels are added; others have that of the sky.
        """
        result = trained(CCDData(image, unit='adu', mask=mask))
        error = trained.run(image, mask=mask).std
        assert type(result.uncertainty) is StdDevUncertainty
        assert_array_equal(result.uncertainty.array[mask], error[mask])
        assert (error[mask] > 0).all()
        assert not error[~mask].any()
        assert np.ptp(result.uncertainty.array[~mask]) == 0

    def test_unknown(self, image, mask, trained):
        """
        What the numbers mean is not known: filled pixels have none.
        """
        own = UnknownUncertainty(np.ones(image.shape, dtype=int))
        result = trained(CCDData(image, unit='adu', mask=mask,
                                 uncertainty=own))
        assert type(result.uncertainty) is UnknownUncertainty
        assert_array_equal(result.uncertainty.array,
                           np.where(mask, np.nan, 1))
        assert_array_equal(own.array, 1)


class TestTraining:
    """
    Once for an image, or for an instrument.
    """

    def test_fit_is_what_a_call_does(self, image, mask, clean):
        imputer = GPRImputer()
        assert_array_equal(imputer(image, mask=mask), clean)
        assert imputer.model is None

    def test_generator(self, image):
        """
        As ``ImageFileCollection.ccds`` gives images.
        """
        images = [image, image[::-1] + 3]
        got = GPRImputer().fit(CCDData(one, unit='adu') for one in images)
        assert got.model == GPRImputer().fit(images).model
        masks = [one > 40 for one in images]
        got = GPRImputer().fit(iter(images), mask=iter(masks))
        assert got.model == GPRImputer().fit(images, mask=masks).model
        with pytest.raises(ValueError, match='at least one image'):
            got.fit(iter(()))

    def test_many_images(self, image, mask, clean):
        """
        Two images of the same field give nearly the kernels of one.
        """
        other = image[::-1] + 100
        imputer = GPRImputer().fit([image, other], mask=[mask, mask[::-1]])
        result = imputer(image, mask=mask)
        assert np.abs(result - clean)[mask].mean() < SIGMA

    def test_training_mask(self, image, mask):
        """
        Only the pixels asked for are trained on.
        """
        some = np.zeros(image.shape, dtype=bool)
        some[50:110, 40:95] = True
        model = GPRImputer().fit(image, mask=mask, training_mask=some).model
        assert 0 < model.n_training < some.sum()

    @pytest.mark.parametrize('method', ['local', 'single'])
    def test_save_and_load(self, image, mask, method, tmp_path):
        """
        A small text that gives the same image, bit for bit.
        """
        imputer = GPRImputer(method=method).fit(image, mask=mask)
        path = tmp_path / 'kernels.json'
        imputer.save(path)
        assert path.stat().st_size < 1e4
        again = GPRImputer().load(path)
        assert again.model == imputer.model
        assert_array_equal(again(image, mask=mask),
                           imputer(image, mask=mask))
        with pytest.raises(FileExistsError, match='overwrite=True'):
            imputer.save(path)
        imputer.save(path, overwrite=True)

    @pytest.mark.parametrize('text', [
        '', 'no JSON', '[]', '{}', '{"lpiphot": "GPRImputer"}',
        '{"lpiphot": "GPRImputer", "format": 99}',
        '{"lpiphot": "GPRImputer", "format": 1, "kernels": 3}'])
    def test_bad_file(self, text, tmp_path):
        path = tmp_path / 'kernels.json'
        path.write_text(text)
        with pytest.raises(ValueError, match=r'kernels\.json holds no'):
            GPRImputer().load(path)

    @pytest.mark.parametrize(('path', 'value', 'words'), [
        (('kernels', 0, 'name'), 'spline', 'kernels cannot be'),
        (('kernels', 0, 'amplitude'), -1.0, 'kernels cannot be'),
        (('kernels', 0, 'length_scale'), [1.0], 'kernels cannot be'),
        (('width',), '9', 'width cannot be'),
        (('width',), 8, 'width cannot be'),
        (('noise',), float('nan'), 'noise cannot be'),
        (('steps',), [], 'steps cannot be'),
        (('steps', 0, 'kernel', 0), 99, 'steps cannot be'),
        (('steps', 0, 'error'), [], 'steps cannot be')])
    def test_spoilt_file(self, image, mask, path, value, words, tmp_path):
        file = tmp_path / 'kernels.json'
        GPRImputer(method='single').fit(image, mask=mask).save(file)
        values = part = json.loads(file.read_text())
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
        file.write_text(json.dumps(values))
        with pytest.raises(ValueError, match=f'no trained kernel.*{words}'):
            GPRImputer().load(file)

    def test_nothing_to_save(self, tmp_path):
        with pytest.raises(ValueError, match='call fit first'):
            GPRImputer().save(tmp_path / 'kernels.json')

    def test_seed(self, image, mask):
        """
        The seed of the choice of pixels; the default is fixed.
        """
        models = [GPRImputer(rng=rng, max_training=500).fit(
            image, mask=mask).model for rng in (None, None, 5, 5)]
        assert models[0] == models[1]
        assert models[2] == models[3]
        assert models[0] != models[2]

    @pytest.mark.parametrize('stretch', ['axes', 'angle'])
    def test_stretched(self, stretch):
        """
        Lines across the image are found to be long.
        """
        rng = np.random.default_rng(30)
        data = 900 * gaussian_filter(rng.normal(size=(1, 150)),
                                     (0, 1.3)) + np.zeros((90, 1))
        data += SIGMA * rng.normal(size=data.shape)
        mask = rng.random(data.shape) < 0.05
        errors = []
        for kind in (None, stretch):
            imputer = GPRImputer(stretch=kind)
            result = imputer(data, mask=mask)
            errors.append(np.abs(result - data)[mask].mean())
        assert errors[1] < 0.8 * errors[0]
        model = GPRImputer(stretch=stretch).fit(data, mask=mask).model
        kernel = model.kernels[0]
        long = np.argmax(kernel.length_scale)
        if kernel.symmetry == 'point':  # 0 or 90 degrees, nearly
            long ^= int(45 < kernel.angle % 180 < 135)
        assert long == 0

    @pytest.mark.parametrize('method', ['local', 'single'])
    def test_turned_axes(self, method):
        """
        Lines at a given angle, which is no symmetry of the window.
        """
        rng = np.random.default_rng(31)
        y, x = np.mgrid[:90, :110]
        across = y * np.cos(np.pi / 6) - x * np.sin(np.pi / 6)
        data = SIGMA * rng.normal(size=y.shape)
        for place in rng.uniform(-55, 78, 15):
            data += 300 * np.exp(-0.5 * ((across - place) / 1.3) ** 2)
        models = [GPRImputer(stretch=stretch, angle=30, method=method).fit(
            data).model for stretch in ('axes', 'angle')]
        assert models[0] == models[1]
        high, wide = models[0].kernels[0].length_scale
        assert wide > 2 * high

    @pytest.mark.parametrize('kernel', [
        'ornstein_uhlenbeck', 'matern32', 'matern52', 'periodic'])
    @pytest.mark.parametrize('method', ['local', 'single'])
    def test_kernels(self, image, mask, kernel, method):
        """
        Every kernel fills the image.
        """
        result = GPRImputer(kernel=kernel, method=method).run(image,
                                                              mask=mask)
        assert np.isfinite(result.image).all()
        assert (result.std[mask] > 0).all()
        assert result.models[0].kernels[0].name == kernel


class TestThreads:
    """
    Threads and objects.
    """

    def test_same_bits(self, image, mask, trained, monkeypatch):
        monkeypatch.setattr('lpiphot.imputer.N_JOB', 37)
        one = trained.run(image, mask=mask)
        many = GPRImputer(n_threads=4, progress_bar=True)
        many.model = trained.model
        many = many.run(image, mask=mask)
        for name in ('image', 'std', 'flags'):
            assert_array_equal(getattr(many, name), getattr(one, name))

    def test_no_state(self, image, mask):
        imputer = GPRImputer()
        before = vars(imputer).copy()
        imputer(image, mask=mask)
        assert vars(imputer) == before


class TestMetadata:
    """
    The convention of ccdproc's log_to_metadata.
    """

    @pytest.mark.parametrize('header', [True, False])
    def test_default(self, image, mask, trained, header, tmp_path):
        meta = fits.Header() if header else {}
        ccd = CCDData(image, unit='adu', mask=mask, meta=meta)
        result = trained(ccd)
        assert 'squared_exponential' in result.meta['GPRIMPUT']
        assert f'filled={mask.sum()}' in result.meta['GPRIMPUT']
        assert not ccd.meta
        result.flags = None
        result.write(tmp_path / 'clean.fits')
        again = CCDData.read(tmp_path / 'clean.fits')
        assert again.meta['GPRIMPUT'] == result.meta['GPRIMPUT']
        assert_array_equal(again.data, result.data)

    def test_loaded_model(self, image, mask, tmp_path):
        """
        What is told is the model in force, not what the object was given.
        """
        GPRImputer(kernel='matern32', width=7, method='single').fit(
            image, mask=mask).save(tmp_path / 'kernels.json')
        imputer = GPRImputer(amplitude=2.0, length_scale=3.0,
                             noise=2.0 * u.adu)
        imputer.load(tmp_path / 'kernels.json')
        kernel, = imputer.model.kernels
        ccd = CCDData(image, unit='adu', mask=mask)
        told = {'kernel': 'matern32', 'width': 7, 'method': 'single',
                # given in the unit of the noise, as amplitude is
                'amplitude': 2 * kernel.amplitude,
                'length_scale': kernel.length_scale, 'noise': 2.0 * u.adu}
        assert imputer(ccd).meta['GPRIMPUT'] == ', '.join(
            [*(f'{name}={value}' for name, value in told.items()),
             'trained=before', f'filled={mask.sum()}'])
        assert repr(imputer) == 'GPRImputer(' + ', '.join(
            [*(f'{name}={value!r}' for name, value in told.items()),
             'clear_mask=False', 'n_threads=1', 'trained)'])
        values, _ = imputer.weights()
        wanted, _ = dense_gpr.interpolation_weights(
            'matern32', kernel.amplitude, kernel.length_scale,
            np.arange(49).reshape(7, 7) != 24)
        assert_allclose(values, wanted, atol=1e-10)

    @pytest.mark.parametrize(('keys', 'words'), [
        ({'stretch': 'axes'}, 'method=local, stretch=axes, trained'),
        ({'stretch': 'angle'}, 'method=local, stretch=angle, trained'),
        ({'kernel': 'periodic', 'period': 7.5},
         'kernel=periodic, width=9, method=local, period=7.5, trained'),
        ({'length_scale': (1.0, 2.0), 'angle': 30.0, 'amplitude': 5.0},
         'amplitude=5.0, length_scale=(1.0, 2.0), angle=30.0, trained')])
    def test_model_tells_what_it_was_given(self, image, mask, keys, words,
                                           tmp_path):
        imputer = GPRImputer(**keys).fit(image, mask=mask)
        imputer.save(tmp_path / 'kernels.json')
        for one in (imputer, GPRImputer().load(tmp_path / 'kernels.json')):
            assert words in one.describe(3)

    def test_choices(self, image, mask, trained):
        ccd = CCDData(image, unit='adu', mask=mask)

        class Keyword:
            name, value = 'filled', True

        for add_keyword, meta in ((False, {}), (None, {}),
                                  ('filled', {'filled': None}),
                                  ({'a': 1, 'b': 2}, {'a': 1, 'b': 2}),
                                  (Keyword(), {'filled': True})):
            assert dict(trained(ccd, add_keyword=add_keyword).meta) == meta
        for add_keyword in (5, ['a']):
            with pytest.raises(TypeError, match='add_keyword must be'):
                trained(ccd, add_keyword=add_keyword)


class TestPlot:
    """
    The picture of a result.
    """

    def test_plot(self, image, mask, trained):
        figure = trained.run(image * u.Jy, mask=mask).plot()
        assert len(figure.axes) == 8  # six plots, two scales of two
        bad = figure.axes[0].images[1].get_array()
        assert_array_equal(np.ma.getmaskarray(bad) | np.isnan(bad.data), ~mask)
        labels = [axes.get_ylabel() for axes in figure.axes]
        assert labels.count('Jy') == 2
        bar = figure.axes[5].images[0].colorbar
        assert bar.ax.get_ylabel() == 'Jy'

    def test_part(self, image, mask, trained):
        """
        The part is the one asked for, within the image.
        """
        result = trained.run(image, mask=mask)
        part = result.plot((2, 60), size=20).axes[3]
        assert part.get_xlim() == (49.5, 69.5)
        assert part.get_ylim() == (-0.5, 19.5)
        before, after = (np.ma.filled(axes.images[0].get_array(), np.nan)
                         for axes in result.plot((45, 62), size=20).axes[3:5])
        part = slice(35, 55), slice(52, 72)
        assert_array_equal(after, result.image[part])
        assert_array_equal(before, np.where(mask, np.nan, image)[part])
        assert np.isnan(before).any()

    @pytest.mark.parametrize('star', [(8, 20), (30, 14)])
    def test_telling_part(self, star):
        """
        A whole hole, whatever one pixel on a bright star is worth.
        """
        image = np.random.default_rng(3).normal(100, 5, (60, 110))
        mask = np.zeros(image.shape, dtype=bool)
        image[star[0]:star[0] + 3, star[1]:star[1] + 3] += 1e5
        mask[star] = True
        mask[41:47, 70:81] = True
        result = GPRImputer().run(image, mask=mask)
        shown = result.plot(size=30).axes
        assert abs(np.mean(shown[3].get_xlim()) - 75) < 2  # in the middle
        assert abs(np.mean(shown[3].get_ylim()) - 43.5) < 2
        assert np.ma.count(shown[5].images[0].get_array()) == 66

    def test_part_in_margins(self):
        """
        Margins without data are not a part that says something.
        """
        image = np.random.default_rng(3).normal(100, 5, (60, 110))
        mask = np.zeros(image.shape, dtype=bool)
        mask[:, :30] = True
        errors = GPRImputer().run(image, mask=mask).plot(size=20).axes[5]
        filled = np.ma.count(errors.images[0].get_array())
        assert 0.3 < filled / 400 < 0.7

    def test_part_of_many_pixels(self):
        """
        Single pixels are seen where there are more pixels than dots.
        """
        rng = np.random.default_rng(3)
        image = rng.normal(100, 5, (400, 500))
        mask = rng.random(image.shape) < 0.01
        figure = GPRImputer().run(image, mask=mask).plot(size=400)
        figure.savefig(buffer := BytesIO(), format='rgba', dpi=60)
        width, height = (figure.get_size_inches() * 60).astype(int)
        seen = np.frombuffer(buffer.getvalue(), np.uint8).reshape(
            height, width, 4)
        box = figure.axes[5].get_window_extent().extents * 60 / figure.dpi
        left, bottom, right, top = np.round(box).astype(int)
        part = seen[height - top + 3:height - bottom - 3, left + 3:right - 3]
        # as many of the dots as of the pixels
        assert abs(np.mean(part[..., 2] < 200) - mask.mean()) < 0.002

    def test_plot_of_cube(self, image):
        """
        Of an image in which nothing was filled, too.
        """
        figure = GPRImputer().run(np.stack([image, image])).plot(plane=1)
        assert len(figure.axes) == 8

    def test_errors_at_the_level(self, trained):
        """
        Errors have the factor of pixels that are no brighter.
        """
        double = copy.copy(trained)
        double.model = replace(trained.model,
                               factors=2 * np.array(trained.model.factors))
        one, two = (imputer.plot().axes[0].lines
                    for imputer in (trained, double))
        assert len(one) == len(two) > 0
        for line, other in zip(one, two, strict=True):
            assert_allclose(other.get_ydata(), 2 * line.get_ydata())

    @pytest.mark.parametrize('method', ['local', 'single'])
    def test_kernels(self, image, mask, method):
        """
        Weights that sum to 1, each with its parameters.
        """
        imputer = GPRImputer(method=method).fit(image, mask=mask)
        errors, *stamps, _ = imputer.plot().axes
        assert 'noise' in errors.get_ylabel()
        for labels in (errors.get_xticklabels(minor=True),
                       errors.get_yticklabels(minor=True)):
            assert not any(label.get_text() for label in labels)
        assert len(stamps) >= 1
        names = set()
        for axes in stamps:
            values = axes.images[0].get_array()
            assert_allclose(np.nansum(values), 1, rtol=1e-9)
            name, label = axes.get_xlabel().rpartition('\n')[::2]
            assert label.startswith('a = ')
            names.add(name)
        found = {kernel.name for kernel in imputer.model.kernels}
        assert names <= (found if len(found) > 1 else {''})
        assert (method == 'single') <= (len(found) == 1)
        # the higher, the more contrast
        places = [(axes.get_subplotspec().colspan.start,
                   -axes.get_subplotspec().rowspan.start,
                   float(axes.get_title().split('≥')[1])) for axes in stamps]
        for one, other in pairwise(sorted(places)):
            assert one[0] < other[0] or one[2] < other[2]
        with pytest.raises(ValueError, match='call fit first'):
            GPRImputer().plot()


def test_weights():
    """
    The weights of a window, as an array to look at.
    """
    imputer = GPRImputer(amplitude=10, length_scale=1)
    window = np.zeros((9, 9), dtype=bool)
    window[4, 4] = window[5, 5] = True
    values, variance = imputer.weights(window)
    wanted, wanted_variance = dense_gpr.interpolation_weights(
        'squared_exponential', 10, (1, 1), ~window)
    assert_allclose(values, wanted, atol=1e-10)
    assert_allclose(variance, wanted_variance, rtol=1e-10)
    window[4, 4] = False
    assert_array_equal(imputer.weights(window)[0], values)
    values, _ = imputer.weights()
    assert values[4, 4] == 0
    assert_allclose(values.sum(), 1, rtol=1e-12)


def test_repr():
    """
    All that has to do with the result, and no period where there is none.
    """
    assert repr(GPRImputer(kernel='periodic', period=5, max_training=500)) == (
        "GPRImputer(kernel='periodic', width=9, method='local', "
        'amplitude=None, length_scale=None, angle=None, stretch=None, '
        'period=5.0, noise=None, training_mad=10.0, training_clip=5.0, '
        'max_training=500, rng=0, clear_mask=False, n_threads=1)')
    assert ', rng=7, ' in repr(GPRImputer(rng=7))
    assert 'period' not in repr(GPRImputer())


def test_flag_names():
    assert decode_fill_flags(0) == []
    assert decode_fill_flags([1, 13]) == [
        ['filled'], ['filled', 'few_good', 'window_grown']]
    assert decode_fill_flags(1, return_bit_values=True) == [1]
    with pytest.raises(ValueError, match='1024'):
        decode_fill_flags(1024)


def test_no_warnings_but_the_one(image):
    """
    Few pixels: one warning that says what to do.
    """
    small = image[:5, :5].copy()
    small[3, 3] = np.nan
    with pytest.warns(AstropyUserWarning, match='Call fit') as record:
        result = GPRImputer().run(small)
    assert len(record) == 1
    assert result.flags[3, 3] & flags.NOT_TRAINED
    assert np.isfinite(result.image).all()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        GPRImputer().run(image[:5, :5])
