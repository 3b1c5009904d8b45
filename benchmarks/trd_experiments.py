"""TRD's own experiments, repeated with this training code.

Fixed or trained influence functions, greedy or joint training, DCT or random filters to start from
(Chen, Yu, Pock, CVPR 2015, section 4). Every network is 5x5, five stages, sigma = 25, with the same
number of steps, patches and seeds; only what the row names differs. The training is short: the
order of the rows is what counts.

    python benchmarks/trd_experiments.py --data ../shared/data --out docs/trd-experiments.md
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pnp_priors.benchmark.data import load_image
from pnp_priors.benchmark.metrics import score
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.priors.base import Prior
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion
from pnp_priors.registry import SYSTEMS
from pnp_priors.training.command import recipe_path
from pnp_priors.training.data import image_files
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import Phase, Recipe

STAGES = 5


class RandomStart(ReactionDiffusion):
    """Filters and influence functions start uniform in [-0.5, 0.5], the latter on their scale."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            largest = self.weights.abs().max()
            self.coefficients.uniform_(-0.5, 0.5, generator=generator)
            self.weights.uniform_(-0.5, 0.5, generator=generator).mul_(largest)


class FixedInfluence(ReactionDiffusion):
    r"""Influence functions :math:`2z/(1+z^2)` for every filter; only the filters learn, their norms
    :math:`s` included: a filter of norm s acts as a unit one with :math:`s\phi(sz)`."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        z = self.basis.centres.double()
        values = self.basis.values(z, z)
        ridge = 1e-6 * torch.eye(len(z), dtype=torch.float64)
        fit = torch.linalg.solve(values.T @ values + ridge, values.T)
        self.register_buffer("fit", fit.float(), persistent=False)
        shape = self.weights.shape[:2]
        # A property can stand in for the parameter: it fails before ``norms`` exist, so that the
        # base class may register a parameter of this name first.
        del self.weights
        self.norms = nn.Parameter(torch.full(shape, 1 / 40))

    @property
    def weights(self) -> Tensor:  # type: ignore[override]
        s = self.norms[..., None]
        # Slope 0.25 / s^2 at zero for norms of 1/40: where the other networks start.
        force = 400 / self.filter_size**2 * s * (s * self.basis.centres)
        force = force / (1 + (s * self.basis.centres) ** 2)
        with torch.autocast(force.device.type, enabled=False):
            return force @ self.fit.T

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return super().parameter_groups() | {"influence": [self.norms]}


VARIANTS: dict[str, dict[str, Any]] = {
    "fixed influence functions, joint": {
        "system": "fixed-influence",
        "lr": {"influence": 1e-3},
    },
    "trained, greedy alone": {
        "phases": [
            {"until": stage / STAGES, "grow": {"stages": stage, "greedy": 1}}
            for stage in range(1, STAGES + 1)
        ]
    },
    "trained, greedy, then joint": {
        "phases": [
            *(
                {"until": stage / (2 * STAGES), "grow": {"stages": stage, "greedy": 1}}
                for stage in range(1, STAGES + 1)
            ),
            {"until": 1.0, "grow": {"stages": STAGES}},
        ]
    },
    "trained, joint from the DCT": {},
    "trained, joint from random": {"system": "random-start"},
}
PUBLISHED = {
    "fixed influence functions, joint": "28.56 (T = 10)",
    "trained, greedy alone": "about 0.1 below joint",
    "trained, greedy, then joint": "28.78 (28.86 at T = 10)",
    "trained, joint from the DCT": "28.75",
    "trained, joint from random": "28.61",
}


def recipe_for(variant: dict[str, Any], steps: int) -> Recipe:
    """The shipped recipe of trd-5x5-s25 with what the variant changes."""
    recipe = Recipe.read(recipe_path("trd-5x5-s25"))
    recipe.system = variant.get("system", recipe.system)
    recipe.optimizer.lr |= variant.get("lr", {})
    recipe.phases = [Phase(**phase) for phase in variant.get("phases", [{"until": 1.0}])]
    recipe.steps, recipe.validate_every = steps, steps
    return recipe


@torch.no_grad()
def average_psnr(prior: Prior, files: list[Path], sigma: float = 25) -> float:
    """As ``pnp-priors bench denoising`` measures it."""
    values = []
    for file in files:
        clean = load_image(file, 1)
        noisy = add_noise(clean, sigma, f"{file.parent.name}/{file.stem}")
        values.append(score(file.name, noisy, prior(noisy, sigma / 255), clean).psnr)
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    SYSTEMS["random-start"] = "__main__:RandomStart"
    SYSTEMS["fixed-influence"] = "__main__:FixedInfluence"
    files = image_files(options.data / "eval" / "BSD68")
    rows = []
    for name, variant in VARIANTS.items():
        recipe = recipe_for(variant, options.steps)
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(recipe, options.data, Path(folder), accelerator="cpu", devices=1)
            trainer.train()
        mean = average_psnr(trainer.averaged.for_release(), files)
        held_out = trainer.state.validation["25"]
        rows.append(f"| {name} | {mean:.2f} | {held_out:.2f} | {PUBLISHED[name]} |")
        print(rows[-1], flush=True)
        megapixels = trainer.state.pixels / 1e6
    text = [
        "# TRD's experiments, repeated",
        "",
        f"Written by `python benchmarks/trd_experiments.py --data DIR --steps {options.steps}`.",
        "5×5 filters, five stages, σ = 25; every row saw the same "
        f"{megapixels:.0f} million pixels of BSD400 in {options.steps} Adam steps, much less than "
        "a released prior: compare the rows with each other. PSNR in dB.",
        "",
        "| training | BSD68 | held-out training images | published, TRD section 4 |",
        "| --- | --- | --- | --- |",
        *rows,
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
