"""Exports priors and whole restorations as ONNX files that run without torch and this package.

``export("ffdnet-gray", "ffdnet-gray.onnx")`` writes a prior, ``export_pipeline("deconvolution",
"deconvolution.onnx")`` a restoration. Each file has its passport in its metadata
(:mod:`pnp_priors.runtime.passport`) and a reference to verify it by beside it
(:mod:`pnp_priors.runtime.reference`); both are the same bytes every time.

Graphs are written node by node (:mod:`pnp_priors.export.graphs`), not traced: torch's exporter took
20 to 40 seconds for a diffusion of ten iterations, and this takes one. They compute what
:mod:`pnp_priors.priors` computes, in operators that every target runs
(:mod:`pnp_priors.export.operators`); :mod:`pnp_priors.export.writer` makes checked files of them.
Exporting needs torch and onnx; running files, :mod:`pnp_priors.runtime`, does not.
"""

from __future__ import annotations

from typing import Any

#: what is exported from here, and where each is found; imported when it is used
_FOUND = {
    "export": ("pnp_priors.export.prior", "export_prior"),
    "export_pipeline": ("pnp_priors.export.restorations", "export_pipeline"),
}

__all__ = ["export", "export_pipeline"]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _FOUND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pnp_priors.extras import need

    need("torch", "deepinv", "onnx")
    module, attribute = _FOUND[name]
    return getattr(importlib.import_module(module), attribute)
