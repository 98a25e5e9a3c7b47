"""
The errors of pixels filled by GPRImputer and by other methods.

Real and made images get artificial bad pixels; see README.rst for what
is measured, and for figures.
"""

import argparse
import warnings

import numpy as np
from imputation_peers import WIDTH, available_peers
from imputation_scenes import MASKS, add_cosmic_rays, make_images, make_mask
from scipy.ndimage import binary_dilation

from lpiphot import GPRImputer

# Statistics of fewer pixels are not shown
MIN_PIXELS = 20


def width(values):
    """
    Return the robust width about zero: sigma, if normal.
    """
    return 1.4826 * np.median(np.abs(values))


def mean_size(values):
    """
    Return the mean absolute value.
    """
    return np.mean(np.abs(values))


def _if_enough(function, values):
    return function(values) if values.size >= MIN_PIXELS else np.nan


def fill_gpr(data, mask):
    """
    Fill by GPRImputer; return the errors as well.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        result = GPRImputer().run(data, mask=mask)
    return result.image, result.std


def measure(image, kind, methods, n_seeds, rays=0.0):
    """
    Fill the bad pixels of some seeds.

    Parameters
    ----------
    image : `~imputation_scenes.Image`
        The image.

    kind : str
        The kind of bad pixels.

    methods : dict of str to callable
        The other methods, called with image and mask.

    n_seeds : int
        The number of seeds.

    rays : float, optional
        The share of cosmic rays that are not masked. Bad pixels in whose
        windows there are some do not count.

    Returns
    -------
    errors : dict of str to 1-D `~numpy.ndarray`
        The errors of filled pixels in units of their noise, by method.

    facts : dict of str to 1-D `~numpy.ndarray`
        For the same pixels: whether ``bright``, the ``z`` of
        GPRImputer, and the ``truth``, if known, in units of the noise
        above the data.
    """
    errors = {name: [] for name in ('lpiphot', *methods)}
    facts = {'bright': [], 'z': [], 'truth': []}
    whole = image
    for seed in range(1, n_seeds + 1):
        image = whole.cropped(seed) if kind == 'corners' else whole
        mask = make_mask(kind, image, seed)
        data, hit = add_cosmic_rays(image, rays, seed)
        clear = mask & ~binary_dilation(hit, np.ones((WIDTH, WIDTH)))
        noise, true = image.noise[clear], image.data[clear]
        spoilt = np.where(mask, 1e4 * np.max(data), data)
        filled, sigma = fill_gpr(spoilt, mask)
        errors['lpiphot'].append((filled[clear] - true) / noise)
        facts['z'].append((filled[clear] - true) / sigma[clear])
        facts['bright'].append(image.bright[clear])
        truth = true if image.truth is None else image.truth[clear]
        facts['truth'].append((truth - true) / noise)
        for name, fill in methods.items():
            errors[name].append((fill(data, mask)[clear] - true) / noise)
    return tuple({name: np.concatenate(parts)
                  for name, parts in group.items()}
                 for group in (errors, facts))


def _row(head, values):
    cells = ' '.join(f'{value:10.2f}' if np.isfinite(value)
                     else f'{"-":>10s}' for value in values)
    print(f'{head:>25s} {cells}', flush=True)


def report(name, image, methods, kinds, n_seeds, rays):
    """
    Print the table of one image; return its numbers.
    """
    print(f'\n{name}, {image.data.shape[0]} x {image.data.shape[1]} pixels, '
          f'{image.bright.mean():.1%} bright', flush=True)
    print(f'{"":25s} ' + ' '.join(f'{head:>10s}'
                                  for head in ('lpiphot', *methods)))
    numbers = {}
    for kind in kinds:
        errors, facts = measure(image, kind, methods, n_seeds, rays)
        bright = facts['bright']
        values = {
            (group, label): [_if_enough(function, error[chosen])
                             for error in errors.values()]
            for group, chosen in (('bright', bright),
                                  ('all', np.ones_like(bright)))
            for label, function in (('width', width), ('mean', mean_size))}
        for (group, label), row in values.items():
            if np.isfinite(row[0]):
                _row(f'{kind} {group} {label}', row)
        if image.truth is not None:
            _row(f'{kind} sky truth',
                 [width((error - facts['truth'])[~bright])
                  for error in errors.values()])
        z_all, z_bright = (
            _if_enough(lambda z: np.diff(np.quantile(z, (0.25, 0.75)))[0]
                       / 1.349, facts['z'][chosen])
            for chosen in (np.ones_like(bright), bright))
        beyond = np.mean(np.abs(facts['z']) > 5)
        print(f'{"z":>25s} width {z_all:.2f}, bright {z_bright:.2f}, '
              f'{beyond:.1%} beyond 5; {bright.size} pixels, '
              f'{bright.sum()} bright', flush=True)
        numbers[name, kind] = values, z_all, z_bright, bright.sum()
    return numbers


def summarize(numbers, methods):
    """
    Print the ratios to the astrofix kernel and to the best peer.
    """
    heads = 'width', 'mean', 'width', 'mean', 'width', 'mean', 'z all'
    print('\nRatios of lpiphot: bright pixels to the astrofix kernel, to the '
          'best peer; all pixels to\nthe best peer. * more than 1.02 times '
          'the astrofix kernel, + more than 1.15 times the best,\nc not the '
          f'best on clusters. In brackets: bright pixels.\n{"":31s} '
          + ' '.join(f'{head:>7s}' for head in heads))
    everything = []
    peers = ['lpiphot', *methods]
    for (name, kind), (values, z_all, _, n_bright) in numbers.items():
        bright, others = ([np.array(values[group, label])
                           for label in ('width', 'mean')]
                          for group in ('bright', 'all'))
        own = peers.index('astrofix')
        ratios = ([row[0] / row[own] for row in bright]
                  + [row[0] / row[1:].min() for row in bright + others])
        marks = ('*' if max(ratios[:2]) > 1.02 else '') + (
            '+' if max(ratios[2:4]) > 1.15 else '') + (
            'c' if kind.startswith(('tracks', 'blobs', 'column'))
            and max(ratios[2:4]) > 1 else '')
        cells = ' '.join(f'{value:7.2f}' if np.isfinite(value)
                         else f'{"-":>7s}' for value in [*ratios, z_all])
        print(f'{name:>15s} {kind:15s} {cells} ({n_bright}) {marks}')
        everything.append(ratios)
    means = np.exp(np.nanmean(np.log(everything), axis=0))
    print(f'{"geometric mean":31s} '
          + ' '.join(f'{value:7.2f}' for value in means), flush=True)


def main():
    """
    Run the benchmark.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', default='/work/shared/data',
                        help='the folder of the real images')
    parser.add_argument('--which', nargs='+', metavar='IMAGE')
    parser.add_argument('--masks', nargs='+', metavar='KIND', default=MASKS)
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument('--cosmic-rays', type=float, default=0.0,
                        metavar='SHARE', help='the share of cosmic rays that '
                        'nobody masked; bad pixels near them do not count')
    parser.add_argument('--peers', nargs='+', metavar='METHOD')
    arguments = parser.parse_args()
    methods = available_peers()
    if arguments.peers:
        methods = {name: methods[name]
                   for name in ('astrofix', *arguments.peers)}
    numbers = {}
    for name, image in make_images(arguments.data, arguments.which).items():
        numbers |= report(name, image, methods, arguments.masks,
                          arguments.seeds, arguments.cosmic_rays)
    summarize(numbers, methods)


if __name__ == '__main__':
    main()
