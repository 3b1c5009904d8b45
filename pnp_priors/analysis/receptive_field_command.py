"""``pnp-priors receptive-field``: how far a prior may look, and how far it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors import completion

if TYPE_CHECKING:
    from torch import Tensor

    from pnp_priors.analysis import ReceptiveField


def receptive_field(
    name: Annotated[
        str,
        typer.Argument(
            help="A prior, see `pnp-priors list`, or a card.", autocompletion=completion.priors
        ),
    ],
    sigma: Annotated[
        list[float] | None,
        typer.Option(
            "--sigma",
            help="Noise level, 0..255 scale; repeatable. By default 25, or the nearest that the "
            "prior is trained for.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Clean image, or a folder of them; the bundled photo if not given."),
    ] = None,
    crops: Annotated[int, typer.Option(min=1, help="Noisy crops to average over, at least.")] = 32,
    out: Annotated[
        Path | None, typer.Option(help="Write a picture of the maps, .png, .pdf or .svg.")
    ] = None,
) -> None:
    """Measure a prior's effective receptive field, beside the theoretical one."""
    from pnp_priors.analysis import receptive_field as measure
    from pnp_priors.registry import describe, load

    if out is not None:
        _check_picture(out)
    card = describe(name)
    clean = None if images is None else _read(images, card.channels)
    prior = load(name)
    fields: dict[str, ReceptiveField] = {}
    levels: list[float | None] = [*sigma] if sigma else [None]
    for level in levels:
        field = measure(prior, None if level is None else level / 255, clean, crops)
        where = "" if field.sigma is None else f", sigma {255 * field.sigma:g}/255"
        fields[f"{card.name}{where}"] = field
        print(_lines(card.name + where, field))
    if out is not None:
        from pnp_priors.analysis._receptive_field_picture import draw

        out.parent.mkdir(parents=True, exist_ok=True)
        draw(fields).savefig(out, dpi=150)
        print(f"wrote {out.resolve()}")


def _check_picture(path: Path) -> None:
    from pnp_priors.errors import InputError

    if path.suffix.lower() not in {".png", ".pdf", ".svg"}:
        raise InputError(f"--out {path}: a picture is .png, .pdf or .svg")


def _read(path: Path, channels: int) -> list[Tensor]:
    """``[1, channels, H, W]`` of a file, or of each image in a folder."""
    from pnp_priors.benchmark.data import load_image
    from pnp_priors.errors import MissingFileError
    from pnp_priors.images import SUFFIXES, is_image

    if not path.is_dir():
        return [load_image(path, channels)]
    files = sorted(file for file in path.iterdir() if is_image(file))
    if not files:
        raise MissingFileError(f"no images in {path} ({', '.join(sorted(SUFFIXES))})")
    return [load_image(file, channels) for file in files]


def _lines(title: str, field: ReceptiveField) -> str:
    if field.theoretical is None:
        theoretical, share = "the whole image", ""
    else:
        theoretical, share = f"{field.theoretical} pixels", f" ({field.share:.0%} of it)"
    return "\n".join(
        [
            f"{title}, {field.crops} crops",
            f"  theoretical  {theoretical}; gradients reached {field.support}",
            f"  effective    {field.effective:.1f} pixels{share}: above 4.55 % of the peak",
            f"  95.45 % in   {field.enclosing} pixels square",
            f"  spread       {field.spread:.2f} pixels, standard deviation",
        ]
    )
