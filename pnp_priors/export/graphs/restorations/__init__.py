"""Whole restorations as ONNX graphs, each around the exported graph of a prior.

They are written node by node (:mod:`pnp_priors.export.graphs.restorations.builder`) and not traced
from torch: sizes, factors of sizes and iteration counts are known only when a graph runs, which the
tracer of ``torch.onnx.export`` does not follow; and a prior of any precision can be put in.
"""
