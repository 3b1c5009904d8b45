"""The folder of exported graphs: the one that a pipeline needs is found by its passport.

Where it is missing it is exported, if torch is there to do it; else the command that does is named.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pnp_priors import registry
from pnp_priors.card import Card
from pnp_priors.errors import InputError, MissingFileError
from pnp_priors.extras import installed
from pnp_priors.runtime.metadata import metadata_of
from pnp_priors.runtime.passport import Passport
from pnp_priors.runtime.session import Session, open_session

#: where graphs are looked for if nobody says
FOLDER = Path("pnp_priors_onnx")
#: what exports
_EXPORTER = ("torch", "deepinv", "onnx")
#: the most exact one is taken
_PRECISIONS = ("float32", "float16", "int8")


@dataclass(frozen=True)
class Wanted:
    """A graph that a pipeline needs.

    :param what: in words.
    :param file: its name, if it is exported.
    :param fits: whether a passport is that of such a graph.
    :param suits: whether an opened graph is one: what a passport does not say.
    :param arguments: of ``pnp-priors export``, without ``-o``.
    :param export: writes it.
    """

    what: str
    file: str
    fits: Callable[[Passport], bool]
    suits: Callable[[Session], bool]
    arguments: tuple[str, ...]
    export: Callable[[Path], object]


class Graphs:
    """A folder of graphs.

    :param folder: which need not exist.
    :param provider, threads: see :func:`pnp_priors.runtime.session.open_session`.
    :param announce: told what is going on, one line at a time.
    """

    def __init__(
        self,
        folder: Path = FOLDER,
        provider: str = "cpu",
        threads: int | None = None,
        announce: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.folder, self.provider, self.threads = folder, provider, threads
        self.announce = announce

    def open(self, wanted: Wanted) -> Session:
        """The graph that fits; exported first where it is missing and can be.

        :raises MissingFileError: it is missing; names the command that exports it.
        :raises InputError: the file of that name is another graph, or a damaged one; or what
            :func:`pnp_priors.runtime.session.open_session` refuses.
        """
        for path in self._fitting(wanted):
            session = open_session(path, self.provider, self.threads)
            if wanted.suits(session):
                self.announce(f"graph {path}, {session.passport.precision}, on {self.provider}")
                return session
        self._export(wanted)
        session = open_session(self.folder / wanted.file, self.provider, self.threads)
        if not wanted.fits(session.passport) or not wanted.suits(session):
            raise InputError(f"{session.path}: exported, but it is not {wanted.what}")
        self.announce(f"graph {session.path}, {session.passport.precision}, on {self.provider}")
        return session

    def _fitting(self, wanted: Wanted) -> Iterator[Path]:
        """Files whose passports fit, the most exact first."""
        found = []
        for path in sorted(self.folder.glob("*.onnx")):
            try:
                passport = Passport.from_metadata(metadata_of(path), path.name)
            except (InputError, OSError):
                # Another program's, or a damaged one: wrong only if it has the name of this graph.
                if path.name == wanted.file:
                    raise
                continue
            if wanted.fits(passport):
                found.append((_PRECISIONS.index(passport.precision), path))
        return (path for _, path in sorted(found))

    def _export(self, wanted: Wanted) -> None:
        path = self.folder / wanted.file
        words = ["pnp-priors", "export", *wanted.arguments, "-o", str(path)]
        if path.is_file():
            passport = Passport.from_metadata(metadata_of(path), path.name)
            raise InputError(
                f"{path}: is {passport.name} of {passport.package} {passport.package_version} with "
                f"weights {passport.prior_version}, not {wanted.what}; remove it, or export it "
                f"anew: {shlex.join(words)}"
            )
        if not installed(*_EXPORTER):
            raise MissingFileError(
                f"{self.folder}: no graph of {wanted.what} there; where torch is: "
                f"{shlex.join(words)}"
            )
        self.announce(f"exporting {wanted.what} to {path}, once")
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted.export(path)


def takes(session: Session, axes: Mapping[str, int]) -> bool:
    """Whether a graph has these inputs besides what needs no choice, and no others.

    :param axes: by input, their number: a noise level has one, a map four.
    """
    always = {"x", "table", "iterations"}
    found = {name: len(one.shape) for name, one in session.inputs.items() if name not in always}
    return found == dict(axes)


def prior_graph(card: Card, name: str, form: Literal["level", "map"] | None) -> Wanted:
    """The graph of a prior by itself.

    :param name: as the pipeline has it: a released prior's, or the path of a card.
    :param form: ``level`` or ``map``: how it takes sigma; ``None``: not at all.
    """
    weights = registry.fingerprint(card)
    axes = {} if form is None else {"sigma": 4 if form == "map" else 1}
    suffix = "-map" if form == "map" else "-level" if form and card.estimates_sigma else ""

    def fits(passport: Passport) -> bool:
        return (passport.kind, passport.prior, passport.weights_sha256) == (
            "prior",
            card.name,
            weights,
        )

    def export(path: Path) -> None:
        from pnp_priors.export import export

        export(name, path, sigma=form)

    stated = () if form is None else ("--sigma", form)
    words = card.name if form is None else f"{card.name} that takes a sigma {form}"
    file = f"{card.name}{suffix}.onnx"
    return Wanted(words, file, fits, lambda one: takes(one, axes), (name, *stated), export)
