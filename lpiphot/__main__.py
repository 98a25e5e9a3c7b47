# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Run the command line: ``python -m lpiphot``.
"""

import sys

from lpiphot.cli import main

if __name__ == '__main__':
    sys.exit(main())
