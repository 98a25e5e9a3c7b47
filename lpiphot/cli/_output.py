# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Write files that appear whole or not at all.
"""

import contextlib
import importlib.util
import os

import numpy as np

from lpiphot._files import whole_files
from lpiphot.cli._catalog import TABLE_FORMATS
from lpiphot.cli._fits import split_spec
from lpiphot.cli._messages import CLIError

__all__ = ['atomic_files', 'check_outputs', 'write_images', 'write_plot',
           'write_table']

_SUFFIXES = {'output': tuple(TABLE_FORMATS),
             'images': ('.fits', '.fits.gz'),
             'plot': ('.png', '.pdf', '.svg'), 'report': ('.html', '.htm'),
             'calibration': ('.json',),
             'clean': ('.fits', '.fit', '.fts', '.fits.gz', '.fits.fz'),
             'save_model': ('.json',)}

# Files that have no option: what they are called in the usage.
_ARGUMENTS = {'clean': 'OUT'}

# What each kind of file needs beyond the core dependencies.
_NEEDS = {'.parquet': 'pyarrow', '.png': 'matplotlib', '.pdf': 'matplotlib',
          '.svg': 'matplotlib', '.html': 'matplotlib', '.htm': 'matplotlib'}

# Options that name files to read; a catalogue may be overwritten.
_INPUTS = ('image', 'error', 'mask', 'psf', 'background', 'config', 'model')


def _label(option):
    return _ARGUMENTS.get(option, '--' + option.replace('_', '-'))


def _check_output(option, path, *, overwrite):
    name = f'{_label(option)} {path}'
    suffixes = _SUFFIXES[option]
    if not path.lower().endswith(suffixes):
        known = ', '.join(suffixes)
        msg = f'{name}: unknown suffix; the known ones are {known}'
        raise CLIError(msg)

    suffix = os.path.splitext(path.lower())[1]
    needed = _NEEDS.get(suffix)
    if needed and importlib.util.find_spec(needed) is None:
        msg = f'{name}: {suffix} needs {needed}, which is not installed'
        raise CLIError(msg)

    # a link leads to where the file will be
    folder = os.path.dirname(os.path.realpath(path) if os.path.islink(path)
                             else path) or os.curdir
    if not os.path.isdir(folder):
        msg = f'{name}: there is no folder {folder}'
        raise CLIError(msg)
    if not os.access(folder, os.W_OK):
        msg = f'{name}: cannot write into the folder {folder}'
        raise CLIError(msg)
    if os.path.isdir(path):
        msg = f'{name}: is a folder'
        raise CLIError(msg)
    if os.path.exists(path) and not overwrite:
        msg = f'{name}: exists; use --overwrite to replace it'
        raise CLIError(msg)


def check_outputs(args):
    """
    Check before the work that the files can be written.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    Returns
    -------
    outputs : dict
        The names of the files by option, of those that the command has
        and that were asked for.
    """
    outputs = {name: getattr(args, name) for name in _SUFFIXES
               if getattr(args, name, None) is not None}
    taken = {}
    for name in _INPUTS:
        spec = getattr(args, name, None)
        if spec is not None:
            taken[os.path.realpath(split_spec(spec)[0])] = name
    for option, path in outputs.items():
        other = taken.setdefault(os.path.realpath(path), option)
        if other != option:
            msg = (f'{_label(option)} {path}: is the same file as the '
                   f'{other}')
            raise CLIError(msg)
        _check_output(option, path, overwrite=args.overwrite)
    return outputs


@contextlib.contextmanager
def atomic_files(paths, *, overwrite=False):
    """
    Call `~lpiphot._files.whole_files`, with errors for the user.

    Parameters
    ----------
    paths, overwrite
        As there.

    Yields
    ------
    temporary : dict
        As there.
    """
    try:
        with whole_files(paths, overwrite=overwrite) as temporary:
            yield temporary
    except FileExistsError as exc:
        msg = (f'{exc.filename} was made by someone else in the meantime; '
               'use --overwrite to replace it')
        raise CLIError(msg) from exc


def write_table(path, table):
    """
    Write a table in the format of its suffix.

    Parameters
    ----------
    path : str
        The file to write.

    table : `~astropy.table.QTable`
        The table.
    """
    suffix = os.path.splitext(path.lower())[1]
    table.write(path, format=TABLE_FORMATS[suffix])


def _image_header(header, unit):
    """
    Return the part of an image's header that is true of its residual.
    """
    header = header.copy(strip=True)
    for key in ('BSCALE', 'BZERO', 'BLANK', 'BUNIT', 'DATAMIN', 'DATAMAX',
                'CHECKSUM', 'DATASUM', 'EXTNAME', 'EXTVER', 'EXTLEVEL',
                'INHERIT'):
        header.remove(key, ignore_missing=True, remove_all=True)
    if unit is not None:
        header['BUNIT'] = unit.to_string()
    return header


def write_images(path, result, image):
    """
    Write the residual, the predicted background and the mask.

    Parameters
    ----------
    path : str
        The file to write: FITS, extensions RESIDUAL, BACKGROUND and
        MASK (1 where masked), with the world coordinates of the image.

    result : object
        The result of `~lpiphot.LPIBackgroundCorrector.run`.

    image : `~lpiphot.cli._fits.FITSImage`
        The image.
    """
    from astropy.io import fits

    hdus = [fits.PrimaryHDU()]
    for name in ('residual', 'background'):
        values = getattr(result, name)
        values = np.asarray(getattr(values, 'value', values), dtype='f4')
        header = _image_header(image.header, image.unit)
        hdus.append(fits.ImageHDU(values, header, name=name.upper()))
    header = _image_header(image.header, None)
    hdus.append(fits.ImageHDU(np.asarray(result.mask, dtype='u1'), header,
                              name='MASK'))
    fits.HDUList(hdus).writeto(path, output_verify='silentfix+ignore')


def write_plot(path, result):
    """
    Write the picture of a result.

    Parameters
    ----------
    path : str
        The file to write.

    result : object
        Any result that has a method ``plot``.
    """
    result.plot().savefig(path, dpi=150)
