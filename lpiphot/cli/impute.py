# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot impute``: fill the bad pixels of an image.
"""

import io
import time
from functools import partial

from lpiphot.cli._config import merge_config
from lpiphot.cli._fits import find_image, split_image
from lpiphot.cli._inputs import mask_extension, read_mask
from lpiphot.cli._messages import CLIError, bad_input, unreadable
from lpiphot.cli._options import (add_general_options, add_mask_options, pair,
                                  want_progress)
from lpiphot.cli._output import atomic_files, check_outputs
from lpiphot.cli._splice import read_bytes, replace_hdu, write_bytes

__all__ = ['add_parser', 'run']

_DESCRIPTION = """\
Replace the bad pixels of an image by Gaussian process regression: those
that are not finite and those of the mask. One extension is done; all
others are copied byte by byte. Good pixels keep their values; images of
integers become floats."""

# Options that go to the imputer by their own names
_OPTIONS = ('kernel', 'width', 'amplitude', 'length_scale', 'angle',
            'stretch', 'noise', 'method', 'n_threads')
# Those that a trained model has in itself
_OF_MODEL = (*_OPTIONS[:6], 'method')


def add_parser(subparsers):
    """
    Add the parser of this command.

    Parameters
    ----------
    subparsers : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    parser = subparsers.add_parser(
        'impute', description=_DESCRIPTION,
        help='fill the bad pixels of an image')
    parser.add_argument('image', metavar='IN',
                        help='FITS image: file.fits or file.fits[EXT]')
    parser.add_argument('clean', metavar='OUT', help='FITS file to write')
    group = parser.add_argument_group('image')
    group.add_argument('--ext', metavar='EXT',
                       help='extension to fill: a number, NAME, or '
                       'NAME,EXTVER (default: the first that holds an '
                       'image)')
    add_mask_options(group)
    group = parser.add_argument_group('kernel')
    group.add_argument('--kernel', choices=(
        'squared_exponential', 'ornstein_uhlenbeck', 'matern32', 'matern52',
        'periodic'), help='covariance function (default: '
        'squared_exponential, and with --method local also matern52)')
    group.add_argument('--width', type=int, metavar='N',
                       help='width of the window in pixels, odd')
    group.add_argument('--amplitude', type=float, metavar='A',
                       help='amplitude in units of the noise (default: '
                       'trained)')
    group.add_argument('--length-scale', type=partial(pair, kind=float),
                       metavar='H[,HX]',
                       help='length scale in pixels, or those along y and x '
                       '(default: trained)')
    group.add_argument('--angle', type=float, metavar='DEG',
                       help='angle of the axes of two length scales, '
                       'or of --stretch')
    group.add_argument('--stretch', choices=('axes', 'angle'),
                       help='train a kernel stretched along the axes or at '
                       'any angle, for spectra')
    group.add_argument('--noise', type=float, metavar='S',
                       help='1-sigma noise of a pixel in data units (then '
                       '--amplitude is in data units, too)')
    group.add_argument('--method', choices=('local', 'single'),
                       help='kernels by the kind of neighbourhood, or a '
                       'single one')
    group.add_argument('--model', metavar='FILE',
                       help='trained kernels to use (JSON), in place of '
                       'the options above but --noise')
    group.add_argument('--n-threads', type=int, metavar='N',
                       help='threads to use')
    group = parser.add_argument_group('output')
    group.add_argument('--add-planes', action='store_true', default=None,
                       help='append the errors and flags of filled pixels as '
                       'extensions GPR_ERR and GPR_FLAG')
    group.add_argument('--clear-mask', action='store_true', default=None,
                       help='set the mask to 0 where pixels were filled from '
                       'good ones near by; it must be an extension of IN')
    group.add_argument('--save-model', metavar='FILE',
                       help='write the trained kernels to this file (.json)')
    group.add_argument('--overwrite', action='store_true', default=None,
                       help='replace files that exist')
    add_general_options(parser)
    parser.set_defaults(func=run, parser=parser)


def _new_hdu(hdu, number, data, text=None):
    """
    Return an HDU like another with new pixels, without loss.
    """
    from astropy.io import fits

    header = hdu.header.copy()
    for key in ('BSCALE', 'BZERO', 'BLANK', 'DATAMIN', 'DATAMAX', 'CHECKSUM',
                'DATASUM', 'ZHECKSUM', 'ZDATASUM'):
        header.remove(key, ignore_missing=True, remove_all=True)
    if text is not None:
        header['GPRIMPUT'] = (text, 'bad pixels filled by lpiphot')
    if isinstance(hdu, fits.CompImageHDU):
        # floats are compressed without loss by this only
        return fits.CompImageHDU(data, header, compression_type='GZIP_2',
                                 quantize_level=0.0)
    kind = fits.PrimaryHDU if number == 0 else fits.ImageHDU
    return kind(data, header)


def _clear(content, args, hdulist, filled):
    """
    Return the file with its mask set to 0 at pixels ``filled`` from others.
    """
    hdu = find_image(hdulist, mask_extension(args), f'image {args.image}')
    number = hdulist.index_of(hdu)
    mask = hdu.data.copy()
    mask[filled if mask.ndim == filled.ndim else filled.all(axis=0)] = 0
    return replace_hdu(content, number, _new_hdu(hdu, number, mask))


def _planes(result):
    from astropy.io import fits

    return [fits.ImageHDU(result.std.astype('f4'), name='GPR_ERR'),
            fits.ImageHDU(result.flags, name='GPR_FLAG')]


def _check_model(args):
    """
    Raise an error for options that a model would leave without effect.
    """
    given = [f'--{name.replace("_", "-")}' for name in _OF_MODEL
             if getattr(args, name) is not None]
    if args.model is not None and given:
        msg = (f'--model {args.model} has its kernels: give no '
               f'{" or ".join(given)} with it')
        raise CLIError(msg)


def _summary(result, outputs, seconds):
    from lpiphot.flags import FILL_FLAGS

    n_filled = int(result.mask.sum())
    yield (f'{n_filled} of {result.flags.size} pixels filled in '
           f'{seconds:.1f} s')
    for flag in FILL_FLAGS[1:]:
        count = int(((result.flags & flag.bit) != 0).sum())
        if count:
            yield f'  {count:6d}  {flag.name} ({flag.bit})'
    yield from (f'wrote {path}' for path in outputs.values())


def run(args):
    """
    Run the command.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.
    """
    merge_config(args.parser, args)
    _check_model(args)
    outputs = check_outputs(args)
    if args.clear_mask and mask_extension(args) is None:
        msg = ('--clear-mask needs a mask that is an extension of '
               f'{args.image}, by --mask or --mask-ext')
        raise CLIError(msg)

    from astropy.io import fits

    from lpiphot import GPRImputer
    from lpiphot.flags import FROM_NOTHING

    options = {name: getattr(args, name) for name in _OPTIONS
               if getattr(args, name) is not None}
    with bad_input(args=args):
        imputer = GPRImputer(progress_bar=want_progress(args), **options)
        if args.model is not None:
            with unreadable(f'model {args.model}: '):
                imputer.load(args.model)

    path, ext = split_image(args.image, args.ext)
    content = read_bytes(path, 'image')
    with unreadable(f'image {path} is not a FITS file: '):
        hdulist = fits.open(io.BytesIO(content), uint=True)
        len(hdulist)  # reads all headers
    with hdulist:
        hdu = find_image(hdulist, ext, f'image {path}')
        number = hdulist.index_of(hdu)
        with unreadable(f'image {path} cannot be read: '):
            data = hdu.data
        mask = read_mask(args, data.shape)
        has_mask = 'MASK' in hdulist
        start = time.perf_counter()
        with bad_input(f'image {path}: ', args=args):
            if args.save_model is not None and args.model is None:
                imputer.fit(data, mask=mask)
            result = imputer.run(data, mask=mask)
        seconds = time.perf_counter() - start
        content = replace_hdu(
            content, number,
            _new_hdu(hdu, number, result.image,
                     imputer.describe(int(result.mask.sum()))),
            _planes(result) if args.add_planes else ())
        if args.clear_mask:
            content = _clear(content, args, hdulist, result.mask & (
                result.flags & FROM_NOTHING == 0))

    with atomic_files(outputs, overwrite=args.overwrite) as temporary:
        write_bytes(temporary['clean'], content)
        if args.save_model is not None:
            imputer.save(temporary['save_model'])
    if not args.quiet:
        print('\n'.join(_summary(result, outputs, seconds)))
        if not result.mask.any() and mask is None and has_mask:
            print('note: no pixel was bad, but the file has an extension '
                  'MASK: give --mask MASK to fill its pixels')
