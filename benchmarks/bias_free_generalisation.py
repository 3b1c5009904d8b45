"""How DnCNN trained on low noise alone does at higher noise, with and without additive constants.

Mohan, Kadkhodaie, Simoncelli, Fernandez-Granda: Robust and interpretable blind image denoising via
bias-free CNNs, ICLR 2020, figures 1 and 3. Three networks, all blind: bf-dncnn, trained on the
whole range of noise; bf-dncnn-narrow, on its lower end; and the twin of the latter with additive
constants, which is not released (benchmarks/recipes/dncnn-narrow.yaml).

    python benchmarks/bias_free_generalisation.py --data ../shared/data \
        --twin runs/dncnn-narrow/cards/dncnn-narrow.yaml

The images are those that all three held out from training, in the middle ``--crop`` pixels of each,
or an evaluation set (``--set BSD68``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pnp_priors import registry
from pnp_priors.benchmark.data import centre, evaluation_files, load_image
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.card import Card
from pnp_priors.errors import InputError, exit_code
from pnp_priors.priors.base import Prior
from pnp_priors.training.command import data_folder
from pnp_priors.training.data import image_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = (5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 100)
#: the level at which the three are compared in words
COMPARED = 50
CROP = 180
#: colours of Okabe and Ito (2008) that the colour-blind tell apart; the marks differ, too
STYLES = (("#0072B2", "o"), ("#009E73", "s"), ("#D55E00", "^"))
NOISY = ("#777777", "noisy image")

#: PSNR in dB by noise level on the 0..255 scale
Curve = dict[float, float]


@dataclass(frozen=True)
class Network:
    """One of the three: its card and itself."""

    card: Card
    prior: Prior

    @property
    def trained(self) -> tuple[float, float]:
        """Lowest and highest noise level of its training on the 0..255 scale."""
        low, high = self.card.sigma_range
        return 255 * low, 255 * high


def held_out(cards: Sequence[Card], data: Path) -> list[Path]:
    """The images that no network of these cards was trained on, of their training folders.

    :raises InputError: they held out different ones, or none.
    """
    sources = [card.training.recipe_text["data"]["sources"] for card in cards]
    if any(other != sources[0] for other in sources):
        names = ", ".join(card.name for card in cards)
        raise InputError(f"{names} were trained on different images: choose an evaluation set")
    files: list[Path] = []
    for source in sources[0]:
        if source["hold_out"]:
            files += image_files(data / source["folder"])[-source["hold_out"] :]
    if not files:
        raise InputError("no image was held out from training: choose an evaluation set")
    return files


def images(files: Sequence[Path], channels: int, crop: int | None) -> dict[str, Tensor]:
    """``[1, C, H, W]`` in [0, 1] by the names that decide the noise."""
    found = {}
    for file in files:
        image = load_image(file, channels)
        found[f"{file.parent.name}/{file.stem}"] = centre(image, crop) if crop else image
    return found


@torch.no_grad()
def curve(prior: Prior, clean: Mapping[str, Tensor], levels: Sequence[float]) -> Curve:
    """Mean PSNR of the restored images, clipped to [0, 1], at each noise level."""
    return {
        level: fmean(
            psnr(prior(add_noise(image, level, name), None).clamp(0, 1), image)
            for name, image in clean.items()
        )
        for level in levels
    }


def noisy_curve(clean: Mapping[str, Tensor], levels: Sequence[float]) -> Curve:
    """Mean PSNR of the noisy images themselves, not clipped."""
    return {
        level: fmean(psnr(add_noise(image, level, name), image) for name, image in clean.items())
        for level in levels
    }


def draw(curves: Mapping[str, Curve], noisy: Curve, trained: tuple[float, float]) -> Figure:
    """PSNR over the noise level, the narrow networks' training range shaded."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(*trained, color="#F0E442", alpha=0.45, lw=0, label="narrow training range")
    for (name, values), (colour, mark) in zip(curves.items(), STYLES, strict=True):
        axes.plot(list(values), list(values.values()), color=colour, marker=mark, label=name)
    axes.plot(list(noisy), list(noisy.values()), color=NOISY[0], ls="--", label=NOISY[1])
    axes.set_xlabel("noise level σ (of 255 gray levels)")
    axes.set_ylabel("PSNR (dB)")
    axes.set_xlim(0, None)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def page(
    networks: Sequence[Network], curves: Mapping[str, Curve], noisy: Curve, what: str, command: str
) -> str:
    """The table and what it says, in Markdown."""
    full, narrow, twin = (network.card.name for network in networks)
    lines = [
        "# Bias-free networks generalise beyond the noise they were trained on",
        "",
        f"Written by `{command}`. PSNR in dB, {what}; white Gaussian noise, not clipped; output "
        "clipped to [0, 1].",
        "",
        "![PSNR over the noise level](bias-free.png)",
        "",
        "| network | additive constants | trained on σ | million pixels seen |",
        "| --- | --- | --- | --- |",
    ]
    for network in networks:
        low, high = network.trained
        biased = "yes" if network.card.architecture.get("bias", True) else "none"
        seen = f"{network.card.training.megapixels_in_all:,.0f}"
        lines.append(f"| {network.card.name} | {biased} | {low:g}…{high:g} | {seen} |")
    lines += [
        "",
        "| σ | noisy | " + " | ".join(curves) + " |",
        "| --- " * (2 + len(curves)) + "|",
        *(
            f"| {level:g} | {noisy[level]:.2f} | "
            + " | ".join(f"{values[level]:.2f}" for values in curves.values())
            + " |"
            for level in noisy
        ),
    ]
    if COMPARED in noisy:
        reference = curves[full][COMPARED]
        behind = {name: reference - curves[name][COMPARED] for name in (narrow, twin)}
        lines += [
            "",
            f"At σ = {COMPARED}, {narrow} is {behind[narrow]:.2f} dB below {full}, {twin} "
            f"{behind[twin]:.2f} dB. Without additive constants D(a·x) = a·D(x): an image with "
            "more noise is one with more contrast and the noise that the network knows.",
        ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder, else PNP_PRIORS_DATA")
    parser.add_argument("--full", default="bf-dncnn", help="name or card (default bf-dncnn)")
    parser.add_argument("--narrow", default="bf-dncnn-narrow", help="name or card")
    parser.add_argument("--twin", required=True, help="card of the biased network")
    parser.add_argument("--set", help="evaluation set; by default the held-out training images")
    parser.add_argument(
        "--crop", type=int, help=f"side of the middle square (default {CROP}; 0, or --set: whole)"
    )
    parser.add_argument("--sigma", type=float, action="append", help="level, may be repeated")
    parser.add_argument("--limit", type=int, help="first so many images only")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default docs)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: print(_measure(options)))


def _measure(options: argparse.Namespace) -> str:
    data = data_folder(options.data)
    names = (options.full, options.narrow, options.twin)
    networks = [Network(registry.describe(name), registry.load(name)) for name in names]
    for network in networks:
        if not network.prior.blind:
            raise InputError(f"{network.card.name} is not blind: it would be told the noise level")
    cards = [network.card for network in networks]
    if len({card.name for card in cards}) < len(cards):
        raise InputError(f"three different networks are needed, got {', '.join(map(str, names))}")
    if options.set:
        files, crop = evaluation_files(data, options.set), options.crop
    else:
        files = held_out(cards, data)
        crop = CROP if options.crop is None else options.crop
    clean = images(files[: options.limit], cards[0].channels, crop)
    levels = sorted(options.sigma or LEVELS)
    curves: dict[str, Curve] = {}
    for network in networks:
        curves[network.card.name] = curve(network.prior, clean, levels)
        print(network.card.name, curves[network.card.name], flush=True, file=sys.stderr)
    noisy = noisy_curve(clean, levels)
    where = options.set or "images held out from training"
    what = f"mean over {len(clean)} images ({where})"
    what += f", the middle {crop}×{crop} pixels of each" if crop else ""
    command = "python benchmarks/bias_free_generalisation.py --data DIR --twin CARD"
    command += f" --set {options.set}" if options.set else ""
    text = page(networks, curves, noisy, what, command)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bias-free.md").write_text(text, encoding="utf-8")
    draw(curves, noisy, networks[1].trained).savefig(options.out / "bias-free.png", dpi=150)
    return text


if __name__ == "__main__":
    sys.exit(main())
