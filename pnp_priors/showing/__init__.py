"""Pictures for people: what a prior has learned, and what several make of one photo.

- :mod:`pnp_priors.showing.page`: one page about a prior (``pnp-priors show``);
- :mod:`pnp_priors.showing.comparison`: a photo restored by several priors, and
  :mod:`pnp_priors.showing.sheet`: that as a picture (``pnp-priors compare``);
- :mod:`pnp_priors.showing.details`: photos side by side with a detail magnified, by matplotlib;
- :mod:`pnp_priors.showing.notebook`: how priors and cards present themselves.

What is drawn is computed apart from drawing it: in ``diffusion.py``, ``perona_malik.py``,
``convolutions.py`` and ``grouping.py`` for the panels of the same name.
"""
