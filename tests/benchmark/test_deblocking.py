from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from pnp_priors.benchmark import deblocking
from pnp_priors.benchmark.deblocking import SETS, check, compress, problems, skill, solve
from pnp_priors.benchmark.measuring import measure
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import InputError, UnknownNameError
from pnp_priors.physics.jpeg import luminance_table, simulate
from pnp_priors.priors.dncnn import DnCNN
from pnp_priors.priors.jpeg_diffusion import JpegReactionDiffusion
from pnp_priors.solvers.deblocking import deblock

CLASSIC5 = Setting("deblocking", "classic5")


class Nothing(JpegReactionDiffusion):
    """Returns its input and keeps the table that came with it."""

    def __init__(self) -> None:
        super().__init__(1, 3)
        self.tables: list[Tensor | None] = []

    def forward(self, x: Tensor, sigma=None, table=None) -> Tensor:
        self.tables.append(table)
        return x


@pytest.mark.parametrize("quality", [5, 10, 30, 75])
def test_compression_is_that_of_the_jpeg_physics(data: Path, quality: int) -> None:
    gray = SETS["classic5"].read(problems(data, CLASSIC5)[0])
    decoded, table = compress(gray, quality)
    assert torch.equal(table, luminance_table(quality))
    # Whole blocks, since the encoder completes others in its own way; the decoder's integer DCT
    # may round to the neighbour.
    inside = gray[:24, :24]
    expected = 255 * simulate(torch.from_numpy(inside.copy())[None, None].float() / 255, table)
    found, _ = compress(inside, quality)
    assert np.abs(found - expected[0, 0].numpy()).max() <= 1
    assert decoded.shape == gray.shape


def test_the_prior_gets_the_decoded_image_and_the_table_of_the_file(data: Path) -> None:
    prior = Nothing()
    file = problems(data, CLASSIC5)[0]
    result = solve(file, prior, CLASSIC5, 10)
    assert torch.equal(prior.tables[0], luminance_table(10))
    clean = np.asarray(Image.open(file))
    stream = BytesIO()
    Image.fromarray(clean).save(stream, "JPEG", quality=10)
    expected = peak_signal_noise_ratio(clean, np.asarray(Image.open(stream)))
    assert result.degraded_psnr == pytest.approx(expected, abs=1e-4)
    assert result.psnr == pytest.approx(expected, abs=1e-4)
    assert result.degraded_ssim == pytest.approx(result.ssim)


def test_other_priors_get_the_image_alone(data: Path, smoother, monkeypatch) -> None:
    monkeypatch.setattr(smoother, "blind", True)
    scores = measure(smoother, problems(data, CLASSIC5), CLASSIC5, 10)
    assert [s.image for s in scores] == ["baboon.png", "lena.png"]


def test_a_blind_network_of_several_tasks_gets_the_image_alone(data: Path) -> None:
    prior = DnCNN(
        depth=3, width=8, blind=True, tasks=["gaussian", "jpeg"], quality_range=(5, 99)
    ).eval()
    torch.nn.init.constant_(prior.body[-1].bias, -0.1)  # type: ignore[arg-type]
    file = problems(data, CLASSIC5)[0]
    decoded, _ = compress(np.asarray(Image.open(file)), 10)
    brighter = (decoded / 255 + 0.1).clip(0, 1)
    expected = peak_signal_noise_ratio(np.asarray(Image.open(file)) / 255, brighter)
    with torch.no_grad():
        result = solve(file, prior, CLASSIC5, 10)
    assert result.psnr == pytest.approx(expected, abs=1e-4)


def test_sets_are_read_as_stated(data: Path) -> None:
    file = problems(data, Setting("deblocking", "LIVE1"))[0]
    colour = Image.open(file)
    full = SETS["LIVE1-full"].read(file).astype(float)
    assert np.array_equal(full, np.asarray(colour.convert("YCbCr"))[..., 0])
    luma = SETS["LIVE1"].read(file).astype(float)
    assert np.abs(luma - (16 + full * 219 / 255)).max() < 1.5
    gray = problems(data, Setting("deblocking", "BSD68-half"))[0]
    half = SETS["BSD68-half"].read(gray)
    assert half.shape == (12, 15)
    # Antialiased: a fine stripe pattern becomes its mean.
    stripes = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (20, 20))
    Image.fromarray(stripes).save(gray)
    assert np.abs(SETS["BSD68-half"].read(gray)[3:-3, 3:-3].astype(int) - 127).max() <= 1


@pytest.mark.shared_data
def test_papers_numbers_of_decoded_images(shared: Path) -> None:
    """Whole sets, as in the module's docstring: a wrong luma or reduction changes them."""
    for name, expected in {"classic5": 27.82, "LIVE1": 27.77, "BSD68-half": 26.65}.items():
        values = []
        for file in problems(shared, Setting("deblocking", name)):
            gray = SETS[name].read(file)
            error = compress(gray, 10)[0].astype(float) - gray
            values.append(-10 * np.log10((error**2).mean() / 255**2))
        assert np.mean(values) == pytest.approx(expected, abs=0.006)


def test_a_prior_for_noise_is_used_by_a_solver(
    data: Path, smoother, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the intervals of the file's own table; a preset's row is that of the preset."""
    file = problems(data, CLASSIC5)[0]
    hqs = Setting("deblocking", "classic5", "hqs")
    check(hqs, 10)
    assert (skill(CLASSIC5), skill(hqs)) == ("jpeg", "gaussian")
    seen = []

    def keep(y, physics, prior, *rest):
        seen.append((physics.tables[0], physics.A_dagger(y), *rest))
        return deblock(y, physics, prior, *rest)

    monkeypatch.setattr(deblocking, "deblock", keep)
    result = solve(file, smoother, hqs, 10)
    table, decoded, schedule, name, width = seen[0]
    assert torch.equal(table, luminance_table(10))
    assert (name, width, len(schedule)) == ("hqs", 0.5, 8)
    # The encoder rounds what it decodes to 8 bits, and its inverse DCT is one of integers.
    stored = torch.from_numpy(compress(np.asarray(Image.open(file)), 10)[0].copy()).float() / 255
    whole = (decoded[0, 0].clamp(0, 1) - stored)[:24, :24]
    assert whole.abs().max() < 1.5 / 255
    assert abs(result.psnr - result.degraded_psnr) > 0.01

    preset = Setting("deblocking", "classic5", "hqs-preset")
    with pytest.raises(InputError, match="nobody tuned hqs for Smoother and jpeg-deblocking"):
        solve(file, smoother, preset, 10)
    smoother.name = "ffdnet-gray"
    assert solve(file, smoother, preset, 10) != result
    assert seen[1][4] < 0.9
    with pytest.raises(UnknownNameError, match="known: admm-preset, drs-preset, hqs"):
        check(Setting("deblocking", "classic5", "hqz"), 10)
