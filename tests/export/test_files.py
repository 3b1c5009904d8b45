"""Exported files: verified both ways, nothing in them but what is stated, the same every time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from pnp_priors import registry
from pnp_priors.export import export
from pnp_priors.runtime.passport import Passport, read_passport
from pnp_priors.runtime.reference import read_reference, reference_path
from pnp_priors.runtime.session import open_session
from pnp_priors.runtime.verify import against_reference, against_torch

Exported = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "sigma"),
    [
        ("cbdnet", None),
        ("cbdnet", "map"),
        ("dncnn-s25", "map"),
        ("ffdnet-gray", None),
        ("foe-d-s25", None),
        ("genericdp", None),
        ("trd-jpeg-q10", None),
    ],
)
def test_verified_against_torch_and_the_reference(
    exported: Exported, name: str, sigma: str | None
) -> None:
    path = exported(name, sigma)
    session = open_session(path, threads=1)
    found = against_torch(session)
    assert found.passed, str(found)
    assert [row.torch_seconds is None for row in found.rows] == [False] * 5
    assert max(abs(row.psnr) for row in found.rows) < 1e-3
    found = against_reference(session)
    assert found.passed, str(found)
    assert read_reference(path).tolerance == read_passport(path).tolerance


def test_nothing_else_is_in_a_file(exported: Exported) -> None:
    path = exported("foe-d-s25")
    model = onnx.load(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert Passport.from_metadata(metadata).metadata() == metadata
    assert not model.functions
    assert not model.graph.value_info
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    made = {name for node in model.graph.node for name in node.output}
    used = {name for node in model.graph.node for name in node.input}
    weights = {tensor.name for tensor in model.graph.initializer}
    assert weights <= used
    assert made <= used | {"restored"}
    content = path.read_bytes()
    assert str(registry.PACKAGE).encode() not in content
    assert str(path.parent).encode() not in content


def test_the_passport_says_what_the_card_says(exported: Exported) -> None:
    passport, card = read_passport(exported("genericdp")), registry.describe("genericdp")
    assert passport.weights_sha256 == card.weights.sha256
    assert passport.prior_version == card.weights.sha256[:12]
    assert passport.sigma_range == card.sigma_range
    assert (passport.receptive_field, passport.halo) == (97, 48)
    assert passport.psnr["BSD68"] == card.results[0].psnr
    assert passport.training_data == card.training.data
    assert passport.channels == "any"
    assert read_passport(exported("cbdnet")).channel_order == "RGB"
    assert read_passport(exported("cbdnet")).sigma_range is None
    assert read_passport(exported("cbdnet", "map")).sigma_range is not None


def test_the_same_bytes_in_another_process(exported: Exported, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    code = f"from pnp_priors.export import export; export('foe-d-s25', {str(again)!r})"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600, capture_output=True)
    first = exported("foe-d-s25")
    assert again.read_bytes() == first.read_bytes()
    # On one processor: what torch makes of the inputs, another one rounds otherwise.
    assert reference_path(again).read_bytes() == reference_path(first).read_bytes()


def test_a_card_of_one_s_own(tmp_path: Path) -> None:
    for folder, name in (("cards", "foe-s-s15.yaml"), ("weights", "foe-s-s15.safetensors")):
        (tmp_path / folder).mkdir()
        source = registry.PACKAGE / folder / name
        (tmp_path / folder / name).write_bytes(source.read_bytes())
    path = export(tmp_path / "cards" / "foe-s-s15.yaml", tmp_path / "own.onnx")
    assert read_passport(path).name == "foe-s-s15"
    assert reference_path(path).is_file()
