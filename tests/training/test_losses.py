"""Losses: one value per image."""

from __future__ import annotations

import torch

from pnp_priors.training.losses import LOSSES, absolute_error, squared_error


def test_values_per_image() -> None:
    clean = torch.zeros(2, 1, 2, 2)
    restored = torch.tensor([[1.0, -1, 1, -1], [0.0, 0, 0, 2]]).reshape(2, 1, 2, 2)
    assert squared_error(restored, clean).tolist() == [1.0, 1.0]
    assert absolute_error(restored, clean).tolist() == [1.0, 0.5]


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, restored = torch.rand(2, 2, 1, 3, 4, generator=generator, dtype=torch.float64)
    restored.requires_grad_()
    for loss in LOSSES.values():
        assert loss(restored, clean).shape == (2,)
        assert torch.autograd.gradcheck(loss, (restored, clean))
