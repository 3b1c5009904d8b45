"""Finds pipeline files and reads them, with the changes that a command line makes to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pnp_priors.errors import ConfigError, MissingFileError, UnknownNameError
from pnp_priors.pipelines.schema import PATHS, TASKS
from pnp_priors.pipelines.settings import Pipeline
from pnp_priors.schema import parse_as, read_yaml, what_is_wrong

_PACKAGED = Path(__file__).parent
#: in a checkout the files are in the top-level folder, which the wheel merges into the package
_CHECKOUT = _PACKAGED.parent.parent / "pipelines"


def folder() -> Path:
    """Where the shipped pipelines are."""
    return _PACKAGED if any(_PACKAGED.glob("*.yaml")) else _CHECKOUT


def available() -> list[str]:
    """Names of the shipped pipelines."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(name_or_path: str | Path) -> Path:
    """A shipped pipeline by its name or its task's, or a YAML file by its path.

    :raises UnknownNameError: lists the shipped pipelines.
    :raises MissingFileError: no such YAML file.
    """
    path = Path(name_or_path)
    if path.suffix.lower() in {".yaml", ".yml"}:
        if not path.is_file():
            raise MissingFileError(f"no such file: {path}")
        return path
    name = str(name_or_path).replace("-", "_")
    if name not in available():
        raise UnknownNameError("pipeline", str(name_or_path), available())
    return folder() / f"{name}.yaml"


def read(path: Path, overrides: Mapping[str, Any] | None = None) -> Pipeline:
    """Read and check a pipeline; the paths in the result are absolute.

    :param overrides: values by dotted key, ``{"solver.iterations": 20}``. Paths among them are
        relative to the current folder, those in the file to the file's folder.
    :raises ConfigError: one line with the file (or ``--set``) and the key.
    """
    content = read_yaml(path)
    settings = dict(overrides or {})

    def where(key: str) -> str:
        for given, value in settings.items():
            if f"{key}.".startswith(f"{given}."):
                return f"--set {given}={value}"
        # What is wrong with keys together may come from any of those that were set.
        below = [f"--set {g}={v}" for g, v in settings.items() if f"{g}.".startswith(f"{key}.")]
        every = [f"--set {g}={v}" for g, v in settings.items()]
        among = below if key else every
        return f"{path} with {' '.join(among)}" if among else str(path)

    if not isinstance(content, dict):
        return parse_as(Pipeline, content, str(path))
    for key in PATHS:
        _change(content, key, lambda value: _absolute(value, path.parent))
    for key, value in settings.items():
        _set(content, key, _absolute(value, Path.cwd()) if key in PATHS else value)
    task = content.get("task")
    if not isinstance(task, str) or task not in TASKS:
        known = ", ".join(sorted(TASKS))
        if task is None:
            raise ConfigError(f"{path}: missing key 'task', one of {known}")
        raise ConfigError(f"{where('task')}: task: expected one of {known} (got {task!r})")
    return parse_as(TASKS[task], content, where)


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """``["prior.name=ffdnet-gray"]`` as overrides; values are read as YAML.

    :raises ConfigError: one without ``=`` or with an empty key.
    """
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not all(key.strip().split(".")):
            raise ConfigError(f"--set {setting}: expected key.sub=value")
        try:
            overrides[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: the value is {what_is_wrong(error)}") from error
    return overrides


def _absolute(value: Any, base: Path) -> Any:
    if isinstance(value, str) and value:
        return str((base / Path(value).expanduser()).resolve())
    if isinstance(value, list):
        return [_absolute(item, base) for item in value]
    return value


def _change(content: dict[str, Any], dotted: str, change: Any) -> None:
    """Change the value at a dotted key, where there is one."""
    *parents, last = dotted.split(".")
    level: Any = content
    for part in parents:
        level = level.get(part) if isinstance(level, dict) else None
    if isinstance(level, dict) and last in level:
        level[last] = change(level[last])


def _set(content: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    level = content
    for part in parents:
        below = level.setdefault(part, {})
        if not isinstance(below, dict):
            raise ConfigError(f"--set {dotted}: {part!r} is a value, it has no keys below it")
        level = below
    level[last] = value
