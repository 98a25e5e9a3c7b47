# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Options from a TOML file, and the record of the options in use.
"""

import argparse

from lpiphot.cli._messages import CLIError
from lpiphot.cli._options import CORRECTOR_OPTIONS

__all__ = ['merge_config', 'record_options']

# Options that make no sense in a configuration file.
_NOT_IN_FILE = ('help', 'config', 'output', 'debug')

# Options that do not belong to the result.
_NOT_RECORDED = ('func', 'parser', 'output', 'images', 'plot', 'overwrite',
                 'debug', 'quiet', 'progress_bar', 'n_threads', 'report',
                 'calibration', 'folder', 'n_processes')

# Of each group at most one may be given.
_EXCLUSIVE = (('psf', 'psf_fwhm'), ('error', 'error_ext'),
              ('mask', 'mask_ext'))


def _read_toml(path):
    import tomllib

    try:
        with open(path, 'rb') as fh:
            return tomllib.load(fh)
    except OSError as exc:
        msg = f'cannot read the configuration {path}: {exc.strerror}'
        raise CLIError(msg) from exc
    except ValueError as exc:  # TOMLDecodeError, UnicodeDecodeError
        msg = f'{path} is not a TOML file: {exc}'
        raise CLIError(msg) from exc


def _convert(action, value):
    """
    Check a value of the file just as argparse does those it reads.
    """
    is_flag = action.nargs == 0
    if is_flag or isinstance(value, bool):
        if not (is_flag and isinstance(value, bool)):
            msg = f"expected {'true or false' if is_flag else 'a value'}"
            raise ValueError(msg)
        return value
    if isinstance(value, list):
        value = ','.join(str(item) for item in value)
    if not isinstance(value, (str, int, float)):
        msg = 'expected a number, a text or a list of two numbers'
        raise ValueError(msg)  # noqa: TRY004
    if action.choices and value not in action.choices:
        msg = f"expected one of {', '.join(action.choices)}"
        raise ValueError(msg)
    return action.type(str(value)) if action.type else str(value)


def _check_exclusive(options, where):
    for group in _EXCLUSIVE:
        given = [name for name in group if options.get(name) is not None]
        if len(given) > 1:
            names = ' and '.join(given)
            msg = f'{where}: give only one of {names}'
            raise CLIError(msg)


def _options_of(parser):
    """
    Return the options that may be in a file, none if the command reads none.
    """
    actions = {action.dest: action
               for action in parser._actions  # noqa: SLF001
               if action.option_strings}
    if 'config' not in actions:
        return {}
    return {name: action for name, action in actions.items()
            if name not in _NOT_IN_FILE}


def merge_config(parser, args):
    """
    Fill in what the command line left open from ``--config``.

    A file may serve several commands: options of others are ignored.

    Parameters
    ----------
    parser : `argparse.ArgumentParser`
        The parser of the command, which knows the options.

    args : `argparse.Namespace`
        The parsed arguments; changed in place.
    """
    _check_exclusive(vars(args), 'command line')
    if args.config is None:
        return

    actions = _options_of(parser)
    config = _read_toml(args.config)
    unknown = sorted(set(config).difference(
        *map(_options_of, parser.commands.values())))
    if unknown:
        msg = (f"{args.config}: unknown option {', '.join(unknown)}; the "
               f"valid ones are {', '.join(sorted(actions))}")
        raise CLIError(msg)

    config = {name: value for name, value in config.items()
              if name in actions}
    _check_exclusive(config, args.config)
    taken = {name for name, value in vars(args).items() if value is not None}
    for group in _EXCLUSIVE:
        if taken.intersection(group):
            taken.update(group)

    for name, value in config.items():
        try:
            converted = _convert(actions[name], value)
        except (ValueError, argparse.ArgumentTypeError) as exc:
            msg = f'{args.config}: {name} = {value!r}: {exc}'
            raise CLIError(msg) from exc
        if name not in taken:
            setattr(args, name, converted)


def record_options(args, meta):
    """
    Write the options in use into the metadata of the table.

    Keys are ``lpiphot_`` and the name of the option: longer than eight
    letters, so that FITS keeps their case. Values are text, numbers or
    truth values, so that every format keeps them. The parameters of the
    corrector are there already, as used.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.

    meta : dict
        The metadata; changed in place.
    """
    names = set(vars(args)).difference(_NOT_RECORDED, CORRECTOR_OPTIONS)
    for name in sorted(names):
        key = f'lpiphot_{name}'
        value = getattr(args, name)
        if isinstance(value, tuple):
            value = ' '.join(str(item) for item in value)
        if value is None:
            meta.pop(key, None)  # of an earlier run
        else:
            meta[key] = value
