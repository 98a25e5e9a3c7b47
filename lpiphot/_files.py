# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Files that appear whole or not at all.
"""

import errno
import os
import tempfile
from contextlib import ExitStack, contextmanager

__all__ = ['whole_file', 'whole_files']


@contextmanager
def whole_files(paths, *, overwrite=False):
    """
    Give names to write to; move the files into place at the end.

    If the block raises, then nothing is left behind and files that
    existed are as they were.

    Parameters
    ----------
    paths : dict
        The names of the files, by any key.

    overwrite : bool, optional
        Whether to replace files that exist.

    Yields
    ------
    temporary : dict
        Other names by the same keys: in folders of their own beside the
        files (so that the move is atomic), with the same suffixes.

    Raises
    ------
    FileExistsError
        If a file exists at the end and may not be replaced.
    """
    with ExitStack() as stack:
        temporary = {}
        for key, path in paths.items():
            private = stack.enter_context(tempfile.TemporaryDirectory(
                dir=os.path.dirname(os.path.realpath(path)),
                prefix='.lpiphot-'))
            # the name of a link, and not of the file that it leads to
            temporary[key] = os.path.join(private, os.path.basename(path))
        yield temporary
        for path in paths.values():
            _check_free(path, overwrite)
        for key, path in paths.items():
            os.replace(temporary[key], os.path.realpath(path))


@contextmanager
def whole_file(path, *, overwrite=False):
    """
    Give a name to write to; move the file into place at the end.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The name of the file.

    overwrite : bool, optional
        Whether to replace a file that exists.

    Yields
    ------
    temporary : str
        Another name, as of `whole_files`.

    Raises
    ------
    FileExistsError
        If the file exists, at the beginning or at the end, and may not
        be replaced.
    """
    _check_free(path, overwrite)
    with whole_files({'file': path}, overwrite=overwrite) as temporary:
        yield temporary['file']


def _check_free(path, overwrite):
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(errno.EEXIST, 'exists; use overwrite=True to '
                              'replace it', os.fspath(path))
