"""A file's metadata without ONNX Runtime is what ONNX Runtime reads."""

import pytest

from pnp_priors.errors import InputError
from pnp_priors.runtime.metadata import metadata_of


def test_it_is_what_onnxruntime_reads(toy):
    import onnxruntime

    session = onnxruntime.InferenceSession(toy, providers=["CPUExecutionProvider"])
    found = metadata_of(toy)
    assert found == session.get_modelmeta().custom_metadata_map
    assert found["name"] == "toy"


def test_long_values_empty_ones_and_none(tmp_path, write_toy):
    entries = {"long": "ä" * 70_000, "empty": ""}
    assert metadata_of(write_toy(tmp_path / "a.onnx", entries)) == entries
    assert metadata_of(write_toy(tmp_path / "b.onnx", {})) == {}


@pytest.mark.parametrize(
    "content", [b"no model at all", b"\x3a\xff\x01ab", b"\x08", b"\x72\x03\x0a"]
)
def test_what_is_no_model(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.onnx: not an ONNX model"):
        metadata_of(path)
