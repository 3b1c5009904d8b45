"""The errors that pnp_priors raises on purpose, one family.

Each is also a built-in error, so that callers who never heard of this package can catch them;
the command line prints their one line and exits with code 2.
"""

import sys
from collections.abc import Callable


class PnpPriorsError(Exception):
    """Base of every error raised on purpose by this package."""


class UnknownNameError(PnpPriorsError, ValueError):
    """A name (of a prior, pipeline, recipe, solver) that is not known; lists the nearest."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        import difflib

        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(nearest)}; " if nearest else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known: {', '.join(known)}")


class InputError(PnpPriorsError, ValueError):
    """An argument or a file's content that cannot be used (shape, range, NaN, type)."""


class ConfigError(PnpPriorsError, ValueError):
    """A YAML file (pipeline, recipe, card) with a wrong key, type or value."""


class WeightsError(PnpPriorsError, RuntimeError):
    """Weights that are damaged, of the wrong hash, or do not fit the architecture."""


class MissingExtraError(PnpPriorsError, ImportError):
    """A package that only an extra of this one installs; says which."""


class BlindPriorWarning(UserWarning):
    """A solver is built around a prior that ignores sigma; not an error, it runs."""


class RangeWarning(UserWarning):
    """An image that seems to be on 0..255; not an error, it is restored."""


class DivergenceWarning(UserWarning):
    """A solver's iterates diverged; the result is the last good one."""


class MissingFileError(PnpPriorsError, FileNotFoundError):
    """A file or folder that should exist and does not."""

    def __str__(self) -> str:
        return str(self.args[0])


def exit_code(command: Callable[[], object]) -> int:
    """Run a command of a command line.

    :returns: 0, or 2 after an error of this family or of the system, which is printed as one line;
        so is an import that fails because an extra is not installed.
    """
    try:
        command()
    except (PnpPriorsError, OSError) as error:
        return _said(error)
    except ImportError as error:
        from pnp_priors.extras import EXTRAS, missing

        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        return _said(missing(package))
    return 0


def _said(error: Exception) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
