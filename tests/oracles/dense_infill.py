"""
Holes filled block by block, with one covariance of all their pixels.

Equations are those of Saydjari & Finkbeiner (2022). Everything is
float64, every matrix is built whole, and nothing of lpiphot is imported.
"""

import numpy as np

__all__ = ['fill_in_turn', 'gaussian_field', 'pixel_moments']


def pixel_moments(image, pixels, window_shape):
    """
    Local mean (n,) and covariance (n, n) of any pixels (n, 2) of an image.

    Section 2.4: one row of V for every shift within the window; the
    image is mirrored at its edges, the edge pixel not repeated.
    """
    half = [size // 2 for size in window_shape]
    padded = np.pad(image, [(n, n) for n in half], mode='reflect')
    y, x = np.array(pixels).T
    v = np.array([padded[y + dy, x + dx] for dy in range(window_shape[0])
                  for dx in range(window_shape[1])])
    mu = v.mean(axis=0)
    return mu, (v - mu).T @ (v - mu) / (len(v) - 1)


def fill_in_turn(image, training, good, blocks, distance, window_shape):
    """
    Mean (n,) and covariance (n, n) of the pixels of the blocks of a hole.

    ``blocks`` are arrays of pixels (n_i, 2); each is conditioned on the
    good pixels and those of the blocks before that are within a distance
    of any of its pixels (eqs. 4 and 5), and these are uncertain in turn.
    """
    yy, xx = np.indices(image.shape)
    mean = np.zeros(0)
    cov = np.zeros((0, 0))
    done = np.zeros((0, 2), dtype=int)
    for block in blocks:
        near = np.zeros(image.shape, dtype=bool)
        for y, x in block:
            near |= np.hypot(yy - y, xx - x) <= distance
        outside = np.argwhere(near & good)
        inside = near[tuple(done.T)]  # of the pixels filled before
        known = np.vstack([outside, done[inside]])
        values = np.concatenate([image[tuple(outside.T)], mean[inside]])
        mu, c = pixel_moments(training, np.vstack([known, block]),
                              window_shape)
        n = len(known)
        weights = np.linalg.solve(c[:n, :n], c[:n, n:]).T
        new = mu[n:] + weights @ (values - mu[:n])  # eq. 4
        own = c[n:, n:] - weights @ c[:n, n:]  # eq. 5

        # new pixels = weights @ (pixels filled before) + something new
        on_done = np.zeros((len(block), len(done)))
        on_done[:, inside] = weights[:, len(outside):]
        with_done = on_done @ cov
        cov = np.block([[cov, with_done.T],
                        [with_done, own + with_done @ on_done.T]])
        mean = np.concatenate([mean, new])
        done = np.vstack([done, block])
    return mean, cov


def gaussian_field(shape, power, seed):
    """
    A periodic Gaussian field of zero mean, and its covariance by offset.

    ``power`` is a function of wave number (cycles per pixel).
    """
    k = np.hypot(np.fft.fftfreq(shape[0])[:, np.newaxis],
                 np.fft.fftfreq(shape[1]))
    spectrum = power(k)
    white = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
    return (np.fft.ifft2(white * np.sqrt(spectrum)).real,
            np.fft.ifft2(spectrum).real)
