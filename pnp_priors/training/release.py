"""From a run folder to a released prior: a weights file and the card that belongs to it."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path
from typing import Literal

import torch
import yaml
from safetensors.torch import save as to_safetensors

from pnp_priors.card import Card, Training, Weights
from pnp_priors.priors.base import Prior
from pnp_priors.training.loop import Trainer
from pnp_priors.training.recipe import CardText


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def hardware(device: torch.device) -> str:
    """What the training ran on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return f"{model}, {torch.get_num_threads()} thread(s)"


def write_card(card: Card, path: Path) -> None:
    """Write a card as YAML, its keys in the order of the schema."""
    text = yaml.safe_dump(
        card.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100
    )
    write_atomically(path, text.encode())


#: how a prior that takes a JPEG image's table meets other qualities, in words
OUTSIDE_QUALITY = "the file's own table bounds what is restored; the filters stay as trained"


def outside_range(prior: Prior) -> str:
    """How :meth:`pnp_priors.priors.base.Prior.forward` meets other levels, in words."""
    low, high = prior.sigma_range
    if prior.takes_table:
        return OUTSIDE_QUALITY
    if prior.blind:
        return "blind: sigma is ignored"
    if low == high:
        lowest = f"{255 * high / prior.largest_gain:.3g}/255"
        return (
            f"the contrast is scaled about 0.5 until the noise has {255 * high:g}/255; "
            f"below {lowest} the correction fades with sigma²"
        )
    text = f"above {255 * high:g}/255 the contrast is scaled down about 0.5 into the range"
    return text + (f", below {255 * low:g}/255 the correction fades with sigma²" if low else "")


def release(trainer: Trainer, weights_folder: Path, cards_folder: Path) -> Card:
    """Write the averaged weights as safetensors and their card; both are named by the recipe."""
    recipe, state = trainer.recipe, trainer.state
    training = Training(
        recipe=f"{recipe.name}.yaml",
        recipe_text=recipe.model_dump(mode="json", exclude={"card"}),
        data=[str(source) for source in recipe.data.sources],
        images=trainer.images,
        megapixels_seen=round(state.pixels / 1e6, 1),
        megapixels_before=state.megapixels_before,
        minutes=round(state.seconds / 60, 1),
        hardware=hardware(trainer.device),
        torch=torch.__version__.split("+")[0],
        seed=recipe.seed,
        started_from=state.started_from,
        finished=trainer.progress >= 1.0,
        validation_psnr=state.validation,
    )
    prior = trainer.averaged.for_release()
    folders = (weights_folder, cards_folder)
    return write_prior(
        prior, recipe.name, recipe.system, recipe.card, training, recipe.weights_dtype, *folders
    )


def write_prior(
    prior: Prior,
    name: str,
    system: str,
    text: CardText,
    training: Training,
    weights_dtype: Literal["float32", "float16"],
    weights_folder: Path,
    cards_folder: Path,
) -> Card:
    """Write ``NAME.safetensors`` and ``NAME.yaml`` of a prior in the form that is released.

    :param weights_dtype: of the numbers in the file.
    """
    prior = prior.cpu().float()
    dtype = getattr(torch, weights_dtype)
    content = to_safetensors({k: v.to(dtype).contiguous() for k, v in prior.state_dict().items()})
    weights = Weights(
        file=f"{name}.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        dtype=weights_dtype,
    )
    card = Card(
        name=name,
        title=text.title,
        system=system,
        architecture=prior.arguments(),
        channels=prior.channels,
        sigma_range=prior.sigma_range,
        quality_range=prior.quality_range,
        scales=prior.scales,
        outside_range=outside_range(prior),
        blind=prior.blind,
        estimates_sigma=prior.estimates_sigma,
        tasks=list(prior.tasks),
        parameters=sum(p.numel() for p in prior.parameters()),
        receptive_field=prior.receptive_field,
        weights=weights,
        licence=text.licence,
        paper=text.paper,
        iterative_use=text.iterative_use,
        notes=text.notes,
        training=training,
    )
    for folder in (weights_folder, cards_folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(weights_folder / weights.file, content)
    write_card(card, cards_folder / f"{name}.yaml")
    return card
