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


def test_a_row_without_source_or_with_a_wrong_key_is_refused() -> None:
    content = read_yaml(PUBLISHED)
    del content["rows"][0]["source"]
    with pytest.raises(ConfigError, match=r"missing key 'rows\.0\.source'"):
        parse_as(Published, content, "x")
    content["rows"][0] |= {"source": "somewhere", "pnsr": {}}
    with pytest.raises(ConfigError, match="pnsr"):
        parse_as(Published, content, "x")
