"""
Slow, dense references. They import nothing of lpiphot.
"""
