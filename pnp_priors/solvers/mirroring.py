"""A prior that sees the image mirrored another way in each iteration of a solver.

A trained denoiser does not restore a mirrored image quite as it restores the image. Over a few
iterations these differences average out, at no cost: the geometric self-ensemble that DPIR's
authors run through their iterations (Zhang et al., Plug-and-play image restoration with deep
denoiser prior, IEEE TPAMI 44(10), 2022, section 4.2); Terris et al. (CVPR 2024) found iterations
more stable with it. Quarter turns are left out: they added -0.01 to 0.05 dB to what mirroring gains
(``python benchmarks/mirroring.py``), and rows would become columns.
"""

from __future__ import annotations

from deepinv.models import Denoiser
from torch import Tensor

from pnp_priors.priors.base import Sigma

#: axes that iteration k mirrors, by k modulo their number
AXES: tuple[tuple[int, ...], ...] = ((), (-2, -1), (-1,), (-2,))


class Mirrored(Denoiser):
    """``prior`` for the mirrored image, mirrored back.

    :param prior: any denoiser.
    :param axes: those that are reversed, -2 (top and bottom change places) or -1, or both.
    """

    def __init__(self, prior: Denoiser, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.prior, self.axes = prior, axes

    def forward(self, x: Tensor, sigma: Sigma | None = None) -> Tensor:
        """``[B, C, H, W]`` to the same; sigma as the prior takes it, a map is mirrored along."""
        level = sigma
        if isinstance(level, Tensor) and level.ndim == 4:
            level = level.flip(self.axes)
        return self.prior(x.flip(self.axes), level).flip(self.axes)


def mirrored(prior: Denoiser, iterations: int) -> list[Denoiser]:
    """A denoiser for each iteration; the first is the prior itself.

    :param iterations: how many there are.
    """
    ways = [Mirrored(prior, axes) if axes else prior for axes in AXES]
    return [ways[k % len(ways)] for k in range(iterations)]
