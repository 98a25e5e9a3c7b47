# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
A measured rescaling of errors that is stored, and applied to tables.
"""

import json
import os
from importlib.metadata import version

import numpy as np
from astropy.table import QTable

from lpiphot._files import whole_file
from lpiphot.validation.statistics import finite_values, robust_width

__all__ = ['Calibration']

# Of the file
_FORMAT = 1

# The width of z of n Gaussian stars scatters by this over sqrt(n)
_SCATTER = 1.166

MIN_STARS = 30

# Metadata of a table: what was asked for, as far as it changes dcflux. Not
# the precision and the seed, which hardly do
_SHARED = ('lpiphot_psf_model', 'lpiphot_stamp_shape', 'lpiphot_window_shape',
           'lpiphot_mask_threshold', 'lpiphot_min_mask_flux',
           'lpiphot_residual_threshold', 'lpiphot_condition_radius',
           'lpiphot_gain', 'lpiphot_star_noise_from', 'lpiphot_neighbours',
           'lpiphot_positions', 'lpiphot_max_iterations', 'lpiphot_data_unit')

# The parameters of the PSF of the correction: with another FWHM a star hides
# other pixels, and dcflux is that of another PSF. One that was fitted is
# 'per star' in any table, whatever the values
_SHAPE = 'lpiphot_psf_model_'

# The PSF with its parameters, as photutils records it. Compared if both
# have it: a catalogue of other photometry does not
_PSF = 'psf_model'

# Thresholds are recorded as used. By default each is this many times
# another value, which comes from the noise of the image
_DEFAULTS = {'lpiphot_min_mask_flux': (500.0, 'lpiphot_mask_threshold'),
             'lpiphot_mask_threshold': (1.0, 'lpiphot_pixel_noise')}


class Calibration:
    """
    A factor by which errors are to be multiplied.

    It is measured with injected stars: the robust width of their z,
    IQR / 1.349, is the factor by which errors are too small (section
    5.4 and figure 12 of `Saydjari & Finkbeiner 2022
    <https://ui.adsabs.harvard.edu/abs/2022ApJ...933..155S>`_). One
    factor makes errors right on average; it does not tell places of
    good and of bad errors apart, so it is no substitute for errors that
    know of the background.

    Parameters
    ----------
    factor : float
        The factor.

    factor_error : float, optional
        Its 1-sigma uncertainty.

    n_stars : int, optional
        The number of stars it was measured with.

    column : str, optional
        The column of errors that it is for.

    parameters : dict, optional
        What it is for: metadata of a table of the correction. The
        options that change ``dcflux`` are kept, and checked when it is
        applied; with none, it can be applied to any table.

    Raises
    ------
    ValueError
        If the factor is not finite and positive.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from lpiphot.validation import Calibration
    >>> table = QTable({'cflux': [10.0], 'dcflux': [2.0]})
    >>> Calibration(1.2).apply(table)['dcflux_calibrated'].tolist()
    [2.4]
    """

    def __init__(self, factor, *, factor_error=np.nan, n_stars=0,
                 column='dcflux', parameters=None):
        if not (np.isfinite(factor) and factor > 0):
            msg = f'factor must be finite and positive; got {factor!r}'
            raise ValueError(msg)
        self.factor = float(factor)
        self.factor_error = float(factor_error)
        self.n_stars = int(n_stars)
        self.column = str(column)
        self.parameters = _options(parameters or {})

    def __repr__(self):
        return (f'{type(self).__name__}({self.factor:.4f}, factor_error='
                f'{self.factor_error:.4f}, n_stars={self.n_stars}, column='
                f'{self.column!r})')

    @classmethod
    def measure(cls, z, *, column='dcflux', parameters=None):
        """
        Measure the factor with stars of known flux.

        Parameters
        ----------
        z : array_like
            The z-scores of the stars, (measured - true) / error. Those
            not finite are left out.

        column : str, optional
            The column of these errors.

        parameters : dict, optional
            Metadata of the table that has them.

        Returns
        -------
        calibration : `Calibration`
            The calibration.

        Raises
        ------
        ValueError
            If there are fewer than 30 stars.
        """
        z = finite_values(z)
        if z.size < MIN_STARS:
            msg = (f'z must have at least {MIN_STARS} finite values to '
                   f'measure a width; got {z.size}')
            raise ValueError(msg)
        factor = robust_width(z)
        return cls(factor, factor_error=_SCATTER * factor / np.sqrt(z.size),
                   n_stars=z.size, column=column, parameters=parameters)

    def apply(self, table):
        """
        Add a column of calibrated errors to a table.

        Parameters
        ----------
        table : `~astropy.table.Table`
            The table, with the column of errors.

        Returns
        -------
        table : `~astropy.table.QTable`
            A copy with ``<column>_calibrated``, whose description and
            metadata (``lpiphot_calibration_*``) say what was done. The
            errors themselves stay as they are.

        Raises
        ------
        ValueError
            If the column is missing, or calibrated already, or the
            metadata of the table lack the options it was made with, or
            say that these are others.
        """
        name = f'{self.column}_calibrated'
        if self.column not in table.colnames:
            msg = (f'table must have the column {self.column}; it has '
                   f'{", ".join(table.colnames)}')
            raise ValueError(msg)
        if name in table.colnames:
            msg = f'table has the column {name} already'
            raise ValueError(msg)
        self._check_options(_options(table.meta))
        table = QTable(table, copy=True)
        table[name] = table[self.column] * self.factor
        table[name].info.description = (
            f'{self.column} times {self.factor:.4f}, from {self.n_stars} '
            'injected stars')
        table.meta |= {
            'lpiphot_calibration_column': self.column,
            'lpiphot_calibration_factor': self.factor,
            'lpiphot_calibration_factor_error': self.factor_error,
            'lpiphot_calibration_n_stars': self.n_stars,
            'lpiphot_calibration_format': _FORMAT,
        }
        return table

    def _check_options(self, options):
        """
        Raise an error if a table was made with other options.
        """
        for name, value in self.parameters.items():
            other = options.get(name, value)
            if not _same(value, other):
                msg = (f'table must have {name} = {value!r} as the stars of '
                       f'the calibration had; it has {other!r}')
                raise ValueError(msg)
        # after these: other PSF models lack the parameters of this one
        missing = self.parameters.keys() - options.keys() - {_PSF}
        if missing:
            msg = (f'table must have the metadata {", ".join(sorted(missing))}'
                   ', which say that it was made as the stars of the '
                   'calibration were; it does not')
            raise ValueError(msg)

    def save(self, path, *, overwrite=False):
        """
        Write the calibration to a small text file (JSON).

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The file.

        overwrite : bool, optional
            Whether to replace a file that exists.

        Raises
        ------
        FileExistsError
            If the file exists.
        """
        values = {'kind': 'lpiphot calibration', 'format': _FORMAT,
                  'lpiphot_version': version('lpiphot'),
                  'factor': self.factor,
                  # JSON has no NaN
                  'factor_error': (self.factor_error if np.isfinite(
                      self.factor_error) else None),
                  'n_stars': self.n_stars, 'column': self.column,
                  'parameters': self.parameters}
        with (whole_file(path, overwrite=overwrite) as part,
              open(part, 'w', encoding='utf-8') as fh):
            fh.write(json.dumps(values, indent=2, allow_nan=False) + '\n')

    @classmethod
    def load(cls, path):
        """
        Read what `save` wrote.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The file.

        Returns
        -------
        calibration : `Calibration`
            The calibration.

        Raises
        ------
        ValueError
            If the file is no calibration, or of a later format.
        """
        name = os.fspath(path)
        with open(path, encoding='utf-8') as fh:
            try:
                values = json.load(fh)
                known = values['kind'] == 'lpiphot calibration'
            except (ValueError, KeyError, TypeError) as exc:
                msg = f'path {name} must be a calibration of lpiphot'
                raise ValueError(msg) from exc
        if not known or not isinstance(values.get('format'), int):
            msg = f'path {name} must be a calibration of lpiphot'
            raise ValueError(msg)
        if values['format'] > _FORMAT:
            msg = (f'path {name} has the format {values["format"]} of lpiphot '
                   f'{values.get("lpiphot_version")}; this version of '
                   f'lpiphot reads up to {_FORMAT}')
            raise ValueError(msg)
        try:
            error = values['factor_error']
            return cls(values['factor'],
                       factor_error=np.nan if error is None else error,
                       n_stars=values['n_stars'], column=values['column'],
                       parameters=values['parameters'])
        except (KeyError, TypeError, AttributeError) as exc:
            msg = f'path {name} must be a calibration of lpiphot'
            raise ValueError(msg) from exc


def _options(meta):
    """
    Return from the metadata of a table what was asked for.

    That of options themselves is the same.
    """
    options = {name: meta[name] for name in _SHARED if name in meta}
    options |= {name: value for name, value in meta.items()
                if str(name).startswith(_SHAPE)}
    for name, (ratio, other) in _DEFAULTS.items():
        values = [meta.get(key) for key in (name, other)]
        if (all(isinstance(value, float) for value in values)
                and _same(values[0], ratio * values[1])):
            options[name] = 'default'
    if options:
        options.setdefault('lpiphot_max_iterations', 0)
    if _PSF in meta:
        options[_PSF] = str(meta[_PSF])
    return options


def _same(one, other):
    """
    Return whether two values are the same; FITS keeps 16 digits.
    """
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.isclose(one, other, rtol=1e-12, atol=0.0))
    return one == other
