"""Put a class-aware prior together: the trained networks of its classes, and their classifier.

    python -m pnp_priors.training.class_aware --runs runs --data DIR --out runs/class-aware

The parts are trained by their own recipes (``pnp-priors train class-aware-photo --out
runs/class-aware-photo …``). The classifier is trained here, in about a minute: on the same images,
without those that the parts held out, and noise of all levels of the prior's range.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from pnp_priors.card import Card, Training
from pnp_priors.errors import ConfigError, MissingFileError, exit_code
from pnp_priors.priors.class_aware import ClassAware, NoiseEstimates
from pnp_priors.registry import describe, load
from pnp_priors.schema import parse_as, read_yaml_as
from pnp_priors.training.command import data_folder
from pnp_priors.training.data import PatchSampler, load_source
from pnp_priors.training.recipe import CardText, Source, Strict
from pnp_priors.training.release import hardware, write_prior
from pnp_priors.training.state import lr_factor

ASSEMBLIES = Path(__file__).parent / "assemblies"
SYSTEM = "class-aware"
#: noise levels at which the classifier is checked on the images that the parts held out
LEVELS = (15 / 255, 25 / 255, 50 / 255)
WARMUP = 50
#: of the faded images that the classifier learns from, in parts of what they had
LOWEST_CONTRAST = 0.3


class ClassifierTraining(Strict):
    """How the classifier is trained: by Adam, on as many patches of each class."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1, description="of each class")
    patch: int = Field(ge=1, description="pixels a side of what is cut from the images")
    smallest: int = Field(ge=1, description="each step's side lies between this and patch")
    lr: float = Field(gt=0)


class Assembly(Strict):
    """A YAML file that says what a class-aware prior consists of."""

    name: str
    description: str = ""
    card: CardText
    parts: dict[str, str] = Field(min_length=2, description="class: name of its trained prior")
    classifier: ClassifierTraining
    weights_dtype: Literal["float32", "float16"] = "float32"
    seed: int = 0


#: of each class, the images for training and those held out
Images = dict[str, tuple[list[np.ndarray], list[np.ndarray]]]


def part_card(name: str, runs: Path) -> Path | str:
    """The card of a part: of a run folder of its name, else of a released prior."""
    trained = runs / name / "cards" / f"{name}.yaml"
    return trained if trained.is_file() else name


def join(parts: dict[str, ClassAware]) -> ClassAware:
    """One prior of several, each of one class; its classifier is untrained.

    :param parts: by the classes that they are for.
    :raises ConfigError: another class or system, or networks that differ in size or noise levels.
    """
    for name, part in parts.items():
        if not isinstance(part, ClassAware):
            raise ConfigError(
                f"parts.{name}: expected system {SYSTEM!r}, got {type(part).__name__}"
            )
        if part.classes != (name,):
            raise ConfigError(f"parts.{name}: this one is for {', '.join(part.classes)}")
    shapes = [{**part.arguments(), "classes": list(parts)} for part in parts.values()]
    for name, shape in zip(parts, shapes, strict=True):
        if shape != shapes[0]:
            raise ConfigError(f"parts.{name}: made as {shape}, the first one as {shapes[0]}")
    whole = ClassAware(**shapes[0])
    for mine, part in zip(whole.networks, parts.values(), strict=True):
        assert isinstance(mine, NoiseEstimates)
        mine.load_state_dict(part.networks[0].state_dict())
    return whole.requires_grad_(False).eval()


def train_classifier(
    prior: ClassAware,
    images: Images,
    settings: ClassifierTraining,
    seed: int,
    report: Callable[[int, float], None] | None = None,
) -> None:
    """Train the classifier of a joined prior, in place.

    Patches of one size a step, so that small images are decided, too; levels from 0 to the
    prior's highest.

    :param images: uint8 ``[1, H, W]`` by class, of which the first of both lists is used.
    :param report: called with the step and its loss.
    :raises InputError: an image smaller than a patch.
    """
    classifier = prior.classifier
    assert classifier is not None
    samplers = [
        PatchSampler(images[name][0], settings.patch, seed + index)
        for index, name in enumerate(prior.classes)
    ]
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in classifier.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.reset_parameters()
    classifier.requires_grad_(True).train()
    optimizer = torch.optim.Adam(classifier.parameters(), settings.lr)
    labels = torch.arange(len(samplers)).repeat_interleave(settings.batch)
    smallest = min(settings.smallest, settings.patch)
    for step in range(settings.steps):
        side = int(torch.randint(smallest, settings.patch + 1, (), generator=generator))
        noisy = [
            _noisy(sampler, sampler.sample(settings.batch)[..., :side, :side], prior)
            for sampler in samplers
        ]
        loss = F.cross_entropy(classifier(torch.cat(noisy)), labels)
        factor = lr_factor(step / settings.steps, step, min(WARMUP, settings.steps), 0.0)
        optimizer.param_groups[0]["lr"] = factor * settings.lr
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if report is not None:
            report(step, loss.item())
    classifier.requires_grad_(False).eval()


def _noisy(sampler: PatchSampler, clean: Tensor, prior: ClassAware) -> Tensor:
    # Bright and full of contrast is what most pages are, not what makes a page: half of the images
    # are negatives, half have less contrast around another gray.
    negative, faded = (sampler.integers(len(clean), 2)[:, None, None, None] == 1 for _ in range(2))
    clean = torch.where(negative, 1 - clean, clean)
    contrast = 1 - (1 - LOWEST_CONTRAST) * _uniform(sampler, clean)
    darkest = (1 - contrast) * _uniform(sampler, clean)
    clean = torch.where(faded, darkest + contrast * clean, clean)
    sigma = sampler.noise_levels(len(clean), *prior.sigma_range)
    return clean + sigma[:, None, None, None] * sampler.gaussian(clean)


def _uniform(sampler: PatchSampler, images: Tensor) -> Tensor:
    """A number in [0, 1) for each image."""
    return sampler.integers(len(images), 1 << 20)[:, None, None, None] / (1 << 20)


def decided_right(prior: ClassAware, images: Images) -> tuple[int, int]:
    """How many held-out images get their class at :data:`LEVELS`, and how many there are."""
    right = total = 0
    for name in prior.classes:
        for index, image in enumerate(images[name][1]):
            clean = torch.from_numpy(image.copy()).float().div(255)[None]
            for level in LEVELS:
                noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(index))
                right += prior.classify(clean + level * noise) == [name]
                total += 1
    return right, total


def assemble(
    assembly: Assembly,
    runs: Path,
    data: Path,
    out: Path,
    report: Callable[[int, float], None] | None = None,
) -> Card:
    """Join the parts, train the classifier, write ``weights/`` and ``cards/`` below ``out``.

    :param runs: the folder of the parts' run folders; a released prior serves, too.
    :param data: the folder that the parts were trained on.
    :raises PnpPriorsError: parts that are not there or do not fit, images that are not there.
    """
    began = time.monotonic()
    paths = {name: part_card(part, runs) for name, part in assembly.parts.items()}
    cards = {name: describe(path) for name, path in paths.items()}
    parts = {name: load(path) for name, path in paths.items()}
    prior = join(parts)  # type: ignore[arg-type]  # checked there
    images = {name: _images(card, data) for name, card in cards.items()}
    train_classifier(prior, images, assembly.classifier, assembly.seed, report)
    right, total = decided_right(prior, images)
    notes = [
        *assembly.card.notes,
        f"the classifier decided {right} of {total} held-out images rightly, at sigma "
        + ", ".join(f"{255 * level:g}/255" for level in LEVELS),
    ]
    return write_prior(
        prior,
        assembly.name,
        SYSTEM,
        assembly.card.model_copy(update={"notes": notes}),
        _training(assembly, cards, images, (time.monotonic() - began) / 60),
        assembly.weights_dtype,
        out / "weights",
        out / "cards",
    )


def _trained(card: Card) -> Training:
    if card.training is None:
        raise ConfigError(f"{card.name} has no training of its own")
    return card.training


def _images(card: Card, data: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    train: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for given in _trained(card).recipe_text["data"]["sources"]:
        source = parse_as(Source, given, f"{card.name}: data.sources")
        kept, rest = load_source(source, data, card.channels)
        train += kept
        held_out += rest
    return train, held_out


def _training(
    assembly: Assembly, cards: dict[str, Card], images: Images, minutes: float
) -> Training:
    """What the card says of the training: of all parts together."""
    each = {name: _trained(card) for name, card in cards.items()}
    return Training(
        recipe=f"{assembly.name}.yaml",
        recipe_text={
            **assembly.model_dump(mode="json", exclude={"card"}),
            "recipes": {name: training.recipe_text for name, training in each.items()},
        },
        data=list(dict.fromkeys(d for training in each.values() for d in training.data)),
        images=sum(len(train) for train, _ in images.values()),
        megapixels_seen=round(sum(t.megapixels_seen for t in each.values()), 1),
        minutes=round(minutes + sum(t.minutes for t in each.values()), 1),
        hardware="; ".join(dict.fromkeys(t.hardware for t in each.values()))
        + f"; classifier: {hardware(torch.device('cpu'))}",
        torch=torch.__version__.split("+")[0],
        seed=assembly.seed,
        started_from="; ".join(
            dict.fromkeys(t.started_from for t in each.values() if t.started_from)
        )
        or None,
        finished=all(t.finished for t in each.values()),
        validation_psnr={
            f"{name} {level}": psnr
            for name, training in each.items()
            for level, psnr in training.validation_psnr.items()
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m pnp_priors.training.class_aware",
        description=(__doc__ or "").splitlines()[0],
    )
    parser.add_argument(
        "--assembly",
        type=Path,
        default=ASSEMBLIES / "class-aware.yaml",
        help="YAML file that names the parts (default: the shipped class-aware.yaml)",
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder of the parts' run folders")
    parser.add_argument("--data", type=Path, help="data folder, else PNP_PRIORS_DATA")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and card")
    options = parser.parse_args(arguments)

    def show(step: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"classifier: step {step}, loss {loss:.4f}", flush=True)

    def run() -> None:
        if not options.runs.is_dir():
            raise MissingFileError(f"--runs: no such folder: {options.runs}")
        assembly = read_yaml_as(Assembly, options.assembly)
        print(assemble(assembly, options.runs, data_folder(options.data), options.out, show))

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
