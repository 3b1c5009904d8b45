"""Finds the released priors: their cards, their architecture, their weights."""

from __future__ import annotations

import hashlib
import importlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pnp_priors.errors import ConfigError, UnknownNameError, WeightsError

if TYPE_CHECKING:
    import torch

    from pnp_priors.card import Card
    from pnp_priors.priors.base import Prior

PACKAGE = Path(__file__).parent
CARDS = PACKAGE / "cards"

#: published systems, where the class of each is found; imported only when one is loaded
SYSTEMS = {
    "dncnn": "pnp_priors.priors.dncnn:DnCNN",
    "ffdnet": "pnp_priors.priors.ffdnet:FFDNet",
    "perona-malik": "pnp_priors.priors.perona_malik:PeronaMalik",
    "jpeg-reaction-diffusion": "pnp_priors.priors.jpeg_diffusion:JpegReactionDiffusion",
    "reaction-diffusion": "pnp_priors.priors.reaction_diffusion:ReactionDiffusion",
}


def available() -> list[str]:
    """Names that :func:`load` takes."""
    return sorted(path.stem for path in CARDS.glob("*.yaml"))


def card_path(name: str | Path) -> Path:
    """The card of a released prior, or of one's own: the path of its YAML file.

    :raises UnknownNameError: lists the nearest known names.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return path
    if str(name) not in available():
        raise UnknownNameError("prior", str(name), available())
    return CARDS / f"{name}.yaml"


def describe(name: str | Path) -> Card:
    """The card of a prior: what it is, what it was trained on, what it reaches.

    :param name: one of :func:`available`, or the path of a card that ``pnp-priors train`` wrote.
    :raises UnknownNameError: lists the nearest known names.
    :raises MissingFileError, ConfigError: a path that is no card.
    """
    from pnp_priors.card import Card
    from pnp_priors.schema import read_yaml_as

    return read_yaml_as(Card, card_path(name))


def system_class(system: str) -> type[Prior]:
    """The class that implements a published system."""
    if system not in SYSTEMS:
        raise UnknownNameError("system", system, sorted(SYSTEMS))
    module, _, name = SYSTEMS[system].partition(":")
    return getattr(importlib.import_module(module), name)


def build(system: str, arguments: dict[str, Any]) -> Prior:
    """An untrained network of a system.

    :raises UnknownNameError: lists the known systems.
    :raises ConfigError: arguments that its constructor does not know or refuses.
    """
    kind = system_class(system)
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"architecture of system {system!r}: {error}") from error


def load(
    name: str | Path,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    weights: str | Path | None = None,
) -> Prior:
    """A trained prior in eval mode, its parameters frozen; nothing is downloaded.

    :param name: one of :func:`available`, or the path of a card that ``pnp-priors train`` wrote
        (its weights are in the folder ``weights`` beside the card's folder).
    :param device: where to put it; the CPU by default.
    :param dtype: of its weights and computation; float32 by default.
    :param weights: a file to use instead of the released weights: DnCNN and FFDNet as KAIR,
        deepinv or this package save them, ``.pth`` (plain tensors only) or ``.safetensors``. Depth
        and width are those of the file; name the prior whose noise levels it was trained for.
    :raises UnknownNameError: lists the nearest known names.
    :raises MissingFileError: there is no such file of ``weights``.
    :raises WeightsError: the weights file is damaged, or not the one that its card describes, or
        ``weights`` holds another network: says what was expected and what was found.
    """
    import torch

    card = describe(name)
    if weights is None:
        released = card_path(name).parent.parent / "weights" / card.weights.file
        prior = build(card.system, card.architecture)
        fill(prior, read_weights(released, card.weights.sha256))
    else:
        from pnp_priors import foreign_weights

        arguments, tensors = foreign_weights.read(Path(weights), card)
        prior = build(card.system, arguments)
        fill(prior, tensors)
    prior.requires_grad_(False)
    if prior.channels_last:
        prior.to(memory_format=torch.channels_last)
    return prior.to(device=device, dtype=dtype).eval()


def read_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file whose SHA-256 must be the stated one."""
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weights file {path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(f"weights file {path}: SHA-256 is {found}, the card states {sha256}")
    try:
        return parse(content)
    except SafetensorError as error:
        raise WeightsError(f"weights file {path} is not a valid safetensors file") from error


def fill(prior: Prior, tensors: dict[str, torch.Tensor]) -> None:
    """Load tensors into a network of the same architecture."""
    try:
        prior.load_state_dict(tensors)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise WeightsError(f"weights do not fit the architecture: {' '.join(lines[1:])}") from error


@lru_cache(maxsize=1)
def version() -> str:
    """The installed version, or that of the checkout."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("pnp_priors")
    except PackageNotFoundError:
        return "0+unknown"
