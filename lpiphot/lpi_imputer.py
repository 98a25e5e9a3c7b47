# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Holes of an image, filled with its local covariance.
"""

import copy
import math
import warnings

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, UnknownUncertainty
from astropy.utils.exceptions import AstropyUserWarning

from lpiphot import flags
from lpiphot._checks import (as_choice, as_count, as_number, as_positions,
                             as_seed, as_shape, as_shapes)
from lpiphot._inputs import ImageReader, as_mask
from lpiphot._outputs import add_to_metadata, replace_pixels
from lpiphot._parallel import run_levels
from lpiphot.imputation import LPIImputation, noise_of_measured
from lpiphot.lpi.fill import Filling, fill_block, make_training, much_unknown
from lpiphot.lpi.holes import ORDERS, cut_holes, in_levels

__all__ = ['LPIImputer']


class LPIImputer:
    """
    Fill holes of an image by local pixelwise infilling (LPI).

    The covariance of the pixels is learned from the image about each
    hole, without a model (Saydjari & Finkbeiner 2022). The pixels of
    the hole, given those about it, then have a mean (equation 4), which
    joins the structures on either side, and a covariance (equation 5),
    of which are the 1-sigma uncertainties and random draws. A draw has
    the structure and the noise of the image; the mean is smoother.

    Parameters
    ----------
    stamp_shape : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` in pixels, odd, of the largest stamp that
        is solved at once. A hole that fits in with ``condition_distance``
        about it is filled by one solution; a larger one in blocks, each
        of them from good pixels and from the blocks before. The cost
        of a stamp grows with the third power of its number of pixels.

    window_shape : int or 2-tuple of int, optional
        The shape ``(ny, nx)`` in pixels, odd, of the window of shifts
        that the covariance is learned from. It must hold at least twice
        as many pixels as a stamp, and ten times as many are better.

    condition_distance : float, optional
        Pixels are predicted from the known ones within this distance in
        pixels. More of them hardly predict better, and the noise of the
        covariance of many makes the uncertainties too small.

    order : {'outside_in', 'centre_out'}, optional
        The order in which the blocks of a large hole are filled. From
        the outside in, every block has known pixels beside it. From
        the centre out, those in the middle are filled from nothing if
        the hole is larger than a stamp, and uncertainties and draws on
        the scale of the hole come out up to twice too large.

    clear_mask : bool, optional
        Whether filled pixels are no longer masked in the image that
        comes out, if it has a mask; those that could not be predicted
        still are. By default the mask of the image stays: it says which
        pixels were measured. NaN, and pixels of another ``mask``, are
        not put into it.

    n_threads : int, optional
        The number of threads. The results are the same, bit for bit,
        for any number.

    progress_bar : bool, optional
        Whether to show a progress bar. Needs ``tqdm``.

    rng : int or `~numpy.random.Generator`, optional
        The seed of the draws, and of the noise that holes get before
        the covariance is learned, or a generator to draw it from. The
        default is a fixed seed: the same call gives the same image.

    Raises
    ------
    TypeError
        If a parameter is of the wrong kind.

    ValueError
        If a parameter has a value that cannot be used.

    See Also
    --------
    lpiphot.decode_fill_flags : The meaning of the flags.
    lpiphot.local_covariance : The covariance alone.

    Notes
    -----
    Filled pixels are known to the blocks after them: by their mean for
    the mean, and by the values of a draw for this draw. The variance has
    what a block inherits in this way; it is exact in holes of up to 256
    pixels, and its inherited part is good to 9 % in larger ones that
    were cut. Draws of holes with more than four good pixels between them
    are independent.

    Where more than 5 % of a window is unknown, holes are filled twice,
    the second time with a covariance that is learned from a draw of the
    first. The local covariance is one for its window: in a field whose
    bright parts vary more than its faint ones, uncertainties are too
    small in the bright and too large in the faint parts (section 4.1 of
    the paper has the same).

    If an NDData has no uncertainty, then the measured pixels get the
    noise of the sky: that of the fainter pixels of the image, from
    differences four pixels apart. It is a lower limit for bright pixels,
    whose photon noise is not known; give an uncertainty
    (`ccdproc.create_deviation`) if it matters. It is 0 if all pixels are
    the same.

    The object keeps no state of a call, so that one instance may serve
    many images and threads.

    Examples
    --------
    >>> import numpy as np
    >>> from lpiphot import LPIImputer
    >>> from lpiphot.datasets import make_cloud_image
    >>> truth = make_cloud_image((150, 160), rms=10, seed=1)
    >>> data = truth.copy()
    >>> data[70:80, 50:65] = np.nan
    >>> imputer = LPIImputer(window_shape=101)
    >>> result = imputer.run(data, n_draws=2)
    >>> bool(np.all(np.isfinite(result.image)))
    True
    >>> error = (result.mean - truth)[result.mask]
    >>> bool(np.std(error / result.std[result.mask]) < 1.5)
    True
    """

    def __init__(self, *, stamp_shape=33, window_shape=129,
                 condition_distance=6, order='outside_in', clear_mask=False,
                 n_threads=1, progress_bar=False, rng=None):
        self.stamp_shape = as_shape('stamp_shape', stamp_shape, smallest=3)
        self.window_shape = as_shape('window_shape', window_shape)
        if math.prod(self.window_shape) < 2 * math.prod(self.stamp_shape):
            msg = ('window_shape must hold at least twice as many pixels as '
                   f'stamp_shape {self.stamp_shape}, to learn from; got '
                   f'{self.window_shape}')
            raise ValueError(msg)
        self.condition_distance = as_number('condition_distance',
                                            condition_distance)
        if not 1 <= self.condition_distance <= (min(self.stamp_shape) - 1) / 2:
            msg = ('condition_distance must be at least 1 and less than half '
                   f'of stamp_shape {self.stamp_shape}; got '
                   f'{condition_distance}')
            raise ValueError(msg)
        self.order = as_choice('order', order, ORDERS)
        self.clear_mask = bool(clear_mask)
        self.n_threads = as_count('n_threads', n_threads, 1)
        self.progress_bar = bool(progress_bar)
        self._seed = as_seed(rng)

    def __repr__(self):
        names = ('stamp_shape', 'window_shape', 'condition_distance',
                 'order', 'clear_mask', 'n_threads')
        values = ', '.join(f'{name}={getattr(self, name)!r}'
                           for name in names)
        return f'{type(self).__name__}({values}, rng={self._seed})'

    def __call__(self, data, *, mask=None, positions=None, radius=None,
                 footprint=None, add_keyword=None):
        """
        Fill the holes of an image with the mean prediction.

        Parameters
        ----------
        data : 2-D array_like, `~astropy.units.Quantity`, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image. Pixels that are masked or not finite, or whose
            uncertainty is not finite, are not known.

        mask : 2-D bool array_like, optional
            `True` for the pixels to fill, whatever they hold. By
            default, if there are no ``positions`` either, all pixels
            that are not known.

        positions : (n, 2) array_like, optional
            Positions ``(y, x)``, as the indices of an array, about which
            pixels are filled; with ``mask``, these as well. They may be
            outside the image, where discs reach into it; those that are
            not finite, as of fits that failed, are left out.

        radius : float or (n,) array_like, optional
            The radius in pixels of the disc about each position.

        footprint : 2-D bool array_like, optional
            Instead of ``radius``, the pixels about each position, the
            nearest pixel to which is the middle one; its shape is odd.

        add_keyword : bool, str, dict or object, optional
            What to add to the metadata of NDData, as in ccdproc: `True`
            for the parameters under ``LPIIMPUT``, a keyword, a dict, or a
            `ccdproc.Keyword`. By default they are kept as they are.

        Returns
        -------
        image : same type as ``data``
            A new image. Pixels that were not filled are the same, bit
            for bit; integers become floats that hold them. An NDData
            keeps unit, wcs and meta, and its uncertainty is that of the
            prediction for the filled pixels, in the same class (NaN in
            an `~astropy.nddata.UnknownUncertainty`); if it has none, it
            gets a `~astropy.nddata.StdDevUncertainty` that is the noise
            of the sky (see the notes) for other pixels.
            Its ``flags``, if it has none, become those of
            `~lpiphot.decode_fill_flags`.

        Raises
        ------
        TypeError
            If an input is of the wrong kind.

        ValueError
            If shapes do not match, or no pixel is known.

        astropy.units.UnitsError
            If positions or radius have a unit.
        """
        return self.run(data, mask=mask, positions=positions, radius=radius,
                        footprint=footprint, add_keyword=add_keyword).image

    def run(self, data, *, mask=None, positions=None, radius=None,
            footprint=None, n_draws=0, add_keyword=None):
        """
        Fill the holes of an image, and return draws and more as well.

        Parameters
        ----------
        data : 2-D array_like, `~astropy.units.Quantity`, \
                `~astropy.nddata.NDData` or `~astropy.nddata.CCDData`
            The image, as for calling the object.

        mask : 2-D bool array_like, optional
            `True` for the pixels to fill.

        positions : (n, 2) array_like, optional
            Positions ``(y, x)`` about which pixels are filled.

        radius : float or (n,) array_like, optional
            The radius of the disc about each position.

        footprint : 2-D bool array_like, optional
            Instead of ``radius``, the pixels about each position.

        n_draws : int, optional
            The number of draws. The first ones are the same for any
            number.

        add_keyword : bool, str, dict or object, optional
            What to add to the metadata, as for calling the object.

        Returns
        -------
        result : `~lpiphot.imputation.LPIImputation`
            The image, uncertainty, flags and draws, with a plot.

        Raises
        ------
        TypeError, ValueError, astropy.units.UnitsError
            As for calling the object.
        """
        known = data
        if isinstance(getattr(data, 'uncertainty', None), UnknownUncertainty):
            known = copy.copy(data)
            known.uncertainty = None
        image = ImageReader(known)
        n_draws = as_count('n_draws', n_draws)
        as_shapes(self.stamp_shape, self.window_shape, image.shape)
        values, _, unknown = image.read()
        holes = _holes(image.shape, unknown, mask, positions, radius,
                       footprint)
        good = ~(unknown | holes)
        if not good.any():
            msg = ('data must have good pixels to learn from; all of its '
                   f'{good.size} pixels are masked, not finite or to be '
                   'filled')
            raise ValueError(msg)

        filling = self._fill(np.where(good, values, 0.0), holes, good,
                             n_draws)
        mean = np.where(holes, filling.mean, values)
        std = np.sqrt(filling.variance[holes])
        failed = (filling.flags & flags.LOCAL_MEAN) != 0
        if failed.any():
            msg = (f'{np.count_nonzero(failed)} of {np.count_nonzero(holes)} '
                   'pixels could not be predicted, as the covariance of the '
                   'pixels about them is singular; they have the mean of good '
                   'pixels about them. A smaller stamp_shape or larger '
                   'window_shape may help')
            warnings.warn(msg, AstropyUserWarning, stacklevel=2)
        unmask = holes if self.clear_mask else np.zeros_like(holes)
        filled = replace_pixels(data, holes, mean[holes], std, unmask=unmask,
                                mask=failed, flags=filling.flags,
                                noise=noise_of_measured(data, values, ~good))
        if isinstance(data, NDData):
            add_to_metadata(filled, add_keyword, 'LPIIMPUT',
                            self._describe(np.count_nonzero(holes)))
        return LPIImputation(
            image=filled, mask=holes, good=good, flags=filling.flags,
            n_draws=n_draws, condition_distance=self.condition_distance,
            unit=image.unit, _mean=mean, _std=std,
            _deviations=filling.draws)

    def _describe(self, n_filled):
        """
        Return what was done, for metadata.
        """
        names = ('stamp_shape', 'window_shape', 'condition_distance', 'order')
        texts = [f'{name}={getattr(self, name)}' for name in names]
        return ', '.join([*texts, f'filled={n_filled}'])

    def _fill(self, values, holes, good, n_draws):
        """
        Fill the holes of an array.
        """
        blocks, numbers = cut_holes(
            holes, good, self.stamp_shape,
            math.ceil(self.condition_distance), self.order)
        training = make_training(values, good, self._seed)
        again = much_unknown(good, numbers, self.window_shape)
        if again:
            some = [block for block in blocks if block.hole in again]
            draft = Filling(values.copy(), some, 1, self._seed, draft=True)
            self._run(draft, training, some, numbers)
            filled = draft.places >= 0
            training.filled[filled] = draft.mean[filled] + draft.draws[0]
        filling = Filling(values, blocks, n_draws, self._seed)
        self._run(filling, training, blocks, numbers)
        return filling

    def _run(self, filling, training, blocks, numbers):
        """
        Fill blocks, those in threads that do not need each other.
        """
        run_levels(
            lambda job: fill_block(
                filling, training, job[0], numbers,
                condition_distance=self.condition_distance,
                window_shape=self.window_shape),
            [[[block] for block in level]
             for level in in_levels(blocks, filling.ranks)],
            n_threads=self.n_threads, progress_bar=self.progress_bar)


def _holes(shape, unknown, mask, positions, radius, footprint):
    """
    Return the pixels to fill.
    """
    holes = (np.zeros(shape, dtype=bool) if mask is None
             else as_mask('mask', mask, shape, 'pixels to fill').copy())
    if positions is None:
        for name, value in (('radius', radius), ('footprint', footprint)):
            if value is not None:
                msg = f'{name} is for positions, but there are none'
                raise ValueError(msg)
        return unknown if mask is None else holes
    if (radius is None) == (footprint is None):
        msg = ('positions need either radius or footprint; got '
               f'{"neither" if radius is None else "both"}')
        raise ValueError(msg)
    centres = as_positions('positions', positions)
    finite = np.isfinite(centres).all(axis=1)
    _warn_of_outside(centres[finite], shape)
    if footprint is None:
        radii = _as_radii(radius, len(centres))[finite]
        _add_discs(holes, centres[finite], radii.tolist())
    else:
        _add_footprints(holes, centres[finite], footprint)
    return holes


def _as_radii(radius, n):
    """
    Return the radii of the discs about n positions.
    """
    radius = np.asanyarray(radius)
    if isinstance(radius, u.Quantity):
        msg = ('radius must be plain numbers, in pixels; got the unit '
               f"'{radius.unit}'")
        raise u.UnitsError(msg)
    if radius.shape not in {(), (n,)}:
        msg = (f'radius must be one number, or one for each of the {n} '
               f'positions; got the shape {radius.shape}')
        raise ValueError(msg)
    return np.broadcast_to(radius, n)


def _add_discs(holes, centres, radii):
    """
    Add the pixels within radii about positions, in place.
    """
    for centre, radius in zip(centres, radii, strict=True):
        radius = as_number('radius', radius)
        first = np.clip(np.ceil(centre - radius), 0, holes.shape).astype(int)
        last = np.clip(np.floor(centre + radius) + 1, 0,
                       holes.shape).astype(int)
        y, x = np.ogrid[first[0]:last[0], first[1]:last[1]]
        holes[first[0]:last[0], first[1]:last[1]] |= np.hypot(
            y - centre[0], x - centre[1]) <= radius


def _add_footprints(holes, centres, footprint):
    """
    Add the pixels of a footprint about positions, in place.
    """
    footprint = np.asanyarray(footprint)
    if (footprint.ndim != 2 or footprint.dtype != bool
            or any(size % 2 == 0 for size in footprint.shape)):
        msg = ('footprint must be a two-dimensional boolean array of odd '
               f'shape; got {footprint.dtype} of shape {footprint.shape}')
        raise ValueError(msg)
    offsets = np.argwhere(footprint) - np.array(footprint.shape) // 2
    for centre in np.floor(centres + 0.5):
        place = offsets + centre
        inside = np.all((place >= 0) & (place < holes.shape), axis=1)
        holes[tuple(place[inside].astype(int).T)] = True


def _warn_of_outside(centres, shape):
    """
    Warn if most positions are outside the image: they may be (x, y).
    """
    n_outside = np.count_nonzero(np.any(
        (centres < -0.5) | (centres >= np.array(shape) - 0.5), axis=1))
    if n_outside > len(centres) / 2:
        msg = (f'{n_outside} of the {len(centres)} positions are outside the '
               f'image of shape {tuple(shape)}. They are (y, x), not (x, y)')
        warnings.warn(msg, AstropyUserWarning)
