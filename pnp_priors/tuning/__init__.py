"""Presets of solvers: what a file says (:mod:`schema`), and how ``pnp-priors tune`` finds them.

Images that numbers are reported on are not for tuning: take others.
"""
