"""What the Tab key completes on the command line: names of priors and of pipelines.

Nothing heavy is imported: a shell waits for the answer.
"""

from __future__ import annotations


def priors(incomplete: str) -> list[str]:
    """Released priors whose names start so."""
    from pnp_priors.registry import available

    return [name for name in available() if name.startswith(incomplete)]


def prior_lists(incomplete: str) -> list[str]:
    """Names with commas between: completes the last one, with a prior not named yet."""
    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    return [f"{before}{comma}{name}" for name in priors(last) if name not in named]


def pipelines(incomplete: str) -> list[str]:
    """Shipped pipelines whose names start so."""
    from pnp_priors.pipelines.files import available

    return [name for name in available() if name.startswith(incomplete)]
