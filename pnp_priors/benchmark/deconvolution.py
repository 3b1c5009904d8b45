"""Non-blind deconvolution of gray images blurred by Levin's motion kernels.

The blur is a true convolution (not a correlation); white Gaussian noise, neither clipped nor
rounded, follows; solvers are told the kernel and the noise level. Two boundaries:

``circular``
    The image continues periodically, so that the data step is exact and only the prior is
    measured. The whole image is scored. This is the main row of our tables.
``valid``
    As a camera has it: only pixels whose blur saw nothing but the image are observed, and
    :func:`pnp_priors.boundary.extend` makes up what lies around them. The observed part is scored.

genericDP's table 3 does not say which of the two its test images have: compare with its rows in
kind, not in the last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deepinv.models import Denoiser
from deepinv.optim import BaseOptim
from deepinv.physics import BlurFFT
from torch import Tensor

from pnp_priors.benchmark import presets
from pnp_priors.benchmark.data import evaluation_files, load_image, load_kernels
from pnp_priors.benchmark.metrics import MIRRORING, SCORING, Score, score
from pnp_priors.benchmark.noise import add_noise
from pnp_priors.benchmark.tasks import Setting, check_sigma, known
from pnp_priors.boundary import extend
from pnp_priors.errors import InputError
from pnp_priors.priors.reaction_diffusion import ReactionDiffusion
from pnp_priors.solvers import dpir, genericdp, r_denoise, solver

_NOISE = "white Gaussian noise, not clipped or rounded"

#: what the blur does at the image's edge, and how that is described beside the numbers
BLURS = {
    "circular": f"circular true convolution (BlurFFT), whole images scored; {_NOISE}; {SCORING}",
    "valid": "valid true convolution, boundary 'extend', observed part scored; "
    f"{_NOISE}; {SCORING}",
}


@dataclass(frozen=True)
class ProblemSet:
    """Images of one folder, each blurred by each kernel."""

    folder: str
    pattern: str
    kernels: tuple[int, ...]
    sigmas: tuple[float, ...]


SETS = {
    "levin": ProblemSet("levin", "im*", tuple(range(8)), (2.55, 5.10, 7.65, 10.20)),
    "set12": ProblemSet("Set12", "*", (0, 3, 7), (2.55, 7.65)),
}


@dataclass(frozen=True)
class Problem:
    """A clean image ``[1, 1, H, W]`` and a kernel ``[1, 1, h, w]``, both float32 on the CPU."""

    name: str
    clean: Tensor
    kernel: Tensor


def _hqs_dpir(prior: Denoiser, noise: float) -> BaseOptim:
    return solver("hqs", prior, dpir(noise, iterations=8))


def _hqs_genericdp(prior: Denoiser, noise: float) -> BaseOptim:
    return solver("hqs", prior, genericdp(noise, iterations=8))


def _r_denoise(prior: Denoiser, noise: float) -> BaseOptim:
    if not isinstance(prior, ReactionDiffusion):
        raise InputError("method 'r-denoise' needs a reaction diffusion prior, such as genericdp")
    return r_denoise(prior, noise)


def _preset(method: str) -> Callable[[Denoiser, float], BaseOptim]:
    """A solver with the parameters that were tuned for the prior."""

    def make(prior: Denoiser, noise: float) -> BaseOptim:
        chosen = presets.tuned("deconvolution", prior, method, noise)
        return solver(chosen.solver, prior, chosen.schedule)

    return make


#: solver of a prior for one noise level in [0, 1], called as ``solver(y, physics)``
METHODS: dict[str, Callable[[Denoiser, float], BaseOptim]] = {
    "hqs": _hqs_dpir,
    "hqs-genericdp": _hqs_genericdp,
    "r-denoise": _r_denoise,
    **{method: _preset(method) for method in presets.METHODS},
}


def problem_set(name: str) -> ProblemSet:
    """One of :data:`SETS`.

    :raises UnknownNameError: lists them.
    """
    return SETS[known("deconvolution set", name, SETS)]


def protocol(setting: Setting) -> str:
    """How it is measured, in one sentence."""
    words = BLURS[known("blur", setting.blur, BLURS)]
    return words if setting.method == "r-denoise" else f"{words}; {MIRRORING}"


def channels(setting: Setting) -> int:
    """Of the images."""
    return 1


def skill(setting: Setting) -> str:
    """The task that a prior's card must name."""
    return "gaussian"


def check(setting: Setting, level: float) -> None:
    """Refuse what cannot be measured.

    :raises UnknownNameError: lists the known sets, methods or blurs.
    :raises InputError: an impossible noise level.
    """
    problem_set(setting.dataset)
    known("deconvolution method", setting.method, METHODS)
    known("blur", setting.blur, BLURS)
    check_sigma(level)


def problems(data: Path, setting: Setting, limit: int | None = None) -> list[Problem]:
    """Every image with every kernel.

    :param data: the data folder.
    :param limit: the first so many images only.
    :raises MissingFileError: the set's folder or the file of kernels is not there.
    """
    return list(_problems(data, problem_set(setting.dataset), limit))


def _problems(data: Path, chosen: ProblemSet, limit: int | None) -> Iterator[Problem]:
    files = evaluation_files(data, chosen.folder, chosen.pattern)[:limit]
    kernels = load_kernels(data, chosen.kernels)
    for file in files:
        clean = load_image(file, channels=1)
        for index, kernel in kernels.items():
            if any(k > n for k, n in zip(kernel.shape[-2:], clean.shape[-2:], strict=True)):
                raise InputError(f"{file}: smaller than kernel {index}")
            yield Problem(f"{chosen.folder}/{file.stem}/k{index}", clean, kernel)


def solve(
    problem: Problem, prior: Denoiser, setting: Setting, level: float, device: str = "cpu"
) -> Score:
    """Blur, add noise, restore and score one problem.

    :param prior: in eval mode, on ``device``.
    :param setting: with one of :data:`METHODS` and one of :data:`BLURS`.
    :param level: noise level on the 0..255 scale.
    :raises InputError: a method that this prior does not allow.
    """
    clean, kernel = problem.clean, problem.kernel
    blurred = BlurFFT(tuple(clean.shape[1:]), filter=kernel).A(clean)
    if setting.blur == "valid":
        clean, blurred = (_inside(image, kernel) for image in (clean, blurred))
    observed = add_noise(blurred, level, problem.name)
    mode = "extend" if setting.blur == "valid" else "circular"
    canvas = extend(observed, kernel[0, 0], mode)
    physics = BlurFFT(tuple(canvas.y.shape[1:]), filter=kernel.to(device), device=device)
    model = METHODS[setting.method or "hqs"](prior, level / 255)
    restored = canvas.crop(model(canvas.y.to(device), physics).cpu())
    return score(problem.name, observed, restored, clean)


def _inside(image: Tensor, kernel: Tensor) -> Tensor:
    """The pixels whose blur saw only the image: there, circular and valid convolution agree."""
    rows, columns = (size // 2 for size in kernel.shape[-2:])
    height, width = image.shape[-2:]
    return image[..., rows : height - rows, columns : width - columns]
