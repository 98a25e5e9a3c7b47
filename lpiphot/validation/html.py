# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The report of an injection test as one page that needs nothing else.
"""

import base64
import html
import io

import numpy as np

from lpiphot.validation.report import COLUMNS, ROWS, WAYS, as_text

__all__ = ['recovery_page']

_STYLE = """
body {font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2em auto;
      max-width: 1240px; padding: 0 1.5em}
h1 {font-size: 1.7em; margin-bottom: 0.1em}
h2 {font-size: 1.2em; margin: 1.8em 0 0.5em}
p {max-width: 52em}
img {width: 100%; height: auto}
table {border-collapse: collapse; font-variant-numeric: tabular-nums}
th, td {padding: 0.2em 0.7em; text-align: right; white-space: nowrap}
th:first-child, td:first-child {text-align: left}
thead tr:last-child th {border-bottom: 2px solid #444}
thead th[colspan] {text-align: center}
tbody tr:nth-child(even) {background: #f3f5f7}
.before {color: #b34e00} .after {color: #00609a}
.cards {display: flex; flex-wrap: wrap; gap: 1em; margin: 1.2em 0}
.card {border: 1px solid #d5dae0; border-radius: 8px; padding: 0.7em 1.3em;
       min-width: 12em}
.card b {font-size: 1.9em; display: inline-block; margin-right: 0.5em}
.card span {display: block; color: #555}
.wide {overflow-x: auto}
details {margin: 1.5em 0} summary {cursor: pointer; font-weight: 600}
.facts td {text-align: left}
"""

_CARDS = (('width', '.2f', 'width of z; 1 if errors are honest'),
          ('beyond5', '.1%', 'of stars beyond 5σ'),
          ('scatter', '.1%', 'median error of the flux'),
          ('rho_around', '+.2f', 'rank correlation of z and residual'))

_AXES = {'mag_true': 'magnitude',
         'roughness': 'local roughness (1: white noise)',
         'density': 'density of sources [1/pixel]'}


def recovery_page(result, *, title='Injection test', figures=None):
    """
    Return the report as an HTML page, with its figures in it.

    Parameters
    ----------
    result : `~lpiphot.validation.RecoveryResult`
        The result.

    title : str, optional
        The title of the page.

    figures : dict, optional
        Figures by their captions. By default the summary, and, if stars
        were recovered, the profile along the image.

    Returns
    -------
    page : str
        The page.
    """
    report = result.report()
    if figures is None:
        figures = {'': result.plot('summary')}
        if len(result.stars()) > 0:
            figures['Along the image'] = result.plot('profile')
    names = list(report.labels)
    parts = [f'<h1>{html.escape(title)}</h1>', _table(
        [], [[key, value] for key, value in report.facts.items()], 'facts'),
        _cards(report.ways['apart'], names)]
    (caption, first), *others = figures.items()
    parts.append(_image(first, caption))

    parts += ['<h2>Fluxes and errors</h2>',
              ('<p>z = (measured − true) / error. Others are the '
              'sources of the image and other stars of the test; a star '
              'within 4/3 FWHM of one is an unresolved blend. Flags are those '
              'of the pipeline and of the correction.</p>')]
    parts.append(_ways(report, names))
    parts += ['<h2>Coverage: how often the truth is in an interval</h2>',
              _table([(name, ()) for name in report.coverage.colnames],
                     [[as_text(value, '.1%') for value in row]
                      for row in report.coverage.iterrows()])]
    for axis, table in report.by.items():
        parts += [f'<h2>In bins of {_AXES[axis]}</h2>',
                  _bins(table, [axis], names)]
    parts += ['<details><summary>In bins of all three together</summary>',
              _bins(report.bins, list(report.by), names), '</details>']
    parts += [_image(figure, text) for text, figure in others]
    facts = [[key, str(value)] for key, value in
             sorted(result.table.meta.items()) if key != 'recovery_counts']
    parts += ['<details><summary>Parameters and versions</summary>',
              _table([], facts, 'facts'), '</details>']
    body = '\n'.join(parts)
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n'
            f'<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
            f'<meta name="viewport" content="width=device-width">\n'
            f'<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n'
            '</html>\n')


def _image(figure, caption):
    """
    Return a figure as an image within the page.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, format='png')
    code = base64.b64encode(buffer.getvalue()).decode('ascii')
    width = round(figure.get_figwidth() * 110)
    text = html.escape(caption)
    return (f'<figure style="margin: 1.5em 0; max-width: {width}px">'
            f'<img alt="{text}" src="data:image/png;base64,{code}">'
            f'<figcaption>{text}</figcaption></figure>')


def _cards(values, names):
    """
    Return the main numbers, large.
    """
    cards = []
    for key, form, label in _CARDS:
        if f'{key}_{names[0]}' in values:
            numbers = ''.join(
                f'<b class="{name}">{as_text(values[f"{key}_{name}"], form)}'
                '</b>' for name in names)
            cards.append(f'<div class="card">{numbers}<span>{label}</span>'
                         '</div>')
    return f'<div class="cards">{"".join(cards)}</div>'


def _ways(report, names):
    """
    Return the table of all choices of stars.
    """
    ways = list(WAYS)
    rows = [['stars recovered'], *(
        [f'{level:.0%} complete to'] for level in report.limits[ways[0]])]
    for way in ways:
        values = report.ways[way]
        if way in report.limits:
            texts = [(f'{values["n_recovered"]} of {values["n"]} '
                     f'({as_text(values["completeness"], ".1%")})')]
            texts += [f'{limit:.2f} mag' if np.isfinite(limit) else '—'
                      for limit in report.limits[way].values()]
        else:
            texts = [f'{values["n_recovered"]}', *[''] * (len(rows) - 1)]
        for row, text in zip(rows, texts, strict=True):
            row += ['', text][-len(names):]
    for row in rows:
        row.append('')
    for key, text, form, ideal in ROWS:
        if f'{key}_{names[0]}' in report.ways[ways[0]]:
            rows.append([text, *(
                as_text(report.ways[way][f'{key}_{name}'], form)
                for way in ways for name in names), ideal])
    if 'ratio' in report.ways[ways[0]]:
        for key, text in (('ratio', 'equation 11'),
                          ('ratio_robust', 'equation 11, robust widths')):
            rows.append([text, *(
                cell for way in ways
                for cell in ('', as_text(report.ways[way][key], '.3f'))), ''])
    return _table([('', ()), *((WAYS[way], names) for way in ways),
                   ('ideal', ())], rows, labels=report.labels)


def _bins(table, axes, names):
    """
    Return a table of bins.
    """
    head = [(axis.removesuffix('_true'), ()) for axis in axes]
    head += [('stars', ()), ('recovered', ())]
    columns = [[f'{low:.3g} … {high:.3g}' for low, high in
                zip(table[f'{axis}_low'], table[f'{axis}_high'], strict=True)]
               for axis in axes]
    columns += [[str(n) for n in table['n']],
                [as_text(part, '.1%') for part in table['completeness']]]
    for key, text, form in COLUMNS:
        head.append((text, names))
        columns += [[as_text(value, form) for value in table[f'{key}_{name}']]
                    for name in names]
    return _table(head, list(zip(*columns, strict=True)))


def _table(head, rows, kind='', labels=None):
    """
    Return rows of text as a table.

    The head has titles, each with the names of the columns under it.
    """
    top = ''
    if head:
        first = second = ''
        for text, names in head:
            if names:
                first += (f'<th colspan="{len(names)}">{html.escape(text)}'
                          '</th>')
                second += ''.join(
                    f'<th class="{name}">'
                    f'{html.escape((labels or {}).get(name, name))}</th>'
                    for name in names)
            else:
                first += '<th></th>'
                second += f'<th>{html.escape(text)}</th>'
        top = f'<thead><tr>{first}</tr><tr>{second}</tr></thead>'
    body = ''.join(
        f'<tr>{"".join(f"<td>{html.escape(str(cell))}</td>" for cell in row)}'
        '</tr>' for row in rows)
    return (f'<div class="wide"><table class="{kind}">{top}<tbody>{body}'
            '</tbody></table></div>')
