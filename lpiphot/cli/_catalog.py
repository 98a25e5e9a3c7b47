# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Read catalogues.
"""

import os
import re

from lpiphot.cli._fits import check_file, find_hdu, open_fits, split_spec
from lpiphot.cli._messages import CLIError, unreadable

__all__ = ['TABLE_FORMATS', 'read_catalog']

# Formats of catalogues and tables, and what they are called in astropy:
# those that keep metadata are written, the others only read
TABLE_FORMATS = {'.ecsv': 'ascii.ecsv', '.fits': 'fits',
                 '.parquet': 'parquet'}
_READ_FORMATS = TABLE_FORMATS | {
    '.fit': 'fits', '.fts': 'fits', '.csv': 'ascii.csv', '.txt': 'ascii',
    '.dat': 'ascii', '.xml': 'votable', '.vot': 'votable'}


def read_catalog(spec):
    """
    Read a catalogue.

    Parameters
    ----------
    spec : str
        The name of a file that astropy reads, by its suffix; the
        extension of a FITS file can follow in brackets.

    Returns
    -------
    catalog : `~astropy.table.QTable`
        The catalogue.
    """
    path, ext = split_spec(spec)
    check_file(path, 'catalogue')
    stem = re.sub(r'\.(gz|bz2|xz)$', '', path.lower())
    form = _READ_FORMATS.get(os.path.splitext(stem)[1])
    if form is None:
        msg = (f'catalogue {path}: unknown format; the known ones are '
               f"{', '.join(_READ_FORMATS)}")
        raise CLIError(msg)

    if ext is not None and form != 'fits':
        msg = f'catalogue {spec}: only FITS files have extensions'
        raise CLIError(msg)

    from astropy.io.ascii import InconsistentTableError
    from astropy.table import QTable

    name = f'catalogue {path}'
    if form == 'fits':
        with open_fits(path, 'catalogue') as hdulist:
            hdu = find_hdu(hdulist, ext, name, what='table',
                            holds=_holds_table)
            with unreadable(f'{name} cannot be read: '):
                return QTable.read(hdu)
    with unreadable(f'{name} cannot be read: '):
        try:
            return QTable.read(path, format=form)
        except InconsistentTableError as exc:
            if form != 'ascii':
                raise
            msg = 'it is no table of text in a form that astropy knows'
            raise ValueError(msg) from exc  # not the list of all forms


def _holds_table(hdu):
    return hasattr(hdu, 'columns')
