"""Every released prior on one image: milliseconds per megapixel, and the ratio to ``ffdnet-gray``.

All on the same machine in one run, taking turns, on one thread. Counted is that thread's time on
the processor, which other programs on the machine change little; of a GPU, the time that passes.
Gray priors get a gray image, colour priors one of three channels. Priors that differ in their
weights alone take the same time, so that one of each architecture is measured::

    python benchmarks/prior_speed.py --out docs/speed.yaml

writes what the documentation shows; without ``--out`` a table is printed alone.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from measuring import devices, machine, show

from pnp_priors import registry
from pnp_priors.atomic import whole
from pnp_priors.card import Card

REFERENCE = "ffdnet-gray"
#: keys of an architecture that say what it was trained for, and take no time
TRAINED_FOR = ("sigma_range", "quality", "quality_range", "scales", "tasks")


def main() -> None:
    """Print one table per device; write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="default 5")
    parser.add_argument("--size", type=int, default=512, help="side of the image (default 512)")
    parser.add_argument("--out", type=Path, help="YAML file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = [measure(device, options.size, options.repeats) for device in devices()]
    if options.out:
        text = "# Written by `python benchmarks/prior_speed.py --out docs/speed.yaml`.\n"
        text += yaml.safe_dump({"runs": runs}, sort_keys=False, width=100)
        whole(options.out, lambda path: path.write_text(text, encoding="utf-8"))


def same_speed() -> dict[str, list[str]]:
    """Names of the released priors, by the first of each architecture."""
    groups: dict[str, list[str]] = {}
    for name in registry.available():
        card = registry.describe(name)
        groups.setdefault(_architecture(card), []).append(name)
    return {names[0]: names for names in groups.values()}


def _architecture(card: Card) -> str:
    kept = {key: value for key, value in card.architecture.items() if key not in TRAINED_FOR}
    return json.dumps([card.system, card.channels, kept], sort_keys=True)


def seconds(action: Callable[[], object], device: torch.device) -> float:
    """What an action takes: of the processor's time, or on a GPU of time as such."""
    if device.type != "cuda":
        began = time.process_time()
        action()
        return time.process_time() - began
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    action()
    torch.cuda.synchronize(device)
    return time.perf_counter() - began


@torch.no_grad()
def measure(device: torch.device, size: int, repeats: int) -> dict[str, Any]:
    """Time one prior of each architecture on one device."""
    groups = same_speed()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, size, size, generator=generator).to(device)
    actions = {}
    for name in groups:
        prior = registry.load(name, device=device)
        sigma = None if prior.blind else min(max(25 / 255, prior.sigma_range[0]), 75 / 255)
        actions[name] = partial(prior, image[:, : prior.channels].contiguous(), sigma)
    best = dict.fromkeys(actions, float("inf"))
    for action in actions.values():
        seconds(action, device)
    for _ in range(repeats):
        for name, action in actions.items():
            best[name] = min(best[name], seconds(action, device))
    per_megapixel = {name: 1e9 * least / size**2 for name, least in best.items()}
    (reference,) = (first for first, names in groups.items() if REFERENCE in names)
    ratios = {name: ms / per_megapixel[reference] for name, ms in per_megapixel.items()}
    show(
        f"One image of {size}x{size}, {device.type}",
        ["", "ms per megapixel", f"time / {REFERENCE}'s"],
        [[name, f"{ms:,.0f}", f"{ratios[name]:.2f}"] for name, ms in per_megapixel.items()],
        f"best of {repeats}.\n{machine(device)}",
    )
    return {
        "machine": machine(device),
        "date": datetime.date.today().isoformat(),
        "clock": "wall time" if device.type == "cuda" else "processor time",
        "size": size,
        "best_of": repeats,
        "ms_per_megapixel": {
            name: float(f"{per_megapixel[first]:.3g}")
            for first, names in groups.items()
            for name in names
        },
        "reference": REFERENCE,
        "ratio": {
            name: float(f"{ratios[first]:.3g}") for first, names in groups.items() for name in names
        },
    }


if __name__ == "__main__":
    main()
