"""
Imports point down only, and optional packages load late.
"""

import ast
import json
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

import lpiphot

ROOT = Path(lpiphot.__file__).parent

# The modules and packages of lpiphot by layer; '' is lpiphot itself.
LAYERS = {
    0: ['_core', '_noise', '_psf_names', 'flags'],
    1: ['gaussian', 'gpr', 'lpi'],
    2: ['_checks', '_files', '_inputs', '_outputs', '_parallel', '_tables'],
    3: ['', '_doubts', '_fwhm', '_imputation_plots', '_plots', '_positions',
        'corrector', 'covariance', 'depth', 'imputation', 'imputer',
        'iteration', 'local_background', 'lpi_imputer', 'pipeline',
        'results'],
    4: ['__main__', 'cli', 'demo'],
    'aside': ['datasets'],
    'tests': ['validation'],
}
LAYER_OF = {unit: layer for layer, units in LAYERS.items() for unit in units}

# What each may import of lpiphot, within a layer without cycles, and
# beside lpiphot and the standard library.
MAY_IMPORT = {0: [0], 1: [0, 1], 2: [0, 2], 3: [0, 1, 2, 3],
              4: [0, 1, 2, 3, 4, 'aside', 'tests'], 'aside': [],
              'tests': [0, 2, 3]}
PACKAGES = {
    0: {'numpy', 'astropy'},
    1: {'numpy', 'scipy'},
    2: {'numpy', 'astropy', 'threadpoolctl', 'tqdm'},
    3: {'numpy', 'scipy', 'astropy', 'photutils', 'matplotlib'},
    4: {'numpy', 'scipy', 'astropy', 'photutils', 'matplotlib', 'tqdm'},
    'aside': {'numpy', 'scipy', 'astropy', 'photutils', 'tqdm'},
    'tests': {'numpy', 'scipy', 'astropy', 'photutils', 'matplotlib',
              'tqdm'},
}
# The one module of layer 1 that renders stars, and the one that asks which
# BLAS library there is
ALSO = {'lpi/psf.py': {'astropy', 'photutils'},
        'gaussian.py': {'threadpoolctl'}}
# The modules of validation that run the pipeline and know of LPI; all
# others score any photometry
RUN_LPI = ['validation/__init__.py', 'validation/blank.py',
           'validation/recovery.py', 'validation/rounds.py']
# What they import beside each other
NO_LPI = ['lpiphot._files.', 'lpiphot._fwhm.', 'lpiphot._noise.',
          'lpiphot._parallel.', 'lpiphot._positions.', 'lpiphot._psf_names.',
          'lpiphot._tables.', 'lpiphot.flags.']
# Built with, not run with
NOT_RUN = ['setup_package.py']

# The page that shows the table to developers
PAGE = (Path(__file__).parents[1] / 'docs' / 'development'
        / 'architecture.rst')

OPTIONAL = ['ccdproc', 'matplotlib', 'pandas', 'pyarrow', 'tqdm']


def modules():
    """
    The path in lpiphot, the unit of the table and the tree of each module.
    """
    for path in sorted(ROOT.rglob('*.py')):
        place = path.relative_to(ROOT)
        if place.name not in NOT_RUN:
            unit = place.parts[0].removesuffix('.py')
            yield (place.as_posix(), '' if unit == '__init__' else unit,
                   ast.parse(path.read_text(encoding='utf-8')))


def imported(place, tree):
    """
    The full names of what a module imports, anywhere in it.
    """
    package = ['lpiphot', *Path(place).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[:len(package) - node.level + 1]
            base = '.'.join([*(above if node.level else []),
                             *([node.module] if node.module else [])])
            yield from (f'{base}.{alias.name}' for alias in node.names)


def unit_of(name):
    """
    The unit that an imported name of lpiphot belongs to.
    """
    part = name.split('.')[1] if '.' in name else ''
    return part if part in LAYER_OF or find_spec(f'lpiphot.{part}') else ''


def own_imports():
    """
    The units of lpiphot that each unit imports, itself left out.
    """
    imports = {}
    for place, unit, tree in modules():
        units = {unit_of(name) for name in imported(place, tree)
                 if name.split('.')[0] == 'lpiphot'}
        imports.setdefault(unit, set()).update(units - {unit})
    return imports


def test_every_module_has_a_layer():
    """
    A new module needs a line in the table above, and one that goes takes
    its line along.
    """
    assert {unit for _, unit, _ in modules()} == set(LAYER_OF)


def documented():
    """
    The cells of each row of the table on the page, by layer.
    """
    table = PAGE.read_text(encoding='utf-8').split('list-table:: Layers')[1]
    table = re.split(r'\n(?=\S)', table)[0]
    rows = [re.split(r'\n {5}-', row)
            for row in re.split(r'\n {3}\* - ', table)[2:]]
    return {name.strip(): cells for name, *cells in rows}


def test_documented_table():
    """
    The architecture page has the layers and modules that there are.
    """
    rows = documented()
    assert list(rows) == [str(layer) for layer in LAYERS]
    for layer, units in LAYERS.items():
        named, below, packages = rows[str(layer)]
        assert {'' if name == '__init__' else name
                for name in re.findall('``(.+?)``', named)} == set(units)
        assert re.findall(r'\w+', below) == [
            str(other) for other in MAY_IMPORT[layer]]
        assert set(re.findall('``(.+?)``', packages)) == PACKAGES[layer]


@pytest.mark.parametrize('layer', LAYERS)
def test_imports_point_down(layer):
    """
    A unit imports what is below, or beside it where that is said.
    """
    for unit, others in own_imports().items():
        if LAYER_OF[unit] == layer:
            wrong = {other for other in others
                     if LAYER_OF[other] not in MAY_IMPORT[layer]}
            assert not wrong, f'{unit} imports {wrong}'


def test_validation_knows_no_lpi():
    """
    Its parts import only each other, and not those that run LPI.
    """
    runs = {f'lpiphot.{place.removesuffix(".py").replace("/", ".")}'
            for place in RUN_LPI[1:]}
    for place, unit, tree in modules():
        if unit == 'validation' and place not in RUN_LPI:
            names = {name for name in imported(place, tree)
                     if name.split('.')[0] == 'lpiphot'}
            wrong = {name for name in names
                     if not name.startswith((*NO_LPI, 'lpiphot.validation.'))
                     or name.rpartition('.')[0] in runs}
            assert not wrong, f'{place} imports {wrong}'


def test_no_cycles():
    """
    Nor do two units import each other, by whatever way.
    """
    order = list(TopologicalSorter(own_imports()).static_order())
    assert order.index('flags') < order.index('lpi') < order.index('')


def test_methods_are_independent():
    """
    LPI and Gaussian process regression meet in `gaussian` alone.
    """
    imports = own_imports()
    assert 'gpr' not in imports['lpi']
    assert 'lpi' not in imports.get('gpr', set())


def test_other_packages():
    """
    What each layer may use beside lpiphot.
    """
    for place, unit, tree in modules():
        packages = {name.split('.')[0] for name in imported(place, tree)}
        allowed = PACKAGES[LAYER_OF[unit]] | ALSO.get(place, set())
        wrong = packages - allowed - sys.stdlib_module_names - {'lpiphot'}
        assert not wrong, f'{place} imports {wrong}'


def test_extras_are_used():
    """
    What ``[all]`` installs is imported somewhere, or by astropy for us.
    """
    project = PAGE.parents[2] / 'pyproject.toml'
    with project.open('rb') as fh:
        extras = tomllib.load(fh)['project']['optional-dependencies']['all']
    names = {re.match(r'\w+', extra)[0] for extra in extras}
    used = {name.split('.')[0] for place, _, tree in modules()
            for name in imported(place, tree)}
    # astropy's Parquet tables
    assert names - {'pandas', 'pyarrow'} <= used


def test_optional_packages_load_late(tmp_path):
    """
    ``import lpiphot`` loads none of them.
    """
    code = ('import json, sys, lpiphot; '
            'print(json.dumps([lpiphot.__file__, *sys.modules]))')
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path,
                          capture_output=True, text=True, check=True)
    file, *loaded = json.loads(done.stdout)
    assert Path(file).parent == ROOT
    assert 'numpy' in loaded
    assert not {name.split('.')[0] for name in loaded} & set(OPTIONAL)
