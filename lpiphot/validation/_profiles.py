# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What an injection test measured, along an axis of the image (figure 6).
Imported only when a plot is asked for.
"""

import numpy as np

from lpiphot.validation._panels import (COLOURS, GREY, Z_LIMIT, colour_bar,
                                        residual_image)

__all__ = ['plot_error_profile', 'plot_residual_strip',
           'plot_terms_profile', 'plot_z_profile']

_MARKERS = {'before': 'o', 'after': '^'}

# Running medians are of this many bins at most
_N_RUNNING = 24


def _along(view):
    """
    Return the coordinate of the stars along the axis.
    """
    return np.asarray(view.stars[f'{view.axis}_true'])


def _running(plot, x, y, colour, shape):
    """
    Draw medians of bins along an axis.
    """
    n_bins = int(np.clip(len(x) / 12, 1, _N_RUNNING))
    edges = np.linspace(-0.5, shape - 0.5, n_bins + 1)
    place = np.clip(np.searchsorted(edges, x) - 1, 0, n_bins - 1)
    middle = np.array([np.nanmedian(y[place == i])
                       if np.isfinite(y[place == i]).sum() > 2 else np.nan
                       for i in range(n_bins)])
    plot.plot(0.5 * (edges[1:] + edges[:-1]), middle, color='w', lw=4)
    plot.plot(0.5 * (edges[1:] + edges[:-1]), middle, color=colour, lw=2)


def _points(plot, view, values, colour, marker, label):
    """
    Draw stars along the axis, and their running median.
    """
    x = _along(view)
    plot.plot(x, values, marker, color=colour, alpha=0.45, mew=0, label=label,
              ms=float(np.clip(np.sqrt(view.marker), 1.5, 4.5)))
    _running(plot, x, values, colour,
             view.result.shape[view.axis == 'x'])


def _finish_profile(plot, view):
    """
    Make one axis of a panel that of the image.
    """
    plot.set_xlim(-0.5, view.result.shape[view.axis == 'x'] - 0.5)
    plot.set_xlabel(f'{view.axis} [pixel]')


def plot_residual_strip(plot, view):
    """
    Show the residual along the axis (figure 6, top).
    """
    if view.result.residual is None:
        plot.set_axis_off()
        return
    residual, limits = residual_image(view)
    if view.axis == 'y':
        residual = residual.T
    artist = plot.imshow(residual, origin='lower', aspect='auto',
                         interpolation='nearest', **limits)
    colour_bar(plot, artist, f'residual [{view.unit}]', extend='both')
    plot.set_ylabel(f'{"x" if view.axis == "y" else "y"} [pixel]')
    plot.set_title('Residual: image − sky − its stars')


def plot_z_profile(plot, view):
    """
    Show z along the axis (figure 6, second).
    """
    largest = [np.nanpercentile(np.abs(view.z(name)), 99.0)
               for name in view.names if np.isfinite(view.z(name)).any()]
    limit = float(np.clip(max(largest, default=0.0), Z_LIMIT,
                          3 * Z_LIMIT))
    for name in view.names:
        z = np.clip(view.z(name), -limit, limit)
        _points(plot, view, z, COLOURS[name], _MARKERS[name],
                view.titles[name])
    plot.axhspan(-1, 1, color='0.88', lw=0, zorder=0)
    plot.axhline(0.0, color=GREY, lw=1, zorder=0)
    _finish_profile(plot, view)
    plot.set_ylim(-1.05 * limit, 1.3 * limit)
    plot.set_ylabel(f'z, beyond ±{limit:.0f} at the edge')
    plot.set_title('z along the image, with running medians')
    plot.legend(loc='upper right', fontsize='small', ncols=2, markerscale=2)


def plot_terms_profile(plot, view):
    """
    Show the two terms of the correction (figure 6, third).
    """
    if not view.both:
        plot.set_axis_off()
        return
    if 'fdb_res' in view.stars.colnames:
        terms = (('fdb_res', 1, '#CC79A7', 'o', '$f^b_{res}$'),
                 ('fdb_pred', -1, '#009E73', '^', '$-f^b_{pred}$'))
        for name, sign, colour, marker, label in terms:
            _points(plot, view, sign * view.flux(name), colour, marker, label)
        title = 'The two terms of the correction'
    else:
        _points(plot, view, view.flux('before') - view.flux('after'),
                COLOURS['after'], '^', 'before − after')
        title = 'The correction'
    plot.axhline(0.0, color=GREY, lw=1, zorder=0)
    _finish_profile(plot, view)
    plot.set_ylabel(f'flux [{view.unit}]')
    plot.set_title(title)
    plot.legend(loc='upper right', fontsize='small', ncols=2, markerscale=2)


def plot_error_profile(plot, view):
    """
    Show the errors along the axis (figure 6, bottom).
    """
    shown = [(name, view.measured[name][1]) for name in view.names
             if view.measured[name][1] is not None]
    for name, column in shown:
        _points(plot, view, view.flux(name, error=True), COLOURS[name],
                _MARKERS[name], column)
    if 'dcflux_diag' in view.stars.colnames:
        _points(plot, view, view.flux('dcflux_diag'), '#CC79A7', 's',
                'dcflux_diag')
    _finish_profile(plot, view)
    if shown:
        plot.set_yscale('log')
        plot.legend(loc='upper right', fontsize='small', ncols=3,
                    markerscale=2)
        low, high = plot.get_ylim()
        plot.set_ylim(low, high * (high / low) ** 0.15)
    plot.set_ylabel(f'1σ error of flux [{view.unit}]')
    plot.set_title('Errors along the image')
