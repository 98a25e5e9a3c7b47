# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot photometry``: from an image alone to corrected photometry.
"""

import time

from lpiphot.cli._config import merge_config
from lpiphot.cli._inputs import read_input
from lpiphot.cli._messages import bad_input
from lpiphot.cli._options import (add_general_options, add_input_options,
                                  add_lpi_options, add_output_options,
                                  add_pipeline_options, add_psf_options,
                                  corrector_options, pipeline_options,
                                  want_progress)
from lpiphot.cli._output import check_outputs
from lpiphot.cli._psf import read_psf
from lpiphot.cli._results import finish

__all__ = ['add_parser', 'run']

_DESCRIPTION = """\
Find the stars of an image, measure them by PSF photometry (photutils),
and correct their fluxes and errors for the structure of the background.
Without --psf-fwhm or --psf the PSF is a Gaussian of the FWHM that the
stars of the image have: light in wider wings is then not in the fluxes."""


def add_parser(subparsers):
    """
    Add the parser of this command.

    Parameters
    ----------
    subparsers : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    parser = subparsers.add_parser(
        'photometry', description=_DESCRIPTION,
        help='find, measure and correct the stars of an image')
    parser.add_argument('image', metavar='IMAGE',
                        help='FITS image: file.fits or file.fits[EXT]')
    add_input_options(parser)
    add_pipeline_options(parser)
    add_psf_options(parser, required=False)
    add_lpi_options(parser)
    add_output_options(parser)
    add_general_options(parser)
    parser.set_defaults(func=run, parser=parser)


def run(args):
    """
    Run the command.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.
    """
    merge_config(args.parser, args)
    outputs = check_outputs(args)

    from photutils.psf import CircularGaussianPRF

    from lpiphot import LPIBackgroundCorrector
    from lpiphot.pipeline import PSFPipeline

    psf_model = read_psf(args, normalize=True)
    options = corrector_options(args)
    with bad_input(args=args):
        pipeline = PSFPipeline(psf_model=psf_model, fwhm=args.psf_fwhm,
                               **pipeline_options(args),
                               progress_bar=want_progress(args))
        # the FWHM may be measured only later: check the options before
        LPIBackgroundCorrector(CircularGaussianPRF(), **options)
    image, error, mask = read_input(args)
    error = None if error is None else error.data

    start = time.perf_counter()
    with bad_input(args=args):
        phot = pipeline(image.data, error=error, mask=mask)
        corrector = LPIBackgroundCorrector(phot.psf_model, **options)
        result = corrector.run(phot.data_subtracted, phot.table,
                               error=error, mask=phot.mask,
                               background=phot.background)
    seconds = time.perf_counter() - start
    finish(args, outputs, result, image, seconds=seconds, fwhm=phot.fwhm)
