"""Influence functions: the table with linear interpolation against the sum of 63 Gaussians.

Both evaluate the same 48 functions on the same responses, in one run, taking turns. Making the
table from the weights is part of what is timed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from measuring import arguments, best_and_median, devices, interleaved, machine, show

from pnp_priors.priors.influence import InfluenceBasis

FILTERS = 48


def main() -> None:
    """Print one table per device."""
    parser = arguments(__doc__ or "", repeats=7)
    parser.add_argument("--size", type=int, default=96, help="side of the responses (default 96)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for device in devices():
        measure(device, options.size, options.repeats)


def measure(device: torch.device, size: int, repeats: int) -> None:
    """Time forward, and forward with backward, on one device."""
    basis = InfluenceBasis().to(device)
    generator = torch.Generator().manual_seed(0)
    response = (40 * torch.randn(1, FILTERS, size, size, generator=generator)).to(device)
    curve = 0.01 * basis.centres / (1 + (basis.centres / 40) ** 2)
    weights = curve.repeat(FILTERS, 1)

    def table(z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return basis.lookup(z, basis.table(w))

    def backward(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        z, w = response.clone().requires_grad_(), weights.clone().requires_grad_()
        function(z, w).sum().backward()

    with torch.no_grad():
        direct = basis.direct(response, weights)
        error = (table(response, weights) - direct).abs().max() / (direct.max() - direct.min())
        forward = interleaved(
            {
                "table": lambda: table(response, weights),
                "direct sum": lambda: basis.direct(response, weights),
            },
            repeats,
            device,
        )
    both = interleaved(
        {"table": lambda: backward(table), "direct sum": lambda: backward(basis.direct)},
        repeats,
        device,
    )
    rows = [
        [name, best_and_median(forward[name]), best_and_median(both[name])]
        for name in ("table", "direct sum")
    ]
    ratio = [min(times["direct sum"]) / min(times["table"]) for times in (forward, both)]
    rows.append(["the table is faster", *(f"{r:.1f} x" for r in ratio)])
    show(
        f"{FILTERS} influence functions on {size}x{size} responses, {device.type}",
        ["", "forward, ms", "forward + backward, ms"],
        rows,
        f"best / median of {repeats}; ratio of the best. Largest difference: {error:.1e} of the "
        f"responses' range.\n{machine(device)}",
    )


if __name__ == "__main__":
    main()
