"""A training step of genericDP against the same step written in the straightforward way.

A step is a batch of the recipe (genericdp.yaml) through 8 stages, the mean squared error, its
gradients and Adam. The straightforward way is float32 throughout: conv2d, influence functions
looked up by a flat index into their tables, with an autograd function whose backward scatters into
them, and conv_transpose2d. Both keep freed memory in the process, as the training loop does; that
helps the straightforward way, too. They take turns, in one run.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from measuring import arguments, devices, interleaved, machine, show
from torch import Tensor

from pnp_priors.priors.reaction_diffusion import ReactionDiffusion, symmetric_pad
from pnp_priors.training.command import recipe_path
from pnp_priors.training.process import keep_freed_memory
from pnp_priors.training.recipe import Recipe


class FlatLookup(torch.autograd.Function):
    """Linear interpolation in tables ``[N, entries]`` at positions ``[B, N, H, W]``, in entries."""

    @staticmethod
    def forward(ctx: Any, position: Tensor, table: Tensor) -> Tensor:
        count, entries = table.shape
        clamped = position.clamp(0, entries - 1.001)
        below = clamped.floor()
        share = clamped - below
        row = entries * torch.arange(count, device=table.device)[:, None, None]
        index = below.long() + row
        flat = table.reshape(-1)
        left, right = flat[index], flat[index + 1]
        ctx.save_for_backward(index, share, right - left)
        ctx.shape = table.shape
        return left + share * (right - left)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        index, share, slope = ctx.saved_tensors
        grad = grads[0]
        table = torch.zeros(ctx.shape.numel(), device=grad.device)
        table.index_add_(0, index.reshape(-1), (grad * (1 - share)).reshape(-1))
        table.index_add_(0, index.reshape(-1) + 1, (grad * share).reshape(-1))
        return grad * slope, table.reshape(ctx.shape)


class Straightforward(torch.nn.Module):
    """The same process with the same parameters."""

    def __init__(self, process: ReactionDiffusion) -> None:
        super().__init__()
        self.process = process

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        process, basis = self.process, self.process.basis
        strength = process.reaction_at(sigma[:, None, None, None])
        kernels = process.filters()
        tables, _ = basis.table(process.weights)
        pad = process.filter_size - 1
        noisy = u = 255 * x
        for stage in range(process.stages):
            kernel = kernels[stage]
            response = F.conv2d(symmetric_pad(u, pad), kernel)
            position = (response - basis.table_start) / basis.table_step
            force = FlatLookup.apply(position, tables[stage])
            step = F.conv_transpose2d(force, kernel, padding=pad)
            u = u - step - strength[stage] * (u - noisy)
        return u / 255


class Step:
    """One training step at a time, always on the same batch."""

    def __init__(self, network: torch.nn.Module, recipe: Recipe, device: torch.device) -> None:
        self.network = network.to(device).train()
        groups = [{"params": [p], "lr": 1e-6} for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(groups)
        generator = torch.Generator().manual_seed(0)
        batch, side = recipe.data.batch, recipe.data.patch
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        clean = (0.5 + 0.3 * torch.sin(x / 9) * torch.cos(y / 7)).expand(batch, 1, side, side)
        low, high = recipe.data.sigma
        self.sigma = (low + (high - low) * torch.rand(batch, generator=generator)).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        self.clean = clean.to(device)
        self.noisy = self.clean + self.sigma[:, None, None, None] * noise

    def __call__(self) -> None:
        restored = self.network(self.noisy, self.sigma)
        loss = (restored - self.clean).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def main() -> None:
    """Print one table per device."""
    options = arguments(__doc__ or "", repeats=7).parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    recipe = Recipe.read(recipe_path("genericdp"))
    for device in devices():
        measure(device, recipe, options.repeats)


def measure(device: torch.device, recipe: Recipe, repeats: int) -> None:
    """Time both ways on one device."""
    fast, plain = (ReactionDiffusion(**recipe.architecture) for _ in range(2))
    fast.prepare_training(True)
    actions = {
        "as trained": Step(fast, recipe, device),
        "straightforward": Step(Straightforward(plain), recipe, device),
    }
    seconds = interleaved(actions, repeats, device)
    pixels = recipe.data.batch * recipe.data.patch**2
    cores = torch.get_num_threads() if device.type == "cpu" else 1
    best = {name: pixels / min(times) / cores for name, times in seconds.items()}
    middle = {name: pixels / median(times) / cores for name, times in seconds.items()}
    rows = [
        [name, f"{best[name]:,.0f}", f"{middle[name]:,.0f}", f"{1e3 * min(seconds[name]):,.0f}"]
        for name in seconds
    ]
    ratio = best["as trained"] / best["straightforward"]
    rows.append(["ratio", f"{ratio:.1f} x", "", ""])
    unit = "pixels/s and core" if device.type == "cpu" else "pixels/s"
    show(
        f"genericDP, {fast.stages} stages, training step of {recipe.data.batch} patches of "
        f"{recipe.data.patch}x{recipe.data.patch}, {device.type}",
        ["", f"{unit}, best", "median", "ms, best"],
        rows,
        f"{repeats} repeats.\n{machine(device)}",
    )


if __name__ == "__main__":
    main()
