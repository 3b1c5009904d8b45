"""A training step of DnCNN-B in bfloat16, three ways that take turns in one run.

With batch normalisation, as the paper trains it; without, one operation per layer; without, and
each convolution fused with its ReLU, as the project's recipes train it on a CPU (on a GPU there is
nothing to fuse, and the last two are the same).
"""

from __future__ import annotations

from statistics import median

import torch
from measuring import arguments, devices, interleaved, machine, show
from torch import Tensor

from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.training.command import recipe_path
from pnp_priors.training.muon import Muon
from pnp_priors.training.process import keep_freed_memory
from pnp_priors.training.recipe import Recipe


class Step:
    """One training step at a time, always on the same batch."""

    def __init__(self, recipe: Recipe, device: torch.device, batch_norm: bool, fused: bool) -> None:
        torch.manual_seed(0)
        network = DnCNN(**{**recipe.architecture, "batch_norm": batch_norm})
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.fused = fused
        parameters = list(self.network.parameters())
        self.optimizer = Muon([{"params": parameters}], lr=1e-6)
        side = recipe.data.patch
        self.clean = torch.rand(recipe.data.batch, 1, side, side, device=device)
        self.noisy = self.clean + 0.1 * torch.randn_like(self.clean)

    def _restored(self) -> Tensor:
        return (
            self.network(self.noisy) if self.fused else self.noisy - self.network.body(self.noisy)
        )

    def __call__(self) -> None:
        with torch.autocast(self.clean.device.type, torch.bfloat16):
            restored = self._restored()
        loss = (restored.float() - self.clean).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def main() -> None:
    """Print one table per device."""
    options = arguments(__doc__ or "", repeats=5).parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    recipe = Recipe.read(recipe_path("dncnn-b"))
    for device in devices():
        measure(device, recipe, options.repeats)


def measure(device: torch.device, recipe: Recipe, repeats: int) -> None:
    """Time the three ways on one device."""
    ways = {"batch normalisation": (True, False), "without": (False, False), "fused": (False, True)}
    actions = {name: Step(recipe, device, *way) for name, way in ways.items()}
    seconds = interleaved(actions, repeats, device)
    pixels = recipe.data.batch * recipe.data.patch**2
    slowest = min(seconds["batch normalisation"])
    rows = [
        [
            name,
            f"{pixels / min(times):,.0f}",
            f"{pixels / median(times):,.0f}",
            f"{slowest / min(times):.2f} x",
        ]
        for name, times in seconds.items()
    ]
    show(
        f"DnCNN-B, training step of {recipe.data.batch} patches of "
        f"{recipe.data.patch}x{recipe.data.patch}, {device.type}",
        ["", "pixels/s, best", "median", "speed"],
        rows,
        f"{repeats} repeats.\n{machine(device)}",
    )


if __name__ == "__main__":
    main()
