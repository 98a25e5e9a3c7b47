# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Section 4.2, figure 7: the height of a filament under masked pixels, as
predicted from windows of several aspect ratios.
"""

import time
from typing import NamedTuple

import numpy as np
from paper_helpers import finish, parser

from lpiphot import local_covariance
from lpiphot.datasets import make_filament_image
from lpiphot.gaussian import condition
from lpiphot.lpi.infill import HALF_WIDTHS, boxcar_infill

STAMP = 33
MASK_RADIUS = 5
CONDITION_RADIUS = 16
N_POSITIONS = 34

# Shapes (along, across) of the windows by the two logarithms of their
# number of shifts and of their aspect ratio
WINDOWS = {(14, -2): (65, 255), (14, -1): (91, 181), (14, 0): (129, 129),
           (14, 1): (181, 91), (14, 2): (255, 65),
           (16, -2): (129, 511), (16, 0): (257, 257), (16, 2): (511, 129),
           (16, 4): (1023, 65)}
SNR = (0.1, 0.35, 0.7, 1.4, 2.8, 5.6)


class Height(NamedTuple):
    """
    A mean over the positions, and its standard error.
    """

    mean: float
    error: float


def run(snrs, windows, *, infilled, seed, n_positions=N_POSITIONS,
        shape=(640, 1600)):
    """
    Predict the filament under a mask at many places.

    The image is a bright filament along x with white noise of one.

    Parameters
    ----------
    snrs : sequence of float
        Heights of the filament in units of the noise.

    windows : dict
        The shapes of the windows, along and across the filament.

    infilled : bool
        Whether the covariance is learned from the image with all masked
        pixels infilled, as it is behind stars, in place of from the
        image without a hole.

    seed : int
        The seed of the noise.

    n_positions : int, optional
        The number of positions along the filament.

    shape : 2-tuple of int, optional
        The shape of the image.

    Returns
    -------
    heights : dict
        The mean of the pixels predicted on the ridge, as a fraction of
        the true height, by ``(snr, window)``.
    """
    ny, nx = shape
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=shape)
    # The bright filament alone: the dark one is in the other half
    ridge = make_filament_image((2 * ny, nx), amplitude=1.0, angle=0.0,
                                separation=ny)[ny:]
    row = int(np.argmax(ridge[:, 0]))
    columns = np.linspace(40, nx - 41, n_positions).astype(int)
    y, x = np.mgrid[:STAMP, :STAMP] - STAMP // 2
    hidden = np.hypot(y, x) <= MASK_RADIUS
    good = (np.hypot(y, x) <= CONDITION_RADIUS) & ~hidden
    order = np.concatenate([np.flatnonzero(good), np.flatnonzero(hidden)])
    on_ridge = y[hidden] == 0

    mask = np.zeros(shape, dtype=bool)
    for column in columns:
        mask[row + y[hidden], column + x[hidden]] = True
    heights = {}
    for snr in snrs:
        data = snr * ridge + noise
        learned = data
        if infilled:
            learned, _ = boxcar_infill(data, mask, HALF_WIDTHS)
            learned[mask] += rng.normal(size=np.count_nonzero(mask))
        for name, (along, across) in windows.items():
            fractions = []
            for column in columns:
                mean, covariance = local_covariance(
                    learned, [(row, column)], stamp_shape=STAMP,
                    window_shape=(across, along))
                stamp = data[row + y, column + x]
                conditional = condition(
                    np.ascontiguousarray(covariance[0][np.ix_(order, order)]),
                    mean[0][order], stamp[good])
                fractions.append(np.mean(conditional.mean[on_ridge]) / snr)
            heights[snr, name] = Height(
                np.mean(fractions),
                np.std(fractions, ddof=1) / np.sqrt(n_positions))
    return heights


def compare(heights, infilled):
    """
    Return the rows of the table: paper and ours.

    Parameters
    ----------
    heights : dict
        What `run` returns.

    infilled : dict
        The same, learned from the infilled image.

    Returns
    -------
    rows : list of 3-tuple of str
        The rows.
    """
    paper = {1.4: '> 0.8', 0.1: 'small, > 0', 5.6: 'converges to 1'}
    rows = [(f'height at SNR {snr}, window 129 x 129',
             paper.get(snr, ''),
             (f'{height.mean:.2f} ± {height.error:.2f}; '
              f'{infilled[snr, name].mean:.2f} with holes infilled'))
            for (snr, name), height in heights.items() if name == (14, 0)]
    rows += [(f'height at SNR 1.4, 2^{size} shifts, aspect ratio 2^{aspect}',
              'grows with the aspect ratio', f'{height.mean:.2f}')
             for (snr, (size, aspect)), height in heights.items()
             if snr == 1.4]
    shifts = [heights[1.4, (14, aspect)].mean
              - heights[1.4, (16, aspect + 2)].mean for aspect in (-2, 0, 2)]
    return [*rows, ('2^14 less 2^16 shifts, with 2^2 the aspect ratio', '0',
                    ', '.join(f'{shift:+.2f}' for shift in shifts))]


def plot(heights):
    """
    Plot the paper's figure 7.

    Parameters
    ----------
    heights : dict
        What `run` returns.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The figure.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.5, 4.5), layout='constrained')
    snrs = sorted({snr for snr, _ in heights})
    colours = plt.get_cmap('viridis')(np.linspace(0.0, 0.9, len(snrs)))
    for snr, colour in zip(snrs, colours, strict=True):
        for size, marker in ((14, '^'), (16, 'o')):
            chosen = {aspect: height for (other, (n, aspect)), height
                      in heights.items() if other == snr and n == size}
            axes.errorbar(
                list(chosen), [height.mean for height in chosen.values()],
                [height.error for height in chosen.values()], marker=marker,
                color=colour, mfc='none' if size == 14 else colour,
                ls='--' if size == 14 else '-',
                label=f'SNR {snr}' if size == 16 else None)
    axes.axhline(1.0, color='0.7', zorder=0)
    axes.set(xlabel='log₂ of the aspect ratio of the window '
             '(along / across the filament)',
             ylabel='predicted / true height',
             title='2¹⁴ (open) and 2¹⁶ shifts (filled)')
    axes.legend(fontsize='small', ncols=2)
    return figure


def main():
    """
    Run the section from the command line.
    """
    args = parser(__doc__).parse_args()
    start = time.perf_counter()
    n_positions = N_POSITIONS if args.paper_scale else 12
    size = {'n_positions': n_positions, 'seed': args.seed}
    heights = run(SNR, WINDOWS, infilled=False, **size)
    infilled = run(SNR, {(14, 0): WINDOWS[14, 0]}, infilled=True, **size)
    finish(plot(heights), 'filament_height', args.output,
           compare(heights, infilled),
           f'{n_positions} positions, stamp {STAMP}, masked radius '
           f'{MASK_RADIUS}, seed {args.seed}', start)


if __name__ == '__main__':
    main()
