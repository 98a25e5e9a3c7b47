# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot correct``: correct a catalogue of PSF photometry.
"""

import time

from lpiphot.cli._catalog import read_catalog
from lpiphot.cli._config import merge_config
from lpiphot.cli._inputs import read_background, read_input
from lpiphot.cli._messages import CLIError, bad_input, say
from lpiphot.cli._options import (add_general_options, add_input_options,
                                  add_lpi_options, add_output_options,
                                  add_psf_options, corrector_options)
from lpiphot.cli._output import check_outputs
from lpiphot.cli._psf import read_psf
from lpiphot.cli._results import finish

__all__ = ['add_parser', 'run']

_DESCRIPTION = """\
Correct the fluxes of a photutils PSF-photometry catalogue, and their
errors, for the structure of the background. The table that is written
has the rows and columns of CATALOG and those of the correction."""


def add_parser(subparsers):
    """
    Add the parser of this command.

    Parameters
    ----------
    subparsers : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    parser = subparsers.add_parser(
        'correct', description=_DESCRIPTION,
        help='correct a photutils catalogue for its background')
    parser.add_argument('image', metavar='IMAGE',
                        help='FITS image that the catalogue was fitted to: '
                        'file.fits or file.fits[EXT]')
    parser.add_argument('catalog', metavar='CATALOG',
                        help="table with photutils' column names: .ecsv, "
                        '.fits, .parquet, .csv, .txt, .xml (VOTable)')
    add_input_options(parser)
    parser.add_argument('--background', metavar='FILE|VALUE',
                        help='sky that was already subtracted from the '
                        'image (needed only for Poisson noise)')
    add_psf_options(parser, required=True)
    add_lpi_options(parser, groups=True)
    add_output_options(parser)
    add_general_options(parser)
    parser.set_defaults(func=run, parser=parser)


def _without_lone_unit(image, phot, **planes):
    """
    Leave the unit aside if the catalogue's fluxes have none.

    Return the image, and the planes: error and background. A catalogue
    made from the bare pixels is the rule, not a mistake. The reverse is
    one: who knows the unit of the image must say so.
    """
    from lpiphot._tables import column_unit, find_column

    with bad_input():
        name = find_column(phot, 'flux')
    flux_unit = column_unit(phot, name)
    if image.unit is None and flux_unit not in (None, ''):
        msg = (f'column {name} of the catalogue has the unit {flux_unit}, '
               'but the image has none: give its unit, as by --unit '
               f"'{flux_unit}'")
        raise CLIError(msg)
    if image.unit is None or flux_unit is not None:
        return image, *planes.values()
    say('warning', f"the catalogue's fluxes have no unit; the unit of the "
        f'image, {image.unit}, is not used')
    for name, plane in planes.items():
        if plane is not None:
            with bad_input(f'{name}: '):
                values = plane.data.to_value(image.unit)
            planes[name] = plane._replace(values=values, unit=None)
    return image._replace(unit=None), *planes.values()


def run(args):
    """
    Run the command.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.
    """
    merge_config(args.parser, args)
    if args.psf_fwhm is None and args.psf is None:
        msg = '--psf-fwhm or --psf is required'
        raise CLIError(msg)
    outputs = check_outputs(args)

    from lpiphot import LPIBackgroundCorrector

    psf_model = read_psf(args, normalize=False)
    with bad_input(args=args):
        corrector = LPIBackgroundCorrector(psf_model,
                                           **corrector_options(args))
    image, error, mask = read_input(args)
    phot = read_catalog(args.catalog)
    background = None
    if args.background is not None:
        background = read_background(args.background, image, args.unit)
    image, error, background = _without_lone_unit(
        image, phot, error=error, background=background)

    start = time.perf_counter()
    with bad_input(args=args):
        result = corrector.run(
            image.data, phot, mask=mask,
            error=None if error is None else error.data,
            background=None if background is None else background.data)
    seconds = time.perf_counter() - start
    finish(args, outputs, result, image, seconds=seconds)
