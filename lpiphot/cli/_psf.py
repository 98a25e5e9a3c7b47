# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The PSF model that the options ask for.
"""

import numpy as np

from lpiphot.cli._io import open_fits, read_image, split_spec
from lpiphot.cli._messages import CLIError, say, unreadable

__all__ = ['read_psf']

# The flux of a stamp may miss this much before the user is told.
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

    for name in ('psf_oversampling', 'psf_normalize'):
        if getattr(args, name) is not None:
            option = name.replace('_', '-')
            msg = f'--{option} is for PSF stamps, but {path} is a {form} grid'
            raise CLIError(msg)
    options = {}
    if args.psf_detector is not None:
        if form != 'stdpsf':
            msg = f'--psf-detector is for STDPSF files, but {path} is not one'
            raise CLIError(msg)
        options['detector_id'] = args.psf_detector
    with unreadable(f'PSF {path} cannot be read: '):
        return GriddedPSFModel.read(path, format=form, **options)


def _read_stamp(args, *, normalize):
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
        oversampling = np.broadcast_to(np.asarray(oversampling), 2)
        model = ImagePSF(stamp.values.astype(float),
                         oversampling=oversampling)

    flux = model.data.sum() / np.prod(oversampling)
    if normalize:
        if not flux > 0:
            msg = f'{prefix}cannot be normalized, its sum is {flux:.3g}'
            raise CLIError(msg)
        return ImagePSF(model.data / flux, oversampling=oversampling)
    if abs(flux - 1) > _FLUX_TOLERANCE:
        say('warning', f'{prefix}the stamp has a flux of {flux:.3g}, not 1 '
            '(its sum over the oversampling of both axes); right only if '
            'the fluxes refer to it, else use --psf-normalize')
    return model


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
        they were fitted, so then this is `False`.

    Returns
    -------
    psf_model : `~astropy.modeling.Fittable2DModel` or `None`
        The model; `None` if no option asks for one.
    """
    if args.psf_fwhm is not None:
        from photutils.psf import CircularGaussianPRF

        if not 0 < args.psf_fwhm < np.inf:
            msg = f'--psf-fwhm must be positive, got {args.psf_fwhm:g}'
            raise CLIError(msg)
        return CircularGaussianPRF(fwhm=args.psf_fwhm)
    if args.psf is None:
        return None

    path, ext = split_spec(args.psf)
    form = _grid_format(path) if ext is None else None
    if form is not None:
        return _read_grid(path, form, args)
    if args.psf_detector is not None:
        msg = f'--psf-detector is for STDPSF files, but {path} is not one'
        raise CLIError(msg)
    if args.psf_normalize is not None:
        normalize = args.psf_normalize
    return _read_stamp(args, normalize=normalize)
