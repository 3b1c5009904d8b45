"""YAML errors are one line that names the file, the key and what is allowed."""

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

from pnp_priors.errors import ConfigError, MissingFileError
from pnp_priors.schema import parse_as, read_yaml, read_yaml_as


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner | None = None
    limit: int | None = None

    @model_validator(mode="after")
    def _together(self):
        if self.inner and self.limit and self.inner.size > self.limit:
            raise ValueError("size is above the limit")
        return self


def test_good_content(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("name: x\ninner: {size: 3}\n")
    assert read_yaml_as(Outer, path) == Outer(name="x", inner=Inner(size=3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"name": "x", "nam": 1},
            "f: unknown key 'nam'; nearest: name; allowed: name, inner, limit",
        ),
        ({"name": "x", "inner": {"size": 1, "s": 2}}, "f: unknown key 'inner.s'; allowed: size"),
        (
            {"name": "x", "inner": {"sise": 1}},
            "f: unknown key 'inner.sise'; nearest: inner.size; allowed: size",
        ),
        ({}, "f: missing key 'name'"),
        ({"name": "x", "inner": {"size": "big"}}, "f: inner.size: .*integer.*got 'big'"),
        ({"name": "x", "inner": 3}, r"f: inner: expected keys below it: size \(got 3\)"),
        ({"name": "x", "inner": {"size": 3}, "limit": 2}, "f: size is above the limit$"),
        ({"name": 3, "other": 1}, r"f: name: .* \(and 1 more\)"),
        ([1], "f: expected keys and values, got list"),
        (None, "^f: it is empty; expected keys and values$"),
    ],
)
def test_bad_content_is_one_line(content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_as(Outer, content, "f")
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\nb: [1,\n")
    with pytest.raises(ConfigError, match=r"a\.yaml, line 3: not readable as YAML \(while parsing"):
        read_yaml(path)
    path.write_text("a: b: c\n")
    with pytest.raises(ConfigError, match=r"line 1: .* \(mapping values are not allowed here\)$"):
        read_yaml(path)
    path.write_text("a:\n\tb: 1\n")
    with pytest.raises(ConfigError, match=r"line 2: .* found character '\\t'"):
        read_yaml(path)
    path.write_text("a:\n  b: 1\n  c: 2\n  b: 3\n")
    with pytest.raises(ConfigError, match=r"a\.yaml, line 4: the key 'b' is there twice"):
        read_yaml(path)
    path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        read_yaml(path)
