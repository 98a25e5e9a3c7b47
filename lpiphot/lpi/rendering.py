# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The model of all stars on any part of the image.
"""

import numpy as np

from lpiphot.lpi.psf import centre_pixels, offsets, psf_stamps, typical_source

__all__ = ['StarRenderer']

# Number of PSF values evaluated at once: 2 MB of float64
BLOCK_SIZE = 2 ** 18


class StarRenderer:
    """
    Renders each star as far out as it rises above a faintest value.

    A stamp is enough for most stars; the wings of bright ones reach
    much farther. The shape is doubled for a star until the model at
    its border is below the faintest value.

    Parameters
    ----------
    psf : `PSF`
        The PSF model.

    sources : `Sources`
        The stars, all finite.

    image_shape, stamp_shape : 2-tuple of int
        The shapes of the image and of the stamps.

    faintest : float
        The value of the model below which it may be cut, in data units.
    """

    def __init__(self, psf, sources, image_shape, stamp_shape, faintest):
        self._psf = psf
        self._sources = sources
        self._shapes = np.empty((len(sources.x), 2), dtype=int)
        for number, some in sources.by_template():
            brightness = np.abs(sources.flux[some])
            if sources.extra:  # each has its own PSF
                like = sources.take(some)._replace(
                    flux=np.ones(brightness.size))
            else:
                like = typical_source(sources, image_shape)._replace(
                    template=np.array([number]))
            self._shapes[some] = _render_shapes(
                psf, like, brightness, image_shape, stamp_shape, faintest)
        self._corners = centre_pixels(sources) - self._shapes // 2

    def reaching(self, first, last):
        """
        Return the stars that reach into a rectangle of pixels.

        Parameters
        ----------
        first, last : (2,) array_like of int
            The first pixel ``(y, x)``, and the one after the last.

        Returns
        -------
        stars : `~numpy.ndarray` of int
            The indices of the stars.
        """
        return np.flatnonzero(np.all((self._corners < last) & (
            self._corners + self._shapes > first), axis=1))

    def render(self, region, known=None):
        """
        Render the stars that reach into a region of the image.

        Parameters
        ----------
        region : `~lpiphot.lpi.tiles.Region`
            The region.

        known : `~lpiphot.lpi.tiles.Region`, optional
            A part of it; stars that do not reach beyond it are left out.

        Yields
        ------
        part : 2-tuple of slice
            The part of the region that a star covers.

        values : 2-D `~numpy.ndarray`
            The values of the star on these pixels.
        """
        first = np.maximum(self._corners, region.first)
        last = np.minimum(self._corners + self._shapes, region.last)
        inside = self.reaching(*region)
        if known is not None:
            beyond = (first < known.first) | (last > known.last)
            inside = inside[beyond[inside].any(axis=1)]
        for shape in np.unique(self._shapes[inside], axis=0):
            members = inside[np.all(self._shapes[inside] == shape, axis=1)]
            step = BLOCK_SIZE // int(shape.prod())
            if step == 0:  # large: only what is inside the region
                for star in members:
                    yield (_slices(first[star], last[star], region.first),
                           self._values(star, first[star], last[star]))
                continue
            for begin in range(0, len(members), step):
                some = members[begin:begin + step]
                stamps = psf_stamps(self._psf, self._sources.take(some),
                                    shape)
                for star, stamp in zip(some, stamps, strict=True):
                    yield (_slices(first[star], last[star], region.first),
                           self._sources.flux[star] * stamp[_slices(
                               first[star], last[star],
                               self._corners[star])])

    def _values(self, star, first, last):
        """
        Return the values of a star on a rectangle of pixels.
        """
        y, x = np.mgrid[first[0]:last[0], first[1]:last[1]].astype(float)
        source = self._sources.take(np.array([star]))
        return self._psf(x[np.newaxis], y[np.newaxis], source)[0]


def _slices(first, last, origin):
    return tuple(slice(*pair) for pair in
                 zip(first - origin, last - origin, strict=True))


def _render_shapes(psf, like, brightness, image_shape, stamp_shape,
                   faintest):
    """
    Return the shapes beyond whose borders stars are below a value.

    ``like`` are sources of flux 1 with the PSF of each star, or one for
    all.
    """
    shape = np.array(stamp_shape)
    shapes = np.tile(shape, (len(brightness), 1))
    left = np.arange(len(brightness))
    while left.size:
        shapes[left] = shape
        if len(like.x) == 1:
            border = _largest_on_border(psf, like, shape)
        else:
            step = max(1, BLOCK_SIZE // int(2 * shape.sum()))
            border = np.concatenate([
                _largest_on_border(psf, like.take(left[i:i + step]), shape)
                for i in range(0, len(left), step)])
        left = left[(brightness[left] * border >= faintest) & (border > 0)]
        if min(shape) > 2 * max(image_shape):
            break
        shape = 2 * shape + 1
    return shapes


def _largest_on_border(psf, sources, shape):
    """
    Return the largest absolute value of each PSF on the border of a stamp.
    """
    y, x = (offsets(size) for size in shape)
    border = np.column_stack([
        [np.repeat(y[[0, -1]], len(x)), np.tile(x, 2)],
        [np.tile(y, 2), np.repeat(x[[0, -1]], len(y))]])
    places = centre_pixels(sources)[:, :, np.newaxis] + border
    y, x = np.swapaxes(places, 0, 1).astype(float)[:, :, np.newaxis]
    return np.abs(psf(x, y, sources)).max(axis=(1, 2))
