"""
Infilling by boxcar means, pixel by pixel (section 2.5).
"""

import numpy as np

__all__ = ['boxcar_infill', 'half_widths']


def half_widths():
    """
    Of the boxcars: 19 pixels wide, growing by 1.4, each as near to that as
    an odd number of pixels comes.
    """
    return [round((19 * 1.4 ** step - 1) / 2) for step in range(10)]


def boxcar_infill(image, mask, n_widths=10, smaller=()):
    """
    Each masked pixel gets the mean of the good pixels of the smallest
    of some boxcars about it that has at least 10; NaN where none has.
    ``smaller`` has the half widths of boxcars that come before.
    """
    filled = np.where(mask, np.nan, image)
    for y, x in np.argwhere(mask):
        for half in [*smaller, *half_widths()[:n_widths]]:
            box = (slice(max(0, y - half), y + half + 1),
                   slice(max(0, x - half), x + half + 1))
            good = image[box][~mask[box]]
            if good.size >= 10:
                filled[y, x] = good.mean()
                break
    return filled
