# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Compiled kernels. Arrays in, arrays out: no units, tables or models.

Each kernel has a thin border in Python that allocates and checks, and
a slow, plain form in ``tests/oracles`` that it is tested against.
"""
