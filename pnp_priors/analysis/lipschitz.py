r"""An empirical lower bound of a Lipschitz constant, by power iteration on the Jacobian.

At an image x, :math:`v \leftarrow J^\top J v / \|J^\top J v\|` turns towards the direction in which
the function f with Jacobian J amplifies most. What is reported is a quotient

.. math:: \|f(x + hv) - f(x - hv)\| / \|2hv\|

of two inputs that really differ in this way, so that no Lipschitz constant of f can be smaller
(up to the rounding of its floating point numbers). It may well be larger, at other images or in a
direction that the iteration did not find: this is no certificate of anything.

:math:`Jv` is that quotient's vector (central differences) and :math:`J^\top u` is automatic
differentiation: every prior has a backward pass, not every one a forward or a double one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: norm of the step hv, of images in [0, 1]: large against the rounding of float32, small against
#: the noise; a direction concentrated on 50 pixels changes each by about one gray level of 255
STEP = 0.03


class PowerIteration:
    """Power iteration for the gain of a function at one image.

    :param function: of ``[1, C, H, W]``, differentiable, of the same shape; parameters frozen.
    :param x: where.
    :param start: a direction to start from, for example that of a similar problem; random if not
        given.
    :param seed: of the random direction.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        x: Tensor,
        start: Tensor | None = None,
        seed: int = 0,
        step: float = STEP,
    ) -> None:
        self.function, self.step = function, step
        self.x = x.detach()
        if start is None:
            generator = torch.Generator().manual_seed(seed)
            start = torch.randn(x.shape, generator=generator).to(x)
        self.direction = start / start.norm()
        #: the largest quotient so far, and the direction of it
        self.bound = 0.0
        self.best = self.direction
        with torch.enable_grad():
            self._input = self.x.clone().requires_grad_()
            self._output = function(self._input)

    def advance(self) -> float:
        """One iteration.

        :returns: the largest quotient so far.
        """
        offset = self.step * self.direction
        with torch.no_grad():
            image = self.function(self.x + offset) - self.function(self.x - offset)
        image = image / (2 * self.step)
        quotient = float(image.norm() / self.direction.norm())
        if quotient > self.bound:
            self.bound, self.best = quotient, self.direction
        # A function that does not depend on its input through the graph has no gradient.
        (back,) = torch.autograd.grad(
            self._output, self._input, image, retain_graph=True, allow_unused=True
        )
        norm = 0.0 if back is None else float(back.norm())
        if back is not None and norm > 0:
            self.direction = back / norm
        return self.bound


def lower_bound(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    iterations: int = 20,
    seed: int = 0,
    step: float = STEP,
) -> float:
    """A lower bound of the Lipschitz constant of ``function``, found at ``x``; no certificate.

    :param x: ``[1, C, H, W]``.
    :param step: norm of the difference that is taken, in units of the image.
    """
    power = PowerIteration(function, x, seed=seed, step=step)
    for _ in range(iterations):
        power.advance()
    return power.bound
