r"""What a JPEG file says of the image: each coefficient's interval, as a data term for deepinv.

TRD (Chen, Yu, Pock, CVPR 2015), eq. 8 and 9, extended to colour, to subsampled chrominance and to
incomplete blocks; docs/jpeg.md has the proofs.
"""

from __future__ import annotations

import math

import torch
from deepinv.optim import DataFidelity
from deepinv.utils import TensorList
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg import BLOCK, Box
from pnp_priors.physics.jpeg_physics import JPEG
from pnp_priors.physics.jpeg_planes import (
    Plane,
    Span,
    canvas_coefficients,
    canvas_of,
    to_planes,
    to_rgb,
)

#: of the quantisation intervals, in steps, unless asked: all of them, but for their very ends
WIDTH = 0.998

#: iterations on incomplete blocks at most, and how far, in steps, they may be from their box
_ITERATIONS, _TOLERANCE = 500, 2.5e-4


class QuantisationInterval(DataFidelity):
    r"""Indicator of the images that :class:`pnp_priors.physics.jpeg_physics.JPEG` maps to y.

    :math:`f(x) = 0` if each coefficient of A x is within ``width``/2 steps of y, else infinite.

    Its proximal map is the projection onto that set for every step size. The metric is
    :math:`\|u\|^2 = \sum_p w_p \|(T u)_p\|^2` over the planes p of T u = (Y, Cb, Cr), with any
    positive weights: the projection is the same for all of them, because the set is a product over
    planes. For gray images it is the Euclidean metric. In that of RGB the planes would be coupled
    (T is not orthogonal) and, with 4:2:0, neighbouring pixels too, without a closed form.
    Blocks that the image's border cuts have none either: they are projected by iteration, to
    0.00025 steps or 500 iterations, and there a pixel weighs as often as the encoder repeats it.
    Repetition leaves fewer pixels than coefficients: there may be no image at all in their box if
    ``width`` is well below 1, or if another encoder fills blocks otherwise; :meth:`excess` tells.

    :param width: of the intervals in quantisation steps, in (0, 1]. At 1 a projected coefficient
        can be on the edge of its interval, where rounding decides at random; a bit below, the
        result is encoded to y again.
    :raises InputError: another width.
    """

    def __init__(self, width: float = WIDTH) -> None:
        super().__init__()
        if not 0 < width <= 1:
            raise InputError(f"width is above 0 and at most 1 (quantisation steps), got {width!r}")
        self.width = float(width)

    def fn(self, x: Tensor, y: TensorList, physics: JPEG, *_: object, **__: object) -> Tensor:
        """``[B]``: 0, or infinity where a coefficient is out of its interval by more than 0.001."""
        outside = self.excess(x, y, physics) > 1e-3
        return torch.zeros_like(outside, dtype=x.dtype).masked_fill(outside, math.inf)

    def excess(self, x: Tensor, y: TensorList, physics: JPEG) -> Tensor:
        """``[B]``: how far, in quantisation steps, the worst coefficient is out of its interval."""
        worst = [
            ((c - target).abs() / physics.steps(k, c)).flatten(1).amax(1) - self.width / 2
            for k, (c, target) in enumerate(zip(physics.A(x), y, strict=True))
        ]
        return torch.stack(worst).amax(0).clamp(min=0)

    def grad(self, *_: object, **__: object) -> Tensor:
        """:raises InputError: an indicator has no gradient."""
        raise InputError(
            "the quantisation interval has a projection and no gradient: "
            "use a solver with a proximal data step (hqs, admm, drs)"
        )

    def prox(
        self, x: Tensor, y: TensorList, physics: JPEG, *_: object, gamma: object = 1.0, **__: object
    ) -> Tensor:
        """The projection, whatever ``gamma``: ``[B, C, H, W]``."""
        colour = len(physics.planes) == 3
        split = (to_planes(x) if colour else x).split(1, dim=1)
        parts = [
            project_plane(image, plane, box, physics.steps(k, image))
            for k, (image, plane, box) in enumerate(
                zip(split, physics.planes, physics.boxes(y, self.width), strict=True)
            )
        ]
        return to_rgb(torch.cat(parts, dim=1)) if colour else parts[0]


def project_plane(image: Tensor, plane: Plane, box: Box, steps: Tensor) -> Tensor:
    """The nearest plane ``[B, 1, H, W]`` whose coefficients are in the box.

    :param steps: ``[8, 8]``, the unit of the tolerance in incomplete blocks.
    """
    canvas = plane.pad(image)
    height, width = plane.size
    result = _onto_box(canvas, box, plane.factors)[..., :height, :width]
    # The last row and column of blocks, where pixels are repeated, are projected anew.
    down = BLOCK * plane.factors[0] * (plane.blocks[0] - 1)
    right = BLOCK * plane.factors[1] * (plane.blocks[1] - 1)
    if canvas.shape[-2] > height:
        result[..., down:, :] = _onto_both(image, plane, box, steps, (down, None), (0, None))
    if canvas.shape[-1] > width:
        rest = down if canvas.shape[-2] > height else None
        if rest != 0:
            part = _onto_both(image, plane, box, steps, (0, rest), (right, None))
            result[..., :rest, right:] = part
    return result


def _onto_box(canvas: Tensor, box: Box, factors: tuple[int, int]) -> Tensor:
    """Nearest canvas in the box: x + m D'(P(Dx) - Dx), with D D' = I/m."""
    found = canvas_coefficients(canvas, factors)
    inside = torch.minimum(torch.maximum(found, box.low), box.high)
    return canvas + canvas_of(inside - found, factors)


def _onto_both(
    image: Tensor, plane: Plane, box: Box, steps: Tensor, rows: Span, columns: Span
) -> Tensor:
    """Nearest part of the plane in the box, its border pixels repeated.

    With E the repetition, an isometry in the metric that counts pixels as often as they are
    repeated: min |w - w0|^2 so that C D E w is in the box. Its dual is solved by an accelerated
    proximal gradient (Beck, Teboulle, SIAM J. Imaging Sci. 2009), for each block by itself, with
    O'Donoghue's and Candes' restart (Found. Comput. Math. 2015). D D' = I/m gives the step m.

    :param rows, columns: first and last pixel of the part, on block borders of the canvas.
    """
    part = plane.part(rows, columns)
    blocks = slice(*_blocks(rows, plane.factors[0])), slice(*_blocks(columns, plane.factors[1]))
    low, high = (bound[:, :, blocks[0], blocks[1]] for bound in box)
    start = part.pad(image[..., slice(*rows), slice(*columns)])
    counts = part.pad_adjoint(torch.ones_like(start))
    # The dual variable, divided by m, and the point that momentum extrapolates it to.
    dual = ahead = torch.zeros_like(low)
    momentum = torch.ones_like(low[..., :1, :1])
    pixels = image
    for _ in range(_ITERATIONS):
        pixels = part.pad_adjoint(start - canvas_of(ahead, plane.factors)) / counts
        target = ahead + part.coefficients(pixels)
        new = target - torch.minimum(torch.maximum(target, low), high)
        # The coefficients are this far from the clamped ones: none is further out of its box.
        if ((new - ahead).abs() / steps).max() <= _TOLERANCE:
            break
        turned = ((ahead - new) * (new - dual)).sum((-2, -1), keepdim=True) > 0
        momentum = torch.where(turned, 1.0, momentum)
        following = (1 + (1 + 4 * momentum**2).sqrt()) / 2
        push = torch.where(turned, 0.0, (momentum - 1) / following)
        dual, ahead, momentum = new, new + push * (new - dual), following
    return pixels


def _blocks(span: Span, factor: int) -> Span:
    side = BLOCK * factor
    return span[0] // side, None if span[1] is None else span[1] // side
