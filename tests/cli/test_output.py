# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Files appear whole or not at all.
"""

import os
import stat
from pathlib import Path

import pytest
from astropy.table import QTable

from lpiphot.cli import _output, _results, main
from lpiphot.cli._messages import CLIError

OPTIONS = ['--psf-fwhm', '3.1', '--images', 'images.fits']


def fail(path, *args):
    """
    Write half a file.
    """
    Path(path).write_text('half')
    msg = 'No space left on device'
    raise OSError(msg)


@pytest.mark.parametrize('writer', ['write_table', 'write_images'])
def test_nothing_is_left_behind(correct, folder, monkeypatch, capsys, writer):
    before = sorted(os.listdir())
    monkeypatch.setattr(_results, writer, fail)
    assert main([*correct, *OPTIONS]) == 1
    err = capsys.readouterr().err.splitlines()[-1]
    assert err == ('lpiphot: error: OSError: No space left on device '
                   '(--debug shows the traceback)')
    assert sorted(os.listdir()) == before


def test_old_files_stay(correct, folder, monkeypatch):
    (folder / 'out.ecsv').write_text('old')
    (folder / 'images.fits').write_text('old')
    before = sorted(os.listdir())
    monkeypatch.setattr(_results, 'write_images', fail)
    assert main([*correct, *OPTIONS, '--overwrite']) == 1
    assert sorted(os.listdir()) == before
    assert (folder / 'out.ecsv').read_text() == 'old'
    assert (folder / 'images.fits').read_text() == 'old'


def test_interrupt(correct, folder, monkeypatch, capsys):
    before = sorted(os.listdir())

    def interrupt(path, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_results, 'write_table', interrupt)
    assert main([*correct, *OPTIONS]) == 130
    assert capsys.readouterr().err.endswith('lpiphot: interrupted\n')
    assert sorted(os.listdir()) == before


def write_meanwhile(path):
    """
    Write a file that someone else writes in the meantime.
    """
    with _output.atomic_files({'output': str(path)}) as temporary:
        Path(temporary['output']).write_text('mine')
        path.write_text('theirs')


def test_written_in_the_meantime(tmp_path):
    path = tmp_path / 'out.ecsv'
    with pytest.raises(CLIError, match='in the meantime'):
        write_meanwhile(path)
    assert path.read_text() == 'theirs'
    assert os.listdir(tmp_path) == ['out.ecsv']


@pytest.mark.skipif(os.name == 'nt', reason='POSIX permissions and links')
def test_permissions_and_links(tmp_path):
    real = tmp_path / 'real.ecsv'
    link = tmp_path / 'link.ecsv'
    link.symlink_to(real)
    umask = os.umask(0o027)
    try:
        with _output.atomic_files({'output': str(link)}) as temporary:
            Path(temporary['output']).write_text('text')
    finally:
        os.umask(umask)
    assert link.is_symlink()
    assert real.read_text() == 'text'
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == 'nt', reason='links')
def test_suffix_of_a_link(correct, folder):
    (folder / 'blob').write_text('old')
    (folder / 'out.ecsv').symlink_to(folder / 'blob')
    assert main([*correct, '--psf-fwhm', '3.1', '--overwrite']) == 0
    assert len(QTable.read('out.ecsv')) == 11
    assert (folder / 'blob').read_text().startswith('# %ECSV')


@pytest.mark.skipif(os.name == 'nt', reason='links')
def test_link_to_nowhere(correct, folder, monkeypatch, capsys):
    """
    It is told before the work.
    """
    monkeypatch.setattr(_results, 'write_table', pytest.fail)
    (folder / 'out.ecsv').symlink_to(folder / 'gone' / 'out.ecsv')
    assert main([*correct, *OPTIONS]) == 2
    assert f'no folder {folder / "gone"}' in capsys.readouterr().err
