"""``pnp-priors show`` and ``pnp-priors compare``: pictures of one prior, and of several."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pnp_priors import completion
from pnp_priors.errors import InputError

if TYPE_CHECKING:
    from pnp_priors.showing.comparison import Comparison

_PAGES, _SHEETS = (".png", ".pdf", ".svg"), (".png",)


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A prior, see `pnp-priors list`, or a card.", autocompletion=completion.priors
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Picture to write, .png, .pdf or .svg; NAME.png if not given."
        ),
    ] = None,
    stage: Annotated[
        int | None,
        typer.Option(
            min=1, help="Whose filters are drawn, of diffusions with stages; 1 if not given."
        ),
    ] = None,
    crops: Annotated[
        int, typer.Option(min=1, help="Noisy crops for the receptive field, at least.")
    ] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
) -> None:
    """Draw what a prior has learned: filters, functions, receptive field, an example."""
    from pnp_priors.registry import describe, load

    card = describe(name)
    target = _target(out, Path(f"{card.name}.png"), _PAGES)
    prior = load(name)
    from pnp_priors.showing import page

    with _working(f"drawing {card.name}"):
        figure = page.page(prior, f"{card.name}: {card.title}", stage, crops=crops, seed=seed)
        page.write(target, figure)
    print(f"wrote {target.resolve()}")


def compare(
    photo: Annotated[
        Path, typer.Argument(metavar="IN", help="A clean photo; noise is added to it.")
    ],
    priors: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Priors, see `pnp-priors list`, with commas between.",
            autocompletion=completion.prior_lists,
        ),
    ],
    sigma: Annotated[
        str,
        typer.Option(metavar="SIGMA", help="Noise level on 0..255, such as 25; or as 25/255."),
    ] = "25",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Picture to write, .png; NAME-compared.png if not given."),
    ] = None,
    detail: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,SIDE",
            help="What to magnify: column, row and side in pixels; the most structured 64 pixels "
            "if not given.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    no_noise: Annotated[
        bool, typer.Option("--no-noise", help="The photo is noisy already, of level --sigma.")
    ] = False,
    reference: Annotated[
        Path | None, typer.Option(help="The original of a noisy photo, for --no-noise.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute, such as cpu or cuda.")] = "cpu",
) -> None:
    """Draw a photo restored by several priors: details, residuals, PSNR, SSIM, times."""
    target = _target(out, Path(f"{photo.stem}-compared.png"), _SHEETS)
    names, level, corner = _names(priors), _level(sigma), _corner(detail)
    if reference is not None and not no_noise:
        raise InputError("--reference: without --no-noise the photo itself is the original")
    from pnp_priors import images
    from pnp_priors.registry import describe

    for name in names:  # a slip of the keyboard is said before anything is read or loaded
        describe(name)
    pixels = images.read(photo).pixels
    original = pixels if not no_noise else None
    if reference is not None:
        original = images.read(reference).pixels
        if original.shape != pixels.shape:
            raise InputError(
                f"--reference {reference}: is {list(original.shape)}, {photo} {list(pixels.shape)}"
            )
    from pnp_priors.atomic import whole
    from pnp_priors.showing import comparison, sheet

    if corner is not None:
        sheet.inside(corner, pixels.shape)
    noisy = pixels if no_noise else comparison.noisy_version(pixels, level, seed)
    with _working("comparing") as say:
        found = comparison.compare(noisy, names, level, original, device, say)
    picture = sheet.draw(found, sheet.window(found, corner), photo.name)
    whole(target, lambda temporary: picture.save(temporary, format="PNG"))
    _print(found)
    print(f"wrote {target.resolve()}")


def _target(out: Path | None, usual: Path, suffixes: tuple[str, ...]) -> Path:
    path = usual if out is None else out
    if path.suffix.lower() not in suffixes:
        raise InputError(f"--out {path}: a picture is {' or '.join(suffixes)}")
    if path.is_dir():
        raise InputError(f"--out {path}: is a folder")
    return path


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names:
        raise InputError(
            "--priors: expected names with commas between, such as genericdp,ffdnet-gray"
        )
    if twice:
        raise InputError(f"--priors: {twice[0]} is named twice")
    return names


def _level(text: str) -> float:
    """``--sigma`` in [0, 1] units: a number is on 0..255, a fraction what Python makes of it."""
    upper, slash, lower = text.partition("/")
    try:
        level = float(upper) / (float(lower) if slash else 255)
    except (ValueError, ZeroDivisionError):
        level = 0.0
    if not 1 / 255 <= level <= 1:
        raise InputError(
            f"--sigma {text}: expected a number from 1 to 255, such as 25, or a fraction, 25/255"
        )
    return level


def _corner(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    try:
        x, y, side = (int(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--detail {text}: expected column, row and side in pixels, such as 100,60,64"
        ) from None
    return x, y, side


def _print(found: Comparison) -> None:
    """The figures of the sheet as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("prior", "PSNR (dB)", "SSIM", "time (ms)", "remarks"):
        numbers = heading not in ("prior", "remarks")
        table.add_column(heading, justify="right" if numbers else "left", no_wrap=True)
    rows = [(f"input, sigma {255 * found.sigma:.4g}/255", found.scores, "", "")]
    rows += [
        (result.name, result.scores, f"{1000 * result.seconds:.0f}", "; ".join(result.remarks))
        for result in found.results
    ]
    for name, scores, time, remarks in rows:
        psnr = "" if scores is None else f"{scores.psnr:.2f}"
        similarity = "" if scores is None or scores.ssim is None else f"{scores.ssim:.4f}"
        table.add_row(name, psnr, similarity, time, remarks)
    # Piped output is read by programs: it must not be cut to the width of a screen.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(table)


@contextmanager
def _working(what: str) -> Iterator[Callable[[str], None]]:
    """A line on a terminal's standard error while it works; called with a name, what it is at."""
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda name: status.update(f"{what}: {name}")
