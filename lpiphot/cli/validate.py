# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot validate``: test fluxes and errors on the user's own image.
"""

import os
import time

from lpiphot.cli._config import merge_config, record_options
from lpiphot.cli._inputs import read_input
from lpiphot.cli._messages import CLIError, bad_input
from lpiphot.cli._options import (add_general_options, add_input_options,
                                  add_lpi_options, add_pipeline_options,
                                  add_psf_options, corrector_options,
                                  pipeline_options, want_progress)
from lpiphot.cli._output import (atomic_files, check_outputs, write_plot,
                                 write_table)
from lpiphot.cli._psf import read_psf

__all__ = ['add_parser', 'run']

_DESCRIPTION = """\
Inject stars of known flux into an image, find and measure them again by
PSF photometry (photutils), correct them, and report how complete the
catalogue is, and how good fluxes and errors are before and after the
correction. Writes a table of all stars, a picture and a report. The
stars have the PSF that is fitted: without --psf-fwhm or --psf, a Gaussian
of the FWHM measured on the image. Whether real stars have it, and so the
right fluxes, is not tested."""

_N_ROUNDS = 10
_N_BLANK = 200

# Options about injected stars, of which --blank has none
_INJECTION = ('n_rounds', 'fraction', 'bright', 'faint', 'zero_point',
              'avoid_blends', 'integer', 'border', 'n_processes', 'folder')


def add_parser(subparsers):
    """
    Add the parser of this command.

    Parameters
    ----------
    subparsers : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    parser = subparsers.add_parser(
        'validate', description=_DESCRIPTION,
        help='test fluxes and errors with stars of known flux')
    parser.add_argument('image', metavar='IMAGE',
                        help='FITS image: file.fits or file.fits[EXT]')
    add_input_options(parser)
    group = parser.add_argument_group('injection')
    group.add_argument('--n-rounds', type=int, metavar='N',
                       help='how many times stars are injected (default: '
                       f'{_N_ROUNDS})')
    group.add_argument('--fraction', type=float, metavar='F',
                       help='injected stars each time, of the number found '
                       'in the image (default: 0.1)')
    group.add_argument('--n-stars', type=int, metavar='N',
                       help='injected stars each time, in place of '
                       '--fraction')
    group.add_argument('--bright', type=float, metavar='MAG',
                       help='with --faint: magnitudes are uniform between '
                       'them (default: the fluxes of the catalogue)')
    group.add_argument('--faint', type=float, metavar='MAG',
                       help='the faintest magnitude; below the limit of '
                       'detection, to measure completeness')
    group.add_argument('--zero-point', type=float, metavar='MAG',
                       help='magnitude of flux 1 (default: 0)')
    group.add_argument('--avoid-blends', action='store_true', default=None,
                       help='inject none within 4/3 FWHM of a source')
    group.add_argument('--integer', action='store_true', default=None,
                       help='inject at the centres of pixels')
    group.add_argument('--border', type=int, metavar='PIXELS',
                       help='margin of the image without stars (default: '
                       '16)')
    group.add_argument('--blank', action='store_true', default=None,
                       help='inject nothing: predict the pixels of blank '
                       'positions and compare (--n-stars of them, default '
                       f'{_N_BLANK}; no other option of this group)')
    group.add_argument('--n-processes', type=int, metavar='N',
                       help='processes to use')
    group.add_argument('--folder', metavar='DIR',
                       help='keep finished rounds here, and go on from '
                       'there after an interruption')
    add_pipeline_options(parser)
    add_psf_options(parser, required=False)
    add_lpi_options(parser)
    group = parser.add_argument_group('output')
    group.add_argument('-o', '--output', required=True, metavar='OUT',
                       help='table of the injected stars: .ecsv')
    group.add_argument('--plot', metavar='FILE',
                       help='picture: .png, .pdf or .svg (default: OUT with '
                       '.png)')
    group.add_argument('--report', metavar='FILE',
                       help='report on one page: .html (default: OUT with '
                       '.html)')
    group.add_argument('--calibration', metavar='FILE',
                       help='write the measured rescaling of dcflux to this '
                       'file: .json')
    group.add_argument('--overwrite', action='store_true', default=None,
                       help='replace files that exist')
    add_general_options(parser)
    parser.set_defaults(func=run, parser=parser)


def _complete_outputs(args):
    """
    Name the files that were not named after the table.
    """
    stem, suffix = os.path.splitext(args.output)
    if suffix.lower() != '.ecsv':
        msg = f'--output {args.output}: must end in .ecsv'
        raise CLIError(msg)
    args.plot = args.plot or f'{stem}.png'
    args.report = args.report or f'{stem}.html'


def _injection_options(args):
    """
    Return the keywords of `InjectionRecovery` that were given.
    """
    given = {name: getattr(args, name) for name in _INJECTION
             if getattr(args, name) is not None}
    if args.blank and given:
        names = ', '.join('--' + name.replace('_', '-') for name in given)
        msg = f'--blank injects no stars: it has no use for {names}'
        raise CLIError(msg)
    options = {name: value for name, value in given.items()
               if name not in ('bright', 'faint')}
    if args.n_stars is not None:
        options['n_stars'] = args.n_stars
    if (args.bright is None) != (args.faint is None):
        msg = 'give both of --bright and --faint, or none'
        raise CLIError(msg)
    if args.bright is not None:
        options['magnitudes'] = (args.bright, args.faint)
    if args.seed is not None:
        options['rng'] = args.seed
    return options | {'gain': args.gain}


def _check_number(args):
    """
    Raise an error if there cannot be enough stars for a calibration.
    """
    from lpiphot.validation.calibration import MIN_STARS

    number = args.n_stars
    if args.calibration is None or number is None:
        return
    if not args.blank:
        number *= _N_ROUNDS if args.n_rounds is None else args.n_rounds
    if number < MIN_STARS:
        msg = (f'--calibration needs at least {MIN_STARS} stars; there will '
               f'be {number}')
        raise CLIError(msg)


def _check_blank(args, corrector, phot, error):
    """
    Run the test without injections.
    """
    from lpiphot.validation import check_blank_positions

    return check_blank_positions(
        corrector, phot.data_subtracted, phot.table, error=error,
        mask=phot.mask, background=phot.background, rng=args.seed,
        n_positions=_N_BLANK if args.n_stars is None else args.n_stars)


def _calibration(outputs, result):
    """
    Return the calibration and `None`, or `None` and what is wrong.
    """
    if 'calibration' not in outputs:
        return None, None
    try:
        with bad_input(f'{outputs["calibration"]} is not written: '):
            return result.calibration(), None
    except CLIError as exc:
        return None, exc


def _write(args, outputs, result, calibration):
    record_options(args, result.table.meta)
    title = (f'{"Blank positions" if args.blank else "Injection test"} of '
             f'{os.path.basename(args.image)}')
    with atomic_files(outputs, overwrite=args.overwrite) as temporary:
        write_table(temporary['output'], result.table)
        write_plot(temporary['plot'], result)
        # names of files may have bytes that are no UTF-8
        with open(temporary['report'], 'w', encoding='utf-8',
                  errors='backslashreplace') as fh:
            fh.write(result.to_html(title=title))
        if calibration is not None:
            calibration.save(temporary['calibration'])


def _summary(result, outputs, seconds):
    """
    Make the lines of the summary: the report less its tables.
    """
    lines = [*result.report().lines(short=True), '', f'{seconds:.0f} s']
    return lines + [f'wrote {path}' for path in outputs.values()]


def run(args):
    """
    Run the command.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.
    """
    merge_config(args.parser, args)
    _complete_outputs(args)
    outputs = check_outputs(args)
    injection = _injection_options(args)
    _check_number(args)

    from lpiphot import LPIBackgroundCorrector
    from lpiphot.pipeline import PSFPipeline
    from lpiphot.validation import InjectionRecovery

    psf_model = read_psf(args, normalize=True)
    options = corrector_options(args) | {'progress_bar': False}
    with bad_input(args=args):
        pipeline = PSFPipeline(psf_model=psf_model, fwhm=args.psf_fwhm,
                               **pipeline_options(args))
        # the FWHM may be measured only later: check the options before
        InjectionRecovery(pipeline, psf_model, **injection)
    image, error, mask = read_input(args)
    error = None if error is None else error.data

    start = time.perf_counter()
    with bad_input(args=args):
        phot = pipeline(image.data, error=error, mask=mask)
        corrector = LPIBackgroundCorrector(phot.psf_model, **options)
        if args.blank:
            result = _check_blank(args, corrector, phot, error)
        else:
            # with the PSF of the image, which must not change any more
            pipeline = PSFPipeline(psf_model=phot.psf_model, fwhm=phot.fwhm,
                                   **pipeline_options(args))
            tool = InjectionRecovery(pipeline, phot.psf_model,
                                     corrector=corrector, **injection,
                                     progress_bar=want_progress(args))
            result = tool(image.data, error=error, mask=mask)
    seconds = time.perf_counter() - start
    calibration, failure = _calibration(outputs, result)
    if failure is not None:  # hours of work are written nevertheless
        del outputs['calibration']
    _write(args, outputs, result, calibration)
    if not args.quiet:
        print('\n'.join(_summary(result, outputs, seconds)))
    if failure is not None:
        raise failure
