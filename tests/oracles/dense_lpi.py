"""
Local pixelwise infilling, written down from the equations.

Equation and section numbers are those of Saydjari & Finkbeiner (2022).
Everything is float64, every matrix is built whole, and nothing of
lpiphot is imported: this is what lpiphot is compared with.

Conventions: a residual is data - model (the paper's own code works with
model - data); images are indexed ``[y, x]``; a stamp is a boolean or
float array ``(ny, nx)``, flattened in C order where a vector is needed.
"""

import numpy as np

__all__ = [
    'calmed',
    'cholesky_conditional',
    'classify',
    'condition',
    'correct_star',
    'corrections',
    'evened',
    'few_good_limit',
    'flux_weights',
    'image_mask',
    'image_noise',
    'local_moments',
    'psf_bits',
    'shifted_stamps',
    'stamp_centre',
    'stamp_of',
    'typical_error',
]

COLUMNS = ('cflux', 'dcflux', 'dcflux_diag', 'fdb_res', 'fdb_pred', 'cchi2',
           'kcond0', 'kcond', 'kpred', 'dnt')


def stamp_centre(x, y):
    """
    The pixel ``(iy, ix)`` that the stamp of a star at (x, y) is centred on.
    """
    return int(np.floor(y + 0.5)), int(np.floor(x + 0.5))


def stamp_of(image, iy, ix, stamp_shape, outside):
    """
    Cut the stamp centred on pixel (iy, ix); off the image it is ``outside``.
    """
    ny, nx = stamp_shape
    stamp = np.full((ny, nx), outside, dtype=np.result_type(image, outside))
    for j in range(ny):
        for i in range(nx):
            y = iy + j - ny // 2
            x = ix + i - nx // 2
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                stamp[j, i] = image[y, x]
    return stamp


def mirrored_stamp(image, iy, ix, stamp_shape):
    """
    The same, with the image mirrored at its edges (edge pixel not repeated).
    """
    half_y, half_x = (n // 2 for n in stamp_shape)
    padded = np.pad(image, ((half_y, half_y), (half_x, half_x)),
                    mode='reflect')
    return padded[iy:iy + stamp_shape[0], ix:ix + stamp_shape[1]]


def shifted_stamps(image, iy, ix, stamp_shape, window_shape):
    """
    The matrix V of section 2.4: one row for every shift of the stamp
    within the window, one column for every pixel of the stamp.
    """
    image = np.asarray(image).astype(np.float64)
    ny, nx = stamp_shape
    wy, wx = window_shape
    pad_y = ny // 2 + wy // 2
    pad_x = nx // 2 + wx // 2
    padded = np.pad(image, ((pad_y, pad_y), (pad_x, pad_x)), mode='reflect')

    rows = []
    for dy in range(-(wy // 2), wy // 2 + 1):
        for dx in range(-(wx // 2), wx // 2 + 1):
            # top left pixel of the shifted stamp, in the padded image
            top = iy + pad_y - ny // 2 + dy
            left = ix + pad_x - nx // 2 + dx
            rows.append(padded[top:top + ny, left:left + nx].ravel())
    return np.array(rows)


def local_moments(image, iy, ix, stamp_shape, window_shape):
    """
    Local mean (n_pix,) and covariance (n_pix, n_pix) of a stamp.
    """
    v = shifted_stamps(image, iy, ix, stamp_shape, window_shape)
    level = np.median(v)  # exact arithmetic would not need it
    v = v - level
    n = len(v)
    mu = v.sum(axis=0) / n
    v = v - mu
    return mu + level, v.T @ v / (n - 1)  # section 2.4, before eq. 6


def image_mask(residual, star_images, fluxes, mask_threshold,
               residual_threshold, input_mask=None):
    """
    Pixels to be infilled before anything is learned (sections 2.5, 5.1).

    ``star_images`` holds for every star its unit-flux PSF on the whole
    image. Returns (mask, nodata): nodata pixels have no measured value.
    """
    nodata = ~np.isfinite(residual)
    if input_mask is not None:
        nodata = nodata | input_mask
    mask = nodata.copy()
    for psf, flux in zip(star_images, fluxes, strict=True):
        if np.isfinite(flux):
            mask |= flux * psf > mask_threshold
    with np.errstate(invalid='ignore'):
        mask |= np.abs(residual) > residual_threshold
    return mask, nodata


def few_good_limit(stamp_shape):
    """
    The number of pixels in the two-pixel-wide outer ring of the stamp.
    """
    ny, nx = stamp_shape
    return ny * nx - (ny - 4) * (nx - 4)


def classify(psf, flux, mask, nodata, *, mask_threshold, min_mask_flux,
             condition_radius, partners=()):
    """
    Good and hidden pixels of a stamp; all others are ignored (section 2.3).

    ``psf``, ``mask`` and ``nodata`` are stamps; off the image ``mask`` and
    ``nodata`` are True. Returns (good, hidden, dnt, kcond0).
    """
    ny, nx = psf.shape
    yy, xx = np.mgrid[:ny, :nx]
    near = np.hypot(yy - ny // 2, xx - nx // 2) <= condition_radius

    mask_flux = flux
    if not np.isfinite(flux) or flux < min_mask_flux:  # and so if negative
        mask_flux = min_mask_flux
    hidden = (np.abs(psf) * mask_flux > mask_threshold) & ~nodata
    for other_flux, other in partners:  # solved jointly
        hidden |= ((np.abs(other) * max(other_flux, min_mask_flux)
                    > mask_threshold) & ~nodata)
    good = ~hidden & ~mask & near
    kcond0 = int(good.sum())

    # fallbacks, section 5.1
    dnt = 0
    if kcond0 < few_good_limit(psf.shape):
        dnt |= 1
        good = ~hidden & ~mask
        if good.sum() < few_good_limit(psf.shape):
            dnt |= 2
            ring = np.ones(psf.shape, dtype=bool)
            ring[2:-2, 2:-2] = False
            hidden = hidden & ~ring
            good = good | ring
    return good, hidden, dnt, kcond0


def condition(mean, cov, x_good, good, hidden):
    """
    Mean and covariance of the hidden pixels given the good ones.
    """
    k = np.flatnonzero(good)
    ks = np.flatnonzero(hidden)
    c_kk = cov[np.ix_(k, k)]
    c_sk = cov[np.ix_(ks, k)]
    c_ss = cov[np.ix_(ks, ks)]
    pred = c_sk @ np.linalg.solve(c_kk, x_good - mean[k]) + mean[ks]  # eq. 4
    pred_cov = c_ss - c_sk @ np.linalg.solve(c_kk, c_sk.T)  # eq. 5
    return pred, pred_cov


def cholesky_conditional(cov, good, hidden):
    """
    Eq. 5 by another way: the last block of the factor of (good, hidden).
    """
    k = np.flatnonzero(good)
    order = np.concatenate((k, np.flatnonzero(hidden)))
    factor = np.linalg.cholesky(cov[np.ix_(order, order)])
    last = factor[k.size:, k.size:]
    return last @ last.T


def corrections(p, pred_cov, r_hidden, pred, flux):
    """
    The generalised least-squares step on the hidden pixels (section 2.6).
    """
    weight = np.linalg.solve(pred_cov, p)  # C^-1 p; C is symmetric
    norm = p @ weight
    fdb_res = -(weight @ r_hidden) / norm  # eq. 9, first term
    fdb_pred = -(weight @ pred) / norm  # eq. 9, second term
    return {
        'cflux': flux - fdb_res + fdb_pred,  # f - f^b, f^b of eq. 9
        'dcflux': norm ** -0.5,  # eq. 10
        'dcflux_diag': np.sum(p ** 2 / np.diag(pred_cov)) ** -0.5,
        'fdb_res': fdb_res,
        'fdb_pred': fdb_pred,
    }


def joint_corrections(templates, pred_cov, r_hidden, pred):
    """
    The same with several templates: rows (fdb_res, fdb_pred), covariance.
    """
    weight = np.linalg.inv(pred_cov)
    covariance = np.linalg.inv(templates @ weight @ templates.T)
    project = covariance @ templates @ weight
    return -project @ r_hidden, -project @ pred, covariance


def blocks_of(image, mask):
    """
    The good pixels of each block of 16 x 16 pixels, where it has 16 or more.
    """
    for y in range(0, image.shape[0], 16):
        for x in range(0, image.shape[1], 16):
            part = slice(y, y + 16), slice(x, x + 16)
            good = image[part][~mask[part]]
            if good.size >= 16:
                yield part, good


def image_noise(residual, nodata):
    """
    The typical scatter of the pixels: the median over blocks.
    """
    scatter = [1.482602218505602 * np.median(np.abs(good - np.median(good)))
               for _, good in blocks_of(residual, nodata)]
    return np.median(scatter)


def calmed(filled, residual, mask, iy, ix, noise):
    """
    The image to learn from: blocks much louder than about a star calmed.

    About a star are the four blocks whose middles are nearest, of which the
    loudest counts, rounded up to a power of 2 times the noise.
    """
    loudness = {}
    for part, good in blocks_of(residual, mask):
        level = np.median(good)
        key = part[0].start // 16, part[1].start // 16
        loudness[key] = part, level, np.sqrt(np.mean((good - level) ** 2))
    n_blocks = [-(-size // 16) for size in residual.shape]
    about = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            key = tuple(min(max((i - 8) // 16 + d, 0), n - 1) for i, d, n in
                        zip((iy, ix), (dy, dx), n_blocks, strict=True))
            about = max(about, loudness.get(key, (0, 0, 0))[2])
    filled = np.array(filled, dtype=float)
    if about > 0:
        limit = 3 * noise * 2 ** np.ceil(np.log2(about / noise))
        for part, level, loud in loudness.values():
            if loud > limit:
                filled[part] = level + (filled[part] - level) * limit / loud
    return filled


def evened(filled, residual, mask, error, iy, ix, noise, reach):
    """
    Two images as if the noise were that of the star's block everywhere.

    The mean square of a block is scaled to what it would be with this noise,
    to a power of 2^(1/4) times that of the image; if there is a block
    with another by half in the window, which reaches so many pixels far.
    """
    variance, square = {}, {}
    for part, good in blocks_of(error ** 2, mask):
        variance[part[0].start // 16, part[1].start // 16] = np.median(good)
    for part, good in blocks_of(residual, mask):
        level = np.median(good)
        square[part[0].start // 16, part[1].start // 16] = (
            part, level, np.mean((good - level) ** 2))
    images = [np.array(image, dtype=float) for image in (filled, residual)]
    own = variance.get((iy // 16, ix // 16), 0)
    near = [value for (y, x), value in variance.items()
            if (iy - reach[0]) // 16 <= y <= (iy + reach[0]) // 16
            and (ix - reach[1]) // 16 <= x <= (ix + reach[1]) // 16]
    if own > 0 and (max(near) > 1.5 * own or min(near) * 1.5 < own):
        step = np.sqrt(np.sqrt(2))
        star = noise ** 2 * step ** np.round(
            np.log(own / noise ** 2) / np.log(step))
        for key, (part, level, total) in square.items():
            total = max(total, variance[key])  # of structure and noise
            factor = np.sqrt((total - variance[key] + star) / total)
            for image in images:
                image[part] = level + factor * (image[part] - level)
    return images


def flux_weights(templates, cov, pred_cov, good, hidden):
    """
    The weights of all pixels of the stamp in the amplitudes of templates.

    An amplitude is linear in the hidden pixels and in their prediction,
    which is linear in the good ones (eqs. 4 and 9).
    """
    weight = np.linalg.inv(pred_cov)
    project = np.linalg.inv(templates @ weight @ templates.T)
    on_hidden = project @ templates @ weight
    predict = cov[np.ix_(hidden, good)] @ np.linalg.inv(
        cov[np.ix_(good, good)])
    weights = np.zeros((len(templates), len(cov)))
    weights[:, hidden] = on_hidden
    weights[:, good] = -on_hidden @ predict
    return weights


def typical_error(filled, mask, iy, ix, psf, weights, mean, good, x_good,
                  sigma, window_shape):
    """
    What a flux would be off by at places without a star, typically.

    The window is tried at some 1000 places of a grid, where no pixel is
    masked of those in which the PSF has a tenth of its peak or more. Errors
    and what the good pixels predict there are on a line through the medians
    of the outer thirds, by prediction. Slope and median that chance explains
    are shrunk towards 0; the prediction of the star counts by Tukey's
    biweight, in units of the scatter of the others.
    """
    step = max(round(np.sqrt(window_shape[0] * window_shape[1] / 1000)), 1)
    grid = np.zeros(window_shape, dtype=bool)
    grid[::step, ::step] = True
    grid = grid.ravel()
    stamps = shifted_stamps(filled, iy, ix, psf.shape, window_shape)[grid]
    masked = shifted_stamps(mask, iy, ix, psf.shape, window_shape)[grid]
    free = ~(masked[:, psf.ravel() > 0.1 * psf.max()] > 0).any(axis=1)
    n, n_grid = free.sum(), grid.sum()
    if n == 0:
        return 0.0
    error = (stamps[free] - mean) @ weights
    predicted = -(stamps[free] - mean)[:, good] @ weights[good]
    at_star = -(x_good - mean[good]) @ weights[good]
    psf_area = psf.sum() ** 2 / (psf ** 2).sum()
    n_independent = n * min(step ** 2 / psf_area, 1)

    slope = 0.0
    if n >= 3:
        order = np.argsort(predicted, kind='stable')
        first, last = order[:n // 3], order[-(n // 3):]
        rise = np.median(error[last]) - np.median(error[first])
        run = np.median(predicted[last]) - np.median(predicted[first])
        if run > 0:
            # two medians, each of a third
            variance = 2 * sigma ** 2 * np.pi / 2 / (n_independent / 3)
            slope = rise / run * max(1 - variance / rise ** 2, 0)
    median = np.median(error - slope * predicted)
    variance = sigma ** 2 * (np.pi / 2 - n / n_grid) / n_independent
    reach = 4.685 * 1.482602218505602 * np.median(np.abs(predicted))
    inside = np.clip(at_star / reach, -1, 1)
    return (median * max(1 - variance / median ** 2, 0)
            + slope * at_star * (1 - inside ** 2) ** 2)


def psf_bits(psf):
    """
    The dnt bits for negative PSF pixels (section 5.1).
    """
    dnt = 0
    ratio = psf.min() / psf.max()
    if psf.min() < 0:
        dnt |= 8
    if ratio < -1e-3:
        dnt |= 16
    if ratio < -1e-1:
        dnt |= 32
    return dnt


def correct_star(x, y, flux, psf, residual, filled, mask, nodata, *,
                 window_shape, mask_threshold, min_mask_flux,
                 condition_radius, star_model=None, gain=None,
                 neighbours=(), partners=(), shapes=None, robust=False,
                 error=None):
    """
    The ten quantities for one star, and what they follow from: two dicts.

    ``psf`` is the star's unit-flux stamp; the other arrays are images.
    ``star_model`` (all stars) and ``gain`` give the photon noise;
    ``neighbours`` holds pairs of a flux error and a unit-flux stamp;
    ``partners`` pairs of a flux and a unit-flux stamp, of the stars solved
    jointly. ``shapes`` gives the stamps of the star and its partners, moved by
    some pixels along x and y, and the derivatives of all these by x, and by
    y, if positions are solved for. ``robust`` is whether loud
    blocks are calmed, the noise is that of ``error`` at the star, and the
    typical background is predicted, which the paper does not.
    """
    iy, ix = stamp_centre(x, y)
    shape = psf.shape
    res = stamp_of(residual, iy, ix, shape, np.nan).ravel()
    fill = mirrored_stamp(filled, iy, ix, shape).ravel()
    masked = stamp_of(mask, iy, ix, shape, True)
    good, hidden, dnt, kcond0 = classify(
        psf, flux, masked, stamp_of(nodata, iy, ix, shape, True),
        mask_threshold=mask_threshold, min_mask_flux=min_mask_flux,
        condition_radius=condition_radius, partners=partners)
    dnt |= psf_bits(psf)

    training = np.array(filled, dtype=float)
    if robust:
        noise = image_noise(residual, nodata)
        even = residual
        if error is not None:
            reach = [n // 2 + m // 2
                     for n, m in zip(shape, window_shape, strict=True)]
            training, even = evened(filled, residual, mask, error, iy, ix,
                                    noise, reach)
            fill = mirrored_stamp(training, iy, ix, shape).ravel()
        training = calmed(training, even, mask, iy, ix, noise)
    mean, cov = local_moments(training, iy, ix, shape, window_shape)
    if gain is not None:  # section 5.1: photon noise of the stars
        model = mirrored_stamp(star_model, iy, ix, shape).ravel()
        cov = cov + np.diag(np.abs(model) / gain)
    for sigma, other in neighbours:  # one term of rank one for each
        cov = cov + sigma ** 2 * np.outer(other, other)

    good, hidden, masked = good.ravel(), hidden.ravel(), masked.ravel()
    x_all = fill  # the residual where it is not masked
    pred, pred_cov = condition(mean, cov, x_all[good], good, hidden)
    p = np.abs(psf).ravel()[hidden]
    # The typical background: the mean, and of each star that is solved for
    # what is typical at places where there is none.
    k = len(partners) + 1
    stamps = np.array([psf, *(other for _, other in partners)])
    fluxes = np.array([flux, *(other for other, _ in partners)])
    gradients, moved = (), np.zeros((2, k))
    if shapes is not None:
        stamps, gradients = shapes(moved)
        at_fit = stamps
    templates = np.array([*np.abs(stamps), *gradients])
    on_hidden = templates.reshape(len(templates), -1)[:, hidden]
    if shapes is not None:  # one step, and all from where it leads
        fdb_res, fdb_pred, covariance = joint_corrections(
            on_hidden, pred_cov, res[hidden], pred)
        change = (fdb_pred - fdb_res).reshape(3, k)
        errors = np.sqrt(np.diag(covariance)).reshape(3, k)
        for j in range(k):
            new_flux = fluxes[j] + change[0, j]
            sigma = np.sqrt((stamps[j] ** 2).sum() / (
                gradients[j] ** 2 + gradients[k + j] ** 2).sum())
            error = np.hypot(*errors[1:, j]) / new_flux
            if 0 < error < sigma / 2:  # all but what its error explains
                step = change[1:, j] / new_flux
                length = np.hypot(*step) - error
                moved[:, j] = (step / np.hypot(*step)
                               * min(max(length, 0), sigma))
        stamps, gradients = shapes(moved)
        res = res + sum(value * (before - after).ravel()
                        for value, before, after in zip(
                            fluxes, at_fit, stamps, strict=True))
        templates = np.array([*np.abs(stamps), *gradients])
        on_hidden = templates.reshape(len(templates), -1)[:, hidden]
    weights = flux_weights(on_hidden, cov, pred_cov, np.flatnonzero(good),
                           np.flatnonzero(hidden))
    *_, covariance = joint_corrections(on_hidden, pred_cov, res[hidden], pred)
    typical = np.zeros(k)
    if robust:
        typical = np.array([
            typical_error(training, mask, iy, ix, template, row, mean, good,
                          x_all[good], np.sqrt(covariance[j, j]),
                          window_shape)
            for j, (template, row) in enumerate(zip(
                templates[:k], weights[:k], strict=True))])
    pred = pred + typical @ on_hidden[:k]
    out = corrections(p, pred_cov, res[hidden], pred, flux)
    detail = {'typical': typical}
    fdb_res, fdb_pred, covariance = joint_corrections(
        on_hidden, pred_cov, res[hidden], pred)
    # what is left of the star's pixels, and whether it matters
    left = res[hidden] - pred - (fdb_pred - fdb_res) @ on_hidden
    if (left @ np.linalg.solve(pred_cov, left) > 5 * hidden.sum()
            and abs(fdb_pred[0] - fdb_res[0]) > 0.05 * abs(flux)):
        dnt |= 32768
    if partners or shapes is not None:
        *_, diagonal = joint_corrections(
            on_hidden, np.diag(np.diag(pred_cov)), res[hidden], pred)
        out = {'cflux': flux - fdb_res[0] + fdb_pred[0],
               'dcflux': np.sqrt(covariance[0, 0]),
               'dcflux_diag': np.sqrt(diagonal[0, 0]),
               'fdb_res': fdb_res[0], 'fdb_pred': fdb_pred[0]}
        if shapes is not None:  # of flux times position
            step = (fdb_pred - fdb_res)[[k, 2 * k]] / out['cflux']
            out['cx'], out['cy'] = np.array([x, y]) + moved[:, 0] + step
            out['dcx'], out['dcy'] = np.sqrt(
                np.diag(covariance)[[k, 2 * k]]) / out['cflux']
        detail['flux_covariance'] = covariance[:k, :k]

    dev = x_all[good] - mean[good]
    c_kk = cov[np.ix_(good, good)]
    out |= {'cchi2': dev @ np.linalg.solve(c_kk, dev), 'kcond0': kcond0,
            'kcond': int(good.sum()), 'kpred': int(hidden.sum()), 'dnt': dnt}
    return out, {'good': good.reshape(shape), 'hidden': hidden.reshape(shape),
                 'mean': pred, 'covariance': pred_cov, **detail}
