# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The PSF model that the options ask for.
"""

import warnings

import numpy as np

from lpiphot.cli._fits import open_fits, read_image, split_spec
from lpiphot.cli._messages import CLIError, say, unreadable

__all__ = ['read_psf']

# The flux of a PSF may miss this much before the user is told.
_FLUX_TOLERANCE = 0.2


def _grid_format(path):
    """
    Say which kind of PSF grid the file is, or `None`.
    """
    with open_fits(path, 'PSF') as hdulist:
        header = hdulist[0].header
        if 'NXPSFS' in header and 'NYPSFS' in header:
            return 'stdpsf'
        if header.get('NAXIS') == 3 and 'DET_YX0' in header:
            return 'webbpsf'
    return None


def _read_grid(path, form, args):
    from photutils.psf import GriddedPSFModel

    if args.psf_oversampling is not None:
        msg = ('--psf-oversampling is for PSF stamps, but '
               f'{path} is a {form} grid')
        raise CLIError(msg)
    options = {}
    if args.psf_detector is not None:
        if form != 'stdpsf':
            msg = f'--psf-detector is for STDPSF files, but {path} is not one'
            raise CLIError(msg)
        options['detector_id'] = args.psf_detector
    with unreadable(f'PSF {path} cannot be read: '):
        return GriddedPSFModel.read(path, format=form, **options)


def _read_stamp(args):
    from photutils.psf import ImagePSF

    stamp = read_image(args.psf, unit='none', what='PSF')
    prefix = f'PSF {args.psf}: '
    oversampling = args.psf_oversampling
    if oversampling is None:
        oversampling = stamp.header.get('OVERSAMP')
    if oversampling is None:
        say('warning', f'{prefix}no OVERSAMP in its header; its pixels are '
            'taken to be as large as those of the image. Give '
            '--psf-oversampling: 1 if they are')
        oversampling = 1
    with unreadable(prefix):
        # A header may have 4.0
        oversampling = np.broadcast_to(np.asarray(oversampling, float), 2)
        if np.all(oversampling == np.round(oversampling)):
            oversampling = oversampling.astype(int)
        return ImagePSF(stamp.values.astype(float), oversampling=oversampling)


def _normalized(model, prefix):
    """
    Return a stamp or grid that is scaled to unit flux.
    """
    from astropy.nddata import NDData

    fluxes = model.data.sum(axis=(-2, -1), keepdims=True) / np.prod(
        model.oversampling)
    if not np.all(fluxes > 0):
        msg = (f'{prefix}cannot be normalized, its sum is '
               f'{fluxes.min() * np.prod(model.oversampling):.3g}')
        raise CLIError(msg)
    data = model.data / fluxes
    if data.ndim == 2:
        return type(model)(data, oversampling=model.oversampling)
    meta = model.meta | {'grid_xypos': model.grid_xypos}
    return type(model)(NDData(data, meta=meta))


def read_psf(args, *, normalize):
    """
    Make the PSF model.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    normalize : bool
        Whether a stamp is scaled to unit flux if the options do not
        say. A catalogue's fluxes refer to the stamp as it was when
        they were fitted, so then this is `False`. A grid comes with
        its fluxes, and is scaled only if the options say so.

    Returns
    -------
    psf_model : `~astropy.modeling.Fittable2DModel` or `None`
        The model; `None` if no option asks for one.
    """
    if args.psf_fwhm is not None:
        from photutils.psf import CircularGaussianPRF

        if not 0 < args.psf_fwhm < np.inf:
            msg = f'--psf-fwhm must be positive; got {args.psf_fwhm:g}'
            raise CLIError(msg)
        return CircularGaussianPRF(fwhm=args.psf_fwhm)
    if args.psf is None:
        return None

    from lpiphot._doubts import psf_flux

    path, ext = split_spec(args.psf)
    form = _grid_format(path) if ext is None else None
    if form is not None:
        model, normalize = _read_grid(path, form, args), False
    elif args.psf_detector is not None:
        msg = f'--psf-detector is for STDPSF files, but {path} is not one'
        raise CLIError(msg)
    else:
        model = _read_stamp(args)
    if args.psf_normalize is not None:
        normalize = args.psf_normalize
    prefix = f'PSF {args.psf}: '
    if normalize:
        return _normalized(model, prefix)

    flux = psf_flux(model)
    if abs(flux - 1) > _FLUX_TOLERANCE:
        say('warning', f'{prefix}it has a flux of {flux:.3g}, not 1 (its sum '
            'over the oversampling of both axes); right only if the rest of '
            'the light is cut off, or if the fluxes of the catalogue refer '
            'to it, else use --psf-normalize')
        # the same, without the option
        warnings.filterwarnings('ignore', 'psf_model is not normalized')
    return model
