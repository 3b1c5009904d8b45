r"""Super-resolution with any Gaussian prior: two models of the small image, one solver for both.

``bicubic``
    Antialiased bicubic reduction, as in the field's tables, by any ratio from 1 on, whole or not:
    :class:`pnp_priors.physics.resizing.BicubicReduction`, exact up to the borders.
``decimation``
    A given kernel, then every scale-th pixel: :class:`pnp_priors.physics.decimation.Decimation`. It
    is circular, so that the small image is put on a larger canvas first and the result cropped.

Both begin at the bicubic enlargement. A prior trained for super-resolution (``dncnn-3``) restores
that enlargement itself in one pass instead: :func:`one_pass`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from deepinv.physics import LinearPhysics
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.monitoring import iterates
from pnp_priors.physics.bicubic import resize
from pnp_priors.physics.decimation import Decimation, placed
from pnp_priors.physics.reductions import LARGEST, LUMA, enlarged_size
from pnp_priors.physics.resizing import BicubicReduction
from pnp_priors.solvers.build import solver
from pnp_priors.solvers.schedules import Schedule, super_resolution

if TYPE_CHECKING:
    from deepinv.models import Denoiser

__all__ = [
    "LARGEST",
    "LUMA",
    "Enlargement",
    "bicubic",
    "decimation",
    "enlarge",
    "enlarged_size",
    "luminance",
    "super_resolve",
]

#: small pixels of canvas beyond the kernel's reach, and the weight and the steps of the search for
#: what lies there, see :func:`_continued`
_ROOM, _TRUST, _STEPS = 4, 100.0, 30


@dataclass(frozen=True)
class Enlargement:
    """What a solver needs to enlarge one batch, and what of its result is the image.

    :param physics: from the large image to the small one, with a closed-form ``prox_l2``.
    :param y: small images ``[B, C, h, w]``, on a canvas where ``physics`` asks for one.
    :param init: ``[B, C, H, W]``, where the solver begins.
    :param edge: large pixels of canvas around the result.
    """

    physics: LinearPhysics
    y: Tensor
    init: Tensor
    edge: int = 0

    def crop(self, x: Tensor) -> Tensor:
        """The result without its canvas."""
        height, width = (size - self.edge for size in x.shape[-2:])
        return x[..., self.edge : height, self.edge : width]


def enlarge(y: Tensor, scale: float) -> Tensor:
    """Bicubic enlargement of ``[..., h, w]``, clipped to [0, 1]."""
    return resize(y, *enlarged_size(y.shape[-2], y.shape[-1], scale)).clamp(0, 1)


def bicubic(y: Tensor, scale: float) -> Enlargement:
    """Images that were reduced bicubically with antialiasing.

    :param y: ``[B, C, h, w]`` in [0, 1].
    :param scale: from 1 to 8; sides are rounded to whole pixels. On the training crops of
        :func:`pnp_priors.solvers.schedules.super_resolution`, at scale 1.5 / 2.5, bicubic
        enlargement reaches 31.29 / 27.62 dB, this 33.58 / 28.84, and enlargement by the nearest
        whole number with bicubic reduction afterwards 33.39 / 28.79.
    """
    init = enlarge(y, scale)
    height, width = init.shape[-2:]
    size = (y.shape[-2], y.shape[-1])
    physics = BicubicReduction((y.shape[1], height, width), size, y.device).to(y)
    return Enlargement(physics, y, init)


def decimation(y: Tensor, kernel: Tensor, scale: int, alignment: str = "first") -> Enlargement:
    """Images that were blurred by a known kernel and decimated.

    :param y: ``[B, C, h, w]`` in [0, 1].
    :param kernel: ``[k, l]`` on the grid of the large image, odd sizes, sum 1.
    :param scale: a whole number from 1 to 8.
    :param alignment: where the small pixels lie, see :func:`pnp_priors.physics.decimation.placed`.
    :raises InputError: a scale that is not whole, or an image smaller than the kernel.
    """
    enlarged_size(y.shape[-2], y.shape[-1], scale)
    if scale != int(scale):
        raise InputError(f"blur and decimation take a whole scale, got {scale:g}")
    scale = int(scale)
    if any(k > scale * n for k, n in zip(kernel.shape, y.shape[-2:], strict=True)):
        raise InputError(
            f"the kernel {list(kernel.shape)} is larger than the enlarged image, "
            f"{[scale * n for n in y.shape[-2:]]}"
        )
    kernel = placed(kernel.to(y), scale, alignment)
    room = math.ceil(max(kernel.shape[-2:]) / 2 / scale) + _ROOM
    canvas = _mirrored(y, room)
    height, width = (scale * size for size in canvas.shape[-2:])
    physics = Decimation((y.shape[1], height, width), kernel, scale, y.device)
    init = resize(canvas, height, width).clamp(0, 1)
    if alignment == "first":
        init = _shifted(init, (scale - 1) / 2)
    return Enlargement(physics, _continued(canvas, init, physics, room), init, scale * room)


def _mirrored(y: Tensor, room: int) -> Tensor:
    """Mirrored around its edges, which are not repeated, as often as a small image needs."""
    rows, columns = (_there_and_back(size, room).to(y.device) for size in y.shape[-2:])
    return y[..., rows[:, None], columns]


def _there_and_back(size: int, room: int) -> Tensor:
    places = torch.arange(-room, size + room)
    last = max(size - 1, 1)
    return (last - (places % (2 * last) - last).abs()).clamp(max=size - 1)


def _shifted(x: Tensor, pixels: float) -> Tensor:
    """Moved up and left; half a pixel is the mean of both neighbours. The far edges repeat."""
    near, far = math.floor(pixels), math.ceil(pixels)
    room = F.pad(x, (0, far, 0, far), mode="replicate")
    height, width = x.shape[-2:]
    parts = [
        room[..., down : down + height, right : right + width]
        for down in (near, far)
        for right in (near, far)
    ]
    return torch.stack(parts).mean(0)


def _continued(canvas: Tensor, init: Tensor, physics: Decimation, room: int) -> Tensor:
    """Write around the small image what the kernel could have made there.

    A mirrored image is not the circular blur of anything, least of all with a kernel that is not
    symmetric, and a solver that believes it rings. So the large image nearest to ``init`` that
    explains the small one within its frame is sought by conjugate gradients, and its own blur is
    written outside the frame; inside nothing changes.

    Measured on the training crops of :func:`pnp_priors.solvers.schedules.super_resolution`, cut
    from larger images blurred by Levin's first kernel, at scale 2 with ffdnet-gray: PSNR of the
    whole / of the outer 8 pixels mirrored 27.61 / 24.94 dB, this way 28.45 / 26.72.
    """
    frame = torch.zeros_like(canvas)
    frame[..., room:-room, room:-room] = 1
    framed = LinearPhysics(
        A=lambda x, **_: frame * physics.A(x), A_adjoint=lambda y, **_: physics.A_adjoint(frame * y)
    )
    found = framed.prox_l2(init, frame * canvas, gamma=_TRUST, solver="CG", max_iter=_STEPS)
    return torch.where(frame > 0, canvas, physics.A(found))


@torch.no_grad()
def super_resolve(
    task: Enlargement,
    prior: Denoiser,
    schedule: Schedule | None = None,
    name: str = "hqs",
    noise: float = 0.0,
    mirror: bool = True,
) -> Tensor:
    """Enlarge images by a solver of deepinv's.

    :param task: of :func:`bicubic` or :func:`decimation`.
    :param prior: any Gaussian denoiser; a gray one denoises the channels of colour one by one.
    :param schedule: :func:`pnp_priors.solvers.schedules.super_resolution` by default.
    :param noise: standard deviation of the noise in the small image, [0, 1] units; 0 is allowed.
    :param mirror: as :func:`pnp_priors.solvers.solver` takes it.
    :returns: ``[B, C, H, W]``, not clipped.
    :raises UnknownNameError: no such solver.
    """
    if schedule is None:
        schedule = super_resolution(noise, task.init.shape[-2] / task.y.shape[-2])
    model = solver(name, prior, schedule, mirror=mirror)
    return task.crop(iterates.solve(model, task.y, task.physics, init=task.init))


@torch.no_grad()
def one_pass(y: Tensor, prior: Denoiser, scale: float) -> Tensor:
    """The bicubic enlargement after one pass of a prior trained to restore it.

    :param y: ``[B, C, h, w]``; a gray prior restores the channels one by one.
    """
    return prior(enlarge(y, scale), None)


@torch.no_grad()
def luminance(
    y: Tensor, scale: float, restore: Callable[[Tensor], Tensor], shift: float = 0.0
) -> Tensor:
    """Enlarge colours with a method for gray images: its luminance, and the rest bicubically.

    What the papers do: eyes and measures are hardly sensitive to the resolution of chroma.

    :param y: ``[B, 3, h, w]``, red, green, blue.
    :param restore: from ``[B, 1, h, w]`` to ``[B, 1, H, W]``.
    :param shift: large pixels by which what ``restore`` returns lies up and left of a bicubic
        enlargement: ``(scale-1)/2`` with the alignment ``first``.
    """
    gray = torch.einsum("c,bchw->bhw", torch.tensor(LUMA).to(y), y)[:, None]
    rest = resize(y - gray, *enlarged_size(y.shape[-2], y.shape[-1], scale))
    return restore(gray) + (_shifted(rest, shift) if shift else rest)
