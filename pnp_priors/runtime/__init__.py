"""Runs exported files with ONNX Runtime and numpy alone: no torch, no deepinv.

A file is what :mod:`pnp_priors.export` wrote: a graph, and a passport in its metadata that says
what the graph is and which values it takes (:mod:`pnp_priors.runtime.passport`).
"""
