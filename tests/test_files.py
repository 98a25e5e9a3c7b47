"""
Files that appear whole or not at all.
"""

import os
from pathlib import Path

import pytest

from lpiphot._files import whole_file, whole_files


def write(path, text):
    """
    Write a text.
    """
    with open(path, 'w', encoding='utf-8') as fh:
        fh.write(text)


def test_written(tmp_path):
    """
    Into place at the end, and nothing beside it.
    """
    path = tmp_path / 'a.json'
    with whole_file(path) as part:
        assert os.path.basename(part) == 'a.json'
        write(part, 'new')
        assert not path.exists()
    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['a.json']


def test_existing(tmp_path):
    """
    Replaced only if that was asked for; told before the work.
    """
    path = tmp_path / 'a.json'
    path.write_text('old')
    with (pytest.raises(FileExistsError, match=r'overwrite=True.*a\.json'),
          whole_file(path)):
        pytest.fail('the work was begun')
    with whole_file(path, overwrite=True) as part:
        write(part, 'new')
    assert path.read_text() == 'new'


def test_failure(tmp_path):
    """
    What was there stays, of all files.
    """
    paths = {name: tmp_path / name for name in 'ab'}
    paths['a'].write_text('old')

    def work():
        with whole_files(paths, overwrite=True) as parts:
            write(parts['a'], 'new')
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        work()
    assert os.listdir(tmp_path) == ['a']
    assert paths['a'].read_text() == 'old'


@pytest.mark.skipif(os.name == 'nt', reason='links')
def test_link(tmp_path):
    """
    A link stays, and has the suffix that counts.
    """
    (tmp_path / 'store').mkdir()
    (tmp_path / 'a.json').symlink_to(tmp_path / 'store' / 'blob')
    for overwrite in (False, True):
        with whole_file(tmp_path / 'a.json', overwrite=overwrite) as part:
            assert os.path.basename(part) == 'a.json'
            assert tmp_path / 'store' in Path(part).parents
            write(part, f'{overwrite}')
        assert (tmp_path / 'a.json').is_symlink()
        assert (tmp_path / 'store' / 'blob').read_text() == f'{overwrite}'
    assert os.listdir(tmp_path / 'store') == ['blob']
