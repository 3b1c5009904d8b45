"""How priors and cards present themselves: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from pnp_priors import registry

if TYPE_CHECKING:
    from pnp_priors.priors.base import Prior


class Described(Protocol):
    """What says what a prior is trained for: the prior itself, and its card."""

    @property
    def tasks(self) -> Any: ...
    @property
    def sigma_range(self) -> tuple[float, float]: ...
    @property
    def blind(self) -> bool: ...
    @property
    def quality_range(self) -> tuple[int, int] | None: ...
    @property
    def scales(self) -> tuple[int, ...] | None: ...


def trained_for(what: Described) -> str:
    """The noise levels, JPEG qualities and scales, in words."""
    parts = []
    low, high = (round(255 * s, 2) for s in what.sigma_range)
    if "gaussian" in what.tasks:
        levels = f"{low:g}/255" + (f" to {high:g}/255" if high > low else " alone")
        parts.append(f"sigma {levels}" + (", blind" if what.blind else ""))
    if "camera" in what.tasks:
        parts.append(f"camera noise of sigma {low:g}/255 to {high:g}/255, estimated or given")
    if what.quality_range is not None:
        first, last = what.quality_range
        parts.append(f"JPEG quality {first}" + (f" to {last}" if last > first else ""))
    if what.scales is not None:
        parts.append("super-resolution by " + ", ".join(map(str, what.scales)))
    return "; ".join(parts)


def system_of(prior: Prior) -> str | None:
    """The published system that a prior implements; ``None`` for classes of one's own."""
    systems = {place: system for system, place in registry.SYSTEMS.items()}
    for kind in type(prior).__mro__:
        system = systems.get(f"{kind.__module__}:{kind.__qualname__}")
        if system is not None:
            return system
    return None


def facts(prior: Prior) -> dict[str, str]:
    """What a prior says of itself, by what it is."""
    try:
        field = prior.receptive_field
        reach = (
            "receptive field: the whole image" if field is None else f"receptive field {field} px"
        )
    except NotImplementedError:
        reach = "receptive field not stated"
    return {
        "name": prior.name or "without a name",
        "system": system_of(prior) or type(prior).__name__,
        "channels": {1: "gray", 3: "colour"}.get(prior.channels, f"{prior.channels} channels"),
        "trained for": trained_for(prior),
        "parameters": f"{sum(p.numel() for p in prior.parameters()):,} parameters",
        "receptive field": reach,
    }


def table(rows: Iterable[tuple[str, str]], caption: str = "") -> str:
    """A small HTML table of two columns; everything in it is escaped."""
    body = "".join(
        f'<tr><th style="text-align:left">{escape(key)}</th>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for key, value in rows
    )
    head = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return f"<table>{head}{body}</table>"


class Readable:
    """A prior as a line, and as a table in a notebook.

    torch's tree of modules is ``torch.nn.Module.__repr__(prior)``.
    """

    def __repr__(self) -> str:
        try:
            about = facts(self)  # type: ignore[arg-type]
        except AttributeError:  # while it is being built
            return super().__repr__()
        name, *others = about.values()
        return f"{type(self).__name__}({name}: {', '.join(others)})"

    def _repr_html_(self) -> str:
        about = facts(self)  # type: ignore[arg-type]
        # Its first column says already what the words in a line have to repeat.
        rows = [
            (k, v.removeprefix(f"{k}: ").removeprefix(k).removesuffix(k)) for k, v in about.items()
        ]
        return table(
            [(key, value.strip()) for key, value in rows],
            f"{type(self).__name__}, a denoiser D(x, sigma)",
        )
