# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Local pixelwise infilling (LPI), one module a stage.

The way of the data, in the order of the modules:

==============  ========================================================
`.psf`          catalogue, PSF model -> unit-flux PSF stamps
`.rendering`    stars -> their model on any part of the image, to subtract
`.noise`        residual -> local level and scatter of its pixels
`.masks`        residual -> pixels to infill; per star: good, hidden
                and ignored pixels
`.infill`       residual, mask -> a hole-free residual, only to learn
                from (section 2.5)
`.loudness`     residual, mask -> how loud its blocks are; hole-free
                residual -> the same with the loud ones calmed
`.covariance`   hole-free residual -> local mean and covariance of a
                stamp (section 2.4, equation 6)
`.neighbours`   other stars -> terms of the covariance, members of a
                star's group, and close pairs
`.templates`    star and group -> the shapes that are solved jointly
`.correction`   conditional Gaussian, templates -> corrections
                (section 2.6, equations 9 and 10)
`.typical`      weights of the pixels in a flux -> what it is typically
                off by, where no star is
==============  ========================================================

`.scene` runs those up to `.loudness` on any region of the image, and
`.solve` the others for the stars of one job, with the photon noise of
stars from `.star_noise`; `.tiles` says which stars, and what region.

Holes of images without stars take a way of their own, from `.infill` and
`.covariance` on:

==============  ========================================================
`.holes`        mask -> blocks of pixels, in the order of filling
`.fill`         block by block: mean, covariance and draws of its pixels
==============  ========================================================

The conditional Gaussian itself (equations 4 and 5) is
`lpiphot.gaussian`. Sections and equations are those of Saydjari &
Finkbeiner (2022). After `.psf`, everything is plain arrays.
"""
