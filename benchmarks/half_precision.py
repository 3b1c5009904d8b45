"""What storing weights as float16 costs: a run's averaged weights against the released file's.

    python benchmarks/half_precision.py ffdnet-gray runs/ffdnet-gray --data DIR

The images are the eight at the end of ``train/bsd432_color``, which recipes hold out; noise of
sigma 15, 25 and 50. Nothing of ``eval/`` is needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from pnp_priors import describe, load
from pnp_priors.benchmark.metrics import psnr
from pnp_priors.registry import build
from pnp_priors.training.data import image_files, read_image

HELD_OUT = 8
SIGMAS = (15, 25, 50)


def main() -> None:
    """Print the mean and the worst difference for each noise level."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of a released prior, or the path of a card")
    parser.add_argument("run", type=Path, help="the folder of the run that it was released from")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    card, stored = describe(options.name), load(options.name)
    average = torch.load(options.run / "checkpoint.pt", weights_only=True)["average"]
    prefix = "module."
    whole = build(card.system, card.architecture).eval().requires_grad_(False)
    whole.load_state_dict(
        {key.removeprefix(prefix): v for key, v in average.items() if key.startswith(prefix)}
    )
    files = image_files(options.data / "train" / "bsd432_color")[-HELD_OUT:]
    for sigma in SIGMAS:
        differences = []
        for index, file in enumerate(files):
            clean = torch.tensor(read_image(file, stored.channels))[None].float() / 255
            generator = torch.Generator().manual_seed(index)
            noisy = clean + sigma / 255 * torch.randn(clean.shape, generator=generator)
            scores = [psnr(net(noisy, sigma / 255).clamp(0, 1), clean) for net in (stored, whole)]
            differences.append(scores[0] - scores[1])
        print(
            f"{card.name}, sigma {sigma}: {sum(differences) / len(differences):+.4f} dB on "
            f"average, {min(differences):+.4f} at worst"
        )


if __name__ == "__main__":
    main()
