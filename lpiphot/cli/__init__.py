# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The command line: ``lpiphot correct``, ``lpiphot photometry``, ``lpiphot
impute``, ``lpiphot validate`` and ``lpiphot demo``.

Every module of a command has a function ``add_parser(subparsers)``,
which sets ``func``: a function of the parsed arguments that does the
work. The commands' modules import nothing heavy before that.
"""

import argparse
import importlib
import re
import sys
import traceback

from lpiphot.cli._messages import CLIError, one_line, say, shown_warnings
from lpiphot.cli._options import join_pairs

__all__ = ['main']

_COMMANDS = ('correct', 'photometry', 'impute', 'validate', 'demo')


class _Parser(argparse.ArgumentParser):
    """
    A parser whose errors are exceptions, to be shown on one line.

    ``commands`` are the parsers of all commands by name, of each command.
    """

    commands = None

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)
        # with exponents as well: Python 3.11 takes -1e-3 for an option
        self._negative_number_matcher = re.compile(r'-\.?\d')

    def error(self, message):
        msg = f'{message} (see {self.prog} --help)'
        raise CLIError(msg)


class _Version(argparse.Action):
    """
    Print the version; looked up only when it is asked for.
    """

    def __init__(self, option_strings, dest, **kwargs):
        super().__init__(option_strings, dest, nargs=0, **kwargs)

    def __call__(self, parser, *args):  # noqa: ARG002
        from lpiphot import __version__

        print(f'lpiphot {__version__}')
        parser.exit()


def _make_parser():
    parser = _Parser(prog='lpiphot', description=(
        'PSF photometry corrected for structured backgrounds by local '
        'pixelwise infilling (LPI), and bad pixels filled by Gaussian '
        'process regression.'))
    parser.add_argument('--version', action=_Version, dest=argparse.SUPPRESS,
                        help='show the version and exit')
    subparsers = parser.add_subparsers(dest='command', required=True,
                                       metavar='COMMAND')
    for name in _COMMANDS:
        module = importlib.import_module(f'lpiphot.cli.{name}')
        module.add_parser(subparsers)
    for command in subparsers.choices.values():
        command.commands = subparsers.choices
    return parser


def _parse(argv):
    """
    Parse the arguments; a command itself tells of those it does not know.
    """
    args, unknown = _make_parser().parse_known_args(join_pairs(argv))
    if unknown:
        args.parser.error(f'unrecognized arguments: {" ".join(unknown)}')
    return args


def main(argv=None):
    """
    Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The arguments, without the name of the program. If `None`, then
        those of the process.

    Returns
    -------
    code : int
        0 if all went well, 1 after an unexpected failure, 2 after wrong
        usage or bad input, 130 after an interrupt (Ctrl-C).
    """
    argv = sys.argv[1:] if argv is None else argv
    debug = '--debug' in argv
    try:
        args = _parse(argv)
        with shown_warnings(debug=debug):
            return args.func(args) or 0
    except SystemExit as exc:  # --help and --version
        return exc.code or 0
    except KeyboardInterrupt:
        print('lpiphot: interrupted', file=sys.stderr)
        return 130
    except CLIError as exc:
        if debug:
            traceback.print_exc()
        say('error', exc)
        return 2
    except Exception as exc:  # noqa: BLE001
        if debug:
            traceback.print_exc()
        hint = '' if debug else ' (--debug shows the traceback)'
        say('error', f'{type(exc).__name__}: {one_line(exc)}{hint}')
        return 1
