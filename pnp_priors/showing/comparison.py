"""One photo restored by several priors, and what each one scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pnp_priors import registry
from pnp_priors.benchmark.metrics import psnr, ssim
from pnp_priors.card import Card
from pnp_priors.errors import InputError, PnpPriorsError
from pnp_priors.pipelines import Restorer, load

#: pixels a side of what is restored before the clock runs
_WARM_UP = 64
#: smallest side of which SSIM is defined
_WINDOW = 11


@dataclass(frozen=True)
class Scores:
    """PSNR in dB, and SSIM; ``None`` for images smaller than its window."""

    psnr: float
    ssim: float | None


@dataclass(frozen=True, eq=False)
class Result:
    """What one prior made of the photo.

    :param pixels: ``[C, H, W]``, clipped to [0, 1].
    :param residual: input less the result before clipping, ``[C, H, W]``.
    :param scores: ``None`` where the original is not known.
    :param seconds: of restoring alone.
    :param remarks: in words, what must be known to compare it fairly.
    """

    name: str
    pixels: np.ndarray
    residual: np.ndarray
    scores: Scores | None
    seconds: float
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A photo and its restored versions.

    :param original: ``[C, H, W]`` in [0, 1]; ``None`` where it is not known.
    :param noisy: ``[C, H, W]``, not clipped.
    :param scores: of ``noisy``.
    :param sigma: noise level, in [0, 1] units.
    """

    original: np.ndarray | None
    noisy: np.ndarray
    scores: Scores | None
    sigma: float
    results: tuple[Result, ...]


def noisy_version(original: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Add white Gaussian noise, neither clipped nor rounded; the same on every machine.

    :param original: ``[C, H, W]`` in [0, 1].
    :param sigma: in [0, 1] units.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(original.shape, generator=generator).numpy()
    return (original + np.float32(sigma) * noise).astype(np.float32)


def compare(
    noisy: np.ndarray,
    names: Sequence[str],
    sigma: float,
    original: np.ndarray | None = None,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Restore a photo by each of several priors, as ``pnp-priors run denoising`` does.

    A gray prior restores each channel of a colour photo by itself, a colour prior the mean of three
    copies of a gray one; large photos are restored in tiles.

    :param noisy: ``[C, H, W]``, C = 1 or 3, nominal range [0, 1] plus noise.
    :param names: of released priors, or paths of cards.
    :param sigma: of the noise, in [0, 1] units; every prior but blind ones is told it.
    :param original: of the same shape.
    :param progress: called with the name of each prior before it runs.
    :raises UnknownNameError, InputError: one line; a prior that is not for this, before any runs.
    """
    cards = [registry.describe(name) for name in names]
    restorers = [_restorer(name, sigma, device) for name in names]
    image = torch.from_numpy(np.ascontiguousarray(noisy))
    for name, restorer in zip(names, restorers, strict=True):
        try:
            # The first call makes tables and chooses kernels, which a second photo would not pay
            # for; and what a prior refuses, it refuses before the others have worked.
            restorer(image[:, :_WARM_UP, :_WARM_UP])
        except PnpPriorsError as error:
            raise InputError(f"{name}: {error}") from error
    results = []
    for card, restorer in zip(cards, restorers, strict=True):
        if progress is not None:
            progress(card.name)
        restored, seconds = _timed(restorer, image)
        clipped = restored.clip(0, 1)
        results.append(
            Result(
                card.name,
                clipped,
                noisy - restored,
                score(clipped, original),
                seconds,
                remarks(card, sigma, len(noisy)),
            )
        )
    return Comparison(original, noisy, score(noisy, original), sigma, tuple(results))


def remarks(card: Card, sigma: float, channels: int) -> tuple[str, ...]:
    """What must be known of a prior to read its result: blind, rescaled, channel by channel.

    :param sigma: in [0, 1] units.
    :param channels: of the photo.
    """
    said = []
    low, high = card.sigma_range
    outside = not low - 1e-6 <= sigma <= high + 1e-6
    span = f"{255 * low:g}" if low == high else f"{255 * low:g} to {255 * high:g}"
    if card.blind:
        said.append("blind" + (f", trained up to {255 * high:g}" if outside else ""))
    elif outside and low == high:
        said.append(f"rescaled: trained for {span}")
    elif outside:
        said.append(f"outside its {span}")
    if "gaussian" not in card.tasks:
        said.append(f"trained for {' and '.join(card.tasks)} noise")
    if channels == 3 and card.channels == 1:
        said.append("gray: channel by channel")
    elif channels == 1 and card.channels == 3:
        said.append("colour prior: mean of 3")
    return tuple(said)


def score(image: np.ndarray, original: np.ndarray | None) -> Scores | None:
    """Score ``[C, H, W]`` against its original."""
    if original is None:
        return None
    first, second = (torch.from_numpy(np.ascontiguousarray(a))[None] for a in (image, original))
    similarity = ssim(first, second) if min(original.shape[-2:]) >= _WINDOW else None
    return Scores(psnr(first, second), similarity)


def _restorer(name: str, sigma: float, device: str) -> Restorer:
    settings = {"prior.name": name, "noise.sigma": sigma}
    return load("denoising", settings, device)


def _timed(restorer: Restorer, image: Tensor) -> tuple[np.ndarray, float]:
    """The result, and how long it took in seconds."""
    start = time.perf_counter()
    restored: Tensor = restorer(image)
    values = restored.cpu().numpy()  # waits for a GPU
    return values, time.perf_counter() - start
