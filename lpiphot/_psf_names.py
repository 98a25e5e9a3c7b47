# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What a PSF model calls its position and flux, and its other parameters.
"""

__all__ = ['extra_names', 'psf_names']


def psf_names(psf_model, name='psf_model'):
    """
    Return the names of the parameters x, y and flux of a PSF model.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        A model with the parameters ``x_0``, ``y_0`` and ``flux``, or
        with attributes ``x_name``, ``y_name`` and ``flux_name`` that
        name them, as photutils wants.

    name : str, optional
        What messages call it.

    Returns
    -------
    names : 3-tuple of str
        The names.

    Raises
    ------
    ValueError
        If the model has no such parameters.
    """
    known = set(psf_model.param_names)
    names = ('x_0', 'y_0', 'flux')
    if not set(names) <= known:
        names = tuple(getattr(psf_model, attribute, None)
                      for attribute in ('x_name', 'y_name', 'flux_name'))
    if not set(names) <= known:
        msg = (f"{name} must have the parameters 'x_0', 'y_0' and 'flux', or "
               "the attributes 'x_name', 'y_name' and 'flux_name' that name "
               f'them; {type(psf_model).__name__} has the parameters '
               f'{psf_model.param_names}')
        raise ValueError(msg)
    return names


def extra_names(psf_model):
    """
    Return the names of the parameters beside position and flux.

    Parameters
    ----------
    psf_model : `~astropy.modeling.Model`
        As for `psf_names`.

    Returns
    -------
    names : list of str
        The names.
    """
    known = psf_names(psf_model)
    return [name for name in psf_model.param_names if name not in known]
