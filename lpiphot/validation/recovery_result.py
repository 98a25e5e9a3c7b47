# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What an injection test found.
"""

import os

import numpy as np
from astropy.table import QTable

from lpiphot._files import whole_file
from lpiphot.validation.bins import cell_statistics
from lpiphot.validation.calibration import Calibration
from lpiphot.validation.columns import plain_flags
from lpiphot.validation.report import as_text, choose, make_report

__all__ = ['RecoveryResult']


class RecoveryResult:
    """
    Injected stars with what was measured of them, a report and plots.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        A row for every injected star; see the attribute.

    residual : (ny, nx) `~numpy.ndarray`, optional
        The image without injected stars, less its background and its
        own stars; for the plots.

    mask : (ny, nx) bool `~numpy.ndarray`, optional
        `True` for its pixels that were excluded.

    baseline : object, optional
        What the pipeline made of the image without injected stars:
        ``table``, ``data``, ``error``, ``mask``, ``background`` and
        ``psf_model``.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        ``round``; ``x_true``, ``y_true`` (pixels), ``flux_true``,
        ``mag_true``; ``recovered``; ``existing_distance`` and
        ``injected_distance`` (pixels) to the nearest source that was in
        the image before, and the nearest other injected star, with
        ``blended`` if one is less than 4/3 FWHM; the columns of the
        catalogue; ``z_before`` and ``z_after``,
        (measured - true) / error of pipeline and corrector; and of the
        place ``roughness``, ``density``, ``residual_at`` and
        ``residual_around`` (see
        `~lpiphot.validation.local_roughness` and others). The metadata
        have the parameters, of the corrector too, and versions.

    residual, mask, baseline
        As given.
    """

    def __init__(self, table, *, residual=None, mask=None, baseline=None):
        self.table = table
        self.residual = residual
        self.mask = mask
        self.baseline = baseline

    def __repr__(self):
        recovered = np.count_nonzero(self.table['recovered'])
        return (f'{type(self).__name__}({len(self.table)} stars, {recovered} '
                'recovered)')

    @property
    def fwhm(self):
        """
        The FWHM of the PSF in pixels.
        """
        return self.table.meta['recovery_fwhm']

    @property
    def shape(self):
        """
        The shape ``(ny, nx)`` of the image.
        """
        return tuple(int(n) for n in
                     self.table.meta['recovery_shape'].split())

    @property
    def measured(self):
        """
        The columns of flux and error for 'before' and 'after'.
        """
        columns = {}
        for name in ('before', 'after'):
            text = self.table.meta.get(f'recovery_measured_{name}')
            if text is not None:
                flux, error = text.split()
                columns[name] = (flux, None if error == 'None' else error)
        return columns

    @property
    def rounds(self):
        """
        The counts and times (seconds) of the rounds, as a table.
        """
        return QTable(self.table.meta['recovery_counts'])

    def stars(self, way='apart'):
        """
        Return the stars that were recovered.

        Parameters
        ----------
        way : {'apart', 'clean', 'all'}, optional
            Those apart from other stars by 4/3 FWHM; these if they
            have no flag of pipeline or corrector, harmless bits of
            ``dnt`` aside; or all.

        Returns
        -------
        stars : `~astropy.table.QTable`
            Rows of the table.

        Raises
        ------
        ValueError
            If ``way`` is none of these.
        """
        recovered = plain_flags(self.table['recovered']).astype(bool)
        return self.table[recovered & choose(self.table, way)]

    def report(self, *, n_bins=(4, 3, 2)):
        """
        Summarize the test.

        Parameters
        ----------
        n_bins : 3-tuple of int, optional
            The number of bins of magnitude, local roughness and
            density.

        Returns
        -------
        report : `~lpiphot.validation.RecoveryReport`
            The numbers; print it.
        """
        rounds, meta = self.rounds, self.table.meta
        matched, false = (int(np.sum(rounds[name]))
                          for name in ('n_matched', 'n_false'))
        purity = matched / (matched + false) if matched + false else np.nan
        facts = {
            'image': f'{self.shape[0]} x {self.shape[1]} pixels, '
                     f'{meta["recovery_n_sources"]} sources, FWHM '
                     f'{self.fwhm:.2f} pixels',
            'rounds': f'{len(rounds)}, seed {meta["recovery_seed"]}',
            'photon noise of the stars': _noise_text(meta),
            'purity of new sources': f'{as_text(purity, ".1%")} '
                                     f'({false} false)',
        }
        if meta['recovery_kind'] == 'blank positions':
            facts = {'image': facts['image'],
                     'test': 'known stars at blank positions, subtracted '
                             f'exactly, seed {meta["recovery_seed"]}'}
        return make_report(self.table, self.measured, n_bins=n_bins,
                           purity=purity, facts=facts)

    def rescaling_map(self, when='after', *, size=64, n_min=30, way='apart'):
        """
        Return the factor by which errors are too small, as a map.

        This is figure 12 of the paper, for one image.

        Parameters
        ----------
        when : {'before', 'after'}, optional
            Before or after the correction.

        size : float, optional
            About the width of the cells in pixels.

        n_min : int, optional
            The least number of stars in a cell.

        way : {'apart', 'clean', 'all'}, optional
            Which stars; see `stars`.

        Returns
        -------
        factor : (my, mx) `~numpy.ndarray`
            The robust width of z in each cell; NaN with fewer stars.

        y_edges, x_edges : `~numpy.ndarray`
            The edges of the cells in pixels.

        Raises
        ------
        ValueError
            If nothing was measured ``when`` it says.
        """
        self._check_when(when)
        stars = self.stars(way)
        return cell_statistics(stars['x_true'], stars['y_true'],
                               stars[f'z_{when}'], self.shape, size,
                               n_min=n_min)

    def calibration(self, when='after', *, way='clean'):
        """
        Return the measured rescaling of the errors, to be kept.

        Parameters
        ----------
        when : {'after', 'before'}, optional
            The errors after or before the correction.

        way : {'apart', 'clean', 'all'}, optional
            Which stars; see `stars`.

        Returns
        -------
        calibration : `~lpiphot.validation.Calibration`
            The calibration: save it, or apply it to a table.

        Raises
        ------
        ValueError
            If there are fewer than 30 stars, or nothing was measured
            ``when`` it says.
        """
        self._check_when(when)
        meta = self.table.meta
        if when == 'before':  # the options of the correction do not matter
            meta = {name: value for name, value in meta.items()
                    if not name.startswith('lpiphot_')}
        return Calibration.measure(self.stars(way)[f'z_{when}'],
                                   column=self.measured[when][1],
                                   parameters=meta)

    def _check_when(self, when):
        if when not in self.measured:
            msg = (f'when must be one of {", ".join(self.measured)}, as this '
                   f'test has it; got {when!r}')
            raise ValueError(msg)

    def plot(self, which='summary', *, way='apart', axis='x', cell=None,
             titles=None, ax=None):
        """
        Show the result, on one page or panel by panel.

        Parameters
        ----------
        which : str, optional
            'summary' for one page; or 'maps', residual and z at the
            places of the stars (the paper's figure 10); 'pdf', the
            distributions of z (8); 'changes', corrections against
            errors (11); 'rescaling', maps of the factor by which errors
            are too small (12); 'profile', z, corrections and errors
            along the image (6); 'completeness'; or 'pit'.

        way : {'apart', 'clean', 'all'}, optional
            Which stars are shown; see `stars`.

        axis : {'x', 'y'}, optional
            The axis of the image along which profiles are.

        cell : float, optional
            The width of the cells of maps in pixels. If `None`, then
            they have about 60 stars each.

        titles : dict, optional
            What to call 'before' and 'after'.

        ax : `~matplotlib.axes.Axes`, optional
            The axes to draw into, by default those of a new figure. For
            plots of one panel only: 'pdf', 'changes', 'completeness'
            and 'pit'.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure; that of ``ax``, if given. Needs ``matplotlib``.

        Raises
        ------
        TypeError
            If ``ax`` is no axes.

        ValueError
            If an argument is unknown; or no star was recovered, but for
            'summary' and 'completeness', which then say so; or ``ax`` is
            given for a plot of several panels.
        """
        from lpiphot.validation.plots import plot_recovery

        return plot_recovery(self, which, way=way, axis=axis, cell=cell,
                             titles=titles, ax=ax)

    def to_html(self, *, title='Injection test', figures=None):
        """
        Return report and plots as one HTML page.

        Parameters
        ----------
        title : str, optional
            The title of the page.

        figures : dict, optional
            The figures by their captions. If `None`, then the summary
            and, if stars were recovered, the profile of `plot`.

        Returns
        -------
        page : str
            The page; the figures are in it. Needs ``matplotlib``.
        """
        from lpiphot.validation.html import recovery_page

        return recovery_page(self, title=title, figures=figures)

    def write(self, path, *, overwrite=False):
        """
        Write the table to an ECSV file.

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
        with whole_file(path, overwrite=overwrite) as part:
            self.table.write(part, format='ascii.ecsv')

    @classmethod
    def read(cls, path):
        """
        Read what `write` wrote.

        The images are not in the file: plots leave them out.

        Parameters
        ----------
        path : str or `~pathlib.Path`
            The file.

        Returns
        -------
        result : `RecoveryResult`
            The result.

        Raises
        ------
        ValueError
            If the file is not such a table.
        """
        table = QTable.read(os.fspath(path), format='ascii.ecsv')
        if 'recovery_fwhm' not in table.meta:
            msg = (f'path {os.fspath(path)} must be a table of '
                   'InjectionRecovery; it lacks its metadata')
            raise ValueError(msg)
        return cls(table)


def _noise_text(meta):
    source = meta['recovery_noise_from']
    if source == 'none':
        return 'none: neither gain nor errors that tell it'
    return f'gain {meta["recovery_gain"]:.4g} (from {source})'
