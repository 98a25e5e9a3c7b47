# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""
Imputation by Gaussian process regression, one module a stage.

The way of the data, in the order of the modules:

==============  ========================================================
`.kernels`      distances between pixels -> covariance (equations 4 to
                6)
`.window`       the neighbours of a pixel: which are alike, how they
                scatter
`.weights`      kernel, pattern of bad neighbours -> weights and
                variance (equation 3, normalised)
`.orbits`       neighbours that are alike: their sums, their weights
`.training`     sums -> kernel parameters (section 3.1, equation 7)
`.model`        kernels, and which of them a pixel takes
`.sample`       image -> noise, spikes, bright pixels (section 4.1)
`.pixels`       image -> training pixels with their neighbours
`.patterns`     which neighbours may be lost, and weights of the others
`.rows`         training pixels, kernels -> residuals
`.choices`      which kernel is best for all pixels
`.mending`      bad neighbours of training pixels, filled for a while
`.errors`       residuals of training pixels -> errors of filled ones
`.classes`      which kernel is best for each class, with what error
`.learn`        images -> model
`.slopes`       neighbours on one side of a pixel -> without their slope
`.fill`         image, model -> filled pixels, errors, flags (section
                4.3)
==============  ========================================================

Sections and equations are those of Zhang & Brandt (2021). Beyond them:
kernels are chosen by the contrast and shape of the neighbourhood of a
pixel, so that the sky is averaged and stars are kept; and every filled
pixel has an error, from the residuals of training pixels like it.
"""
