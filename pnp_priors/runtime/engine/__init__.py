"""Pipelines through exported graphs: what ``pnp-priors run --engine onnxruntime`` restores with.

Neither torch nor deepinv is imported, unless a graph is missing and both are there to export it.
"""
