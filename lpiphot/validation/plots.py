# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Plots of injection tests: pages of panels, and single ones. Imported only
when one is asked for.
"""

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lpiphot.validation._panels import (View, plot_changes, plot_completeness,
                                        plot_map, plot_pdf, plot_pit,
                                        plot_rescaling, plot_residual,
                                        write_numbers)
from lpiphot.validation._profiles import (plot_error_profile,
                                          plot_residual_strip,
                                          plot_terms_profile, plot_z_profile)
from lpiphot.validation.report import WAYS, choose

__all__ = ['PANELS', 'SEVERAL', 'plot_recovery']

_STYLE = {'font.size': 10.5, 'axes.titlesize': 12, 'legend.frameon': False,
          'axes.spines.top': False, 'axes.spines.right': False}

# Maps of cells, fewer than this, would show the whole image in one colour
_MIN_CELLS = 4


def plot_recovery(result, which, *, way='apart', axis='x', cell=None,
                  titles=None, ax=None):
    """
    Plot the result of an injection test.

    Parameters
    ----------
    result : `~lpiphot.validation.RecoveryResult`
        The result.

    which : str
        'summary', or one of `PANELS` or `SEVERAL`.

    way : {'apart', 'clean', 'all'}, optional
        Which stars are shown.

    axis : {'x', 'y'}, optional
        The axis of the image along which profiles are.

    cell : float, optional
        The size of the cells of maps in pixels.

    titles : dict, optional
        What to call 'before' and 'after'.

    ax : `~matplotlib.axes.Axes`, optional
        The axes to draw into; one of `PANELS` only.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        The figure.

    Raises
    ------
    TypeError
        If ``ax`` is no axes.

    ValueError
        If ``which`` or ``axis`` is unknown, or needs stars, and none
        was recovered. With none, the summary has what can be shown. If
        ``ax`` is given for several panels.
    """
    known = [*SEVERAL, *PANELS]
    if which != 'summary' and which not in known:
        msg = (f"which must be 'summary' or one of {', '.join(known)}; got "
               f'{which!r}')
        raise ValueError(msg)
    if ax is not None and which not in PANELS:
        msg = (f'ax must be None for which={which!r}, which has several '
               f'panels; only {", ".join(PANELS)} have one')
        raise ValueError(msg)
    if ax is not None and not isinstance(ax, Axes):
        msg = f'ax must be Axes of matplotlib; got {type(ax).__name__}'
        raise TypeError(msg)
    if axis not in ('x', 'y'):
        msg = f"axis must be 'x' or 'y'; got {axis!r}"
        raise ValueError(msg)
    view = View(result, way, axis, cell, titles)
    some = len(view.stars) > 0
    if not some and which not in ('summary', 'completeness'):
        msg = f'way={way!r} must leave stars to plot; none was recovered'
        raise ValueError(msg)
    # axes of others have their style already
    with rc_context(_STYLE if ax is None else {}):
        if which in PANELS:
            return _panel(view, which, ax)
        if which in SEVERAL:
            return _several(view, which)
        return _summary(view) if some else _summary_of_none(view)


def _summary(view):
    """
    Show all panels on one page.
    """
    n_rows = 3 if view.both else 2
    figure = Figure(figsize=(18.5, 4.4 * n_rows), layout='constrained')
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.10, wspace=0.04,
                                   hspace=0.04)
    grid = figure.add_gridspec(n_rows, 4)
    factor = view.result.rescaling_map(view.names[0], size=view.cell,
                                       way=view.way)[0]
    rescaling = factor.size >= _MIN_CELLS

    def panel(row, first, last=None):
        # panels in place of the maps of cells are wider
        return figure.add_subplot(grid[row, first:(last or first) + 1])

    plot_residual(panel(0, 0), view)
    for i, name in enumerate(view.names):
        plot_map(panel(0, 1 + i), view, name)
    plot_pdf(panel(1, 0), view)
    plot_pit(panel(1, 1), view)
    if view.both:
        write_numbers(panel(0, 3), view)
        plot_changes(panel(1, 2), view)
        plot_completeness(panel(1, 3), view)
        if rescaling:
            for i, name in enumerate(view.names):
                plot_rescaling(panel(2, i), view, name)
        profiles = (panel(2, 2), panel(2, 3)) if rescaling else (
            panel(2, 0, 1), panel(2, 2, 3))
    else:
        if rescaling:
            plot_rescaling(panel(0, 2), view, view.names[0])
        write_numbers(panel(0, 3) if rescaling else panel(0, 2, 3), view)
        profiles = panel(1, 2), panel(1, 3)
    plot_z_profile(profiles[0], view)
    if view.both or 'flux_fit' not in view.stars.colnames:
        plot_error_profile(profiles[1], view)
    else:
        plot_completeness(profiles[1], view)
    figure.suptitle(f'{len(view.stars)} {view.what}: are fluxes and errors '
                    'right?', fontsize=17, fontweight='bold')
    return figure


def _summary_of_none(view):
    """
    Show the image, and at which magnitudes no star was found in it.
    """
    figure = Figure(figsize=(11.5, 4.9), layout='constrained')
    axes = figure.subplots(1, 2)
    plot_residual(axes[0], view)
    plot_completeness(axes[1], view)
    # flags do not tell which of those not recovered are clean
    way = 'all' if view.way == 'all' else 'apart'
    n = np.count_nonzero(choose(view.result.table, way))
    figure.suptitle(f'No star recovered of {n} injected ({WAYS[view.way]})',
                    fontsize=14, fontweight='bold')
    return figure


def _panel(view, which, ax):
    """
    Show a single panel, in a figure of its own or in the axes given.
    """
    if ax is None:
        size = (6.0, 5.2) if which == 'changes' else (6.4, 4.8)
        ax = Figure(figsize=size, layout='constrained').subplots()
    PANELS[which](ax, view)
    return ax.figure


def _several(view, which):
    """
    Show the panels of one kind.
    """
    sizes = {'maps': (16.5, 4.9), 'rescaling': (11.5, 4.9),
             'profile': (8.0, 11.0)}
    figure = Figure(figsize=sizes[which], layout='constrained')
    SEVERAL[which](figure, view)
    return figure


def _maps(figure, view):
    """
    Show the residual, and z of each measurement.
    """
    axes = figure.subplots(1, 3)
    plot_residual(axes[0], view)
    _each(axes[1:], view, plot_map)


def _rescaling(figure, view):
    """
    Show the factors by which the errors of each measurement are too small.
    """
    _each(figure.subplots(1, 2), view, plot_rescaling)


def _each(axes, view, panel):
    """
    Draw a panel of each measurement, and nothing for one that is not there.
    """
    for plot, name in zip(axes, ('before', 'after'), strict=True):
        if name in view.names:
            panel(plot, view, name)
        else:
            plot.set_axis_off()


def _profile(figure, view):
    """
    Show all there is along an axis of the image.
    """
    axes = figure.subplots(4, 1, sharex=True)
    plot_residual_strip(axes[0], view)
    plot_z_profile(axes[1], view)
    plot_terms_profile(axes[2], view)
    plot_error_profile(axes[3], view)
    for plot in axes[:3]:
        plot.set_xlabel('')
    axes[0].set_xlim(-0.5, view.result.shape[view.axis == 'x'] - 0.5)


# What draws a single panel into axes, and the figure of the paper
PANELS = {
    'pdf': plot_pdf,           # 8
    'changes': plot_changes,   # 11
    'completeness': plot_completeness,
    'pit': plot_pit,
}

# What draws several into a figure
SEVERAL = {
    'maps': _maps,             # 10
    'rescaling': _rescaling,   # 12
    'profile': _profile,       # 6
}
