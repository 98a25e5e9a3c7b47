# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
The directive ``flag-table``: the bits of a registry as a table.
"""

from sphinx.util.docutils import SphinxDirective

from lpiphot import flags


class FlagTable(SphinxDirective):
    """
    Make a table of the flags of a registry of `lpiphot.flags`.
    """

    required_arguments = 1

    def run(self):
        """
        Return the table.
        """
        lines = ['.. list-table::', '   :header-rows: 1',
                 '   :widths: 10 30 60', '',
                 '   * - bit', '     - name', '     - meaning']
        for flag in getattr(flags, self.arguments[0]):
            lines += [f'   * - {flag.bit}', f'     - ``{flag.name}``',
                      f'     - {flag.description}']
        return self.parse_text_to_nodes('\n'.join(lines))


def setup(app):
    """
    Add the directive.
    """
    app.add_directive('flag-table', FlagTable)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
