"""What every prior promises: one class that checks input and leaves the network the easy case.

A subclass implements `_denoise(x, sigma)` for images of its own channel count, with `sigma`
already a tensor inside the trained range; everything that callers may pass is settled here.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pnp_priors.errors import InputError, RangeWarning
from pnp_priors.priors._denoiser import Denoiser
from pnp_priors.registry import fill
from pnp_priors.showing.notebook import Readable

#: larger values than this are no image in [0, 1] with noise on it, but one on 0..255
LARGEST = 10.0

#: how far below a map's maximum such a network is run, in halvings
MAP_OCTAVES = 3

Task = Literal["gaussian", "jpeg", "super-resolution", "camera"]
Sigma = float | int | Tensor | np.ndarray | np.generic | list[float]


class Prior(Readable, Denoiser):
    r"""A trained denoiser :math:`D(x, \sigma)`, usable wherever deepinv takes a denoiser.

    :param channels: image channels the network was made for. A gray prior (1) is applied to each
        channel of a colour image by itself.
    :param sigma_range: trained noise levels ``(low, high)`` in image units (``25/255``, not 25);
        equal for a network of one level, whose input is rescaled to meet every other.
    :param blind: whether the network ignores sigma; only then may sigma be ``None``.
    """

    #: height and width are padded inside to a multiple of this; tiles must start at one.
    size_multiple: int = 1
    #: how far a network of one noise level scales contrast up to meet a lower one
    largest_gain: float = 16
    #: of its card, if it was loaded
    name: str | None = None
    #: what it restores, in the words of a card
    tasks: tuple[Task, ...] = ("gaussian",)
    #: trained JPEG qualities ``(low, high)``; ``None`` for a prior that is for other tasks
    quality_range: tuple[int, int] | None = None
    #: whether its convolutions run faster with the channels of a pixel side by side in memory
    channels_last: bool = False
    #: whether it takes the quantisation table of a JPEG image: ``forward(x, table=…)``
    takes_table: bool = False
    #: trained scales of super-resolution; ``None`` for a prior that is for other tasks
    scales: tuple[int, ...] | None = None
    #: whether it estimates the noise levels where sigma is ``None``, and takes those it is given;
    #: not blind, then. Its maps, of :meth:`estimate` or given, may have a level per channel
    estimates_sigma: bool = False
    #: whether the range of an image has been looked at
    _looked: bool = False

    def __init__(
        self, channels: int, sigma_range: tuple[float, float], blind: bool = False
    ) -> None:
        super().__init__()
        low, high = float(sigma_range[0]), float(sigma_range[1])
        if not 0 <= low <= high <= 1 or high == 0:
            raise InputError(f"sigma_range must satisfy 0 <= low <= high <= 1, got {sigma_range}")
        self.channels = int(channels)
        self.sigma_range = (low, high)
        self.blind = bool(blind)

    def _say_as(self, prior: Prior) -> None:
        """Of a prior that only applies another one: say of itself what that one says."""
        self.channels, self.sigma_range, self.blind = prior.channels, prior.sigma_range, prior.blind
        self.tasks = prior.tasks
        self.quality_range, self.scales = prior.quality_range, prior.scales
        self.takes_table, self.estimates_sigma = prior.takes_table, prior.estimates_sigma
        self.channels_last, self.size_multiple = prior.channels_last, prior.size_multiple

    @property
    def receptive_field(self) -> int | None:
        """Width in pixels of the square of input pixels that one output pixel depends on.

        ``None``: the whole image, so that tiles can never equal it.
        """
        raise NotImplementedError

    @property
    def halo(self) -> int:
        """Pixels a tile needs on each side so that its inside equals whole-image restoration.

        :raises InputError: this prior looks at the whole image and cannot be tiled.
        """
        if self.receptive_field is None:
            raise InputError(
                f"{type(self).__name__} cannot be tiled: each pixel depends on the whole image"
            )
        half = self.receptive_field // 2
        return half + (-half) % self.size_multiple

    def arguments(self) -> dict[str, Any]:
        """The constructor arguments, plain values, that rebuild this architecture."""
        raise NotImplementedError

    def parameter_groups(self) -> dict[str, list[torch.nn.Parameter]]:
        """Parameters by the name under which a training recipe gives their learning rate."""
        return {"weights": list(self.parameters())}

    def grow(self, stages: int, greedy: int = 0) -> None:
        """Enter a training phase of a recipe; systems without stages refuse."""
        raise InputError(f"{type(self).__name__} has no stages to grow to {stages}")

    def adopt(self, other: Prior) -> None:
        """Take over what fits of a trained network, as a start for training.

        :raises WeightsError: nothing fits: another system or other sizes.
        """
        fill(self, other.state_dict())

    def mask_gradients(self) -> None:
        """Called after each backward pass; a greedy phase clears what it does not train."""

    def prepare_training(self, bfloat16: bool) -> None:
        """Told before training whether bfloat16 is wanted; most leave that to autocast."""

    def training_pass(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor | float]:
        """What a training step takes from this network.

        :param sigma: true noise levels of the batch, ``[B]`` or a map of them.
        :returns: the restored batch, and what is added to the loss of each image, ``[B]``: for
            networks of which more is wanted than the restored image.
        """
        return self(x, sigma), 0.0

    def for_release(self) -> Prior:
        """The form of this network that is released (training-only parts merged), in eval mode."""
        return self.eval()

    def _denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoise ``[B, channels, H, W]``; ``sigma`` is ``[1 or B, 1, 1 or H, 1 or W]``.

        For a prior that estimates it, it may have all channels.
        """
        raise NotImplementedError

    def _estimate(self, x: Tensor) -> Tensor:
        """Noise levels ``[B, channels, H, W]`` of images, within the trained range."""
        raise NotImplementedError

    def estimate(self, x: Tensor) -> Tensor:
        """The noise levels that it denoises with where none are given.

        :param x: as in :meth:`forward`.
        :returns: standard deviations in image units, ``[B, C, H, W]``.
        :raises InputError: an impossible image, or a prior that does not estimate them.
        """
        if not self.estimates_sigma:
            raise InputError(f"{type(self).__name__} does not estimate noise levels")
        self._check_image(x)
        return self._estimate(x.to(next(self.parameters()).dtype)).to(x.dtype)

    def forward(self, x: Tensor, sigma: Sigma | None = None) -> Tensor:
        r"""Denoise a batch of images.

        Above the trained range the image's contrast is scaled down about 0.5 until sigma fits and
        scaled back after; below it the correction ``D(x, low) - x`` fades with
        :math:`(\sigma/\mathrm{low})^2`, as Tweedie's formula says that a denoiser's does. A network
        of one level scales the contrast up as well, to 16 times; for a map it runs at the map's
        maximum, a half, a quarter and an eighth of it, and each pixel takes what lies between.

        :param x: ``[B, C, H, W]`` floating point, nominal range [0, 1] plus noise; any H, W >= 1.
        :param sigma: noise standard deviation in the same units: a number, a 0-d or ``[B]`` tensor
            or array, or a map ``[B, 1, H, W]`` (``[1, 1, H, W]`` serves the whole batch).
            ``None`` for blind priors, and for those that estimate it; to these a map may also give
            a level per channel, ``[B, C, H, W]``.
        :returns: the denoised batch, of the shape, dtype and device of ``x``.
        :raises InputError: wrong shape, channels, dtype, or a sigma that is negative, not finite
            or above 1 (which would be meant in 0..255 units).
        """
        self._check_image(x)
        if sigma is None and self.estimates_sigma:
            sigma = self.estimate(x)
        weights = next(self.parameters())
        level = self._sigma_tensor(sigma, x, weights.dtype)
        image = x.to(weights.dtype)
        if self.channels == 1 and x.shape[1] != 1:
            batch, colours = x.shape[:2]
            image = image.flatten(0, 1).unsqueeze(1)
            level = level.repeat_interleave(colours, dim=0) if level.shape[0] == batch else level
            return self._in_range(image, level).reshape(x.shape).to(x.dtype)
        return self._in_range(image, level).to(x.dtype)

    def _in_range(self, x: Tensor, sigma: Tensor) -> Tensor:
        low, high = self.sigma_range
        if self.blind:
            return self._denoise(x, sigma)
        if low == high:
            return self._at_one_level(x, sigma)
        scale = (high / sigma.amax(dim=(1, 2, 3), keepdim=True).clamp(min=high)).to(x.dtype)
        restored = self._rescaled(x, scale, (scale * sigma).clamp(min=low))
        if low == 0:
            return restored
        fade = (sigma / low).clamp(max=1.0) ** 2
        return x + fade * (restored - x)

    def _rescaled(self, x: Tensor, scale: Tensor, sigma: Tensor) -> Tensor:
        return (self._denoise((x - 0.5) * scale + 0.5, sigma) - 0.5) / scale + 0.5

    def _at_one_level(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Meet any sigma by rescaling; a map by interpolation over octaves below its maximum."""
        trained = self.sigma_range[1]
        lowest = trained / self.largest_gain
        level = sigma.amax(dim=(1, 2, 3), keepdim=True).clamp(min=lowest)
        octaves = 0 if sigma.shape[-2:] == (1, 1) else MAP_OCTAVES
        depth = torch.log2(level / sigma.clamp(min=lowest)).clamp(0, octaves)
        restored = torch.zeros_like(x)
        for octave in range(octaves + 1):
            share = (1 - (depth - octave).abs()).clamp(min=0)
            level = level.clamp(min=lowest)
            at_level = self._rescaled(
                x, (trained / level).to(x.dtype), torch.full_like(level, trained)
            )
            restored = restored + share * at_level
            reached, level = level, level / 2
        return x + (sigma / reached).clamp(max=1.0) ** 2 * (restored - x)

    def _check_image(self, x: Tensor) -> None:
        if not isinstance(x, Tensor) or x.ndim != 4 or 0 in x.shape:
            got = list(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise InputError(f"expected an image tensor of shape [B, C, H, W], got {got}")
        if not x.is_floating_point():
            raise InputError(
                f"expected floating point values in [0, 1], got {x.dtype}; divide 8-bit by 255"
            )
        if self.channels != 1 and x.shape[1] != self.channels:
            raise InputError(
                f"this prior is for {self.channels} channels, the image has {x.shape[1]}"
            )
        if not (torch.compiler.is_compiling() or torch.jit.is_tracing() or self._looked):
            self._look_at_range(x)

    def _look_at_range(self, x: Tensor) -> None:
        """Warn of an image on 0..255.

        The first one alone is looked at: it costs the others nothing, and the iterates of a solver
        that diverges, which grow without end, began as an image.
        """
        self._looked = True
        try:
            largest = float(x.detach().abs().max())
        except RuntimeError:  # it has no values to look at: inside vmap, or a fake tensor
            return
        if largest > LARGEST:
            warnings.warn(
                f"the image has values of up to {largest:.4g}; images are in [0, 1]: divide 8-bit "
                "values by 255",
                RangeWarning,
                stacklevel=6,  # of forward, called as a module
            )

    def _sigma_tensor(self, sigma: Sigma | None, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Bring every allowed form of sigma to ``[1 or B, 1, 1 or H, 1 or W]``, checked."""
        batch, _, height, width = x.shape
        planes = (1, self.channels) if self.estimates_sigma else (1,)
        if sigma is None:
            if not self.blind:
                raise InputError("this prior is not blind: sigma must be given")
            sigma = self.sigma_range[1]
        try:
            level = torch.as_tensor(sigma, dtype=dtype, device=x.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"sigma of type {type(sigma).__name__} is not numeric") from error
        if level.numel() == 1:
            level = level.reshape(1, 1, 1, 1)
        elif level.ndim == 1 and level.shape[0] == batch:
            level = level.reshape(batch, 1, 1, 1)
        elif level.ndim == 4 and level.shape[0] in (1, batch) and level.shape[1] in planes:
            if level.shape[2:] not in ((1, 1), (height, width)):
                raise InputError(
                    f"sigma map is {list(level.shape[2:])}, the image {[height, width]}"
                )
        else:
            raise InputError(
                f"sigma has shape {list(level.shape)}; allowed for this batch: a scalar, "
                f"[{batch}], or a map "
                + " or ".join(f"[{batch}, {plane}, {height}, {width}]" for plane in planes)
            )
        if not torch.compiler.is_compiling():
            _check_level(level)
        return level


def _check_level(level: Tensor) -> None:
    """Refuse values that cannot be a standard deviation of an image in [0, 1]."""
    low, high = (float(v) for v in torch.aminmax(level.detach()))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("sigma is not finite")
    if low < 0:
        raise InputError(f"sigma must not be negative, got {low:g}")
    if high > 1:
        raise InputError(
            f"sigma = {high:g} looks like 0..255 units; images are in [0, 1], "
            f"so pass {high:g}/255 = {high / 255:.4g}"
        )
