"""An exported prior: a graph, and what its passport and its card say."""

from __future__ import annotations

import numpy as np

from pnp_priors.card import Card
from pnp_priors.errors import InputError
from pnp_priors.runtime.session import Session


class Facts:
    """What pipelines ask of a prior, from its card; see :class:`pnp_priors.priors.base.Prior`.

    :param card: of the prior.
    :param session: of a graph that has the prior inside.
    """

    def __init__(self, card: Card, session: Session) -> None:
        passport = session.passport
        self.name, self.channels, self.tasks = card.name, card.channels, card.tasks
        self.blind, self.estimates_sigma = card.blind, card.estimates_sigma
        self.quality_range, self.scales = card.quality_range, card.scales
        self.receptive_field = card.receptive_field
        self._halo, self.size_multiple = passport.halo, passport.size_multiple

    @property
    def halo(self) -> int:
        """Pixels a tile needs on each side so that its inside equals whole-image restoration.

        :raises InputError: the prior looks at the whole image.
        """
        if self._halo is None:
            raise InputError(f"{self.name} cannot be tiled: it looks at the whole image")
        return self._halo


class GraphPrior(Facts):
    """A prior that an exported graph computes, for arrays.

    :param session: of the prior's own graph.
    """

    def __init__(self, card: Card, session: Session) -> None:
        super().__init__(card, session)
        self.session = session
        self.takes_table = "table" in session.inputs

    def __call__(
        self, x: np.ndarray, sigma: np.ndarray | None = None, table: np.ndarray | None = None
    ) -> np.ndarray:
        """Denoise ``[B, C, H, W]``.

        :param sigma: ``[B]`` or ``[B, 1, H, W]``, as the graph was exported; any level in [0, 1]:
            outside of the trained range a graph does as the prior itself.
        :param table: ``[8, 8]``, for a prior that takes one.
        """
        given = {"x": x}
        if "sigma" in self.session.inputs:
            if sigma is None:
                raise InputError(f"{self.name} is not blind: sigma must be given")
            given["sigma"] = sigma.astype(np.float32)
        if self.takes_table:
            if table is None:
                raise InputError(f"{self.name} needs the table of the JPEG image")
            given["table"] = table.astype(np.float32)
        return self.session(given, outside=True)
