# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Structured backgrounds: real ones, and made ones of known truth.
"""

from lpiphot.datasets.load import load_galactic_plane, load_horsehead, load_m67
from lpiphot.datasets.scenes import make_cloud_image, make_filament_image

__all__ = ['load_galactic_plane', 'load_horsehead', 'load_m67',
           'make_cloud_image', 'make_filament_image']
