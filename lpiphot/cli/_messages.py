# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
What the command line says to its user: errors and warnings, one line
each.
"""

import contextlib
import re
import sys
import warnings

__all__ = ['CLIError', 'bad_input', 'one_line', 'say', 'shown_warnings',
           'unreadable']

# Warnings about the form of a FITS file; of no use to who reads it.
_NOISE = ('FITSFixedWarning', 'VerifyWarning')

# Arguments whose options have other names; the others have an underscore
# that is a hyphen in the option.
_RENAMED = {'fwhm': 'psf_fwhm', 'psf_model': 'psf', 'rng': 'seed',
            'n_positions': 'n_stars'}


class CLIError(Exception):
    """
    Input that the user can put right; the command ends with code 2.
    """


def one_line(message):
    """
    Return ``message`` (a string or an exception) as a single line.

    Parameters
    ----------
    message : str or Exception
        The message.

    Returns
    -------
    line : str
        The message with every run of whitespace replaced by one blank.
    """
    if isinstance(message, KeyError) and message.args:
        message = message.args[0]  # str(KeyError('a')) has quotes
    return ' '.join(str(message).split())


def say(kind, message):
    """
    Print one line, ``lpiphot: kind: message``, on standard error.

    Parameters
    ----------
    kind : str
        For example ``'error'``.

    message : str or Exception
        The message.
    """
    print(f'lpiphot: {kind}: {one_line(message)}', file=sys.stderr)


def _is_deliberate(exc):
    """
    Say whether lpiphot or a package of its family raised an exception.

    Those check what they are given; what NumPy or SciPy raise further
    down (a ``LinAlgError`` is a `ValueError`) is not the user's doing.
    """
    frame = exc.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    package = frame.tb_frame.f_globals.get('__name__', '').split('.')[0]
    return package in ('lpiphot', 'photutils', 'astropy')


def _in_options(text, args):
    """
    Write the names of arguments as those of the options of the command.
    """
    def rename(match):
        word = _RENAMED.get(match[0], match[0])
        # a word without hyphen is an argument where the message begins
        begins = match.start() == 0 and text.startswith(f'{word} must ')
        known = word in vars(args) and ('_' in word or word != match[0]
                                        or begins)
        return '--' + word.replace('_', '-') if known else match[0]

    return re.sub(r'\b[a-z_]+\b', rename, text)


@contextlib.contextmanager
def bad_input(prefix='', *, args=None):
    """
    Turn what the API raises for bad input into a `CLIError`.

    That is a `ValueError`, `TypeError` or `~astropy.units.UnitsError`.

    Parameters
    ----------
    prefix : str, optional
        Text to put in front of the message.

    args : `argparse.Namespace`, optional
        The parsed arguments, if the message may name arguments of the
        API: it then names the options of the command.
    """
    from astropy.units import UnitsError

    try:
        yield
    except (ValueError, TypeError, UnitsError) as exc:
        if not _is_deliberate(exc):
            raise
        text = one_line(exc)
        if args is not None:
            text = _in_options(text, args)
        raise CLIError(prefix + text) from exc


@contextlib.contextmanager
def unreadable(prefix):
    """
    Turn whatever the reader of a file raises into a `CLIError`.

    Parameters
    ----------
    prefix : str
        Text to put in front of the message.
    """
    try:
        yield
    except CLIError:
        raise
    except Exception as exc:
        raise CLIError(prefix + one_line(exc)) from exc


@contextlib.contextmanager
def shown_warnings(*, debug=False):
    """
    Show each of astropy's user warnings once and on one line.

    Warnings about the form of FITS files, and those meant for
    developers, are shown only with ``debug``.

    Parameters
    ----------
    debug : bool, optional
        Whether to show all warnings.
    """
    # astropy hooks into showwarning when it is first imported: that must
    # not happen inside the block below
    from astropy.utils.exceptions import AstropyWarning

    seen = set()

    def show(message, category, *args, **kwargs):  # noqa: ARG001
        text = one_line(message)
        wanted = (issubclass(category, AstropyWarning)
                  and not issubclass(category, DeprecationWarning)
                  and category.__name__ not in _NOISE)
        if (wanted or debug) and text not in seen:
            seen.add(text)
            say('warning', text)

    with warnings.catch_warnings():
        warnings.simplefilter('always')
        warnings.showwarning = show
        yield
