"""YAML files as pydantic models, with errors of one line that name the file and the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pnp_priors.errors import ConfigError, MissingFileError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """A wrong key is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid")


class _DuplicateKeyError(yaml.MarkedYAMLError):
    """YAML forbids a key to be there twice; PyYAML takes the last one."""


class _Loader(yaml.SafeLoader):
    """Safe, and refuses duplicate keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                problem = f"the key {key.value!r} is there twice"
                raise _DuplicateKeyError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    :raises MissingFileError: there is no such file.
    :raises ConfigError: it is not YAML, or has a key twice; the line is named.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        raise MissingFileError(f"no such file: {path}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = error.problem if isinstance(error, _DuplicateKeyError) else "not readable as YAML"
        raise ConfigError(f"{path}{where}: {reason}") from error


def parse_as(model: type[Model], content: Any, where: str | Callable[[str], str]) -> Model:
    """Check ``content`` against ``model``.

    :param where: that comes from, or what tells it of a dotted key.
    :raises ConfigError: one line: where, the key, what is wrong and what was given.
    """
    if not isinstance(content, dict):
        place = where if isinstance(where, str) else where("")
        raise ConfigError(f"{place}: expected keys and values, got {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        place = where if isinstance(where, str) else where(key)
        raise ConfigError(f"{place}: {describe(error, model)}") from None


def read_yaml_as(model: type[Model], path: Path) -> Model:
    """Read a YAML file and check it against ``model``."""
    return parse_as(model, read_yaml(path), str(path))


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem in one line, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        text = f"unknown key {key!r}"
        parent = _model_at(model, first["loc"][:-1])
        if parent is not None:
            text += f"; allowed: {', '.join(parent.model_fields)}"
    elif first["type"] == "missing":
        text = f"missing key {key!r}"
    elif first["type"] == "model_type":
        below = _model_at(model, first["loc"])
        known = f": {', '.join(below.model_fields)}" if below is not None else ""
        text = f"{key}: expected keys below it{known} (got {first['input']!r})"
    else:
        message = first["msg"].removeprefix("Value error, ")
        given = "" if first["type"] == "value_error" else f" (got {first['input']!r})"
        # What is wrong with several keys together is said of the model, at the top of no key.
        text = f"{key}: {message}{given}" if key else f"{message}{given}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return text + more


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model class at a location inside another, where that can be told from its fields."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        fields = getattr(current, "model_fields", {})
        if part not in fields:
            return None
        annotation = fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if len(models) != 1:
            return None
        current = models[0]
    return current
