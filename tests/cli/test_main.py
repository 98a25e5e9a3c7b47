# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The program itself: codes, help, warnings, tracebacks.
"""

import subprocess
import sys
import warnings

import pytest
from astropy.io.fits.verify import VerifyWarning
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning

from lpiphot import __version__
from lpiphot.cli import correct as correct_module
from lpiphot.cli import main
from lpiphot.cli._options import join_pairs


def lpiphot(*args):
    """
    Run the program.
    """
    return subprocess.run([sys.executable, '-m', 'lpiphot', *args],
                          capture_output=True, text=True, check=False)


def test_program(correct):
    done = lpiphot(*correct, '--psf-fwhm', '3.1', '--unit', 'none')
    assert done.returncode == 0
    assert not done.stderr
    assert done.stdout.startswith('11 stars in ')


def test_program_fails(correct):
    done = lpiphot(*correct)
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr == ('lpiphot: error: --psf-fwhm or --psf is '
                           'required\n')


def test_version(capsys):
    assert main(['--version']) == 0
    assert capsys.readouterr().out == f'lpiphot {__version__}\n'


@pytest.mark.parametrize('args', [[], ['correct'], ['photometry']])
def test_help(args, capsys):
    assert main([*args, '--help']) == 0
    assert 'usage: lpiphot' in capsys.readouterr().out


@pytest.mark.parametrize('args', [
    [], ['correkt'], ['correct'], ['correct', 'image.fits'],
    ['correct', 'image.fits', 'catalog.ecsv', '--psf-fwhm', '3'],
    ['photometry'], ['--colour'],
])
def test_wrong_usage(args, capsys):
    assert main(args) == 2
    err = capsys.readouterr().err
    assert err.startswith('lpiphot: error: ')
    assert err.count('\n') == 1


@pytest.mark.parametrize('args', [
    ['correct', 'a.fits', 'b.ecsv', '-o', 'c.ecsv'],
    ['photometry', 'a.fits', '-o', 'c.ecsv'], ['impute', 'a.fits', 'b.fits'],
    ['validate', 'a.fits', '-o', 'c.ecsv'], ['demo']])
def test_unknown_option(args, capsys):
    """
    The help to look into is that which lists the options.
    """
    assert main([*args, '--fwhm', '4']) == 2
    err = capsys.readouterr().err
    assert 'unrecognized arguments: --fwhm' in err
    assert err.endswith(f'(see lpiphot {args[0]} --help)\n')


@pytest.mark.parametrize('number', ['-12.5', '-1.25e1', '-.125E+2'])
def test_negative_numbers(correct, number):
    """
    They are no options, with an exponent either.
    """
    options = ['--psf-fwhm', '3.1', '--unit', 'none', '--gain', '2']
    assert main([*correct, *options, '--background', number]) == 0
    assert QTable.read('out.ecsv').meta['lpiphot_background'] == number


def run_with(monkeypatch, correct, action, *options):
    """
    Run ``correct`` with something happening in the middle of it.
    """
    def read_catalog(path):
        action()
        raise KeyboardInterrupt

    monkeypatch.setattr(correct_module, 'read_catalog', read_catalog)
    return main([*correct, '--psf-fwhm', '3.1', *options])


def test_interrupt(monkeypatch, correct, capsys):
    assert run_with(monkeypatch, correct, lambda: None) == 130
    assert capsys.readouterr().err == 'lpiphot: interrupted\n'


def test_unexpected_failure(monkeypatch, correct, capsys):
    def fail():
        msg = 'two\nlines'
        raise RuntimeError(msg)

    assert run_with(monkeypatch, correct, fail) == 1
    assert capsys.readouterr().err == (
        'lpiphot: error: RuntimeError: two lines (--debug shows the '
        'traceback)\n')
    assert run_with(monkeypatch, correct, fail, '--debug') == 1
    assert 'Traceback' in capsys.readouterr().err


def test_warnings(monkeypatch, correct, capsys):
    def warn():
        for _ in range(2):
            warnings.warn('look\nout', AstropyUserWarning, stacklevel=1)
        warnings.warn('a long card', VerifyWarning, stacklevel=1)
        warnings.warn('for developers', DeprecationWarning, stacklevel=1)

    showwarning = warnings.showwarning
    assert run_with(monkeypatch, correct, warn) == 130
    assert capsys.readouterr().err == ('lpiphot: warning: look out\n'
                                       'lpiphot: interrupted\n')
    assert warnings.showwarning is showwarning
    assert run_with(monkeypatch, correct, warn, '--debug') == 130
    err = capsys.readouterr().err
    assert 'a long card' in err
    assert 'for developers' in err


@pytest.mark.parametrize(('argv', 'joined'), [
    (['--stamp-shape', '33', 'a.fits'], ['--stamp-shape', '33', 'a.fits']),
    (['--stamp-shape', '33', '35', '37'], ['--stamp-shape', '33,35', '37']),
    (['--seed', '3', '4'], ['--seed', '3', '4']),
    (['-x', '--window-shape', '9', '11', '--seed', '1'],
     ['-x', '--window-shape', '9,11', '--seed', '1']),
])
def test_join_pairs(argv, joined):
    assert join_pairs(argv) == joined


def test_stderr_closed(folder, monkeypatch):
    """
    Where no one would see it, there is no progress bar.
    """
    monkeypatch.setattr(sys, 'stderr', None)
    assert main(['impute', 'image.fits', 'clean.fits', '--mask', 'DQ']) == 0
