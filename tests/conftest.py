"""One thread, synthetic images, and the marker of tests that need the shared image sets."""

from __future__ import annotations

import fcntl
import importlib
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small images: threads cost more than they give, and sums keep one order."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PNP_PRIORS_DATA" in os.environ or SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason="no image sets: PNP_PRIORS_DATA is not set, no ../shared/data")
    for item in items:
        if "shared_data" in item.keywords:
            item.add_marker(skip)


def draw_scene(height: int, width: int, channels: int = 1, seed: int = 0) -> Tensor:
    """``[1, C, H, W]`` in [0, 1]: a shaded ground, a disc, a bar, and stripes in one quarter."""
    generator = torch.Generator().manual_seed(seed)
    phase, tone, shift = torch.rand(3, generator=generator).tolist()
    y = torch.linspace(0, 1, height)[:, None]
    x = torch.linspace(0, 1, width)[None, :]
    image = 0.25 + 0.3 * x + 0.15 * y
    disc = (x - 0.4 - 0.2 * shift) ** 2 + (y - 0.45) ** 2 < 0.06
    image = torch.where(disc, torch.tensor(0.15 + 0.1 * tone), image)
    bar = (x - 0.75).abs() < 0.08
    image = torch.where(bar & (y > 0.2), torch.tensor(0.9), image)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    stripes = 0.12 * torch.sin(1.3 * rows + 0.7 * columns + 6 * phase)
    image = torch.where((y > 0.6) & (x < 0.5), image + stripes, image)
    tints = torch.linspace(1, 0.7, channels)[:, None, None]
    return (image[None] * tints).clamp(0, 1)[None]


@pytest.fixture(scope="session")
def scene() -> Callable[..., Tensor]:
    """Synthetic images with edges and texture: ``scene(height, width, channels=1, seed=0)``."""
    return draw_scene


@pytest.fixture(scope="session")
def psnr() -> Callable[[Tensor, Tensor], float]:
    """PSNR in dB of two batches in [0, 1]."""

    def measure(restored: Tensor, clean: Tensor) -> float:
        return -10 * math.log10((restored - clean).double().square().mean().item())

    return measure


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``exported("ffdnet-gray", sigma="map")``: the file of a prior, exported once for all tests.

    Of a pipeline: ``exported("deconvolution", {"prior.name": "ffdnet-gray"})``. The tests'
    processes share what one of them has exported; nobody may change it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exported"

    def export(name: str, overrides: dict[str, Any] | None = None, **options: Any) -> Path:
        from pnp_priors.export.prior import export_prior
        from pnp_priors.export.restorations import export_pipeline

        said = [str(value) for value in [*(overrides or {}).values(), *options.values()]]
        path = folder / "-".join([name, *said]).replace("/", "_") / f"{name}.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_file() and overrides is None:
                export_prior(name, path, **options)
            elif not path.is_file():
                export_pipeline(name, path, overrides, **options)
        return path

    return export


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """``extension("links")``: a module of docs/_ext, which is not part of the package."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "docs" / "_ext")
    return importlib.import_module


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run ``pnp-priors`` in this process: exit code, stdout, stderr."""

    from pnp_priors import cli

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pnp-priors", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call
