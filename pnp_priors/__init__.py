"""Trained denoisers as drop-in plug-and-play priors for deepinv."""

from pnp_priors.registry import available, describe, load

__all__ = ["available", "describe", "load"]
