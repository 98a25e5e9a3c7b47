# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Options that the commands share, in the words of the API.

No option has a default here, so that `None` means "not given": the
configuration file can then fill it in, and what is given nowhere is
left to the API.
"""

import argparse

__all__ = ['CORRECTOR_OPTIONS', 'add_general_options', 'add_input_options',
           'add_lpi_options', 'add_mask_options', 'add_output_options',
           'add_pipeline_options', 'add_psf_options', 'corrector_options',
           'join_pairs', 'pair', 'pipeline_options', 'want_progress']

# Options that take "N" or "NY NX".
_PAIRS = ('--stamp-shape', '--window-shape', '--psf-oversampling',
          '--box-size', '--fit-shape')

# Options that go to the corrector, and its names for them.
CORRECTOR_OPTIONS = {'seed': 'rng'} | {name: name for name in (
    'stamp_shape', 'window_shape', 'mask_threshold', 'min_mask_flux',
    'residual_threshold', 'condition_radius', 'gain', 'neighbours',
    'positions', 'dtype', 'n_threads')}


def pair(text, kind=int):
    """
    Parse ``'N'`` or ``'NY,NX'``.

    Parameters
    ----------
    text : str
        The value of an option.

    kind : type, optional
        Whether numbers are int or float.

    Returns
    -------
    value : number or 2-tuple of numbers
        The number or numbers.
    """
    try:
        numbers = tuple(kind(part) for part in text.split(','))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        form = 'N or NY NX (whole numbers)' if kind is int else 'H or HY,HX'
        msg = f'expected {form}; got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return numbers[0] if len(numbers) == 1 else numbers


def _bits(text):
    """
    Return the sum of bits such as ``'1,4'``, which may be it already.
    """
    from astropy.nddata.bitmask import interpret_bit_flags

    try:
        value = interpret_bit_flags(text)
    except (ValueError, TypeError, KeyError):
        value = None
    if not value:
        msg = ('expected powers of 2 with commas between them, or their sum; '
               f'got {text!r}')
        raise argparse.ArgumentTypeError(msg)
    return value


def join_pairs(argv):
    """
    Write ``--stamp-shape 33 35`` as ``--stamp-shape 33,35``.

    With ``nargs`` argparse would take the file name that follows
    ``--stamp-shape 33`` for the second number.

    Parameters
    ----------
    argv : list of str
        The arguments.

    Returns
    -------
    argv : list of str
        A new list.
    """
    joined = []
    for arg in argv:
        if (len(joined) >= 2 and joined[-2] in _PAIRS
                and joined[-1].isdecimal() and arg.isdecimal()):
            joined[-1] += f',{arg}'
        else:
            joined.append(arg)
    return joined


def add_input_options(parser):
    """
    Add the options that say what comes with the image.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The parser of a command.
    """
    group = parser.add_argument_group('image')
    group.add_argument('--ext', metavar='EXT',
                       help='extension of the image: a number, NAME, or '
                       'NAME,EXTVER (default: the first that holds an '
                       'image)')
    group.add_argument('--error', metavar='FILE[EXT]|EXT',
                       help='1-sigma errors: FITS image, or extension of '
                       'IMAGE if there is no file of this name')
    group.add_argument('--error-ext', metavar='EXT',
                       help='extension of IMAGE with the 1-sigma errors')
    add_mask_options(group)
    group.add_argument('--unit', metavar='UNIT',
                       help="unit of the image, or 'none' (default: BUNIT)")
    group.add_argument('--gain', type=float, metavar='G',
                       help='electrons per data unit')


def add_mask_options(group):
    """
    Add the options that say where the mask is.

    Parameters
    ----------
    group : object
        What `argparse.ArgumentParser.add_argument_group` returned.
    """
    group.add_argument('--mask', metavar='FILE[EXT]|EXT',
                       help='mask, not 0 where a pixel is bad: FITS image, '
                       'or extension of the image if there is no file of '
                       'this name')
    group.add_argument('--mask-ext', metavar='EXT',
                       help='extension of the image with the mask')
    group.add_argument('--mask-bits', type=_bits, metavar='BITS',
                       help='the bits of the mask that mean a bad pixel, '
                       'e.g. 1 for DO_NOT_USE of JWST, or 4,16 (default: all)')


def add_psf_options(parser, *, required):
    """
    Add the options that give the PSF.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The parser of a command.

    required : bool
        Whether a PSF must be given (said in the help only).
    """
    text = 'one of --psf-fwhm and --psf is required' if required else None
    group = parser.add_argument_group('PSF', text)
    group.add_argument('--psf-fwhm', type=float, metavar='PIXELS',
                       help='FWHM of a circular Gaussian')
    group.add_argument('--psf', metavar='FILE[EXT]',
                       help='FITS file: a PSF stamp, or a STDPSF or WebbPSF '
                       'grid')
    group.add_argument('--psf-oversampling', type=pair, metavar='N [N]',
                       help='oversampling of the stamp (default: OVERSAMP '
                       'of its header, else 1)')
    group.add_argument('--psf-normalize', default=None,
                       action=argparse.BooleanOptionalAction,
                       help='scale the stamp, or each PSF of a grid, to unit '
                       'flux (default: ' + (
                           'no, the catalogue was fitted with it as it is)'
                           if required else 'a stamp yes, a grid no)'))
    group.add_argument('--psf-detector', type=int, metavar='N',
                       help='detector, for STDPSF files of several')


def add_pipeline_options(parser):
    """
    Add the options of `~lpiphot.pipeline.PSFPipeline`.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The parser of a command.
    """
    group = parser.add_argument_group('photometry')
    group.add_argument('--detection-threshold', type=float, metavar='S',
                       help='in units of the scatter that peaks of noise have')
    group.add_argument('--box-size', type=pair, metavar='N [N]',
                       help='boxes of the background mesh, pixels: ny nx')
    group.add_argument('--fit-shape', type=pair, metavar='N [N]',
                       help='pixels fitted for a star, odd: ny nx')
    group.add_argument('--min-separation', type=float, metavar='PIXELS',
                       help='of closer detections the brighter is kept')


def pipeline_options(args):
    """
    Return the keywords of the pipeline that were given.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    Returns
    -------
    options : dict
        Keywords of `~lpiphot.pipeline.PSFPipeline`.
    """
    names = ('detection_threshold', 'box_size', 'fit_shape',
             'min_separation')
    return {name: getattr(args, name) for name in names
            if getattr(args, name) is not None}


def add_lpi_options(parser, *, groups=False):
    """
    Add the options of `~lpiphot.LPIBackgroundCorrector`.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The parser of a command.

    groups : bool, optional
        Whether the catalogue may have groups of stars. That of
        `~lpiphot.pipeline.PSFPipeline` has none.
    """
    group = parser.add_argument_group('correction')
    group.add_argument('--stamp-shape', type=pair, metavar='N [N]',
                       help='pixels around a star, odd: ny nx')
    group.add_argument('--window-shape', type=pair, metavar='N [N]',
                       help='pixels to learn the covariance from, odd: ny nx')
    group.add_argument('--mask-threshold', type=float, metavar='V',
                       help='mask where a star model exceeds V [data units]')
    group.add_argument('--min-mask-flux', type=float, metavar='F',
                       help='fainter stars are masked as if of flux F')
    group.add_argument('--residual-threshold', type=float, metavar='V',
                       help='mask where |residual| exceeds V [data units], '
                            'and otherwise do as published (default: robust)')
    group.add_argument('--condition-radius', type=float, metavar='PIXELS',
                       help='good pixels are taken from within')
    choices = ('flux_err', 'group_id') if groups else ('flux_err',)
    group.add_argument('--neighbours', choices=choices,
                       help='for crowded fields: fluxes of other stars are '
                       'uncertain by their flux_err'
                       + (', or the stars of one group_id are solved '
                          'together' if groups else ''))
    group.add_argument('--positions', action='store_true', default=None,
                       help='solve for positions together with the fluxes')
    group.add_argument('--dtype', choices=('float32', 'float64'),
                       help='precision of the factorisation')
    group.add_argument('--n-threads', type=int, metavar='N',
                       help='threads to use')
    group.add_argument('--seed', type=int, metavar='N',
                       help='seed of the random steps (rng of the API)')


def add_output_options(parser):
    """
    Add the options that say what to write.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The parser of a command.
    """
    group = parser.add_argument_group('output')
    group.add_argument('-o', '--output', required=True, metavar='OUT',
                       help='table to write: .ecsv, .fits or .parquet')
    group.add_argument('--images', metavar='FILE',
                       help='write residual, predicted background and mask '
                       'to this FITS file')
    group.add_argument('--plot', metavar='FILE',
                       help='write a picture to this file (.png, .pdf, .svg)')
    group.add_argument('--overwrite', action='store_true', default=None,
                       help='replace files that exist')


def add_general_options(parser):
    """
    Add the options on the command itself.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The parser of a command.
    """
    group = parser.add_argument_group('general')
    group.add_argument('--config', metavar='FILE',
                       help='TOML file of options by name, e.g. stamp_shape '
                       '= [33, 35]; the command line wins')
    group.add_argument('--progress-bar', action='store_true', default=None,
                       help='show a progress bar (default: on a terminal)')
    group.add_argument('--no-progress', '--no-progress-bar', default=None,
                       dest='progress_bar', action='store_false',
                       help='show no progress bar')
    group.add_argument('-q', '--quiet', action='store_true', default=None,
                       help='print no summary, show no progress bar')
    group.add_argument('--debug', action='store_true', default=None,
                       help='show tracebacks and all warnings')


def want_progress(args):
    """
    Say whether to show a progress bar.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    Returns
    -------
    want : bool
        As asked for; else whether there is a terminal to show it on and
        tqdm to draw it.
    """
    import importlib.util
    import sys

    if args.progress_bar is not None:
        return args.progress_bar
    # there is no stderr if it was closed
    return (not args.quiet and sys.stderr is not None
            and sys.stderr.isatty()
            and importlib.util.find_spec('tqdm') is not None)


def corrector_options(args):
    """
    Return the keywords of the corrector that were given.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    Returns
    -------
    options : dict
        Keywords of `~lpiphot.LPIBackgroundCorrector`.
    """
    options = {name: getattr(args, option)
               for option, name in CORRECTOR_OPTIONS.items()
               if getattr(args, option) is not None}
    return options | {'progress_bar': want_progress(args)}
