"""YAML files as pydantic models, with errors of one line that name the file and the key."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

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
        raise ConfigError(f"{path}{where}: {what_is_wrong(error)}") from error


def what_is_wrong(error: Exception) -> str:
    """What PyYAML says of a text that it cannot read, in one line."""
    if isinstance(error, _DuplicateKeyError):
        return str(error.problem)
    said = getattr(error, "problem", None) or getattr(error, "reason", None)
    context = getattr(error, "context", None)
    parts = [" ".join(str(part).split()) for part in (context, said) if part]
    return f"not readable as YAML ({', '.join(parts)})" if parts else "not readable as YAML"


def parse_as(model: type[Model], content: Any, where: str | Callable[[str], str]) -> Model:
    """Check ``content`` against ``model``.

    :param where: that comes from, or what tells it of a dotted key.
    :raises ConfigError: one line: where, the key, what is wrong and what was given.
    """
    if not isinstance(content, dict):
        place = where if isinstance(where, str) else where("")
        if content is None:  # also comments alone
            raise ConfigError(f"{place}: it is empty; expected keys and values")
        raise ConfigError(f"{place}: expected keys and values, got {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        key = ".".join(str(part) for part in _first(error)["loc"])
        place = where if isinstance(where, str) else where(key)
        raise ConfigError(f"{place}: {describe(error, model)}") from None


def read_yaml_as(model: type[Model], path: Path) -> Model:
    """Read a YAML file and check it against ``model``."""
    return parse_as(model, read_yaml(path), str(path))


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem in one line, and how many more there are."""
    problems = error.errors(include_url=False)
    first = _first(error)
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        text = f"unknown key {key!r}"
        parent = _model_at(model, first["loc"][:-1])
        if parent is not None:
            text += _nearest(first["loc"], parent)
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


def _first(error: ValidationError) -> ErrorDetails:
    """The problem to name: where a key is missing, it may be there under a wrong name."""
    problems = error.errors(include_url=False)
    if problems[0]["type"] != "missing":
        return problems[0]
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    return (unknown or problems)[0]


def _nearest(location: tuple[int | str, ...], parent: type[BaseModel]) -> str:
    """The allowed key that an unknown one was probably meant to be, if any is like it."""
    *above, last = (str(part) for part in location)
    found = get_close_matches(last, parent.model_fields, n=1)
    return f"; nearest: {'.'.join([*above, found[0]])}" if found else ""


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
