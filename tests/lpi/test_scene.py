"""
The image as LPI sees it, in whole and in parts.
"""

import tracemalloc
import weakref

import numpy as np
import pytest
from astropy.stats import mad_std
from numpy.testing import assert_allclose, assert_array_equal
from photutils.psf import CircularGaussianPRF

from lpiphot._inputs import ImageReader
from lpiphot.lpi import scene as scene_module
from lpiphot.lpi.infill import pixel_noise
from lpiphot.lpi.psf import PSF, Sources
from lpiphot.lpi.rendering import StarRenderer
from lpiphot.lpi.scene import Field, SharedScenes, Thresholds
from lpiphot.lpi.tiles import Region, shared_regions
from oracles import boxcar
from oracles.scenes import star_image

MODEL = CircularGaussianPRF(fwhm=2.5)
SHAPE = 153, 171
STARS = [(30.3, 40.6, 3000.0), (33.9, 43.1, 900.0), (0.2, 50.1, 4000.0),
         (170.4, 152.4, 5000.0), (110.7, 90.2, 2e5), (84.9, 12.8, -40.0)]
GAIN = 1.7
SEED = 405


def make_field(data, stars=(), thresholds=(5.0, 2000.0, 60.0), *, error=None,
               mask=None, **keys):
    """
    A field of circular stars.
    """
    x, y, flux = np.array(stars, dtype=float).reshape(-1, 3).T
    return Field(ImageReader(data, error=error, mask=mask), PSF(MODEL),
                 Sources(x, y, flux, {}), Thresholds(*thresholds),
                 stamp_shape=(13, 11), **({'seed': SEED} | keys))


def whole_of(field):
    """
    The scene of the whole image.
    """
    return field.scene(Region((0, 0), field.image_shape))


class Example:
    """
    Stars and bad pixels on bright structure: images for the tests.
    """

    def __init__(self):
        rng = np.random.default_rng(SEED)
        y, x = np.indices(SHAPE)
        self.model = sum(flux * star_image(MODEL, x_0, y_0, SHAPE)
                         for x_0, y_0, flux in STARS)
        self.sky = 100 + 0.5 * x
        self.data = (self.model + 300 + 40 * np.sin(y / 9)
                     + rng.normal(scale=1.7 + x / 80, size=SHAPE))
        self.data[60, 60] += 1e4
        self.mask = rng.random(SHAPE) < 0.01
        self.mask[70:130, 20:85] = True  # wants the fourth boxcar
        self.mask[:25, 150:] = True
        self.data[140:153, 60:64] = np.nan

    def field(self, **keys):
        """
        The field, without a limit for outliers that is below 300.
        """
        return make_field(self.data, STARS, (5.0, 2000.0, 600.0),
                          mask=self.mask, **keys)


@pytest.fixture(scope='module')
def example():
    """
    The images.
    """
    return Example()


class TestInfill:
    """
    Boxcar means, plus noise.
    """

    @staticmethod
    def noise(filled, scene):
        """
        The noise in units of its scatter, and the boxcar means.
        """
        means = boxcar.boxcar_infill(scene.residual, scene.mask)
        unit = pixel_noise(scene.mask, scene.region, SEED)
        return ((filled - means) / np.where(scene.mask, unit, 1.0)), means

    def test_photon_noise(self, example):
        """
        With gain and background, that of sky and infill (equation 7).
        """
        scene = whole_of(example.field(gain=GAIN, background=example.sky))
        scatter, means = self.noise(scene.filled, scene)
        want = np.sqrt((example.sky + means) / GAIN)
        mask = scene.mask
        # rounding, also where the noise that divides is 1e-4 by chance;
        # without the infill of 300 the scatter would be half of this
        assert_allclose(scatter[mask], want[mask], rtol=1e-7)

    def test_photon_noise_of_negative(self, example):
        """
        A negative sum counts by its absolute value.
        """
        sky = example.sky - 1000
        scene = whole_of(example.field(gain=GAIN, background=sky))
        scatter, means = self.noise(scene.filled, scene)
        want = np.sqrt(-(sky + means) / GAIN)
        assert_allclose(scatter[scene.mask], want[scene.mask], rtol=1e-7)

    @pytest.mark.parametrize('keys', [{}, {'gain': GAIN}, {'background': 1}])
    def test_local_scatter(self, example, keys):
        """
        Without one of them, that of the good pixels of the block.
        """
        if 'background' in keys:
            keys = {'background': example.sky}
        field = example.field(**keys)
        scene = whole_of(field)
        scatter, _ = self.noise(scene.filled, scene)
        good = np.where(scene.mask, np.nan, scene.residual)
        n_alone = 0
        for y in range(0, SHAPE[0], 16):
            for x in range(0, SHAPE[1], 16):
                block = slice(y, y + 16), slice(x, x + 16)
                values = good[block][~scene.mask[block]]
                want = mad_std(values) if values.size >= 16 else field.noise
                n_alone += values.size < 16
                assert_allclose(scatter[block][scene.mask[block]], want,
                                rtol=1e-7)
        assert n_alone > 3

    def test_others_unchanged(self, example):
        """
        Only masked pixels are filled, all of them.
        """
        scene = whole_of(example.field())
        assert_array_equal(scene.filled[~scene.mask],
                           scene.residual[~scene.mask])
        assert np.isfinite(scene.filled).all()
        assert not scene.unreached.any()
        assert scene.mask[60, 60]  # the cosmic ray
        assert_array_equal(scene.no_data,
                           example.mask | np.isnan(example.data))

    def test_unreached(self, example, monkeypatch):
        """
        Where no boxcar reaches good pixels, the level, with noise.
        """
        monkeypatch.setattr(scene_module, 'HALF_WIDTHS', (9, 13))
        field = example.field()
        scene = whole_of(field)
        assert_array_equal(scene.unreached, np.isnan(boxcar.boxcar_infill(
            scene.residual, scene.mask, n_widths=2)))
        assert scene.unreached[100, 50]
        # no block there has good pixels of its own
        inner = slice(90, 110), slice(40, 60)
        unit = pixel_noise(scene.unreached, scene.region, SEED)
        assert_allclose(scene.filled[inner],
                        field.level + field.noise * unit[inner], rtol=1e-9)


    def test_each_has_its_own_width(self):
        """
        Stars whose width was fitted are rendered as far out as it needs.
        """
        rng = np.random.default_rng(3)
        model = CircularGaussianPRF(fwhm=3.0)
        model.fwhm.fixed = False
        x, y = rng.uniform(10, 140, (2, 20))
        flux, fwhm = np.full(20, 500.0), np.full(20, 3.0)
        x[0], y[0], flux[0], fwhm[0] = 76.3, 71.8, 3e5, 14.0
        noise = rng.normal(0, 1, (150, 150))
        stars = []
        for values in zip(x, y, flux, fwhm, strict=True):
            star = CircularGaussianPRF(fwhm=values[3])
            stars.append(star_image(star, *values[:2], noise.shape,
                                    values[2]))
        field = Field(
            ImageReader(noise + sum(stars)), PSF(model),
            Sources(x, y, flux, {'fwhm': fwhm}),
            Thresholds(None, None, None), stamp_shape=(33, 33))
        left = whole_of(field).residual - noise
        # each star is cut where it is below 0.02
        assert np.abs(left).max() < 0.1


    def test_null_values(self):
        """
        Values that stand for none, on most of an image, are as NaN.
        """
        data = np.random.default_rng(3).normal(0, 2, (128, 160))
        fields = []
        for null in (np.nan, -1e30):
            data[:, 48:] = null  # whole blocks
            fields.append(make_field(data, [(20, 30, 500)]))
        assert fields[0].noise == fields[1].noise
        scenes = [whole_of(field) for field in fields]
        assert_array_equal(scenes[0].no_data, scenes[1].no_data)
        assert_array_equal(scenes[0].filled, scenes[1].filled)


class TestStarVariance:
    """
    The photon noise of the stars, by gain or by error.
    """

    SKY = 1.7  # the error where no star is

    def test_gain(self, example):
        """
        The absolute value of the model by the gain, on all pixels.
        """
        scene = whole_of(example.field(gain=GAIN))
        # what is cut of the wings is below 2 % of the noise
        assert_allclose(scene.star_variance, np.abs(example.model) / GAIN,
                        rtol=1e-9, atol=0.1)

    def test_error(self, example):
        """
        The squared error in excess of its level on good pixels.
        """
        mask = whole_of(example.field()).mask
        excess = np.where(mask, np.abs(example.model) / GAIN, 0.0)
        error = np.hypot(self.SKY, np.sqrt(excess))
        scene = whole_of(example.field(error=error))
        assert_array_equal(scene.mask, mask)
        assert excess.max() > 1000
        # rounding of 2e4; the level itself is 2.89
        assert_allclose(scene.star_variance, excess, rtol=1e-9, atol=1e-9)
        assert_allclose(scene.error_level, self.SKY ** 2, rtol=1e-9)
        assert_allclose(scene.model[mask], example.model[mask], atol=0.1)
        assert_allclose(scene.inverse_gain, 1 / GAIN, rtol=1e-3)

    def test_error_varies(self, example):
        """
        The level is the local one.
        """
        _, x = np.indices(SHAPE)
        slope = 5 + 0.1 * x
        mask = whole_of(example.field()).mask
        excess = np.where(mask, np.abs(example.model) / GAIN, 0.0)
        error = np.sqrt(excess + slope)
        error[40:43, 20:41] *= 0.2  # under the first star and beside it
        scene = whole_of(example.field(error=error))
        level = boxcar.boxcar_infill(error ** 2, scene.mask)
        assert_allclose(scene.error_level, level, rtol=1e-9)
        assert scene.star_variance.min() < 0
        assert_allclose(scene.star_variance[scene.mask],
                        (error ** 2 - level)[scene.mask], rtol=1e-9,
                        atol=1e-9)
        assert_array_equal(scene.star_variance[~scene.mask], 0)

    @pytest.mark.parametrize('odd', [30.0, 1e4, 1e8, 1e30])
    def test_odd_errors(self, example, odd):
        """
        An error far above those about it is not the level of others, near
        or far: of a bad pixel, or one that stands for none.
        """
        mask = whole_of(example.field()).mask
        error = np.full(SHAPE, self.SKY)
        error[mask] = np.hypot(self.SKY, np.sqrt(
            np.abs(example.model[mask]) / GAIN))
        plain = whole_of(example.field(error=error))
        pixels = [40, 12, 95], [40, 140, 105]
        assert not mask[pixels].any()
        error[pixels] = 10 * odd
        scene = whole_of(example.field(error=error))
        lost = 10 * odd > scene_module.NULL_ERROR * 5.0
        assert_array_equal(scene.no_data[pixels], lost)
        others = ~scene.mask
        others[pixels] = False
        others |= plain.mask
        # sums of 1e10 leave 1e-6
        for name in ('star_variance', 'error_level'):
            assert_allclose(getattr(scene, name)[others],
                            getattr(plain, name)[others], rtol=1e-6,
                            atol=1e-4)
        if not lost:
            assert_array_equal(scene.star_variance[pixels], 0)
        assert_allclose(scene.inverse_gain, 1 / GAIN, rtol=1e-3)

    def test_errors_of_another_image(self, example):
        """
        Errors that are all far above the noise, as of an image without any,
        stand for themselves.
        """
        noise = example.field().noise
        scene = whole_of(example.field(
            error=np.full(SHAPE, 1e8 * noise)))
        assert_array_equal(scene.no_data, whole_of(example.field()).no_data)

    def test_few_photons(self, example):
        """
        Where most errors are 0, as without photons, the others count.
        """
        rng = np.random.default_rng(8)
        error = np.sqrt(rng.poisson(0.3, SHAPE))
        scene = whole_of(example.field(error=error))
        assert_allclose(
            scene.error_level, boxcar.boxcar_infill(error ** 2, scene.mask),
            rtol=1e-9, atol=1e-9)

    def test_gain_goes_first(self, example):
        """
        With both, the gain counts; with none, there is no such noise.
        """
        error = np.full(SHAPE, 3.0)
        assert_array_equal(
            whole_of(example.field(gain=GAIN, error=error)).star_variance,
            whole_of(example.field(gain=GAIN)).star_variance)
        scene = whole_of(example.field())
        assert_array_equal(scene.star_variance, 0)
        assert scene.error_level is None


class TestRegions:
    """
    A pixel has the same value in every region that contains it.
    """

    @pytest.mark.parametrize('keys', ['plain', 'error', 'gain', 'sky'])
    def test_cut(self, example, keys):
        """
        The scene of a region is the cut of that of the image.
        """
        error = np.sqrt(3 + np.abs(example.model) / GAIN)
        field = example.field(**{
            'plain': {}, 'error': {'error': error}, 'gain': {'gain': GAIN},
            'sky': {'gain': GAIN, 'background': example.sky}}[keys])
        whole = whole_of(field)
        for region in [
                Region((0, 0), (37, 51)),  # a corner
                Region((119, 100), (153, 171)),  # the opposite one
                Region((97, 47), (104, 58)),  # amid the large hole
                Region((60, 13), (135, 33)),  # its edge
                Region((3, 140), (20, 171)),  # a hole at the edge
                Region((140, 59), (153, 64)),  # NaN at the edge
                Region((33, 21), (50, 44)),  # a close pair
                Region((0, 100), (153, 101)),  # one column
                Region((92, 111), (93, 112))]:  # one pixel
            part = field.scene(region)
            assert part.region == region
            for name in ('no_data', 'mask', 'unreached'):
                assert_array_equal(getattr(part, name),
                                   getattr(whole, name)[region.slices],
                                   err_msg=name)
            for name in ('residual', 'filled', 'star_variance'):
                want = getattr(whole, name)[region.slices]
                # sums of 1e4 pixels of some 1e3 to 1e-16 each; a pixel
                # more or less in a mean shows at 1e-3
                assert_allclose(getattr(part, name), want, rtol=1e-9,
                                atol=1e-8, err_msg=f'{name} in {region}')

    def test_margins_let_go(self, example):
        """
        A scene keeps the pixels of its region only.
        """
        field = example.field()
        region = Region((97, 47), (104, 58))  # the boxcars reach 26 pixels
        field.scene(region)
        tracemalloc.start()
        try:
            scene = field.scene(region)
            size, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert scene.filled.shape == region.shape
        # one plane with its margins
        assert size < 8 * np.prod(np.array(region.shape) + 2 * 26)

    def test_star_in_margin(self):
        """
        A star that only the larger margin of a hole reaches is rendered.
        """
        data = np.random.default_rng(5).normal(0, 1.7, SHAPE)
        mask = np.zeros(SHAPE, dtype=bool)
        mask[40:101, 50:111] = True
        stars = [(114.3, 70.4, 3000.0), (96.2, 70.2, 2000.0)]
        data += sum(flux * star_image(MODEL, x, y, SHAPE)
                    for x, y, flux in stars)
        field = make_field(data, stars, (None, None, None), mask=mask)
        whole = whole_of(field)
        region = Region((68, 78), (73, 83))
        part = field.scene(region)
        # a pixel more or less in means of some 1000 shows at 1e-3
        assert_allclose(part.filled, whole.filled[region.slices], rtol=0,
                        atol=1e-9)

    def test_unreached(self, example, monkeypatch):
        """
        The same where infill fell back to the level.
        """
        monkeypatch.setattr(scene_module, 'HALF_WIDTHS', (9, 13))
        field = example.field()
        whole = whole_of(field)
        region = Region((61, 50), (104, 95))
        part = field.scene(region)
        assert part.unreached.any()
        assert_array_equal(part.unreached, whole.unreached[region.slices])
        assert_allclose(part.filled, whole.filled[region.slices], rtol=1e-9)

    def test_memory(self, example):
        """
        Of many stars, few at a time are rendered.
        """
        n_stars, stamp_shape = 2000, (45, 41)
        rng = np.random.default_rng(SEED)
        sources = Sources(rng.uniform(0, SHAPE[1], n_stars),
                          rng.uniform(0, SHAPE[0], n_stars),
                          np.full(n_stars, 9.0), {})
        field = Field(ImageReader(example.data), PSF(MODEL), sources,
                      Thresholds(5.0, 2000.0, 60.0), stamp_shape=stamp_shape)
        tracemalloc.start()
        try:
            whole_of(field)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # all of them are 30 MB
        assert peak < 0.7 * 8 * n_stars * np.prod(stamp_shape)


class TestThresholds:
    """
    Defaults from the typical scatter of the residual.
    """

    SIGMA = 1.7

    def white(self, shape):
        """
        White noise on a level.
        """
        return np.random.default_rng(4).normal(-40, self.SIGMA, shape)

    def test_defaults(self):
        """
        The noise of a pixel, and 500 times that as a flux.
        """
        stars = [(30.3, 40.6, 3e4), (150.1, 100.7, 6e4)]
        data = self.white((203, 259)) + sum(
            flux * star_image(MODEL, x, y, (203, 259)) for x, y, flux in stars)
        field = make_field(data, stars, (None, None, None))
        # The median of 221 blocks, each with a scatter known to 7 %: 0.6 %
        # and a bias of as much; 3 % is 4 sigma. The level: 1.7 / sqrt(256)
        # and 1.25 for a median each time: 0.01.
        assert_allclose(field.noise, self.SIGMA, rtol=0.03)
        assert_allclose(field.level, -40, rtol=0, atol=0.05)
        assert field.thresholds.mask_threshold == field.noise
        assert (field.thresholds.min_mask_flux
                == 500 * field.thresholds.mask_threshold)
        assert field.thresholds.residual_threshold is None

    def test_given(self):
        """
        What is given is used, and 500 times that as a flux.
        """
        field = make_field(self.white((64, 64)), (), (3.0, None, 50.0))
        assert field.thresholds == (3.0, 1500.0, 50.0)

    @pytest.mark.parametrize('turn', [False, True])
    def test_large_image(self, turn, monkeypatch):
        """
        Of 18 rows of cells 8 are sampled, from the first to the last.
        """
        reads = []
        read = ImageReader.read

        def counted(reader, region):
            reads.append(region)
            return read(reader, region)

        monkeypatch.setattr(ImageReader, 'read', counted)
        data = self.white((1100, 600))
        data[:450] *= 3  # the first 7 rows; of those sampled, 3
        field = make_field(data.T if turn else data, (), (None, None, None))
        # 62 % of the blocks have a scatter of 1.7 with an error of 7 %:
        # the median is at their 80 %, 6 % higher
        assert_allclose(field.noise, self.SIGMA, rtol=0.1)
        regions = set(reads)
        assert len(regions) <= 64
        assert all(max(region.shape) <= 64 for region in regions)
        assert (0, 0) in {region.first for region in regions}
        assert field.image_shape in {region.last for region in regions}

    def test_all_samples_masked(self):
        """
        Then the rest of the image is read.
        """
        data = self.white((1100, 130))
        mask = np.ones(data.shape, dtype=bool)
        mask[70:120] = False  # the second row of cells; not sampled
        field = make_field(data, (), (None, None, None), mask=mask)
        # 24 blocks: 2 %
        assert_allclose(field.noise, self.SIGMA, rtol=0.1)

    def test_no_data(self):
        """
        An image without data has no noise.
        """
        with pytest.raises(ValueError, match='data'):
            make_field(np.full((40, 50), np.nan))

    def test_no_data_first(self, monkeypatch):
        """
        It is said before stars are rendered, as far out as they reach
        without a noise to stop at.
        """
        monkeypatch.setattr(StarRenderer, '__init__', None)
        monkeypatch.setattr(StarRenderer, 'render', None)
        with pytest.raises(ValueError, match='finite and not masked'):
            make_field(np.ones((60, 50)), STARS, (None, None, None),
                       mask=np.ones((60, 50), dtype=bool))


class TestSharedScenes:
    """
    Neighbouring jobs share a scene where that is cheaper.
    """

    NEAR = (Region((0, 0), (100, 90)), Region((20, 60), (120, 160)),
            Region((30, 10), (130, 110)))

    def test_shared(self):
        """
        Those that overlap by much; not one in another square, nor few
        far from each other.
        """
        far = Region((1030, 10), (1130, 110))
        few = [Region((1100, 1100), (1150, 1150)),
               Region((1900, 1900), (1950, 1950))]
        shared = shared_regions([*self.NEAR, far, *few])
        assert shared == [*3 * [Region((0, 0), (130, 160))], far, *few]

    def test_same_planes(self, example):
        """
        Each job sees the planes of its region, rounded otherwise at most.
        """
        field = example.field()
        scenes = SharedScenes(field, self.NEAR)
        for region in self.NEAR:
            scene = scenes.scene(region)
            assert scene.region == Region((0, 0), (130, 160))
            own = field.scene(region)
            part = region.within(scene.region)
            for name in ('no_data', 'mask', 'unreached'):
                assert_array_equal(getattr(scene, name)[part],
                                   getattr(own, name))
            for name in ('residual', 'filled', 'star_variance'):
                # 1e4 pixels of up to some 1e4, about a level
                assert_allclose(getattr(scene, name)[part],
                                getattr(own, name), rtol=0, atol=1e-8)

    def test_staggered(self, example):
        """
        Each scene is begun as many scenes ahead as there are others to
        make one; each job is there once, a thread alone has them in turn.
        """
        far = [Region((1030 * i, 10), (1030 * i + 100, 110))
               for i in (1, 2)]
        scenes = SharedScenes(example.field(),
                              [*self.NEAR, *2 * far[:1], *3 * far[1:]])
        assert scenes.staggered(1) == list(range(8))
        assert scenes.staggered(2) == [0, 3, 1, 2, 5, 4, 6, 7]
        assert scenes.staggered(3) == [0, 3, 5, 1, 2, 4, 6, 7]
        assert scenes.staggered(9) == [0, 3, 5, 1, 2, 4, 6, 7]

    def test_made_once_and_let_go(self, example, monkeypatch):
        """
        The last job to ask is the last to hold it.
        """
        made = []
        scene_of = Field.scene
        monkeypatch.setattr(Field, 'scene', lambda self, region: (
            made.append(region) or scene_of(self, region)))
        regions = [*self.NEAR, self.NEAR[0]]
        scenes = SharedScenes(example.field(), regions)
        alive = [weakref.ref(scenes.scene(region).filled)
                 for region in regions[:3]]
        assert len(made) == 1
        assert alive[0]() is not None
        scenes.scene(regions[3])
        assert alive[0]() is None
        assert len(made) == 1
