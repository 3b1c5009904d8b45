"""Muon: steps along orthogonalised momentum, for networks of wide convolutions.

Jordan et al.: Muon, an optimizer for hidden layers in neural networks, 2024; the scale of a step
that lets it share Adam's learning rate: Liu et al.: Muon is scalable for LLM training,
arXiv:2502.16982, 2025, eq. 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

#: of the odd polynomial that drives all singular values near 1 (Jordan et al.)
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
#: root mean square of a step's entries as a share of lr: what Adam's steps typically have
STEP_RMS = 0.2
#: Adam's learning rate as a share of Muon's: constants that jump push channels below zero for good
ADAM_SHARE = 0.25
#: narrower matrices (of a last convolution, of a first one for few channels) are left to Adam
NARROWEST = 16


def orthogonalised(matrix: Tensor) -> Tensor:
    """Nearly the orthogonal factor of a matrix's polar decomposition, by Newton–Schulz iterations.

    :param matrix: ``[..., M, N]``.
    :returns: likewise, its singular values between about 0.7 and 1.2 (those of a rank-deficient
        matrix may stay below).
    """
    a, b, c = COEFFICIENTS
    if matrix.shape[-2] > matrix.shape[-1]:
        return orthogonalised(matrix.mT).mT
    # Each iteration is X <- (a + b G + c G²) X with G = X X'. All factors of X commute, so only
    # their product is kept, which for a wide X is much smaller than X itself.
    x = matrix / (torch.linalg.matrix_norm(matrix, keepdim=True) + 1e-12)
    gram = x @ x.mT
    identity = torch.eye(x.shape[-2], dtype=x.dtype, device=x.device)
    product = identity
    for _ in range(ITERATIONS):
        factor = a * identity + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    return product @ x


def is_wide(parameter: Tensor) -> bool:
    """Whether Muon trains it: a matrix or a bank of kernels with both sides at least 16."""
    return parameter.ndim >= 2 and min(len(parameter), parameter[0].numel()) >= NARROWEST


class Muon(torch.optim.Optimizer):
    """Muon for wide matrices and banks of kernels ``[out, in, ...]``, Adam for everything else.

    :param groups: as ``torch.optim.Adam`` takes them.
    :param betas: of Adam.
    :param momentum: of Muon, Nesterov's form.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        momentum: float = 0.95,
    ) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step from the gradients; a closure is not used."""
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in given:
                if is_wide(parameter):
                    alike[parameter.flatten(1).shape].append(parameter)
            for shape, parameters in alike.items():
                step = group["lr"] * STEP_RMS * max(shape) ** 0.5
                self._muon(parameters, step, group["momentum"])
            rate = ADAM_SHARE * group["lr"]
            self._adam([p for p in given if not is_wide(p)], rate, group["betas"])

    def _muon(self, parameters: list[Tensor], length: float, momentum: float) -> None:
        """One step of matrices of one shape, which a GPU orthogonalises together."""
        directions = []
        for parameter in parameters:
            gradient, state = parameter.grad, self.state[parameter]
            assert gradient is not None
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            state["momentum"].lerp_(gradient, 1 - momentum)
            directions.append(gradient.lerp(state["momentum"], momentum).flatten(1))
        steps = orthogonalised(torch.stack(directions))
        # What gets no gradient stays where it is. Orthogonalised, even the last remnant of its
        # momentum would be a step of full length, always in the same direction.
        moved = torch.stack([(p.grad != 0).any() for p in parameters if p.grad is not None])
        steps *= moved[:, None, None]
        for parameter, step in zip(parameters, steps, strict=True):
            parameter.sub_(step.reshape(parameter.shape), alpha=length)

    def _adam(self, parameters: list[Tensor], lr: float, betas: tuple[float, float]) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in parameters]
        adam(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=betas[0],
            beta2=betas[1],
            lr=lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
