"""Whole restorations as ONNX graphs, each around the exported graph of a prior.

They are written node by node (:mod:`pnp_priors.export.graphs.restorations.builder`) and not traced
from torch: sizes, factors of sizes and iteration counts are known only when a graph runs, which the
tracer of ``torch.onnx.export`` does not follow; and a prior of any precision can be put in.

Every graph takes the photo ``x``, float32 ``[batch, channels, height, width]`` in [0, 1], and gives
``restored``; besides

========================  =============================================================
deconvolution             ``kernel`` ``[kernel_height, kernel_width]``, of any scale;
                          ``noise`` ``[1]``, a standard deviation in [0, 1]
super-resolution          ``noise``, and in the model with a blur ``kernel``; neither
                          where the prior enlarges in one pass
JPEG deblocking           one photo at a time: ``tables`` ``[3, 8, 8]`` of Y, Cb, Cr on
                          0..255, or of a gray photo, and where the prior restores the
                          luminance in one pass, ``table`` ``[8, 8]``
denoising                 ``noise``, unless the prior is told none
========================  =============================================================

and ``iterations``, int64 without axes, where that was asked for. Channels are 1 or 3 with a gray
prior, 3 with a colour prior.
"""
