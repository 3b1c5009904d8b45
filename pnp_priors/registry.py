"""Finds the released priors: their cards, their architecture, their weights."""

from __future__ import annotations

import hashlib
import importlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pnp_priors.errors import ConfigError, InputError, UnknownNameError, WeightsError
from pnp_priors.extras import need

if TYPE_CHECKING:
    import torch

    from pnp_priors.card import Card
    from pnp_priors.priors.base import Prior

PACKAGE = Path(__file__).parent
CARDS = PACKAGE / "cards"

#: published systems, where the class of each is found; imported only when one is loaded
SYSTEMS = {
    "class-aware": "pnp_priors.priors.class_aware:ClassAware",
    "cbdnet": "pnp_priors.priors.cbdnet:CBDNet",
    "dncnn": "pnp_priors.priors.dncnn:DnCNN",
    "ffdnet": "pnp_priors.priors.ffdnet:FFDNet",
    "perona-malik": "pnp_priors.priors.perona_malik:PeronaMalik",
    "jpeg-reaction-diffusion": "pnp_priors.priors.jpeg_diffusion:JpegReactionDiffusion",
    "nn3d": "pnp_priors.priors.nn3d:NN3D",
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
    base: str | Path | None = None,
    equivariant: bool = False,
) -> Prior:
    """A trained prior in eval mode, its parameters frozen; nothing is downloaded.

    :param name: one of :func:`available`, or the path of a card that ``pnp-priors train`` wrote
        (its weights are in the folder ``weights`` beside the card's folder).
    :param device: where to put it; the CPU by default.
    :param dtype: of its weights and computation; float32 by default.
    :param weights: a file to use instead of the released weights: DnCNN and FFDNet as KAIR,
        deepinv or this package save them, ``.pth`` (plain tensors only) or ``.safetensors``. Depth
        and width are those of the file; name the prior whose noise levels it was trained for.
    :param base: of a prior that works around another one (``nn3d``): which one, by its name or
        card, instead of the one that its own card names.
    :param equivariant: average it over the eight flips and rotations of the image (deepinv's
        ``EquivariantDenoiser``; see :mod:`pnp_priors.priors.equivariant`); eight times the work.
    :raises UnknownNameError: lists the nearest known names.
    :raises InputError: a ``base`` for a prior that takes none; lists those that do. An
        ``equivariant`` prior that takes a JPEG image's table.
    :raises MissingFileError: there is no such file of ``weights``.
    :raises WeightsError: the weights file is damaged, or not the one that its card describes, or
        ``weights`` holds another network: says what was expected and what was found.
    :raises MissingExtraError: torch or deepinv is not installed; says what to install.
    """
    need("torch", "deepinv")
    import torch

    card = describe(name)
    if base is not None:
        card = _around(card, base)
    if weights is None:
        prior = build(card.system, card.architecture)
        fill(prior, _released_tensors(card, card_path(name)))
    else:
        from pnp_priors import foreign_weights

        arguments, tensors = foreign_weights.read(Path(weights), card)
        prior = build(card.system, arguments)
        fill(prior, tensors)
    prior.requires_grad_(False)
    if prior.channels_last:
        prior.to(memory_format=torch.channels_last)
    if equivariant:
        from pnp_priors.priors.equivariant import Equivariant

        prior = Equivariant(prior)
    prior.name = card.name
    return prior.to(device=device, dtype=dtype).eval()


def _around(card: Card, base: str | Path) -> Card:
    """A card that names another base."""
    if card.weights is not None:
        names = [name for name in available() if describe(name).weights is None]
        raise InputError(f"{card.name} takes no base; those that do: {', '.join(names)}")
    describe(base)  # an unknown one is said here
    return card.model_copy(update={"architecture": {**card.architecture, "base": str(base)}})


def _released_tensors(card: Card, path: Path) -> dict[str, torch.Tensor]:
    """What a card's weights file holds; of a prior without one, what its base's holds.

    :param path: of the card.
    """
    if card.weights is None:
        base = card.architecture["base"]
        tensors = _released_tensors(describe(base), card_path(base))
        return {f"base.{key}": tensor for key, tensor in tensors.items()}
    return read_weights(path.parent.parent / "weights" / card.weights.file, card.weights.sha256)


def fingerprint(card: Card) -> str:
    """What a prior's numbers depend on, as 64 hexadecimal digits: the SHA-256 of its weights.

    A prior without weights of its own depends on its base's, and on how it uses them.
    """
    if card.weights is not None:
        return card.weights.sha256
    parts = [card.architecture, fingerprint(describe(card.architecture["base"]))]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


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
