# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The end of a command: write the files and say what they hold.
"""

import numpy as np

from lpiphot.cli._config import record_options
from lpiphot.cli._output import (atomic_files, write_images, write_plot,
                                 write_table)

__all__ = ['finish']


def _write(args, outputs, result, image):
    table = result.table
    record_options(args, table.meta)
    with atomic_files(outputs, overwrite=args.overwrite) as temporary:
        write_table(temporary['output'], table)
        if 'images' in temporary:
            write_images(temporary['images'], result, image)
        if 'plot' in temporary:
            write_plot(temporary['plot'], result)


def _flag_lines(table):
    """
    Count the stars with flags, and by quality bit, harmless ones last.
    """
    from lpiphot.flags import DNT_FLAGS, HARMLESS

    dcflux = np.ma.filled(table['dcflux'].astype(float), np.nan)
    dcflux = np.asarray(getattr(dcflux, 'value', dcflux))
    n_failed = np.count_nonzero(~np.isfinite(dcflux))
    dnt = np.asarray(table['dnt'])
    line = (f'{np.count_nonzero(dnt & ~HARMLESS)} flagged, {n_failed} '
            'without a result')
    if 'flags' in table.colnames:  # of photutils
        n_fits = np.count_nonzero(np.ma.filled(table['flags'], 0))
        line += f'; {n_fits} with flags of the fit'
    yield line
    for flag in sorted(DNT_FLAGS, key=lambda flag: flag.bit & HARMLESS):
        count = np.count_nonzero(dnt & flag.bit)
        if count:
            harmless = ', harmless' if flag.bit & HARMLESS else ''
            yield f'  {count:6d}  {flag.name} ({flag.bit}){harmless}'


def _summary(table, outputs, seconds, fwhm):
    """
    Make the lines of the summary.
    """
    n_stars = len(table)
    lines = [f'{n_stars} stars in {seconds:.1f} s']
    if n_stars:
        lines[0] += f' ({1e3 * seconds / n_stars:.1f} ms per star)'
        if fwhm is not None:
            lines.append(f'FWHM {fwhm:.2f} pixels')
        lines.extend(_flag_lines(table))
        if table.meta['lpiphot_star_noise_from'] == 'none':
            lines.append('no photon noise of stars: neither gain nor error '
                         'was given')
        elif (table.meta['lpiphot_star_noise_from'] == 'error'
              and table.meta['lpiphot_error_gain'] == 'none'):
            lines.append('no photon noise of stars: error does not grow with '
                         'their light, and gain was not given')
    lines.extend(f'wrote {path}' for path in outputs.values())
    return lines


def finish(args, outputs, result, image, *, seconds, fwhm=None):
    """
    Write the files and print the summary.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    outputs : dict
        The names of the files by option.

    result : object
        The result of `~lpiphot.LPIBackgroundCorrector.run`.

    image : `~lpiphot.cli._fits.FITSImage`
        The image.

    seconds : float
        How long the work took.

    fwhm : float, optional
        The FWHM that was used, to be told.
    """
    _write(args, outputs, result, image)
    if not args.quiet:
        print('\n'.join(_summary(result.table, outputs, seconds, fwhm)))
