"""The passport: the same after a round trip, and one line for what is wrong with it."""

import json

import pytest

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.runtime.passport import Passport, read_passport

#: the keys of the file format, in its order
KEYS = [
    "passport",
    "kind",
    "name",
    "prior",
    "title",
    "task",
    "prior_version",
    "package",
    "package_version",
    "channels",
    "channel_order",
    "value_range",
    "sigma_range",
    "sigma_unit",
    "sigma_outside",
    "receptive_field",
    "halo",
    "size_multiple",
    "licence",
    "training_data",
    "weights_sha256",
    "psnr",
    "tolerance",
    "opset",
    "precision",
    "lipschitz_lower_bound",
    "settings",
    "psnr_difference",
]


def test_keys_are_those_of_the_format(make_passport):
    metadata = make_passport().metadata()
    assert list(metadata) == KEYS
    assert all(isinstance(value, str) for value in metadata.values())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sigma_range": None, "halo": None, "receptive_field": "whole image"},
        {"psnr": {"BSD68": {"25": 28.9}}, "lipschitz_lower_bound": {"25": 1.5}},
        {"settings": {"prior": {"name": "σ"}, "iterations": 8}, "kind": "restoration"},
        {"tolerance": 1.5e-5, "training_data": ["a, b", "c"]},
    ],
)
def test_round_trip(make_passport, changes):
    passport = make_passport(**changes)
    assert Passport.from_metadata(passport.metadata()) == passport


def test_what_does_not_apply_is_empty(make_passport):
    metadata = make_passport(sigma_range=None, halo=None).metadata()
    for key in ("sigma_range", "halo", "psnr", "lipschitz_lower_bound", "settings"):
        assert metadata[key] == ""
    assert json.loads(make_passport().metadata()["sigma_range"]) == [5 / 255, 50 / 255]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"passport": "2"}, "of version '2'"),
        ({"kind": "toy"}, "'kind'"),
        ({"sigma_range": "[0, 2]"}, "'sigma_range'"),
        ({"sigma_range": "25"}, "'sigma_range'"),
        ({"psnr": "{"}, "'psnr'"),
        ({"tolerance": "nan"}, "'tolerance'"),
        ({"weather": "fine"}, "'weather'"),
    ],
)
def test_wrong_values_are_one_line(make_passport, change, message):
    with pytest.raises(InputError, match=r"a\.onnx: its passport") as caught:
        Passport.from_metadata(make_passport().metadata() | change, "a.onnx")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(make_passport):
    metadata = make_passport().metadata()
    del metadata["halo"], metadata["licence"]
    with pytest.raises(InputError, match="lacks halo, licence"):
        Passport.from_metadata(metadata)


def test_read_from_a_file(toy, make_passport, tmp_path):
    assert read_passport(toy) == make_passport()
    with pytest.raises(MissingFileError, match="no such file"):
        read_passport(tmp_path / "none.onnx")


def test_text_has_units(make_passport):
    text = str(make_passport(psnr={"BSD68": {"25": 28.9}}, settings={"a": 1}))
    assert "5/255 to 50/255" in text
    assert "25: 28.90 dB" in text
    assert "a               1" in text


def test_long_data_sets_stay_apart_from_the_figures(make_passport):
    measured = {"levin, hqs-preset (deconvolution)": {"2.55": 33.44, "5.1": 30.54}}
    text = str(make_passport(psnr=measured))
    row = "  PSNR            2.55: 33.44  5.1: 30.54 dB on levin, hqs-preset (deconvolution)"
    assert row in text.splitlines()


def test_whose_lipschitz_bound_it_is(make_passport):
    bound = {"lipschitz_lower_bound": {"25": 1.5}}
    assert "  Lipschitz       at least 25: 1.50" in str(make_passport(**bound))
    of_restoration = make_passport(kind="restoration", **bound)
    assert "  Lipschitz       of toy alone at least 25: 1.50" in str(of_restoration)
