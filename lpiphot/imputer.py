# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Bad pixels, replaced by Gaussian process regression.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.nddata import NDData
from astropy.utils.exceptions import AstropyUserWarning

from lpiphot import flags
from lpiphot._checks import as_choice, as_count, as_finite, as_number, as_seed
from lpiphot._files import whole_file
from lpiphot._inputs import as_mask, parse_pixels
from lpiphot._outputs import add_to_metadata, replace_pixels
from lpiphot._parallel import run_jobs
from lpiphot.gpr.fill import Filled, Filler
from lpiphot.gpr.kernels import KERNELS, PERIOD, Kernel
from lpiphot.gpr.learn import Settings, learn
from lpiphot.gpr.model import MAX_WIDTH, Model
from lpiphot.gpr.plane import Plane
from lpiphot.gpr.training import Bounds, Search
from lpiphot.gpr.weights import weights
from lpiphot.gpr.window import offsets
from lpiphot.imputation import GPRImputation, noise_of_measured

__all__ = ['GPRImputer']

# Bad pixels in one job of a thread
N_JOB = 16384

# The bounds of section 4.2; the penalty keeps the amplitude finite
MIN_AMPLITUDE, MAX_AMPLITUDE, MIN_LENGTH_SCALE = 1.0, 5000.0, 0.5

# What to choose from by default
SMOOTH = 'squared_exponential', 'matern52'


class GPRImputer:
    """
    Replace bad pixels by Gaussian process regression.

    A bad pixel is a weighted sum of the good pixels in a window about
    it. The weights follow from a covariance function, noise, and which
    neighbours are good (Zhang & Brandt 2021, equation 3), and sum to 1.
    The parameters of the covariance function are those that predict the
    good pixels of the image best.

    In the paper one kernel serves the whole image; trained on bright
    pixels it adds noise to the sky. Here, by default, training finds
    kernels for classes of neighbourhoods, by their contrast and by
    whether the pixel sits on a peak, and each bad pixel takes that of
    its neighbourhood.

    Parameters
    ----------
    kernel : {'squared_exponential', 'ornstein_uhlenbeck', 'matern32', \
            'matern52', 'periodic'}, optional
        The covariance function. By default the squared exponential
        (equation 4), which is nearest to a PSF; with ``method='local'``
        classes of neighbourhoods take Matern 5/2, which is less smooth,
        where it predicts better, unless amplitude or length scale are
        given.

    width : int, optional
        The odd width of the window in pixels. The weights of more
        distant pixels are small for all but the smoothest images.

    amplitude : float, optional
        The amplitude of the kernel in units of the noise (the paper's
        a/sigma), or in those of ``noise`` if that is given. By default
        it is trained.

    length_scale : float or 2-tuple of float, optional
        The length scale in pixels, or those along y and x. By default
        it is trained.

    angle : float, optional
        The angle in degrees by which the axes of two length scales are
        turned, counter-clockwise from x to y. By default 0, or trained
        if ``stretch='angle'``. It needs two length scales, or
        ``stretch``.

    stretch : {None, 'axes', 'angle'}, optional
        Whether to train an isotropic kernel, one stretched along the
        axes (equation 6), or one stretched at any angle. Stretched
        kernels suit spectra; on stars they may smooth over a source
        (section 3.3). Not with ``length_scale``.

    period : float, optional
        The period of the periodic kernel in pixels; that of the paper's
        code by default. Only with ``kernel='periodic'``.

    noise : float or `~astropy.units.Quantity`, optional
        The 1-sigma noise of a pixel in data units. Then the errors are
        those of the kernel with this noise. By default the errors have
        the width that residuals of training pixels have.

    method : {'local', 'single'}, optional
        Whether to find kernels for classes of neighbourhoods, or a
        single one as in the paper. By default 'local', but 'single' if
        amplitude and length scale are both given.

    training_mad, training_clip : float, optional
        Bright pixels are those ``training_mad`` median absolute
        deviations above the median, of the image or of the part of it,
        some 100 pixels wide, that they are in. With
        ``method='single'`` training uses those of the image, as far as
        they are below its maximum over ``training_clip`` (section 4.1);
        if there are few of them, also brighter ones, then fainter ones,
        at last any.

    max_training : int, optional
        The largest number of training pixels. More change the objective
        by less than 1 per cent.

    clear_mask : bool, optional
        Whether the result is unmasked where pixels were filled; those
        that no good pixel was near still are masked (see the notes). By
        default the mask of the image stays: it says which pixels were
        measured. NaN and pixels of another ``mask`` are not put into it.

    n_threads : int, optional
        The number of threads. The results are the same, bit for bit,
        for any number.

    progress_bar : bool, optional
        Whether to show a progress bar. Needs ``tqdm``.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the choice of training pixels, or a generator to
        draw it from. By default a fixed seed.

    Attributes
    ----------
    model : object or `None`
        The kernels that `fit` has found or `load` has read; without
        them each image is trained on itself.

    Raises
    ------
    TypeError
        If a parameter is of the wrong kind.

    ValueError
        If a parameter has a value that cannot be used, or would have no
        effect, or amplitude and length scale give no positive definite
        covariance.

    See Also
    --------
    lpiphot.decode_fill_flags : The meaning of the flags.

    Notes
    -----
    A window with fewer than 8 good pixels grows: the 36 nearest good
    pixels are taken. Where none is within 32 pixels, in rows and in
    columns, and within four length scales (a periodic kernel reaches
    everywhere), as beyond the field of a rotated mosaic, a pixel gets
    the median of the image, and the scatter of the image about it as the
    uncertainty. Good pixels that stand alone far above or below their
    neighbours, as hot pixels do, are left out; they are not changed. The
    flags say so.

    If NDData have no uncertainty, then measured pixels get the noise of
    the sky: that of the fainter pixels of each image, from differences
    four pixels apart, or ``noise`` if it is given. It is a lower limit
    for bright pixels, whose photon noise is not known; give an
    uncertainty (`ccdproc.create_deviation`) if it matters. It is 0 if
    all pixels are the same.

    Only `fit` and `load` change the object: one instance may serve many
    images and threads.

    Examples
    --------
    >>> import numpy as np
    >>> from lpiphot import GPRImputer
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:90, :80]
    >>> data = 100 * np.sin(x / 5) * np.cos(y / 7) + rng.normal(0, 1, x.shape)
    >>> mask = rng.random(data.shape) < 0.02
    >>> imputer = GPRImputer()
    >>> clean = imputer(np.where(mask, np.nan, data))
    >>> bool(np.abs(clean - data)[mask].mean() < 1.5)
    True
    """

    def __init__(self, *, kernel=None, width=9,
                 amplitude=None, length_scale=None, angle=None, stretch=None,
                 period=PERIOD, noise=None, method=None, training_mad=10.0,
                 training_clip=5.0, max_training=6000, clear_mask=False,
                 n_threads=1, progress_bar=False, rng=None):
        self.kernel = as_choice('kernel', kernel, (None, *KERNELS))
        self.width = as_count('width', width, 3)
        if self.width % 2 == 0 or self.width > MAX_WIDTH:
            msg = f'width must be odd and from 3 to {MAX_WIDTH}; got {width!r}'
            raise ValueError(msg)
        self.amplitude = (None if amplitude is None
                          else as_number('amplitude', amplitude))
        self.length_scale = (None if length_scale is None
                             else _as_scales(length_scale))
        self.angle = None if angle is None else _as_angle(angle)
        self.stretch = as_choice('stretch', stretch, (None, 'axes', 'angle'))
        self.period = as_number('period', period)
        self._check_used(length_scale)
        self.noise = noise
        if noise is not None:
            as_number('noise', getattr(noise, 'value', noise))
        fixed = amplitude is not None and length_scale is not None
        if method is None:
            method = 'single' if fixed else 'local'
        self.method = as_choice('method', method, ('local', 'single'))
        self.training_mad = as_number('training_mad', training_mad)
        self.training_clip = as_number('training_clip', training_clip)
        self.max_training = as_count('max_training', max_training, 100)
        self.clear_mask = bool(clear_mask)
        self.n_threads = as_count('n_threads', n_threads, 1)
        self.progress_bar = bool(progress_bar)
        self._seed = as_seed(rng)
        self.model = None
        if fixed:
            self.weights()  # raises if they cannot be

    def __repr__(self):
        options = self._in_force()
        if self.model is None:
            options |= {name: getattr(self, name) for name in
                        ('training_mad', 'training_clip', 'max_training')}
            options['rng'] = self._seed
        options |= {name: getattr(self, name)
                    for name in ('clear_mask', 'n_threads')}
        values = ', '.join(f'{name}={value!r}'
                           for name, value in options.items())
        trained = '' if self.model is None else ', trained'
        return f'{type(self).__name__}({values}{trained})'

    def __call__(self, data, *, mask=None, add_keyword=True):
        """
        Replace the bad pixels of an image.

        Parameters
        ----------
        data : array_like, `~astropy.units.Quantity`, masked array, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image (ny, nx), or a cube (n, ny, nx), whose images are
            done one by one. Pixels that are masked or not finite are
            bad.

        mask : bool array_like, optional
            `True` for bad pixels.

        add_keyword : bool, str, dict or object, optional
            What to add to the metadata of NDData, as in ccdproc: `True`
            for the parameters under ``GPRIMPUT``, `False` or `None` for
            nothing, a keyword, a dict, or a `ccdproc.Keyword`.

        Returns
        -------
        clean : object
            A new object of the same kind. Good pixels are the same, bit
            for bit; integers become floats that hold them. The
            uncertainty of filled pixels is set, in the class and unit
            that it has (to NaN in an `~astropy.nddata.UnknownUncertainty`);
            if there is none, standard deviations are
            added, which are the noise of the sky (see the notes) for
            pixels not filled. ``flags``, if there are none, become
            those of `~lpiphot.decode_fill_flags`.

        Raises
        ------
        TypeError
            If the data are no real numbers, or the mask is not boolean.

        ValueError
            If a shape is wrong, the mask is given twice, or an image
            has no good pixel.
        """
        return self.run(data, mask=mask, add_keyword=add_keyword).image

    def run(self, data, *, mask=None, add_keyword=True):
        """
        Replace the bad pixels, and return errors and flags as well.

        Parameters
        ----------
        data : array_like, `~astropy.units.Quantity`, masked array, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image or cube, as for calling the object.

        mask : bool array_like, optional
            `True` for bad pixels.

        add_keyword : bool, str, dict or object, optional
            What to add to the metadata, as for calling the object.

        Returns
        -------
        result : `~lpiphot.imputation.GPRImputation`
            The clean image, the errors and flags of all pixels, and the
            kernels, with a plot.

        Raises
        ------
        TypeError, ValueError
            As for calling the object.
        """
        values, bad, unit = parse_pixels(data, mask=mask)
        _check_good(values, bad)
        shape = values.shape[-2:]
        models, parts = [], []
        for pixels, bad_ones in zip(values.reshape(-1, *shape),
                                    bad.reshape(-1, *shape), strict=True):
            model, filled = self._fill(pixels, bad_ones, unit)
            models.append(model)
            parts.append(filled)
        value, std, bits = map(np.concatenate, zip(*parts, strict=True))
        if any(model.n_training == 0 for model in models) and bad.any():
            warnings.warn(
                'data have too few good pixels to train on; a general kernel '
                'was used. Call fit with other images of this instrument, or '
                'give amplitude and length_scale', AstropyUserWarning)
        bits[~np.isfinite(values[bad])] |= flags.NOT_FINITE
        planes = np.zeros(values.shape, dtype=np.uint16)
        planes[bad] = bits
        noise = (noise_of_measured(data, values, bad) if self.noise is None
                 else as_number('noise', self.noise, unit))
        none = np.zeros_like(bad)
        filled = bad & (planes & flags.FROM_NOTHING == 0)
        image = replace_pixels(data, bad, value, std, mask=none,
                               unmask=filled if self.clear_mask else none,
                               flags=planes, noise=noise)
        if isinstance(data, NDData):
            add_to_metadata(image, add_keyword, 'GPRIMPUT',
                            self.describe(np.count_nonzero(bad)))
        return GPRImputation(image=image, mask=bad, flags=planes, unit=unit,
                             models=tuple(models), _std=std)

    def fit(self, images, *, mask=None, training_mask=None):
        """
        Train on one or many images, to apply the kernels to others.

        Parameters
        ----------
        images : image or list or iterator of images
            Images of one instrument and configuration, of any kind that
            can be imputed, as from
            ``ccdproc.ImageFileCollection.ccds()``. A cube is taken for
            its images.

        mask : bool array_like or list of them, optional
            `True` for bad pixels; for a list of images a list.

        training_mask : bool array_like or list of them, optional
            `True` for pixels to train on, where good. By default they
            are chosen, see ``training_mad``.

        Returns
        -------
        imputer : `GPRImputer`
            The object itself, with ``model`` set.

        Raises
        ------
        TypeError
            If an image is not numeric or a mask is not boolean.

        ValueError
            If a shape is wrong, an image has no good pixel, or there
            are too few training pixels.
        """
        images, mask, training_mask = (
            list(one) if isinstance(one, Iterator) else one
            for one in (images, mask, training_mask))
        if not isinstance(images, (list, tuple)):
            images = [images]
            mask, training_mask = (None if one is None else [one]
                                   for one in (mask, training_mask))
        if len(images) == 0:
            msg = 'images must have at least one image; got none'
            raise ValueError(msg)
        masks, chosen = ([None] * len(images) if one is None else one
                         for one in (mask, training_mask))
        for name, given in (('mask', masks), ('training_mask', chosen)):
            one = isinstance(given, np.ndarray) and given.ndim == 2
            if one or len(given) != len(images):
                msg = (f'{name} must have one mask for each of the '
                       f'{len(images)} images; got '
                       f'{"a single one" if one else len(given)}')
                raise ValueError(msg)
        if training_mask is not None and any(one is None for one in chosen):
            msg = 'training_mask must have a mask for every image, or for none'
            raise ValueError(msg)
        planes, training = [], []
        for image, its_mask, wanted in zip(images, masks, chosen, strict=True):
            values, bad, _ = parse_pixels(image, mask=its_mask)
            _check_good(values, bad)
            planes.extend(Plane.of(values[number], bad[number])
                          for number in np.ndindex(values.shape[:-2]))
            if wanted is not None:
                training.extend(as_mask(
                    'training_mask', wanted, values.shape,
                    'pixels to train on').reshape(-1, *values.shape[-2:]))
        model = self._learn(planes, training or None)
        if model.n_training == 0:
            msg = ('images have too few training pixels: good pixels whose '
                   f'whole window, {self.width} pixels wide, is inside the '
                   'image')
            raise ValueError(msg)
        self.model = model
        return self

    def save(self, path, *, overwrite=False):
        """
        Write the trained kernels to a small text file (JSON).

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The file.

        overwrite : bool, optional
            Whether to replace a file that exists.

        Raises
        ------
        ValueError
            If there is no trained kernel; see `fit`.

        FileExistsError
            If the file exists.
        """
        self._check_trained('save')
        text = json.dumps({'lpiphot': 'GPRImputer'} | self.model.to_dict())
        text = text.replace('}, ', '},\n')  # a line for each kernel and class
        with whole_file(path, overwrite=overwrite) as part:
            Path(part).write_text(text + '\n', encoding='utf-8')

    def load(self, path):
        """
        Read kernels that `save` wrote, in place of training.

        It is a method of an object, whose other parameters stay as they
        are: ``GPRImputer(clear_mask=True).load(path)``.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The file.

        Returns
        -------
        imputer : `GPRImputer`
            The object itself, with ``model`` set. The parameters of the
            kernel given to the object have no effect any more.

        Raises
        ------
        OSError
            If the file cannot be read.

        ValueError
            If the file holds no trained kernel.
        """
        try:
            values = json.loads(Path(path).read_text(encoding='utf-8'))
            if values.pop('lpiphot') != 'GPRImputer':
                raise KeyError  # noqa: TRY301
            self.model = Model.from_dict(values)
        except (ValueError, KeyError, AttributeError, TypeError) as exc:
            msg = f'{path} holds no trained kernel of GPRImputer: {exc}'
            raise ValueError(msg) from exc
        return self

    def plot(self):
        """
        Show the trained kernels: errors and weights by class.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure. Needs ``matplotlib``.

        Raises
        ------
        ValueError
            If there is no trained kernel; see `fit`.
        """
        from lpiphot._imputation_plots import plot_kernels

        self._check_trained('plot')
        return plot_kernels(self.model)

    def weights(self, mask=None):
        """
        Return the weights of a single kernel for a window.

        It is that of the model, if there is one, else the given one.

        Parameters
        ----------
        mask : (width, width) bool array_like, optional
            `True` for the bad pixels of the window, which is as wide as
            that of the model, if there is one. The central one, to be
            filled, is always bad.

        Returns
        -------
        values : (width, width) `~numpy.ndarray`
            The weights, equation 3 over their sum; 0 at bad pixels.

        variance : float
            The variance of the central pixel about the weighted sum, in
            units of the noise variance, its own noise included.

        Raises
        ------
        ValueError
            If there is no single kernel (amplitude and length scale are
            not both given, or the model has several), the mask has
            another shape, no pixel of the window is good, or the
            covariance is not positive definite.
        """
        kernel, width = self._only_kernel()
        shape = width, width
        bad = (np.zeros(shape, dtype=bool) if mask is None
               else np.array(mask, dtype=bool))
        if bad.shape != shape:
            msg = f'mask must have the shape {shape}; got {bad.shape}'
            raise ValueError(msg)
        centre = width // 2
        bad[centre, centre] = True
        if bad.all():
            msg = 'mask must leave at least one good pixel in the window'
            raise ValueError(msg)
        dy, dx = offsets(width)
        good = ~bad[dy + centre, dx + centre]
        try:
            found = weights(kernel, dy[good], dx[good])
        except np.linalg.LinAlgError:
            msg = (f'amplitude {kernel.amplitude * self._noise_unit():g} and '
                   f'length_scale {kernel.length_scale} of the {kernel.name} '
                   'kernel give no positive definite covariance; give a '
                   'smaller amplitude')
            raise ValueError(msg) from None
        values = np.zeros(shape)
        values[~bad] = found.values
        return values, float(found.variance)

    def describe(self, n_filled):
        """
        Return what was done, for metadata.

        Parameters
        ----------
        n_filled : int
            The number of pixels that were filled.

        Returns
        -------
        text : str
            The parameters, on one line: those of the model, if there is
            one, whatever was given to the object.
        """
        options = self._in_force()
        if options['kernel'] is None:
            options['kernel'] = '+'.join(self._names())
        texts = [f'{name}={value}' for name, value in options.items()
                 if value is not None]
        if self.model is not None:
            texts.append('trained=before')
        return ', '.join([*texts, f'filled={n_filled}'])

    def _names(self):
        """
        Return the covariance functions that kernels may have.
        """
        if self.kernel is not None:
            return (self.kernel,)
        given = self.amplitude is not None or self.length_scale is not None
        return SMOOTH[:1] if given or self.method == 'single' else SMOOTH

    def _check_used(self, length_scale):
        """
        Raise an error for parameters that would have no effect.
        """
        if self.angle and self.stretch is None and np.size(length_scale) < 2:
            msg = ('angle must be given with two length scales, or with '
                   f'stretch; got angle={self.angle:g} with '
                   f'length_scale={length_scale!r} and stretch=None')
            raise ValueError(msg)
        if self.stretch is not None and length_scale is not None:
            msg = ('stretch must be None if length_scale is given, as the '
                   f'stretch is trained; got stretch={self.stretch!r} with '
                   f'length_scale={length_scale!r}')
            raise ValueError(msg)
        if self.period != PERIOD and self.kernel != 'periodic':
            msg = ("period must be given with kernel='periodic' only; got "
                   f'period={self.period:g} with kernel={self.kernel!r}')
            raise ValueError(msg)

    def _check_trained(self, what):
        if self.model is None:
            msg = f'there is no trained kernel to {what}; call fit first'
            raise ValueError(msg)

    def _in_force(self):
        """
        Return the parameters by which pixels are filled.
        """
        if self.model is None:
            names = ('kernel', 'width', 'method', 'amplitude', 'length_scale',
                     'angle', 'stretch')
            options = {name: getattr(self, name) for name in names}
            if self.kernel == 'periodic':
                options['period'] = self.period
        else:
            options = self.model.parameters()
            if 'amplitude' in options:
                options['amplitude'] *= self._noise_unit()
        return options | {'noise': self.noise}

    def _only_kernel(self):
        """
        Return the kernel, if it is a single one, and the width.
        """
        if self.model is not None:
            kernel, *others = self.model.kernels
            if others:
                msg = ('weights needs a single kernel; the model has '
                       f"{len(self.model.kernels)}: use method='single'")
                raise ValueError(msg)
            return kernel, self.model.width
        if self.amplitude is None or self.length_scale is None:
            msg = ('weights needs amplitude and length_scale; got '
                   f'{self.amplitude!r} and {self.length_scale!r}')
            raise ValueError(msg)
        return Kernel(*self._names(), self._ratio(), self.length_scale,
                      self.angle or 0.0, self.period), self.width

    def _noise_unit(self):
        """
        Return what amplitudes in units of the noise are multiplied by.
        """
        return (1.0 if self.noise is None
                else float(getattr(self.noise, 'value', self.noise)))

    def _ratio(self):
        """
        Return the amplitude in units of the noise, or `None`.
        """
        return (None if self.amplitude is None
                else self.amplitude / self._noise_unit())

    def _learn(self, planes, training=None):
        single = self.method == 'single'
        name, *other = self._names()
        search = Search(
            name, self.width, self.stretch,
            Bounds((MIN_AMPLITUDE, MAX_AMPLITUDE),
                   (MIN_LENGTH_SCALE, float(self.width))),
            self._ratio(), self.length_scale, self.angle, self.period,
            *other)
        settings = Settings(search, not single, self.training_mad,
                            self.training_clip, self.max_training)
        return learn(planes, settings, training=training, seed=self._seed)

    def _fill(self, pixels, bad, unit):
        """
        Fill one image; return the model and the pixels.
        """
        plane = Plane.of(pixels, bad)
        model = self.model
        if model is None:
            model = self._learn([plane])
        noise = None
        if self.noise is not None:
            noise = as_number('noise', self.noise, unit)
        filler = Filler(plane, model, noise)
        n_bad = filler.y.size  # there is a job for none, too
        jobs = [range(first, min(first + N_JOB, n_bad))
                for first in range(0, max(n_bad, 1), N_JOB)]
        parts = run_jobs(
            lambda job: filler(slice(job.start, job.stop)), jobs,
            n_threads=self.n_threads, progress_bar=self.progress_bar,
            label='GPR', unit='pixel')
        filled = Filled(*map(np.concatenate, zip(*parts, strict=True)))
        filler.fill_holes(filled)
        filled.value[:] += plane.level
        return model, filled


def _as_scales(value):
    values = np.asanyarray(value)
    if values.shape not in ((), (2,)):
        msg = ('length_scale must be one number or two (y, x); got '
               f'{value!r}')
        raise ValueError(msg)
    # the parts of a Quantity have its unit, and are refused
    pair = tuple(as_number('length_scale', scale) for scale in (
        value if values.shape else [value]))
    return pair if len(pair) == 2 else pair * 2


def _as_angle(value):
    try:
        angle = float(u.Quantity(value, u.deg).value)
    except TypeError:
        msg = f'angle must be a number of degrees; got {value!r}'
        raise TypeError(msg) from None
    return as_finite('angle', angle)


def _check_good(values, bad):
    """
    Raise an error if an image has no good pixel.
    """
    empty = bad.all(axis=(-2, -1))
    if np.any(empty):
        where = ('' if values.ndim == 2 else
                 f' in image {int(np.flatnonzero(empty)[0])} of the cube')
        msg = ('data must have at least one pixel that is finite and not '
               f'masked; there is none{where}')
        raise ValueError(msg)
