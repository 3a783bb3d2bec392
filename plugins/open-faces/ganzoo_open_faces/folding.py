"""Folds an affine layer into the convolution before it."""


def fold_affine(weight, bias, scale, offset):
    """Return weights [out, in, k, k] and bias [out] of the convolution followed by
    ``scale * x + offset``; arrays, with scale and offset of `out` values each."""
    scale, offset = scale.reshape(-1), offset.reshape(-1)
    return weight * scale[:, None, None, None], bias * scale + offset
