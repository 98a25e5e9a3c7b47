# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The compiled kernels and how they are compiled.
"""

import sys
from pathlib import Path

import numpy as np
from setuptools import Extension

ROOT = Path(__file__).parent.relative_to(Path.cwd())

# -O3 lets GCC and clang vectorise the loops over lanes and contract
# their products and sums to fused ones.
FLAGS = [] if sys.platform == 'win32' else ['-O3', '-ffp-contract=fast']


def get_extensions():
    """
    Return the extensions, for extension-helpers.
    """
    return [
        Extension(f'lpiphot._core.{name}',
                  sources=[str(ROOT / f'{name}.pyx')],
                  depends=[str(path) for path in ROOT.glob('*.h')],
                  include_dirs=[str(ROOT), np.get_include()],
                  extra_compile_args=FLAGS)
        for name in ('conditional', 'imputation', 'moments', 'places')]
