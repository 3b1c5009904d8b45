from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from scipy.signal import convolve2d

from pnp_priors.benchmark import deconvolution
from pnp_priors.benchmark.deconvolution import METHODS, Problem, check, problems, solve
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.registry import build
from pnp_priors.solvers import presets


def setting(method: str = "hqs", dataset: str = "levin", blur: str = "circular") -> Setting:
    return Setting("deconvolution", dataset, method, blur)


def test_sets_are_those_of_the_tables(data: Path) -> None:
    levin = problems(data, setting())
    assert len(levin) == 2 * 8
    assert levin[8].name == "levin/im2/k0"
    names = [p.name for p in problems(data, setting(dataset="set12"), limit=1)]
    assert names == ["Set12/01/k0", "Set12/01/k3", "Set12/01/k7"]
    with pytest.raises(UnknownNameError, match="nearest: levin"):
        check(setting(dataset="levine"), 2.55)


def test_the_blur_is_a_circular_true_convolution(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def keep(prior, noise):
        def model(y, physics):
            seen.update(y=y, noise=noise, again=physics.A(problem.clean))
            return y

        return model

    monkeypatch.setitem(METHODS, "keep", keep)
    problem = problems(data, setting())[3]
    solve(problem, None, setting("keep"), 1e-3)
    expected = convolve(problem.clean[0, 0].numpy(), problem.kernel[0, 0].numpy(), mode="wrap")
    assert np.abs(seen["y"][0, 0].numpy() - expected).max() < 1e-4
    assert np.abs(seen["again"][0, 0].numpy() - expected).max() < 1e-5
    assert seen["noise"] == pytest.approx(1e-3 / 255)


@pytest.mark.parametrize("method", ["hqs", "hqs-genericdp"])
def test_splitting_sharpens_and_repeats(data: Path, smoother, method: str) -> None:
    problem = problems(data, setting())[0]
    first = solve(problem, smoother, setting(method), 2.55)
    assert first.psnr > first.degraded_psnr
    assert solve(problem, smoother, setting(method), 2.55) == first


def test_r_denoise_is_for_reaction_diffusion(data: Path, smoother) -> None:
    problem = problems(data, setting())[0]
    with pytest.raises(InputError, match="reaction diffusion"):
        solve(problem, smoother, setting("r-denoise"), 2.55)
    process = build("reaction-diffusion", {"stages": 2, "filter_size": 3, "levels": 5}).eval()
    # Untrained: that it runs, and is not the other method, is all that can be asked.
    result = solve(problem, process, setting("r-denoise"), 2.55)
    assert result.psnr > 15
    assert result.psnr != solve(problem, process, setting("hqs-genericdp"), 2.55).psnr


def test_a_valid_blur_shows_the_solver_only_what_a_camera_sees(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def keep(prior, noise):
        def model(y, physics):
            seen.update(y=y, size=physics.img_size)
            return y

        return model

    monkeypatch.setitem(METHODS, "keep", keep)
    problem = problems(data, setting())[3]
    result = solve(problem, None, setting("keep", blur="valid"), 1e-3)
    expected = convolve2d(problem.clean[0, 0].numpy(), problem.kernel[0, 0].numpy(), mode="valid")
    rows, columns = seen["y"].shape[-2:]
    assert seen["size"] == (1, rows, columns)
    top, left = (rows - expected.shape[0]) // 2, (columns - expected.shape[1]) // 2
    assert top > 0
    assert left > 0
    inside = seen["y"][0, 0, top : top + expected.shape[0], left : left + expected.shape[1]]
    assert np.abs(inside.numpy() - expected).max() < 1e-4
    # The observation was returned as it is: input and output score the same.
    assert result.psnr == pytest.approx(result.degraded_psnr, abs=0.01)


def test_unknown_method_and_too_small_image_are_one_line(data: Path) -> None:
    with pytest.raises(UnknownNameError, match="hqs"):
        check(setting("hsq"), 2.55)
    large = {"k": torch.full((1, 1, 25, 3), 1 / 75)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deconvolution, "load_kernels", lambda data, indices: large)
        with pytest.raises(InputError, match="smaller than kernel"):
            problems(data, setting())


def test_the_solver_is_told_the_true_kernel(data: Path) -> None:
    # A delta kernel and almost no noise: the data step alone returns the image.
    delta = torch.zeros(1, 1, 3, 3)
    delta[..., 1, 1] = 1
    problem = problems(data, setting())[0]
    process = build("reaction-diffusion", {"stages": 8, "filter_size": 3, "levels": 5}).eval()
    result = solve(Problem("delta", problem.clean, delta), process, setting("r-denoise"), 0.3)
    assert result.psnr > 40


def test_a_preset_s_row_is_measured_with_the_preset(
    data: Path, smoother, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with the default under its name: where nobody tuned, that is an error."""
    problem = problems(data, setting())[0]
    with pytest.raises(InputError, match="'hqs-preset': nobody tuned hqs for Smoother"):
        solve(problem, smoother, setting("hqs-preset"), 2.55)
    smoother.name = "ffdnet-gray"
    found = presets.find("deconvolution", "ffdnet-gray")
    assert found is not None
    tuned = solve(problem, smoother, setting("hqs-preset"), 2.55)
    default = solve(problem, smoother, setting("hqs"), 2.55)
    assert tuned != default
    schedule = presets.at(found, 2.55 / 255).schedule
    monkeypatch.setattr(deconvolution, "dpir", lambda noise, iterations: schedule)
    assert solve(problem, smoother, setting("hqs"), 2.55) == tuned
