# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Configuration of pytest: the versions in the header of a test run.
"""

from importlib.metadata import version

from pytest_astropy_header.display import (PYTEST_HEADER_MODULES,
                                           TESTED_VERSIONS)


def pytest_configure():
    """
    Show the versions of lpiphot and of the packages its numbers rest on.
    """
    PYTEST_HEADER_MODULES.clear()
    for name in ('astropy', 'photutils', 'numpy', 'scipy'):
        PYTEST_HEADER_MODULES[name] = name
    TESTED_VERSIONS['lpiphot'] = version('lpiphot')
