"""
Other ways to fill bad pixels, all called with an image and a mask.
"""

import warnings

import numpy as np
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from numpy.lib.stride_tricks import sliding_window_view
from scipy.interpolate import griddata
from scipy.ndimage import binary_dilation
from scipy.optimize import minimize

WIDTH, HALF = 9, 4
N_TRAINING = 20000
# From which to start the search for amplitude and length scale
STARTS = ((10.0, 1.0), (1.0, 1.0), (100.0, 2.0), (1000.0, 3.0))

_Y, _X = (axis.ravel() for axis in np.mgrid[-HALF:HALF + 1, -HALF:HALF + 1])
_CENTRE = _Y.size // 2
_SQUARES = (_Y[:, None] - _Y) ** 2 + (_X[:, None] - _X) ** 2


def _windows(data, mask, y, x, width=WIDTH):
    pad = width // 2
    shape = (width, width)
    values = np.pad(np.where(mask, 0.0, data), pad)
    bad = np.pad(mask, pad, constant_values=True)
    return (sliding_window_view(values, shape)[y, x].reshape(-1, width ** 2),
            sliding_window_view(bad, shape)[y, x].reshape(-1, width ** 2))


def _astrofix_weights(amplitude, length_scale, good):
    """
    Equation 3 of Zhang & Brandt 2021, normalised.
    """
    kernel = amplitude ** 2 * np.exp(-0.5 * _SQUARES / length_scale ** 2)
    matrix = kernel[np.ix_(good, good)] + np.eye(np.count_nonzero(good))
    weights = np.linalg.solve(matrix, kernel[good, _CENTRE])
    return weights / weights.sum()


def train_astrofix(data, mask):
    """
    Find amplitude and length scale as in section 4 of Zhang & Brandt
    2021: the least mean absolute residual of bright pixels, with the
    penalty of equation 7.

    Parameters
    ----------
    data : 2-D `~numpy.ndarray`
        The image.

    mask : 2-D bool `~numpy.ndarray`
        The bad pixels.

    Returns
    -------
    amplitude, length_scale : float
        The parameters.
    """
    good = data[~mask]
    level = np.median(good)
    spread = np.median(np.abs(good - level))
    for n_spreads, top in ((10, good.max() / 5), (10, np.inf), (3, np.inf)):
        chosen = ~mask & (data > level + n_spreads * spread) & (data < top)
        values, bad = _windows(data, mask, *np.nonzero(chosen))
        values = values[~bad.any(axis=1)]
        if len(values) >= 50:
            break
    else:
        msg = 'the training set is empty'
        raise ValueError(msg)
    if len(values) > N_TRAINING:
        values = np.random.default_rng(0).permutation(values)[:N_TRAINING]
    others = np.arange(WIDTH ** 2) != _CENTRE
    centre, around = values[:, _CENTRE], values[:, others]

    def objective(parameters):
        amplitude, length_scale = parameters
        if amplitude < 1 or not 0.5 <= length_scale <= WIDTH:
            return np.inf
        weights = _astrofix_weights(amplitude, length_scale, others)
        return (np.mean(np.abs(around @ weights - centre))
                * (1 + np.exp((amplitude - 3000) / 200)))

    with np.errstate(invalid='ignore'):
        results = [minimize(objective, start, method='Nelder-Mead')
                   for start in STARTS]
    return min(results, key=lambda result: result.fun).x


def fill_astrofix(data, mask):
    """
    Gaussian process regression with one kernel, as in Zhang & Brandt
    2021, written from the paper.
    """
    parameters = train_astrofix(data, mask)
    y, x = np.nonzero(mask)
    values, bad = _windows(data, mask, y, x)
    good = ~bad
    cache, filled = {}, data.copy()
    for place, window, used in zip(zip(y, x, strict=True), values, good,
                                   strict=True):
        key = used.tobytes()
        if key not in cache:
            cache[key] = _astrofix_weights(*parameters, used)
        filled[place] = window[used] @ cache[key]
    return filled


def fill_median(data, mask, *, width=5):
    """
    The median of the good pixels in windows of 5 x 5 pixels, or more if
    there are none.
    """
    y, x = np.nonzero(mask)
    values, bad = _windows(data, mask, y, x, width)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)
        medians = np.nanmedian(np.where(bad, np.nan, values), axis=1)
    filled = data.copy()
    filled[y, x] = medians
    empty = np.isnan(medians)
    if empty.any():
        wider = fill_median(data, mask, width=width + 4)
        filled[y[empty], x[empty]] = wider[y[empty], x[empty]]
    return filled


def fill_gaussian(data, mask):
    """
    ``interpolate_replace_nans`` with a Gaussian of 1 pixel, as in the
    examples of the paper.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return interpolate_replace_nans(np.where(mask, np.nan, data),
                                        Gaussian2DKernel(1))


def fill_maskfill(data, mask):
    """
    Iterative means of neighbours, from the edge of holes inwards.
    """
    from maskfill import maskfill

    return np.asarray(maskfill(data, mask.astype(int))[0])


def fill_biharmonic(data, mask):
    """
    The biharmonic inpainting of scikit-image.
    """
    from skimage.restoration import inpaint_biharmonic

    return inpaint_biharmonic(np.where(mask, np.median(data), data), mask,
                              split_into_regions=True)


def fill_cubic(data, mask):
    """
    SciPy's ``griddata``, cubic, the nearest where that is not defined.
    """
    near = binary_dilation(mask, iterations=5) & ~mask
    points, places = np.argwhere(near), np.argwhere(mask)
    values = griddata(points, data[near], places, method='cubic')
    outside = np.isnan(values)
    values[outside] = griddata(points, data[near], places[outside],
                               method='nearest')
    filled = data.copy()
    filled[mask] = values
    return filled


PEERS = {'astrofix': fill_astrofix, 'median': fill_median,
         'gaussian': fill_gaussian, 'maskfill': fill_maskfill,
         'biharmonic': fill_biharmonic, 'cubic': fill_cubic}


def available_peers():
    """
    Return the peers whose packages are installed; name the others.
    """
    peers = dict(PEERS)
    for name, package in (('maskfill', 'maskfill'),
                          ('biharmonic', 'skimage')):
        try:
            __import__(package)
        except ImportError:
            print(f'{name} is left out: {package} is not installed')
            del peers[name]
    return peers
