"""Training by L-BFGS on a fixed set of patches, as the papers do it.

TRD (CVPR 2015, section 4): greedy, stage by stage, then all stages jointly; in a recipe that is a
list of phases with ``grow: {stages: t, greedy: 1}`` and a last one without ``greedy``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pnp_priors.priors.base import Prior
from pnp_priors.training.loop import Trainer


class LbfgsTrainer(Trainer):
    """A :class:`Trainer` whose step is one L-BFGS iteration over ``optimizer.samples`` patches."""

    _fixed: tuple[Tensor, Tensor, Tensor] | None = None

    def _make_optimizer(self, network: Prior) -> torch.optim.Optimizer:
        settings = self.recipe.optimizer
        parameters = [p for group in network.parameter_groups().values() for p in group]
        return torch.optim.LBFGS(
            parameters,
            lr=max(settings.lr.values()),
            max_iter=1,
            max_eval=26,  # the default, 1.25 per iteration, leaves the line search none
            history_size=settings.history,
            line_search_fn="strong_wolfe",
        )

    def _enter_phase(self) -> None:
        before = self.state.phase
        super()._enter_phase()
        if before not in (-1, self.state.phase):
            # Curvature of another objective would mislead the new one.
            self.optimizer.state.clear()

    def _samples(self) -> tuple[Tensor, Tensor, Tensor]:
        """The patches, drawn once from the seed: a resumed run sees the same ones."""
        if self._fixed is None:
            seed = self.recipe.seed + 1000 * self.fabric.global_rank
            self.sampler.generator.manual_seed(seed)
            self._fixed = self.draw(self.recipe.optimizer.samples)
        return self._fixed

    def _step(self) -> None:
        samples, batch = self._samples(), self.recipe.data.batch
        count = samples[0].shape[0]
        # The papers' objective, half the sum of squares on 0..255: curvatures of the mean on 0..1
        # are so small that torch's L-BFGS discards them and only descends steeply.
        scale = 0.5 * 255**2 * samples[0][0].numel()
        seen = 0

        def closure() -> Tensor:
            nonlocal seen
            self.optimizer.zero_grad(set_to_none=True)
            total = torch.zeros((), device=self.device)
            for parts in zip(*(tensor.split(batch) for tensor in samples), strict=True):
                loss = self.loss(*parts) * (scale * parts[0].shape[0] / count)
                self.fabric.backward(loss)
                total += loss.detach()
            self.network.mask_gradients()
            seen += samples[0].numel()
            return total

        self.model.train()
        loss = self.optimizer.step(closure)
        # The last iterate, not an average of them, is what L-BFGS is after.
        self.averaged.load_state_dict(self.network.state_dict())
        self._account(seen, float(loss) / scale)
