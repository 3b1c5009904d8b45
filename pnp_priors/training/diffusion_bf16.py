"""The diffusion term for training: bfloat16 convolutions on 4×4 cells, table look-ups by bits.

A 7×7 convolution of a one-channel image starves matrix units; the same convolution of the image
unshuffled into 4×4 cells (16 channels, the kernels scattered into 3×3 ones) feeds them. Responses
are bfloat16, and a bfloat16 number has so few values that the influence function is tabulated at
each of them. On the CPU a small C kernel reads the tables, built once with the system's compiler;
without a compiler, and on a GPU, the same is done by torch.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from pnp_priors.priors.reaction_diffusion import ReactionDiffusion

CELL = 4
LOW_BITS, HIGH_BITS = 0x3D80, 0x43B0  # 2**-4 and 352: as in influence_lookup.c
KEYS = HIGH_BITS - LOW_BITS + 1


@lru_cache(maxsize=1)
def key_values() -> Tensor:
    """The response that each table entry stands for; the first of each sign stands for 0."""
    bits = torch.arange(LOW_BITS, HIGH_BITS + 1, dtype=torch.int32) << 16
    positive = bits.view(torch.float32).clone()
    positive[0] = 0.0
    return torch.cat([positive, -positive])


def keys_of(z: Tensor) -> Tensor:
    """Table entries of bfloat16 responses."""
    bits = z.view(torch.int16).int()
    key = (bits & 0x7FFF).clamp(LOW_BITS, HIGH_BITS) - LOW_BITS
    return key + KEYS * (bits < 0)


@lru_cache(maxsize=1)
def native_kernel() -> ctypes.CDLL | None:
    """The compiled C kernel, or ``None`` where there is no compiler."""
    source = Path(__file__).with_name("influence_lookup.c")
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    flags = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
    content = source.read_bytes() + " ".join([compiler, *flags]).encode()
    name = f"influence_{hashlib.sha256(content).hexdigest()[:16]}.so"
    # A private folder per process: a shared cache could hold another machine's instructions.
    folder = Path(tempfile.mkdtemp(prefix="pnp_priors_"))
    try:
        command = [compiler, *flags, str(source), "-o", str(folder / name)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return ctypes.CDLL(str(folder / name))
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


class TabulatedFunction(torch.autograd.Function):
    """phi(z) for bfloat16 ``z`` ``[B, N*16, h, w]``, channels last; table ``[N, 2*KEYS]``."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
        count, kernel = values.shape[0], native_kernel()
        rows = z.permute(0, 2, 3, 1)
        ctx.save_for_backward(z, slopes)
        if z.device.type == "cpu" and kernel is not None:
            assert rows.is_contiguous()
            table = values.bfloat16().view(torch.int16).int().contiguous()
            out = torch.empty_like(rows)
            kernel.influence_forward(
                _pointer(rows),
                _pointer(table),
                _pointer(out),
                ctypes.c_int64(rows.numel() // (count * CELL**2)),
                ctypes.c_int64(count),
            )
        else:
            offset = torch.arange(count, device=z.device).repeat_interleave(CELL**2) * (2 * KEYS)
            out = values.bfloat16().reshape(-1)[keys_of(rows) + offset]
        return out.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        z, slopes = ctx.saved_tensors
        count, kernel = slopes.shape[0], native_kernel()
        rows = z.permute(0, 2, 3, 1)
        grad = grads[0].permute(0, 2, 3, 1).contiguous()
        histogram = torch.zeros_like(slopes)
        if z.device.type == "cpu" and kernel is not None:
            grad_z = torch.empty_like(rows)
            failed = kernel.influence_backward(
                _pointer(rows),
                _pointer(slopes),
                _pointer(grad),
                _pointer(grad_z),
                _pointer(histogram),
                ctypes.c_int64(rows.numel() // (count * CELL**2)),
                ctypes.c_int64(count),
                ctypes.c_int(torch.get_num_threads()),
            )
            if failed:
                raise MemoryError("no memory for the gradient of the influence tables")
        else:
            offset = torch.arange(count, device=z.device).repeat_interleave(CELL**2) * (2 * KEYS)
            index = (keys_of(rows) + offset).reshape(-1)
            histogram.view(-1).index_add_(0, index, grad.reshape(-1).float())
            grad_z = (grad.float() * slopes.reshape(-1)[index].reshape(grad.shape)).bfloat16()
        return grad_z.permute(0, 3, 1, 2), histogram, None


def scatter_index(size: int) -> Tensor:
    """Where the weights of the 3×3 kernels on cells come from, in a ``size``×``size`` filter.

    ``[16 (position in the output cell), 16 (in the input cell), reach, reach]`` indices into the
    flattened filter, with ``size²`` for a zero.
    """
    reach = -(-(size + CELL - 1) // CELL)
    n = torch.arange(CELL)
    step = torch.arange(reach)
    offset = CELL * step[None, None, :] + n[None, :, None] - n[:, None, None]  # out, in, tap
    inside = (offset >= 0) & (offset < size)
    y = offset[:, None, :, None, :, None]
    x = offset[None, :, None, :, None, :]
    both = inside[:, None, :, None, :, None] & inside[None, :, None, :, None, :]
    index = torch.where(both, y * size + x, size * size)
    return index.reshape(CELL**2, CELL**2, reach, reach)


class DiffusionTerms:
    """The diffusion terms of all active stages with shared tables, for one training step."""

    def __init__(self, prior: ReactionDiffusion) -> None:
        active, device = prior.active_stages, prior.weights.device
        self.size = prior.filter_size
        weights = prior.weights[:active]
        points = key_values().to(device)
        if not hasattr(prior, "_bf16_bases"):
            value = prior.basis.values(points)
            with torch.enable_grad():
                z = points.detach().clone().requires_grad_()
                columns = prior.basis.values(z).unbind(1)
                slope = torch.stack(
                    [torch.autograd.grad(c.sum(), z, retain_graph=True)[0] for c in columns], dim=1
                )
            prior._bf16_bases = (value, slope, scatter_index(self.size).to(device))  # type: ignore[assignment]
        value, slope, index = prior._bf16_bases  # type: ignore[misc]
        with torch.autocast(device.type, enabled=False):
            self.values = weights @ value.T
            self.slopes = weights.detach() @ slope.T
            flat = F.pad(prior.filters()[:active].flatten(3), (0, 1))
            cells = flat[..., index.reshape(-1)].unflatten(-1, index.shape).transpose(2, 3)
            # [T, N*16, C*16, reach, reach]
            self.kernels = cells.flatten(3, 4).flatten(1, 2).bfloat16()

    def __call__(self, u: Tensor, stage: int) -> Tensor:
        """The term at ``u`` ``[B, C, H, W]`` (0..255), in float32."""
        from pnp_priors.priors.reaction_diffusion import symmetric_pad

        pad = self.size - 1
        height, width = u.shape[-2:]
        kernel = self.kernels[stage].contiguous(memory_format=torch.channels_last)
        reach = kernel.shape[-1]
        with torch.autocast(u.device.type, enabled=False):
            # Zero-mean filters do not see the mean; without it bfloat16 is three bits finer.
            centred = u - u.mean(dim=(1, 2, 3), keepdim=True)
            padded = symmetric_pad(centred, pad)
            # Whole cells, enough of them that every response of the padded image is computed.
            down = -(height + pad) % CELL + CELL * (reach - 1) - pad
            right = -(width + pad) % CELL + CELL * (reach - 1) - pad
            cells = F.pixel_unshuffle(F.pad(padded, (0, right, 0, down)), CELL)
            cells = cells.bfloat16().contiguous(memory_format=torch.channels_last)
            response = F.conv2d(cells, kernel)
            force = TabulatedFunction.apply(response, self.values[stage], self.slopes[stage])
            back = F.conv_transpose2d(force, kernel)
            image = F.pixel_shuffle(back, CELL).float()
            return image[..., pad : pad + height, pad : pad + width]
