import pytest

from pnp_priors.benchmark.published import PUBLISHED, Published, published
from pnp_priors.errors import ConfigError
from pnp_priors.schema import parse_as, read_yaml


def test_every_row_has_a_source_and_plausible_numbers() -> None:
    for row in published().rows:
        assert len(row.source) > 10
        assert all(1 <= sigma <= 100 for sigma in row.psnr)
        assert all(15 < value < 45 for value in row.psnr.values())
        assert all(0 < value < 1 for value in row.ssim.values())
        assert set(row.ssim) <= set(row.psnr)
        # More noise, lower numbers: catches most slips in copying.
        values = [row.psnr[sigma] for sigma in sorted(row.psnr)]
        assert values == sorted(values, reverse=True)


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
