"""What a run starts from, and whether its recipe fits its network."""

from __future__ import annotations

import torch

from pnp_priors.errors import ConfigError, InputError, UnknownNameError
from pnp_priors.priors.base import Prior
from pnp_priors.registry import describe, load
from pnp_priors.training.losses import LOSSES
from pnp_priors.training.recipe import Recipe


def warm_start(network: Prior, name: str, recipe: Recipe) -> tuple[str, float]:
    """Fill in a trained prior's weights.

    :returns: what they were, for the card, and the million pixels that they have seen.
    :raises ConfigError: the recipe starts from what is not released, or from what has no weights.
    """
    try:
        card = describe(name)
    except UnknownNameError as error:
        if name != recipe.warm_start:
            raise
        raise ConfigError(
            f"recipe {recipe.name!r} starts from {name!r}, which is not released: train "
            "that first and give its card with --start-from"
        ) from error
    if card.training is None or card.weights is None:
        raise ConfigError(f"{card.name} has no weights of its own to start from")
    network.adopt(load(name))
    before = card.training.megapixels_in_all
    words = (
        f"{card.name}: {before:g} million pixels in all, last by "
        f"{card.training.recipe}, SHA-256 {card.weights.sha256}"
    )
    return words, before


def check_groups(network: Prior, recipe: Recipe) -> None:
    """:raises ConfigError: learning rates for other groups than the network has."""
    groups, given = set(network.parameter_groups()), set(recipe.optimizer.lr)
    if groups != given:
        raise ConfigError(
            f"recipe {recipe.name!r}: optimizer.lr needs the groups "
            f"{', '.join(sorted(groups))}, got {', '.join(sorted(given))}"
        )


def check_losses(channels: int, recipe: Recipe) -> None:
    """:raises ConfigError: patches too small for a loss, be it that of a later phase."""
    side = recipe.data.patch
    patch = torch.zeros(1, channels, side, side)
    for phase in range(len(recipe.phases)):
        name = recipe.loss_in(phase)
        try:
            LOSSES[name](patch, patch)
        except InputError as error:
            raise ConfigError(
                f"recipe {recipe.name!r}: data.patch is {side}, loss is {name!r}: {error}"
            ) from error
