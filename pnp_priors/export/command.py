"""``pnp-priors export``: a prior or a pipeline as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pnp_priors.errors import InputError


def export(
    name: Annotated[
        str, typer.Argument(help="A prior or a pipeline: its name, or the YAML file of one.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, FILE.onnx.")],
    sigma: Annotated[
        str | None,
        typer.Option(help="Of a prior: level, a number for each image; map, one for each pixel."),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of a prior's weights and arithmetic: float32.")
    ] = "float32",
    iterations: Annotated[
        str | None,
        typer.Option(help="Of a pipeline: fixed, as it says; input, an input of the graph."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of a pipeline."),
    ] = None,
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators.")] = 18,
) -> None:
    """Export a prior, or a whole restoration, as an ONNX file.

    A reference to verify it by is written beside it: see `pnp-priors verify`.
    """
    from pnp_priors.extras import need
    from pnp_priors.runtime.reference import reference_path

    need("torch", "deepinv", "onnx")
    if _is_pipeline(name):
        if sigma is not None or precision != "float32":
            raise InputError(f"{name} is a pipeline: --sigma and --precision are for priors")
        from pnp_priors.export.restorations import export_pipeline
        from pnp_priors.pipelines.files import parse_settings

        overrides = parse_settings(settings or [])
        path = export_pipeline(name, out, overrides, iterations or "fixed", opset)
    else:
        if settings or iterations is not None:
            raise InputError(f"{name} is a prior: --set and --iterations are for pipelines")
        from pnp_priors.export.prior import export_prior

        path = export_prior(name, out, sigma, precision, opset)  # type: ignore[arg-type]
    print(f"{path} ({path.stat().st_size:,} bytes), reference {reference_path(path).name}")


def _is_pipeline(name: str) -> bool:
    """A pipeline's name, or a YAML file with a pipeline's key ``task``; cards have ``tasks``."""
    from pnp_priors.pipelines import available
    from pnp_priors.schema import read_yaml

    if Path(name).suffix in {".yaml", ".yml"}:
        content = read_yaml(Path(name))
        return isinstance(content, dict) and "task" in content
    return name in available()
