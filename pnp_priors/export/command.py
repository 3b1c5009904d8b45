"""``pnp-priors export``: a prior or a pipeline as an ONNX file, or all of a table of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pnp_priors.errors import InputError


def export(
    name: Annotated[
        str | None, typer.Argument(help="A prior or a pipeline: its name, or the YAML file of one.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write, FILE.onnx; with --all the folder."),
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(help="Of a prior: level, a number for each image; map, one for each pixel."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Of a prior's weights and arithmetic: float32 (default), float16, int8."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Of int8: folder of clean images, else $PNP_PRIORS_DATA/train."),
    ] = None,
    iterations: Annotated[
        str | None,
        typer.Option(help="Of a pipeline: fixed, as it says; input, an input of the graph."),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="Of JPEG deblocking: 3 (default), or 1, for gray photos.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of a pipeline."),
    ] = None,
    opset: Annotated[
        int | None, typer.Option(help="Version of ONNX's operators; 18, the default.")
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="All of a table that are not there; with --precision, of one."),
    ] = False,
    targets: Annotated[
        Path | None, typer.Option(help="Of --all: the table, a YAML file, if not the shipped one.")
    ] = None,
) -> None:
    """Export a prior, or a whole restoration, as an ONNX file.

    A reference to verify it by is written beside it: see `pnp-priors verify`.
    """
    from pnp_priors.extras import need
    from pnp_priors.runtime.reference import reference_path

    # onnx first: its extra brings torch as well
    need("onnx", "torch", "deepinv")
    from pnp_priors.export.graphs.restorations.builder import OPSET

    if out is None:
        raise InputError("-o is missing: the file to write, or the folder of --all")
    if every:
        single: dict[str, object] = {
            "a name": name,
            "--sigma": sigma,
            "--set": settings or None,
            "--iterations": iterations,
            "--channels": channels,
            "--opset": opset,
        }
        given = [option for option, value in single.items() if value is not None]
        if given:
            raise InputError(f"--all takes everything from its table: leave out {given[0]}")
        if calibration is not None and precision not in (None, "int8"):
            raise InputError(f"--calibration is for int8; the precision is {precision}")
        return _all(targets, out, precision, calibration)
    if targets is not None:
        raise InputError("--targets is for --all")
    if name is None:
        raise InputError("the name of a prior or a pipeline is missing, or --all")
    version = OPSET if opset is None else opset
    if _is_pipeline(name):
        if sigma is not None or precision not in (None, "float32") or calibration is not None:
            raise InputError(
                f"{name} is a pipeline: --sigma, --precision and --calibration are for priors"
            )
        from pnp_priors.export.restorations import export_pipeline
        from pnp_priors.pipelines.files import parse_settings

        overrides = parse_settings(settings or [])
        choice = "fixed" if iterations is None else iterations
        path = export_pipeline(name, out, overrides, choice, version, channels)
    else:
        if settings or iterations is not None or channels is not None:
            raise InputError(
                f"{name} is a prior: --set, --iterations and --channels are for pipelines"
            )
        from pnp_priors.export.prior import export_prior

        wanted = "float32" if precision is None else precision
        path = export_prior(name, out, sigma, wanted, version, calibration=calibration)  # type: ignore[arg-type]
    print(f"{path} ({path.stat().st_size:,} bytes), reference {reference_path(path).name}")


def _all(table: Path | None, folder: Path, precision: str | None, calibration: Path | None) -> None:
    from pnp_priors.errors import UnknownNameError
    from pnp_priors.export import targets
    from pnp_priors.export.everything import export_all

    if precision not in (None, *targets.KNOWN_PRECISIONS):
        raise UnknownNameError("precision", str(precision), list(targets.KNOWN_PRECISIONS))
    if folder.is_file():
        raise InputError(f"{folder} is a file: -o names the folder of --all")
    failed = export_all(targets.read(table), folder, precision, calibration)
    for line in failed:
        print(f"failed: {line}")
    if failed:
        raise typer.Exit(1)


def _is_pipeline(name: str) -> bool:
    """A pipeline's name, or a YAML file with a pipeline's key ``task``; cards have ``tasks``."""
    from pnp_priors.pipelines import available
    from pnp_priors.schema import read_yaml

    if Path(name).suffix in {".yaml", ".yml"}:
        content = read_yaml(Path(name))
        return isinstance(content, dict) and "task" in content
    return name in available()
