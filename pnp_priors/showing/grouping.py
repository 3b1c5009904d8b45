"""What NN3D's non-local filter does in an image, as numbers: a group of blocks, shrinkage."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pnp_priors.benchmark.metrics import psnr
from pnp_priors.priors.nn3d import NN3D
from pnp_priors.report.picture import detail
from pnp_priors.showing.example import Example, steps


@dataclass(frozen=True, eq=False)
class Group:
    """The blocks that one reference block is filtered with.

    :param corners: row and column of each block's first pixel, the reference block's first.
    :param blocks: their pixels ``[G, C, side, side]``, of the restored image in which they were
        found.
    """

    corners: list[tuple[int, int]]
    blocks: Tensor


@torch.no_grad()
def group(prior: NN3D, shown: Example) -> Group:
    """The group of the most structured reference block, found where the prior finds it.

    :raises InputError: the example is smaller than a block.
    """
    levels = prior.nonlocal_filter
    smooth = prior.base(shown.usual.input, shown.usual.level / 255)
    extended = levels.extended(smooth)
    width = extended.shape[-1]
    across = (width - levels.block) // levels.stride + 1
    pixels = shown.clean[0].numpy()
    top, left, _, _ = detail(pixels, pixels, levels.block)
    reference = top // levels.stride * across + left // levels.stride
    corners = [divmod(int(index), width) for index in levels.match(extended)[0, reference]]
    side = levels.block
    blocks = [extended[0, :, y : y + side, x : x + side] for y, x in corners]
    return Group(corners, torch.stack(blocks))


def shrinkage(q: Tensor, tau: float) -> Tensor:
    r""":math:`q^3 / (q^2 + \tau^2)`: what becomes of a Haar coefficient across a group."""
    return q**3 / (q.square() + tau**2)


@torch.no_grad()
def rounds(prior: NN3D, shown: Example) -> dict[str, float]:
    """PSNR in dB of the input, and after each denoiser and each filter."""
    usual, outputs = shown.usual, []
    hook = prior.base.register_forward_hook(lambda module, given, out: outputs.append(out))
    try:
        prior(usual.input, usual.level / 255)
    finally:
        hook.remove()
    found = {"input": psnr(usual.input, shown.clean)}
    for count, smooth in enumerate(outputs[: prior.rounds], start=1):
        with steps(prior, "rounds", count):
            filtered = prior(usual.input, usual.level / 255)
        found[f"denoiser {count}"] = psnr(smooth.clamp(0, 1), shown.clean)
        found[f"filter {count}"] = psnr(filtered.clamp(0, 1), shown.clean)
    return found
