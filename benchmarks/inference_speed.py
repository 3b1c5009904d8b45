"""genericDP (8 stages, 48 filters of 7x7) against FFDNet (15 layers of 64) on one gray image.

Both on the same image, machine and number of threads, in one run, taking turns. The released
weights are used where there are any; speed does not depend on them.
"""

from __future__ import annotations

import torch
from measuring import arguments, best_and_median, devices, interleaved, machine, show

from pnp_priors import registry
from pnp_priors.priors.base import Prior

#: the architectures of the released priors, for a checkout that has no weights yet
UNTRAINED = {
    "genericdp": ("reaction-diffusion", {"stages": 8, "filter_size": 7, "levels": 50}),
    "ffdnet-gray": ("ffdnet", {"channels": 1, "depth": 15, "width": 64, "residual": True}),
}


def prior(name: str, device: torch.device) -> Prior:
    """The released prior, or an untrained network of the same architecture."""
    if name in registry.available():
        return registry.load(name, device=device)
    return registry.build(*UNTRAINED[name]).requires_grad_(False).to(device).eval()


def main() -> None:
    """Print one table per device."""
    parser = arguments(__doc__ or "", repeats=9)
    parser.add_argument("--size", type=int, default=512, help="side of the image (default 512)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for device in devices():
        measure(device, options.size, options.repeats)


@torch.no_grad()
def measure(device: torch.device, size: int, repeats: int) -> None:
    """Time both priors on one device."""
    image = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    priors = {name: prior(name, device) for name in UNTRAINED}
    actions = {name: lambda p=p: p(image, 25 / 255) for name, p in priors.items()}
    seconds = interleaved(actions, repeats, device)
    best = {name: min(times) for name, times in seconds.items()}
    rows = [
        [name, best_and_median(times), f"{best[name] / best['ffdnet-gray']:.2f}"]
        for name, times in seconds.items()
    ]
    show(
        f"One gray image of {size}x{size}, {device.type}",
        ["", "ms", "time / FFDNet's"],
        rows,
        f"best / median of {repeats}; ratio of the best.\n{machine(device)}",
    )


if __name__ == "__main__":
    main()
