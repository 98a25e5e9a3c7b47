# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
How faint a star can be measured, at every position of an image.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.table import QTable

from lpiphot._outputs import with_unit
from lpiphot._tables import (column_unit, column_values, find_column,
                             neighbour_values)

__all__ = ['DepthMap', 'append_nodes', 'grid_nodes', 'interpolate_nodes']


@dataclass(frozen=True, eq=False)
class DepthMap:
    """
    The flux of the faintest star to be measured, at every position.

    Images have the shape of the data and the unit of the fluxes, if
    these have one.

    Attributes
    ----------
    image : (ny, nx) `~numpy.ndarray` or `~astropy.units.Quantity`
        ``n_sigma`` times ``dcflux`` of a faint star at each pixel; NaN
        where it would have no pixel with data.

    image_diag : (ny, nx) `~numpy.ndarray` or `~astropy.units.Quantity`
        The same from ``dcflux_diag``: the depth if pixels were
        independent, as structure makes them not to be.

    n_sigma : float
        The number of sigma.

    x, y : (n_x,), (n_y,) `~numpy.ndarray` of int
        The pixels of the nodes that were solved; all others are
        interpolated.

    dnt : (n_y, n_x) `~numpy.ndarray` of int
        The quality bits of the nodes (see
        `~lpiphot.decode_dnt_flags`).

    data : (ny, nx) `~numpy.ndarray` or `~astropy.units.Quantity`
        The data.
    """

    image: np.ndarray
    image_diag: np.ndarray
    n_sigma: float
    x: np.ndarray
    y: np.ndarray
    dnt: np.ndarray
    data: np.ndarray

    def __repr__(self):
        return (f'{type(self).__name__}({self.n_sigma:g} sigma, image '
                f'{self.image.shape}, nodes {self.dnt.shape})')

    @classmethod
    def from_nodes(cls, table, x, y, n_sigma, data):
        """
        Interpolate the corrected table of the nodes.

        Parameters
        ----------
        table : `~astropy.table.QTable`
            The nodes in C order, with the columns of the corrector.

        x, y : (n_x,), (n_y,) `~numpy.ndarray` of int
            Their pixels.

        n_sigma : float
            The number of sigma.

        data : (ny, nx) `~numpy.ndarray` or `~astropy.units.Quantity`
            The data.
        """
        images = []
        for name in ('dcflux', 'dcflux_diag'):
            errors = table[name].reshape(len(y), len(x))
            image = interpolate_nodes(getattr(errors, 'value', errors), x, y,
                                      data.shape)
            images.append(n_sigma * with_unit(image,
                                              getattr(errors, 'unit', None)))
        return cls(*images, n_sigma, x, y,
                   np.array(table['dnt']).reshape(len(y), len(x)), data)

    def plot(self):
        """
        Show the field, its depth, and the area against the depth.

        Returns
        -------
        figure : `~matplotlib.figure.Figure`
            The figure. Needs ``matplotlib``.
        """
        from lpiphot._plots import plot_depth

        return plot_depth(self)


def grid_nodes(shape, step):
    """
    Return the pixels of a grid that reaches all edges of an image.

    Parameters
    ----------
    shape : 2-tuple of int
        The shape of the image.

    step : int
        The largest distance in pixels of neighbouring nodes.

    Returns
    -------
    x, y : (n_x,), (n_y,) `~numpy.ndarray` of int
        The columns and the rows of the nodes.
    """
    y, x = (np.unique(np.round(np.linspace(
        0, size - 1, -(-(size - 1) // step) + 1)).astype(int))
        for size in shape)
    return x, y


def append_nodes(table, x, y, extra_names, neighbours=None):
    """
    Append sources of no flux, one for each node, to a catalogue.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        The catalogue.

    x, y : (n_x,), (n_y,) `~numpy.ndarray` of int
        The columns and rows of the nodes.

    extra_names : list of str
        Further parameters of the PSF model, for which the nodes get the
        medians of the catalogue.

    neighbours : {None, 'flux_err', 'group_id'}, optional
        The column of neighbours that is read.

    Returns
    -------
    catalogue : `~astropy.table.QTable`
        What the corrector reads, of all sources; the nodes are last, in
        C order.
    """
    rows, columns = (axis.ravel() for axis in np.meshgrid(y, x,
                                                          indexing='ij'))
    # their fluxes are exact, and they are in no group
    nodes = {find_column(table, 'x'): columns, find_column(table, 'y'): rows,
             find_column(table, 'flux'): 0.0}
    if neighbours is not None:
        nodes[neighbours] = {'flux_err': 0.0, 'group_id': np.nan}[neighbours]
    nodes |= {f'{name}_fit': None for name in extra_names}
    catalogue = QTable()
    for name, node in nodes.items():
        if name not in table.colnames:
            continue
        unit = column_unit(table, name)
        if name == 'group_id':
            values = neighbour_values(table, name, None)
        elif np.ndim(node):  # in pixels
            values, unit = column_values(table, name, u.pix), None
        else:
            values = column_values(table, name)
        if node is None:
            if not np.isfinite(values).any():
                continue
            node = np.median(values[np.isfinite(values)])
        values = np.concatenate([values, np.broadcast_to(node, rows.shape)])
        catalogue[name] = values if unit is None else values * unit
    return catalogue


def interpolate_nodes(values, x, y, shape):
    """
    Interpolate linearly along rows and columns of nodes.

    Parameters
    ----------
    values : (n_y, n_x) `~numpy.ndarray`
        The values; NaN where there are none.

    x, y : (n_x,), (n_y,) `~numpy.ndarray` of int
        The columns and rows of the nodes, up to the edges.

    shape : 2-tuple of int
        The shape of the image.

    Returns
    -------
    image : (ny, nx) `~numpy.ndarray`
        The mean of the four nodes about each pixel, with the weights of
        linear interpolation; nodes without a value are left out, and
        pixels for which those have half the weight or more are NaN.
    """
    along_y, along_x = (_weights(nodes, size) for nodes, size
                        in zip((y, x), shape, strict=True))
    known = np.isfinite(values)
    total = along_y @ np.where(known, values, 0.0) @ along_x.T
    weight = along_y @ known @ along_x.T
    return np.where(weight > 0.5, total / np.maximum(weight, 0.5), np.nan)


def _weights(nodes, size):
    """
    Return the (size, n_nodes) weights of linear interpolation.
    """
    pixels = np.arange(size)
    return np.stack([np.interp(pixels, nodes, unit)
                     for unit in np.eye(len(nodes))], axis=1)
