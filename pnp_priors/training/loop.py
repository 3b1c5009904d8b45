"""The training loop: one recipe, one run folder, checkpoints from which it continues.

A run folder holds ``recipe.yaml`` (as run), ``checkpoint.pt`` (plain tensors and numbers, loaded
with ``weights_only``) and ``log.csv`` (one row per validation). Precision, devices and processes
are Lightning Fabric's business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from pnp_priors.errors import ConfigError, MissingExtraError
from pnp_priors.priors.base import Prior
from pnp_priors.registry import build
from pnp_priors.training.averaging import moving_average
from pnp_priors.training.data import PatchSampler, load_sources
from pnp_priors.training.degradations import inside
from pnp_priors.training.initialisation import lighten_centres
from pnp_priors.training.losses import LOSSES
from pnp_priors.training.muon import Muon
from pnp_priors.training.process import keep_freed_memory, without_subnormals
from pnp_priors.training.recipe import Phase, Recipe
from pnp_priors.training.revival import dead_channels, revive
from pnp_priors.training.run_folder import (
    append_log,
    check_same_recipe,
    write_checkpoint,
    write_recipe,
)
from pnp_priors.training.start import check_groups, check_losses, warm_start
from pnp_priors.training.state import Progress, level_weights, log_row, lr_factor

#: batches that a channel must be silent for to count as dead, and the share of the budget from
#: which on none is replaced, since it could not learn any more
REVIVE_BATCHES, REVIVE_UNTIL = 16, 0.6
#: a run that is killed loses no more than this
SAVE_SECONDS = 120


class _Step(torch.nn.Module):
    """A training pass as a module, whose forward is all that Fabric runs in a given precision."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor | float]:
        return self.prior.training_pass(x, sigma)


class Trainer:
    """Trains one prior by one recipe.

    :param recipe: what to do.
    :param data: the folder that the recipe's sources are relative to.
    :param folder: the run folder; a checkpoint in it is continued.
    :param minutes: the budget of the whole run, over all of its sessions. The learning rate
        follows the share of the budget used: of ``recipe.steps`` where that is given (then a
        resumed run equals an uninterrupted one bit for bit), else of these minutes.
    :param start_from: name or card of a trained prior to start from, instead of the recipe's.
    :param report: called with the trainer after every step, for a progress display.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        folder: Path,
        minutes: float | None = None,
        report: Callable[[Trainer], None] | None = None,
        accelerator: str = "auto",
        devices: int | str = "auto",
        start_from: str | None = None,
    ) -> None:
        try:
            from lightning_fabric import Fabric
        except ImportError as error:
            raise MissingExtraError(
                "training needs Lightning Fabric: pip install 'pnp_priors[train]'"
            ) from error
        if recipe.steps is None and minutes is None:
            raise ConfigError(f"recipe {recipe.name!r} has no 'steps': --minutes must be given")
        keep_freed_memory()
        self.recipe, self.folder, self.minutes = recipe, folder, minutes
        self.report = report or (lambda _: None)
        self.fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            precision="bf16-mixed" if recipe.precision == "bfloat16" else "32-true",
        )
        self.fabric.launch()
        self.fabric.seed_everything(recipe.seed + self.fabric.global_rank, verbose=False)
        if recipe.revive_every is not None and self.fabric.world_size > 1:
            raise ConfigError("revive_every: only on one device, several would draw apart")
        self.device = self.fabric.device
        self.state = Progress()
        network = build(recipe.system, recipe.architecture)
        start = start_from or recipe.warm_start
        if start and recipe.lighter_centre is not None:
            raise ConfigError(
                f"recipe {recipe.name!r}: lighter_centre is for untrained networks, it cannot "
                f"start from {start!r}"
            )
        if not self.checkpoint.is_file():
            if start:
                self.state.started_from, self.state.megapixels_before = warm_start(
                    network, start, recipe
                )
            elif recipe.lighter_centre is not None:
                lighten_centres(network, recipe.lighter_centre)
        check_groups(network, recipe)
        self.degradation = recipe.degradation()
        self.degradation.check(network)
        check_losses(network.channels, recipe)
        network.prepare_training(recipe.precision == "bfloat16")
        train, validation = load_sources(recipe.data.sources, data, network.channels)
        seed = recipe.seed + 1000 * self.fabric.global_rank
        side = recipe.data.patch + 2 * self.degradation.margin
        self.sampler = PatchSampler(train, side, seed, self.device)
        self.images = len(train)
        self.validation = [torch.tensor(i).float().div(255) for i in validation]
        if recipe.channels_last:
            network = network.to(memory_format=torch.channels_last)
        optimizer = self._make_optimizer(network)
        self.model, self.optimizer = self.fabric.setup(_Step(network), optimizer)
        self.network: Prior = network
        self.average = AveragedModel(
            network, multi_avg_fn=moving_average(recipe.ema), use_buffers=True
        )
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.is_file():
            self._resume()
        elif self.fabric.global_rank == 0:
            write_recipe(folder, recipe)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def averaged(self) -> Prior:
        """The network with the moving average of the weights: what is validated and released."""
        module = self.average.module
        assert isinstance(module, Prior)
        return module

    @property
    def progress(self) -> float:
        """The share of the budget that is used, in [0, 1]."""
        if self.recipe.steps is not None:
            return min(1.0, self.state.step / self.recipe.steps)
        assert self.minutes is not None
        return min(1.0, self.state.seconds / (60 * self.minutes))

    def train(self, session_minutes: float | None = None) -> bool:
        """Train until the budget is used or the session's minutes are over.

        :returns: whether the run is finished.
        """
        with without_subnormals():
            return self._train(session_minutes)

    def _train(self, session_minutes: float | None) -> bool:
        began = time.monotonic()
        before, first = self.state.seconds, self.state.step
        every = self.recipe.validate_every
        saved = began
        while self.progress < 1.0:
            self._enter_phase()
            self._revive()
            self._step()
            now = time.monotonic()
            # Elapsed time of this session on top of the earlier ones, validation included.
            self.state.seconds = before + now - began
            if self.state.step % every == 0:
                self.validate()
            if self.state.step % every == 0 or now - saved > SAVE_SECONDS:
                self.save()
                saved = now
            self.report(self)
            if session_minutes is not None and now - began > 60 * session_minutes:
                break
        if self.state.step > first and self.state.step % every:
            self.validate()
            self.save()
        return self.progress >= 1.0

    def _make_optimizer(self, network: Prior) -> torch.optim.Optimizer:
        settings = self.recipe.optimizer
        groups = [
            {"params": parameters, "lr": settings.lr[name], "group": name}
            for name, parameters in network.parameter_groups().items()
        ]
        kind = {"adam": torch.optim.Adam, "muon": Muon}[settings.name]
        return kind(groups, betas=settings.betas)

    def _revive(self) -> None:
        """Give channels that died a new start, now and then, while there is time to learn."""
        every, step = self.recipe.revive_every, self.state.step
        if every is None or step % every or self.progress > REVIVE_UNTIL:
            return
        batches = [self.draw(self.recipe.data.batch)[1:] for _ in range(REVIVE_BATCHES)]

        def run() -> None:
            for sigma, noisy in batches:
                self.network(noisy, sigma)
            if self.network.estimates_sigma:
                for _, noisy in batches:
                    self.network(noisy)

        dead = dead_channels(self.network, run)
        revive([self.network, self.averaged], dead, self.sampler.generator)

    def _enter_phase(self) -> None:
        """Grow the network when the budget passes into the next phase."""
        index = next(i for i, p in enumerate(self.recipe.phases) if self.progress < p.until)
        if index == self.state.phase:
            return
        phase = self.recipe.phases[index]
        self._grow(phase)
        before, self.state.phase = self.loss_name, index
        other_loss = self.loss_name != before
        if other_loss or phase.grow.get("greedy"):
            # Moments of earlier phases would go on moving what a greedy phase holds still; those of
            # another loss, whose gradients are of another size, would make steps too long or short.
            self.optimizer.state.clear()
        if other_loss:
            self.state.loss = float("nan")  # its mean begins anew

    def _grow(self, phase: Phase) -> None:
        if phase.grow:
            self.network.grow(**phase.grow)
            self.averaged.grow(**phase.grow)

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Clean patches ``[count, C, P, P]``, noise levels or maps of them, degraded patches."""
        clean = self.sampler.sample(count)
        noisy, sigma = self.degradation.degrade(clean, self.sampler)
        if self.recipe.channels_last:
            noisy = noisy.to(memory_format=torch.channels_last)
        return inside(clean, self.degradation.margin), sigma, noisy

    @property
    def loss_name(self) -> str:
        """The loss that is minimised now; before the first step, the first phase's."""
        return self.recipe.loss_in(max(self.state.phase, 0))

    def loss(self, clean: Tensor, sigma: Tensor, noisy: Tensor) -> Tensor:
        """The present loss of a batch, a scalar."""
        restored, penalty = self.model(noisy, sigma)
        losses = LOSSES[self.loss_name](restored.float(), clean) + penalty
        return (losses * level_weights(sigma, self.recipe)).mean()

    def _step(self) -> None:
        recipe = self.recipe
        clean, sigma, noisy = self.draw(recipe.data.batch)
        factor = lr_factor(
            self.progress,
            self.state.step,
            recipe.optimizer.warmup_steps,
            recipe.optimizer.final_fraction,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = factor * recipe.optimizer.lr[group["group"]]
        self.model.train()
        loss = self.loss(clean, sigma, noisy)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.network.mask_gradients()
        if recipe.optimizer.clip is not None:
            self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=recipe.optimizer.clip, error_if_nonfinite=True
            )
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self._account(clean[:, :1].numel(), loss.item())

    def _account(self, pixels: int, value: float) -> None:
        self.state.step += 1
        self.state.pixels += pixels * self.fabric.world_size
        if not math.isfinite(value):
            raise RuntimeError(f"the loss is not finite at step {self.state.step}")
        smooth = 0.99 if math.isfinite(self.state.loss) else 0.0
        self.state.loss = smooth * self.state.loss + (1 - smooth) * value if smooth else value

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean PSNR of the averaged weights on the held-out images, output clipped."""
        if self.fabric.global_rank != 0 or not self.validation:
            return self.state.validation
        network = self.averaged.for_release()
        scores: dict[str, float] = {}
        for level in self.degradation.levels:
            values = []
            for index, clean in enumerate(self.validation):
                noisy, sigma = self.degradation.at(clean[None], level, seed=index)
                restored = network(noisy.to(self.device), sigma)[0].cpu().clamp(0, 1)
                height, width = restored.shape[-2:]
                error = (restored - clean[:, :height, :width]).double().square().mean().item()
                values.append(-10 * math.log10(max(error, 1e-12)))
            scores[self.degradation.label(level)] = round(sum(values) / len(values), 3)
        self.state.validation = scores
        row = log_row(self.state, self.recipe, self.progress)
        append_log(self.folder, row)
        return scores

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        if self.fabric.global_rank != 0:
            return
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": vars(self.state),
            "generator": self.sampler.generator.get_state(),
        }
        write_checkpoint(self.checkpoint, state)

    def _resume(self) -> None:
        check_same_recipe(self.folder, self.recipe)
        # Each tensor goes where its owner is; Adam counts its steps on the CPU.
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        try:
            self.state = Progress(**state["progress"])
            if self.state.phase >= 0:
                self._grow(self.recipe.phases[self.state.phase])
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            raise ConfigError(
                f"{self.checkpoint} belongs to another recipe; use another run folder"
            ) from error
        try:
            self.sampler.generator.set_state(state["generator"])
        except RuntimeError:
            # From another kind of device (GPU, CPU), whose generator cannot go on here.
            self.sampler.generator.manual_seed(self.recipe.seed + self.state.step)
