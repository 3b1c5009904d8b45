import pytest

from pnp_priors.benchmark.published import PUBLISHED, Published, published
from pnp_priors.benchmark.tasks import Setting
from pnp_priors.errors import ConfigError
from pnp_priors.schema import parse_as, read_yaml


def test_every_row_has_a_source_and_plausible_numbers() -> None:
    for row in published().rows:
        assert len(row.source) > 10
        assert all(1 <= level <= 100 for level in row.psnr)
        assert all(14 < value < 45 for value in row.psnr.values())
        assert all(0 < value < 1 for value in row.ssim.values())
        assert set(row.ssim) <= set(row.psnr)
        # More noise, stronger compression, larger scale: lower numbers. Catches most slips.
        falling = [numbers[k] for numbers in (row.psnr, row.ssim) for k in sorted(numbers)]
        half = len(row.psnr)
        for values in (falling[:half], falling[half:]):
            assert values == sorted(values, reverse=row.task != "deblocking")


def test_a_pattern_makes_one_row_the_counterpart_of_several_priors() -> None:
    rows = published().about("denoising", "BSD68")
    noisy = Setting("denoising", "BSD68")
    found = [row.method for row in rows if row.is_about("trd-7x7-s50", noisy)]
    assert found == ["TRD 7x7, 5 stages", "TNRD"]
    assert not any(row.is_about("trd-7x7", noisy) for row in rows)
    levin = published().about("deconvolution", "levin")[0]
    assert levin.is_about("genericdp", Setting("deconvolution", "levin", "r-denoise", "circular"))
    assert not levin.is_about("genericdp", Setting("deconvolution", "levin", "hqs", "circular"))
    assert not levin.is_about("genericdp", Setting("deconvolution", "levin", "r-denoise", "valid"))


def test_the_goals_of_the_first_priors_are_there() -> None:
    by_method = {row.method: row for row in published().about("denoising", "BSD68")}
    assert by_method["genericDP"].psnr == {5: 37.38, 15: 31.35, 25: 28.90, 50: 25.99}
    assert by_method["genericDP"].counterpart == "genericdp"
    assert by_method["FFDNet"].psnr[25] == 29.19
    levin = published().about("deconvolution", "levin")
    assert levin[0].psnr[2.55] == 31.39
    assert published().about("denoising", "levin") == []


def test_the_goals_of_the_cnn_family_are_attached_to_its_priors() -> None:
    """Issue 4's table and the DnCNN paper's tables II and V."""

    def goal(prior: str, setting: Setting) -> dict[float, float]:
        rows = published().about(setting.task, setting.dataset)
        (found,) = [row.psnr for row in rows if row.is_about(prior, setting)]
        return found

    noisy = Setting("denoising", "BSD68")
    assert goal("dncnn-3", noisy) == {15: 31.46, 25: 29.02, 50: 26.10}
    assert goal("dncnn-b", noisy) == {15: 31.61, 25: 29.16, 50: 26.23}
    for name in ("dncnn-s15", "dncnn-s25", "dncnn-s50"):
        assert goal(name, noisy) == {15: 31.73, 25: 29.23, 50: 26.23}
    assert goal("bf-dncnn", noisy) == {15: 31.58, 25: 29.12, 50: 26.19}
    classic5, live1 = (Setting("deblocking", name) for name in ("classic5", "LIVE1"))
    assert goal("dncnn-3", classic5) == {10: 29.40, 20: 31.63, 30: 32.91, 40: 33.77}
    assert goal("dncnn-3", live1) == {10: 29.19, 20: 31.59, 30: 32.98, 40: 33.96}
    set5, set14 = (Setting("super-resolution", name, "direct") for name in ("Set5", "Set14"))
    assert goal("dncnn-3", set5) == {2: 37.58, 3: 33.75, 4: 31.40}
    assert goal("dncnn-3", set14) == {2: 33.03, 3: 29.81, 4: 28.04}


def test_a_row_without_source_or_with_a_wrong_key_is_refused() -> None:
    content = read_yaml(PUBLISHED)
    del content["rows"][0]["source"]
    with pytest.raises(ConfigError, match=r"missing key 'rows\.0\.source'"):
        parse_as(Published, content, "x")
    content["rows"][0] |= {"source": "somewhere", "pnsr": {}}
    with pytest.raises(ConfigError, match="pnsr"):
        parse_as(Published, content, "x")
