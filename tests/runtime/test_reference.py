"""References: what is written is read, and only for the model it was written for."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.runtime.reference import Case, read_reference, reference_path, write_reference
from pnp_priors.runtime.verify import verify


def cases():
    image = np.linspace(0, 1, 24, dtype=np.float32).reshape(1, 2, 3, 4)
    level = np.array([0.1], np.float32)
    return [Case({"x": image * k, "sigma": level}, image * k + level) for k in range(12)]


def test_round_trip_keeps_the_order(toy):
    path = write_reference(toy, cases(), 1e-6)
    assert path == reference_path(toy)
    assert path.name == "toy.reference.safetensors"
    reference = read_reference(toy)
    assert reference.tolerance == 1e-6
    assert len(reference.cases) == 12
    for found, expected in zip(reference.cases, cases(), strict=True):
        assert list(found.inputs) == ["sigma", "x"]
        np.testing.assert_array_equal(found.inputs["x"], expected.inputs["x"])
        np.testing.assert_array_equal(found.restored, expected.restored)


def test_the_same_bytes_every_time(toy):
    """safetensors by itself shuffles what is said in the header, in each process anew."""
    written = write_reference(toy, cases(), 1e-6).read_bytes()
    code = f"""
from safetensors.numpy import load
from pnp_priors.runtime.reference import Case, reference_path, write_reference
found = load(reference_path({str(toy)!r}).read_bytes())
cases = [
    Case({{name: found[f"{{k}}/{{name}}"] for name in ("x", "sigma")}}, found[f"{{k}}/restored"])
    for k in range(12)
]
for _ in range(20):
    write_reference({str(toy)!r}, cases, 1e-6)
    print(hashlib.sha256(reference_path({str(toy)!r}).read_bytes()).hexdigest())
"""
    words = [sys.executable, "-c", f"import hashlib\n{code}"]
    told = subprocess.run(words, check=True, timeout=120, capture_output=True, text=True).stdout
    assert set(told.split()) == {hashlib.sha256(written).hexdigest()}


def test_the_header_is_as_readers_want_it(toy):
    content = write_reference(toy, cases(), 1e-6).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert size % 8 == 0
    assert list(header["__metadata__"]) == ["model_sha256", "tolerance"]
    spans = sorted(one["data_offsets"] for name, one in header.items() if name[0] != "_")
    assert [begin for begin, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert 8 + size + spans[-1][1] == len(content)


def test_refused(toy, tmp_path):
    with pytest.raises(MissingFileError, match=r"toy\.reference\.safetensors is missing"):
        read_reference(toy)
    write_reference(toy, cases(), 1e-6)
    reference_path(toy).write_bytes(reference_path(toy).read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        read_reference(toy)
    write_reference(toy, cases(), 1e-6)
    toy.write_bytes(toy.read_bytes() + b"\0\0")
    with pytest.raises(InputError, match="belongs to another file"):
        read_reference(toy)


def test_verify_compares_with_it(toy):
    write_reference(toy, cases(), 1e-6)
    verdict = verify(toy, reference=True)
    assert verdict.passed
    assert len(verdict.rows) == 12
    wrong = [Case(case.inputs, case.restored + np.float32(1e-3)) for case in cases()]
    write_reference(toy, wrong[:1], 1e-6)
    verdict = verify(toy, reference=True)
    assert not verdict.passed
    assert verdict.worst.difference == pytest.approx(1e-3, rel=1e-3)
    assert "1.0e-03 (allowed 1e-06)" in str(verdict)


def test_nan_does_not_pass(toy):
    (case, *_) = cases()
    write_reference(toy, [Case(case.inputs, np.full_like(case.restored, np.nan))], 1e-6)
    assert not verify(toy, reference=True).passed
