# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
``lpiphot demo``: the main job on a real image, from a single command.
"""

import importlib.util
import os

from lpiphot.cli._messages import CLIError, bad_input
from lpiphot.cli._output import atomic_files, write_plot, write_table

__all__ = ['add_parser', 'run']

_DESCRIPTION = """\
Correct the stars of a real image of the Horsehead nebula, which comes
with the package, then inject stars of known flux to see how good fluxes
and errors are before and after. Writes tables, images and a picture."""

# What the folder holds afterwards
_FILES = ('catalogue.ecsv', 'images.fits', 'injected.ecsv', 'demo.png')

# Rows of the summary: what, its name in the results, format, ideal
_ROWS = (('width of z', 'z_width', '.2f', '1'),
         ('beyond 5 sigma', 'outliers', '.1%', '0'),
         ('median flux error', 'flux_error', '.1%', '0'))


def add_parser(subparsers):
    """
    Add the parser of this command.

    Parameters
    ----------
    subparsers : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    parser = subparsers.add_parser(
        'demo', description=_DESCRIPTION,
        help='see what the correction does on a real image')
    parser.add_argument('-o', '--output', metavar='DIR',
                        default='lpiphot-demo',
                        help='folder to write to; its files of an earlier '
                        'demo are replaced (default: %(default)s)')
    parser.add_argument('--n-threads', type=int, metavar='N',
                        default=os.cpu_count() or 1,
                        help='threads to use (default: all cores, '
                        '%(default)s)')
    parser.add_argument('--no-progress', action='store_true',
                        help='show no progress bar')
    parser.add_argument('-q', '--quiet', action='store_true',
                        help='print no summary, show no progress bar')
    parser.add_argument('--debug', action='store_true',
                        help='show tracebacks and all warnings')
    parser.set_defaults(func=run, parser=parser)


def _check_needed():
    if importlib.util.find_spec('matplotlib') is None:
        msg = 'the demo needs matplotlib: pip install "lpiphot[all]"'
        raise CLIError(msg)


def _make_folder(folder):
    """
    Make the folder, and return the names of the files to write into it.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as exc:
        msg = f'--output {folder}: cannot make this folder: {exc.strerror}'
        raise CLIError(msg) from exc
    if not os.access(folder, os.W_OK):
        msg = f'--output {folder}: cannot write into this folder'
        raise CLIError(msg)
    paths = {name: os.path.join(folder, name) for name in _FILES}
    for path in paths.values():
        if os.path.isdir(path):
            msg = f'{path}: is a folder'
            raise CLIError(msg)
    return paths


def _summary_lines(summary, n_threads):
    """
    Make the lines of the summary.
    """
    threads = f'{n_threads} thread{"s" if n_threads > 1 else ""}'
    yield f'field      {summary["n_stars"]} stars of the Horsehead nebula'
    yield (f'injected   {summary["n_injected"]} stars of known flux, '
           f'{summary["n_recovered"]} recovered')
    yield (f'time       {1e3 * summary["seconds_per_star"]:.0f} ms per star '
           f'for LPI ({threads}), {summary["seconds"]:.0f} s in all')
    yield ''
    yield f'{"recovered stars":17} {"photutils":>10} {"with LPI":>10}  ideal'
    for label, name, form, ideal in _ROWS:
        before, after = (f'{summary[f"{name}_{when}"]:{form}}'
                         for when in ('before', 'after'))
        yield f'{label:17} {before:>10} {after:>10} {ideal:>6}'
    yield 'z = (measured - true flux) / error'
    yield ''


def run(args):
    """
    Run the command.

    Parameters
    ----------
    args : `argparse.Namespace`
        The parsed arguments.
    """
    _check_needed()
    paths = _make_folder(args.output)

    from lpiphot.demo import run_demo

    with bad_input(args=args):
        result = run_demo(
            n_threads=args.n_threads,
            progress_bar=not (args.quiet or args.no_progress))
    with atomic_files(paths, overwrite=True) as temporary:
        write_table(temporary['catalogue.ecsv'], result.field.table)
        write_table(temporary['injected.ecsv'], result.recovery.table)
        result.to_hdulist().writeto(temporary['images.fits'])
        write_plot(temporary['demo.png'], result)

    if not args.quiet:
        print('\n'.join(_summary_lines(result.summary, args.n_threads)))
        print('\n'.join(f'wrote {path}' for path in paths.values()))
