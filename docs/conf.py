# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Configuration of the documentation, on top of that of sphinx-astropy.
"""

import doctest
import sys
import tomllib
from importlib.metadata import version as version_of
from pathlib import Path

from matplotlib import pyplot as plt
from sphinx_astropy.conf.v3 import *  # noqa: F403

import lpiphot._imputation_plots
import lpiphot._plots
import lpiphot.validation.plots

root = Path(__file__).parent.parent
sys.path.insert(0, str(root / 'docs' / '_ext'))
configuration = tomllib.loads((root / 'pyproject.toml').read_text('utf-8'))

# -- Project ------------------------------------------------------------------

project = configuration['project']['name']
author = configuration['project']['authors'][0]['name']
copyright = f'2026, {author}'  # noqa: A001
release = version_of(project)
version = '.'.join(release.split('.')[:2])

# -- Pages --------------------------------------------------------------------

needs_sphinx = '8.2'
highlight_language = 'python3'
extensions += ['flag_table', 'sphinx_design']  # noqa: F405
exclude_patterns += ['_build', '_ext', 'plots']  # noqa: F405
toc_object_entries = False
rst_epilog = """
.. _astropy: https://www.astropy.org/
.. _ccdproc: https://ccdproc.readthedocs.io/
.. _photutils: https://photutils.readthedocs.io/
"""

# -- References ---------------------------------------------------------------

# Every reference must lead somewhere. The inventories of other projects are
# plain text with the few names that we refer to, so that the build needs no
# network and gives the same pages everywhere: add a line for a new name.
nitpicky = True
intersphinx_mapping = {
    name: (url, f'inventories/{name}.txt') for name, url in (
        ('astropy', 'https://docs.astropy.org/en/stable/'),
        ('ccdproc', 'https://ccdproc.readthedocs.io/en/stable/'),
        ('matplotlib', 'https://matplotlib.org/stable/'),
        ('numpy', 'https://numpy.org/doc/stable/'),
        ('photutils', 'https://photutils.readthedocs.io/en/stable/'),
        ('python', 'https://docs.python.org/3/'))}

# -- Figures ------------------------------------------------------------------

# Made at build time, by the code on the page
plot_formats = [('png', 130), ('pdf', 100)]
plot_html_show_source_link = False
plot_rcparams = {'figure.constrained_layout.use': True,
                 'image.interpolation': 'nearest'}
plot_apply_rcparams = True
# In examples, for pytest-doctestplus
doctest.register_optionflag('IGNORE_WARNINGS')
# The directive shows the figures of pyplot; ours are to be among them
for module in (lpiphot._imputation_plots, lpiphot._plots,  # noqa: SLF001
               lpiphot.validation.plots):
    module.Figure = plt.figure

# -- HTML ---------------------------------------------------------------------

html_title = f'{project} {release}'
html_theme_options = {
    'sst_project_name': project,
    'goatcounter_analytics_url': False,
    'rtd_search': False,
}
