"""Class-aware denoising against a class-agnostic network of the same size, and its classifier.

Remez, Litany, Giryes, Bronstein: Class-aware fully convolutional Gaussian and Poisson denoising,
IEEE Transactions on Image Processing 27(11), 2018. The twin is not released
(benchmarks/recipes/class-agnostic.yaml); it starts as class-aware's networks do, has the size of
one of them, and is trained as long as one of them, on both classes.

    python benchmarks/class_aware.py --data ../shared/data \
        --twin runs/class-agnostic/cards/class-agnostic.yaml

Measured on photographs that all of them held out, and on pages that none has seen: from another
seed with the fonts of the training, and with other fonts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pnp_priors import registry
from pnp_priors.analysis.scenes import default_images
from pnp_priors.benchmark.data import load_image
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.card import Card
from pnp_priors.errors import InputError, exit_code
from pnp_priors.priors.class_aware import ClassAware
from pnp_priors.training import documents, fonts
from pnp_priors.training.command import data_folder
from pnp_priors.training.data import image_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (15, 25, 50)
PHOTOGRAPHS = "train/bsd432_color"
HELD_OUT = 8
SEED = 1000
PAGES = 8
#: dB over the twin that are wanted, as a mean over the levels
GOALS = {"photographs": 0.0, "documents": 0.3}
#: of the picture: the noise level, and how many layers are shown
SHOWN_LEVEL, SHOWN_LAYERS = 50, 4


@dataclass(frozen=True)
class Group:
    """Images of one class, ``[1, 1, H, W]`` by the names that decide their noise."""

    name: str
    kind: str
    images: Mapping[str, Tensor]


@dataclass(frozen=True)
class Row:
    """Mean PSNR in dB over a group at a noise level on the 0..255 scale."""

    group: Group
    level: float
    noisy: float
    twin: float
    aware: float
    named: float
    right: int

    @property
    def gain(self) -> float:
        return self.aware - self.twin


def sources(text: Any) -> Iterable[dict[str, Any]]:
    """All sources of images in the recipe text of a card, those of its parts included."""
    if isinstance(text, dict):
        yield from text.get("sources", [])
        for value in text.values():
            yield from sources(value)


def check_unseen(card: Card, seeds: Sequence[int], count: int) -> None:
    """:raises InputError: a prior that was trained on what is measured."""
    assert card.training is not None
    for source in sources(card.training.recipe_text):
        if source.get("folder") == PHOTOGRAPHS and source["hold_out"] < count:
            raise InputError(
                f"{card.name} held out {source['hold_out']} images of {PHOTOGRAPHS}, not {count}"
            )
        if "rendered" in source and source.get("seed", 0) in seeds:
            raise InputError(f"{card.name} was trained on pages of seed {source.get('seed', 0)}")


def photographs(data: Path, count: int) -> Group:
    """The last images of the training folder, which recipes hold out."""
    files = image_files(data / PHOTOGRAPHS)[-count:]
    images = {f"{file.parent.name}/{file.stem}": load_image(file, 1) for file in files}
    return Group("photographs", "photographs", images)


def pages(name: str, seed: int, count: int, families: Sequence[str]) -> Group:
    """Rendered pages."""
    found = documents.pages(count, seed, 1, families)
    images = {
        f"documents/{seed}/{index}": torch.from_numpy(page.copy()).float().div(255)[None]
        for index, page in enumerate(found)
    }
    return Group(name, "documents", images)


@torch.no_grad()
def measure(aware: ClassAware, twin: ClassAware, group: Group, level: float) -> Row:
    """Both on the same noisy images; output clipped to [0, 1]."""
    own = aware.with_class(group.kind)
    noisy, agnostic, automatic, named, right = [], [], [], [], 0
    for name, clean in group.images.items():
        x = add_noise(clean, level, name)
        noisy.append(psnr(x, clean))
        agnostic.append(psnr(twin(x).clamp(0, 1), clean))
        named.append(psnr(own(x).clamp(0, 1), clean))
        if aware.classify(x) == [group.kind]:  # then it is that network which denoises
            right += 1
            automatic.append(named[-1])
        else:
            automatic.append(psnr(aware(x).clamp(0, 1), clean))
    means = (fmean(values) for values in (noisy, agnostic, automatic, named))
    return Row(group, level, *means, right)


def shown() -> list[Group]:
    """What is drawn: the bundled photo, since no research image may be shown, and a page."""
    return [
        Group("photograph", "photographs", {"photo": default_images(1)["photo"]}),
        pages("document, another font", SEED + 2, 1, fonts.HELD_OUT),
    ]


def draw(aware: ClassAware, groups: Sequence[Group]) -> Figure:
    """An image of each group as it is denoised, and the layers' noise estimates below it."""
    from matplotlib.figure import Figure

    columns = SHOWN_LAYERS + 1
    figure = Figure(figsize=(2.2 * columns, 4.4 * len(groups)), layout="constrained")
    axes = figure.subplots(2 * len(groups), columns, squeeze=False)
    layers = [round((i + 1) * aware.depth / SHOWN_LAYERS) for i in range(SHOWN_LAYERS)]
    for index, group in enumerate(groups):
        name, clean = next(iter(group.images.items()))
        x = add_noise(clean, SHOWN_LEVEL, name)
        after = [x, *aware.with_class(group.kind).estimates(x)]
        upper, lower = axes[2 * index], axes[2 * index + 1]
        shown = [("noisy", x), *((f"after layer {n}", after[n]) for n in layers)]
        for axis, (title, image) in zip(upper, shown, strict=True):
            axis.imshow(image[0, 0].clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{title}\n{psnr(image.clamp(0, 1), clean):.2f} dB", fontsize=9)
        lower[0].imshow(clean[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
        lower[0].set_title("ground truth", fontsize=9)
        for axis, layer in zip(lower[1:], layers, strict=True):
            estimate = (after[layer - 1] - after[layer])[0, 0]
            bound = max(estimate.abs().max().item(), 1e-6)
            axis.imshow(estimate.numpy(), cmap="gray", vmin=-bound, vmax=bound)
            axis.set_title(f"estimate of layer {layer}\n±{bound:.2f}", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    return figure


def verdict(rows: Sequence[Row]) -> list[str]:
    """For each class, the mean gain and whether it is what is wanted."""
    lines = []
    for kind, goal in GOALS.items():
        gain = fmean(row.gain for row in rows if row.group.kind == kind)
        met = "met" if gain >= goal else "not met"
        lines.append(
            f"- {kind}: {gain:+.2f} dB over the twin; wanted {goal:+.2f} dB or more: {met}."
        )
    return lines


def page(rows: Sequence[Row], cards: Sequence[Card], command: str) -> str:
    """The tables and what they say, in Markdown."""
    right = sum(row.right for row in rows)
    total = sum(len(row.group.images) for row in rows)
    lines = [
        "# Class-aware against class-agnostic denoising",
        "",
        f"Written by `{command}`. Mean PSNR in dB; white Gaussian noise, not clipped; output "
        "clipped to [0, 1].",
        "",
        "| network | parameters used for an image | million pixels seen |",
        "| --- | --- | --- |",
    ]
    for card in cards:
        assert card.training is not None
        networks = len(card.architecture["classes"])
        size = f"{card.parameters:,}" if networks == 1 else f"{card.parameters // networks:,}"
        seen = card.training.megapixels_seen
        lines.append(f"| {card.name} | {size} | {seen:,.0f} in {networks} network(s) |")
    lines += [
        "",
        "| images | σ | noisy | class-agnostic | class-aware | gain | class named | right |",
        "| --- " * 8 + "|",
    ]
    for row in rows:
        of = len(row.group.images)
        lines.append(
            f"| {row.group.name} | {row.level:g} | {row.noisy:.2f} | {row.twin:.2f} | "
            f"{row.aware:.2f} | {row.gain:+.2f} | {row.named:.2f} | {row.right} of {of} |"
        )
    lines += [
        "",
        *verdict(rows),
        f"- classifier: {right} of {total} noisy images decided rightly.",
        "",
        "![Images after some layers, and these layers' noise estimates](class-aware.png)",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder, else PNP_PRIORS_DATA")
    parser.add_argument("--prior", default="class-aware", help="name or card (default class-aware)")
    parser.add_argument("--twin", required=True, help="card of the class-agnostic network")
    parser.add_argument("--sigma", type=float, action="append", help="level, may be repeated")
    parser.add_argument(
        "--pages", type=int, default=PAGES, help=f"pages of each kind of fonts (default {PAGES})"
    )
    parser.add_argument(
        "--photographs", type=int, default=HELD_OUT, help=f"how many (default {HELD_OUT})"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default docs)")
    options = parser.parse_args(arguments)
    for option in ("pages", "photographs"):
        if getattr(options, option) < 1:
            parser.error(f"--{option} must be at least 1, got {getattr(options, option)}")
    torch.set_num_threads(options.threads)
    return exit_code(lambda: print(_measure(options)))


def _measure(options: argparse.Namespace) -> str:
    data = data_folder(options.data)
    aware, twin = registry.load(options.prior), registry.load(options.twin)
    cards = [registry.describe(options.prior), registry.describe(options.twin)]
    for prior, card in zip((aware, twin), cards, strict=True):
        if not isinstance(prior, ClassAware):
            raise InputError(f"{card.name} is of system {card.system!r}, not 'class-aware'")
        check_unseen(card, (SEED, SEED + 1), options.photographs)
    assert isinstance(aware, ClassAware)
    assert isinstance(twin, ClassAware)
    groups = [
        photographs(data, options.photographs),
        pages("documents, fonts of the training", SEED, options.pages, fonts.TRAINING),
        pages("documents, other fonts", SEED + 1, options.pages, fonts.HELD_OUT),
    ]
    rows = []
    for group in groups:
        for level in sorted(options.sigma or LEVELS):
            rows.append(measure(aware, twin, group, level))
            print(
                f"{group.name}, sigma {level:g}: {rows[-1].gain:+.2f} dB",
                flush=True,
                file=sys.stderr,
            )
    text = page(rows, cards, "python benchmarks/class_aware.py --data DIR --twin CARD")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "class-aware.md").write_text(text, encoding="utf-8")
    draw(aware, shown()).savefig(options.out / "class-aware.png", dpi=110)
    return text


if __name__ == "__main__":
    sys.exit(main())
