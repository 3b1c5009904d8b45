r"""Blur and decimation, :math:`y = S(k * x)`: deepinv's, with fast Fourier transforms throughout.

Which pixels the decimation keeps decides where the restored image lies; half a pixel too far is the
classic fault. Two conventions are in use, see :func:`placed`.
"""

from __future__ import annotations

from typing import Any

import torch
from deepinv.physics import Downsampling
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.reductions import placed_kernel


def placed(kernel: Tensor, scale: int, alignment: str = "first") -> Tensor:
    """The kernel whose samples at every scale-th pixel, from the first on, are the small image.

    ``first``
        Small pixel i is seen through the kernel around large pixel ``scale*i``. DPIR, USRNet and
        the SISR literature with given kernels decimate so. The small image lies
        ``(scale-1)/2`` large pixels up and left of where an enlargement by interpolation puts it.
    ``centre``
        Small pixel i is seen around the middle of its scale×scale large ones, as pixels of a sensor
        are. Half a pixel (even scales) is the mean of both neighbours.

    :param kernel: ``[h, w]``, odd sizes; its centre is ``size // 2``.
    :returns: ``[1, 1, h', w']``, odd sizes, with the same sum.
    :raises UnknownNameError: lists the alignments.
    :raises InputError: a kernel of another shape.
    """
    found = placed_kernel(kernel.detach().cpu().numpy(), scale, alignment)
    return torch.from_numpy(found).to(kernel)[None, None]


class Decimation(Downsampling):
    """Circular blur, then every scale-th pixel from the first on; the data step is closed.

    ``deepinv.physics.Downsampling`` convolves directly, which for large kernels takes longer than
    the prior; here the forward model and its adjoint use the spectrum that its closed-form
    ``prox_l2`` (Zhao et al., IEEE TIP 25(8), 2016) holds.

    :param img_size: ``(C, H, W)`` of the large image, H and W multiples of the scale.
    :param kernel: ``[1, 1, h, w]``, odd sizes, at most H and W, as :func:`placed` makes it.
    :param scale: 1 or more.
    :raises InputError: other sizes.
    """

    def __init__(
        self,
        img_size: tuple[int, int, int],
        kernel: Tensor,
        scale: int,
        device: torch.device | str = "cpu",
    ) -> None:
        height, width = img_size[-2:]
        if scale < 1 or height % scale or width % scale:
            raise InputError(f"sides must be multiples of the scale {scale}, got {height}x{width}")
        rows, columns = kernel.shape[-2:]
        if rows % 2 == 0 or columns % 2 == 0 or rows > height or columns > width:
            raise InputError(
                f"a kernel has odd sizes within the image's {height}x{width}, got {rows}x{columns}"
            )
        super().__init__(img_size, kernel, scale, device, "circular")
        self.Fh: Tensor
        self.Fhc: Tensor

    def A(self, x: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: N802
        """``[B, C, H, W]`` to ``[B, C, H/scale, W/scale]``."""
        blurred = torch.fft.ifft2(self.Fh * torch.fft.fft2(x)).real
        return blurred[..., :: self.factor, :: self.factor]

    def A_adjoint(self, y: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: N802
        """The transpose: zeros between the pixels, then correlation with the kernel."""
        height, width = (self.factor * size for size in y.shape[-2:])
        x = y.new_zeros(*y.shape[:2], height, width)
        x[..., :: self.factor, :: self.factor] = y
        return torch.fft.ifft2(self.Fhc * torch.fft.fft2(x)).real

    def prox_l2(self, z: Tensor, y: Tensor, gamma: Any, *_: Any, **__: Any) -> Tensor:
        r"""Minimise :math:`\frac{\gamma}{2}\|Ax-y\|^2 + \frac12\|x-z\|^2` over x.

        :math:`z + A^\top (A A^\top + 1/\gamma)^{-1} (y - A z)`, where the inverse is a division of
        spectra of the small image. The formula that deepinv has (Zhao et al., eq. 10) is equal to
        it, and divides float32's rounding of the whole image by :math:`1/\gamma`.
        """
        height, width = y.shape[-2:]
        mean = z.mean(dim=(-2, -1), keepdim=True)
        missing = torch.fft.fft2(y - self.A(z - mean) - self.Fh[..., :1, :1].real * mean)
        # What decimation folds onto one frequency.
        folds = self.Fh.abs().square().unflatten(-1, (self.factor, width))
        gain = folds.unflatten(-3, (self.factor, height)).mean(dim=(-4, -2))
        return z + self.A_adjoint(torch.fft.ifft2(missing / (gain + 1 / gamma)).real)
