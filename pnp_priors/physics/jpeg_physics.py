"""JPEG as a degradation for deepinv: a linear map to DCT coefficients, then quantisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from deepinv.physics import LinearPhysics
from deepinv.utils import TensorList
from torch import Tensor

from pnp_priors.errors import InputError
from pnp_priors.physics.jpeg import (
    BLOCK,
    Box,
    Table,
    checked_table,
    chrominance_table,
    luminance_table,
    round_half_away,
)
from pnp_priors.physics.jpeg_planes import (
    Plane,
    to_planes,
    to_rgb,
    to_rgb_adjoint,
)
from pnp_priors.physics.jpeg_standard import MIRROR, subsampling_factors, whole_size

#: the coefficient of a constant 128 is left out of the file, on the scale of [0, 1]
_LEVEL_SHIFT = BLOCK * 128 / 255


class JPEG(LinearPhysics):
    r"""JPEG compression, :math:`y = Q(A x)`.

    A is linear: RGB to Y, Cb, Cr (JFIF), completion of border blocks, means of v×h pixels of the
    chrominance, orthonormal DCT of 8×8 blocks. Q, deepinv's ``sensor_model``, rounds each
    coefficient to its quantisation lattice and keeps it on the scale of the image:
    :math:`Q(c) = s + q\,\mathrm{round}((c - s)/q)`, where the shift s is that of a level of 128 in
    the luminance's first coefficient and 0 elsewhere. So y is near A x, and deepinv's linear
    methods apply to it; what is really known is the interval of
    :class:`pnp_priors.physics.jpeg_fidelity.QuantisationInterval`.

    Encoders round pixels and chrominance to 8 bits before the DCT; this model does not, which
    moves a small share of the coefficients by one step (docs/jpeg.md has the measurement).

    Images are ``[B, C, H, W]`` in [0, 1]. Measurements are a :class:`deepinv.utils.TensorList` of
    one tensor per plane (Y, or Y, Cb, Cr), ``[B, 1, rows, columns, 8, 8]``, vertical frequency
    before horizontal.

    :param img_size: channels (1 or 3), height and width; any height and width from 1 on.
    :param quality: 1 to 100, for the standard tables; or
    :param tables: quantisation steps on 0..255, ``[8, 8]`` each: one for gray, for colour one per
        plane or one for Y and one for both others.
    :param subsampling: a key of :data:`pnp_priors.physics.jpeg_standard.SUBSAMPLINGS`; of colour
        only, 4:2:0 by default.
    :raises InputError: other values, or both or none of quality and tables.
    """

    def __init__(
        self,
        img_size: tuple[int, int, int],
        quality: int | None = None,
        tables: Sequence[Table] | None = None,
        subsampling: str | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        channels, height, width = _checked_size(img_size)
        steps = _steps(channels, quality, tables)
        if channels == 1 and subsampling not in (None, "4:4:4"):
            raise InputError(f"a gray image has no chrominance to subsample, got {subsampling!r}")
        self.subsampling = "4:4:4" if channels == 1 else subsampling or "4:2:0"
        factors = [(1, 1), *[subsampling_factors(self.subsampling)] * (channels - 1)]
        # deepinv's implicit gradients do not know lists of tensors, and it warns of that.
        super().__init__(img_size=(channels, height, width), implicit_backward_solver=False)
        self.planes = [Plane((height, width), factor) for factor in factors]
        self.sensor_model = self.quantise
        self.register_buffer("tables", steps)
        self.tables: Tensor
        self.to(device)

    def A(self, x: Tensor, **_: object) -> TensorList:  # noqa: N802 (deepinv's name)
        self._check_image(x)
        split = (to_planes(x) if len(self.planes) == 3 else x).split(1, dim=1)
        return TensorList([p.coefficients(u) for p, u in zip(self.planes, split, strict=True)])

    def A_adjoint(self, y: TensorList, **_: object) -> Tensor:  # noqa: N802
        parts = torch.cat([p.adjoint(c) for p, c in zip(self.planes, y, strict=True)], dim=1)
        return to_rgb_adjoint(parts) if len(self.planes) == 3 else parts

    def A_dagger(self, y: TensorList, **_: object) -> Tensor:  # noqa: N802
        """The decoded image, not clipped, its chrominance repeated and not interpolated.

        :math:`A A^+ y = y` where the sides are multiples of the blocks' (16 with 4:2:0).
        """
        parts = torch.cat([p.decoded(c) for p, c in zip(self.planes, y, strict=True)], dim=1)
        return to_rgb(parts) if len(self.planes) == 3 else parts

    def quantise(self, coefficients: TensorList) -> TensorList:
        """Q."""
        return self.from_indices(self.indices(coefficients))

    def indices(self, coefficients: TensorList) -> TensorList:
        """What the file stores: whole numbers of quantisation steps, as floating point."""
        return TensorList(
            [
                round_half_away((c - self._shift(k, c)) / self.steps(k, c))
                for k, c in enumerate(coefficients)
            ]
        )

    def from_indices(self, indices: Sequence[Tensor]) -> TensorList:
        """Measurements of what a file stores: inverse of :meth:`indices`."""
        return TensorList(
            [
                n * self.steps(k, n) + self._shift(k, n)
                for k, n in enumerate(map(_floating, indices))
            ]
        )

    def whole(self) -> JPEG:
        """The model of the image's whole blocks: height and width are the next multiples of 16."""
        size = whole_size(self.img_size[1:])
        chroma = self.subsampling if len(self.planes) == 3 else None
        model = JPEG((len(self.planes), *size), tables=list(self.tables), subsampling=chroma)
        return model.to(self.tables)

    def completed(self, y: TensorList) -> TensorList:
        """Measurements for :meth:`whole`, of the same blocks.

        A plane that is not halved can lack a last row or column of blocks: they are the mirror
        images of those before.
        """
        result = []
        for part, plane in zip(y, self.whole().planes, strict=True):
            for axis, count in zip((2, 3), plane.blocks, strict=True):
                if part.shape[axis] < count:
                    signs = torch.tensor(MIRROR).to(part)
                    last = part.narrow(axis, part.shape[axis] - 1, 1)
                    mirrored = last * (signs[:, None] if axis == 2 else signs)
                    part = torch.cat([part, mirrored], dim=axis)
            result.append(part)
        return TensorList(result)

    def boxes(self, y: TensorList, width: float = 1.0) -> list[Box]:
        """Per plane, all that the coefficients can have been.

        :param width: of the intervals, in steps: 1 for all that is rounded to ``y``.
        """
        half = [self.steps(k, c) * (width / 2) for k, c in enumerate(y)]
        return [Box(c - step, c + step) for c, step in zip(y, half, strict=True)]

    def steps(self, plane: int, like: Tensor) -> Tensor:
        """A plane's quantisation steps ``[8, 8]`` on the scale of [0, 1]."""
        return self.tables[plane].to(like) / 255

    def _shift(self, plane: int, like: Tensor) -> Tensor:
        shift = like.new_zeros(BLOCK, BLOCK)
        if plane == 0:
            shift[0, 0] = _LEVEL_SHIFT
        return shift

    def _check_image(self, x: Tensor) -> None:
        if x.ndim != 4 or tuple(x.shape[1:]) != self.img_size:
            size = ", ".join(map(str, self.img_size))
            raise InputError(f"this JPEG model is for images [B, {size}], got {list(x.shape)}")
        if not x.is_floating_point():
            raise InputError(f"expected floating point values in [0, 1], got {x.dtype}")


def _floating(values: Tensor) -> Tensor:
    return values if values.is_floating_point() else values.float()


def _checked_size(size: tuple[int, int, int]) -> tuple[int, int, int]:
    if len(size) != 3 or size[0] not in (1, 3) or min(size) < 1:
        raise InputError(f"img_size is (1 or 3, height, width), got {tuple(size)}")
    return int(size[0]), int(size[1]), int(size[2])


def _steps(channels: int, quality: int | None, tables: Sequence[Table] | None) -> Tensor:
    """Tables of all planes, ``[planes, 8, 8]``."""
    if (quality is None) == (tables is None):
        raise InputError("a JPEG model has either a quality or tables")
    if tables is None:
        assert quality is not None
        tables = [luminance_table(quality), chrominance_table(quality)]
        tables = tables if channels == 3 else tables[:1]
    tables = list(tables)
    if len(tables) == 2 and channels == 3:
        tables = [tables[0], tables[1], tables[1]]
    if len(tables) != channels:
        allowed = "1 table" if channels == 1 else "2 or 3 tables"
        raise InputError(f"{channels} channels need {allowed}, got {len(tables)}")
    example = torch.zeros(1, dtype=torch.float64)
    return torch.cat([checked_table(table, example) for table in tables]).float()
