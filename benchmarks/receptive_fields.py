"""Effective against theoretical receptive field of the released priors.

    python benchmarks/receptive_fields.py

measures one prior of each kind on crops of the bundled photo, some at several noise levels, and
writes docs/receptive-field.md and its picture; names given to it are measured instead. About two
minutes of one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from pnp_priors import registry
from pnp_priors.analysis import ReceptiveField, receptive_field
from pnp_priors.analysis._receptive_field import CROPS
from pnp_priors.analysis._receptive_field_picture import draw
from pnp_priors.errors import exit_code

#: what is measured, and at which levels on the 0..255 scale; none: the prior's usual one
USUAL: dict[str, Sequence[float | None]] = {
    "ffdnet-gray": (15, 25, 50),
    "dncnn-b": (15, 25, 50),
    "bf-dncnn": (25,),
    "ffdnet-color": (25,),
    "class-aware": (25,),
    "cbdnet": (25,),
    "trd-5x5-s15": (15,),
    "trd-5x5-s25": (25,),
    "trd-5x5-s50": (50,),
    "trd-7x7-s25": (25,),
    "genericdp": (25,),
    "genericdp-color": (25,),
    "trd-jpeg-q10": (None,),
    "foe-s-s25": (25,),
    "foe-rb-s25": (25,),
    "ka-s25": (25,),
    "diffusivity-unet-s25": (25,),
    "nn3d": (25,),
}
PICTURED = {(name, 25) for name in ("dncnn-b", "ffdnet-gray", "genericdp", "foe-rb-s25")}

PAGE = """\
# The receptive field: what a prior may look at, and what it looks at

Luo, Li, Urtasun and Zemel (*Understanding the effective receptive field in deep convolutional
neural networks*, NeurIPS 2016): in the square of pixels that an output pixel can depend on, the
**theoretical receptive field**, most hardly count. How much each one counts is measured by a
gradient of 1 at an output pixel, 0 elsewhere, propagated back to the input.

```
pnp-priors receptive-field ffdnet-gray --sigma 15 --sigma 50 --out field.png
```

```python
import pnp_priors
from pnp_priors.analysis import over_sigma, receptive_field

prior = pnp_priors.load("trd-5x5-s25")
field = receptive_field(prior, sigma=25 / 255)  # field.map, field.effective, field.share, …
by_level = over_sigma(prior, [15 / 255, 50 / 255])
```

- **map**: mean absolute gradient by the offset from the output pixel, over noisy crops of a photo
  (absolute, because a denoiser weighs a neighbour up in one image and down in another), over the
  places of a pixel in the cells that a prior works on (FFDNet 2×2, CBDNet 4×4, JPEG 8×8), summed
  over input channels, averaged over output channels.
- **effective size**: as in the paper, the square root of the number of pixels above 4.55 % of the
  map's peak. It depends on how high the peak is: where little noise is to be removed, the pixel
  itself outweighs all others.
- **95.45 % in**: side of the centred square that holds this part of the map's sum; long, thin tails
  count here.
- **spread**: standard deviation per axis of the Gaussian with the map's second moments.
- **theoretical size**: what the prior's card says. The tests check for every released prior with a
  limited field that no gradient reaches further, and for the convolutional systems that gradients
  reach exactly as far. It decides the halo of tiles; the effective size does not.

## Measured

Written by `{command}`: at least {crops} crops of the bundled photo,
sizes in pixels, σ of 255 gray levels.
{repeated}

{table}

![Maps of some priors](receptive-field.png)

*Each map relative to its peak; offsets in pixels.*

## Kernels with lighter centres

For a wider effective field from the start, section 4 of the paper proposes to draw the weights by
any method and scale them, less at a kernel's centre, more outside. In a recipe:

```yaml
lighter_centre: 0.5
```

The centre's factor is this share of the corners', those between are linear in the distance, and
their mean square is 1, so that outputs keep their variance. Every convolution from 3×3 up is
scaled, whatever it was drawn by; layers that start at zero stay so. With 3×3 kernels in a random
linear network, the variance of the expected squared gradient grows from 2/3 pixel² per layer and
axis to 0.76 for a share of 0.5 and to 5/6 for 0; the tests check 5/6 with random networks. It is
for untrained networks: together with a start from trained weights it is refused. No released prior
was trained with it, and what it gains here has not been measured; the paper found the benefit "not
always significant".
"""


Fields = Mapping[tuple[str, float | None], ReceptiveField]


def level_of(field: ReceptiveField) -> str:
    """The noise level on the 0..255 scale."""
    return "JPEG" if field.sigma is None else f"{255 * field.sigma:g}"


def table(fields: Fields) -> str:
    """A Markdown table with a row for each prior and noise level."""
    lines = [
        "| prior | σ | theoretical | effective | share | 95.45 % in | spread |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (name, _), field in fields.items():
        theoretical = "whole image" if field.theoretical is None else str(field.theoretical)
        share = "" if field.share is None else f"{100 * field.share:.0f} %"
        lines.append(
            f"| {name} | {level_of(field)} | {theoretical} | {field.effective:.1f} | {share} | "
            f"{field.enclosing} | {field.spread:.1f} |"
        )
    return "\n".join(lines)


def repeated(fields: Fields, crops: int) -> str:
    """How much the first effective size changes with other crops, in a sentence."""
    (name, level), first = next(iter(fields.items()))
    prior, sigma = registry.load(name), None if level is None else level / 255
    others = (receptive_field(prior, sigma, crops=crops, seed=seed) for seed in (1, 2, 3))
    sizes = [first.effective, *(other.effective for other in others)]
    low, high = min(sizes), max(sizes)
    return (
        f"In this and three more sets of as many crops, the effective size of {name} at "
        f"σ = {level_of(first)} was {low:.1f} to {high:.1f}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; errors of the package are one line and exit code 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="priors; by default each kind")
    parser.add_argument(
        "--sigma", type=float, action="append", help="level for given names, may be repeated"
    )
    parser.add_argument("--crops", type=int, default=CROPS, help=f"default {CROPS}")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default docs)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    return exit_code(lambda: measure(options))


def measure(options: argparse.Namespace) -> None:
    """Measure, write page and picture, print the table."""
    released = registry.available()
    plan = {name: levels for name, levels in USUAL.items() if name in released}
    if options.names:
        plan = dict.fromkeys(options.names, options.sigma or [None])
    fields: dict[tuple[str, float | None], ReceptiveField] = {}
    for name, levels in plan.items():
        prior = registry.load(name)
        for level in levels:
            sigma = None if level is None else level / 255
            fields[name, level] = receptive_field(prior, sigma, crops=options.crops)
            print(name, level, f"{fields[name, level].effective:.1f}", file=sys.stderr, flush=True)
    command = ["python benchmarks/receptive_fields.py", *options.names]
    command += [f"--sigma {level:g}" for level in (options.sigma or []) if options.names]
    command += [] if options.crops == CROPS else [f"--crops {options.crops}"]
    text = PAGE.format(
        command=" ".join(command),
        crops=options.crops,
        table=table(fields),
        repeated=repeated(fields, options.crops),
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "receptive-field.md").write_text(text, encoding="utf-8")
    pictured = {key: field for key, field in fields.items() if key in PICTURED} or fields
    titles = {f"{key[0]}, σ = {level_of(field)}": field for key, field in pictured.items()}
    draw(titles).savefig(options.out / "receptive-field.png", dpi=90)
    print(table(fields))


if __name__ == "__main__":
    sys.exit(main())
