"""Exported restorations in ONNX Runtime, and the same in eager torch: time and difference.

    python benchmarks/onnx_restorations.py [--side 192] [--prior ffdnet-gray] [--only deconvolution]

Gray photos, one thread of the CPU, the least CPU time of several runs that take turns.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from onnx_fourier import quickest

from pnp_priors.export.inputs import scene
from pnp_priors.export.restorations import export_pipeline
from pnp_priors.export.tasks.deconvolution import kernel
from pnp_priors.pipelines import load

#: name in the table, pipeline, settings
ROWS = (
    ("deconvolution, HQS", "deconvolution", {}),
    ("deconvolution, ADMM", "deconvolution", {"solver.name": "admm"}),
    ("deconvolution, circular", "deconvolution", {"boundary": "circular"}),
    ("super-resolution ×2", "super_resolution", {}),
    ("JPEG, quality 20, gray", "jpeg_deblocking", {"quality": 20}),
)
NOISE = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=192, help="of the photo that goes in")
    parser.add_argument("--prior", default="ffdnet-gray")
    parser.add_argument("--only", help="a pipeline")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    noisy = scene((1, 1, chosen.side, chosen.side))
    noisy += NOISE * np.random.default_rng(0).standard_normal(noisy.shape)
    x = noisy.astype(np.float32)
    print(f"{'':26}graph, ms  torch, ms  ratio  difference")
    with tempfile.TemporaryDirectory() as folder:
        blur = Path(folder) / "kernel.npy"
        np.save(blur, kernel())
        for words, name, given in ROWS:
            if chosen.only not in (None, name):
                continue
            settings = {"prior.name": chosen.prior, **given}
            if name == "deconvolution":
                settings["kernel.file"] = str(blur)
            jpeg = name == "jpeg_deblocking"
            path = export_pipeline(
                name, Path(folder) / "graph.onnx", settings, channels=1 if jpeg else None
            )
            running = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            restorer = load(name, settings)
            inputs = {"x": x, "kernel": kernel(), "noise": np.array([NOISE], np.float32)}
            if jpeg:
                from pnp_priors.physics.jpeg import luminance_table

                inputs["table"] = luminance_table(20).numpy()
            inputs = {value.name: inputs[value.name] for value in running.get_inputs()}
            photo, noise = torch.from_numpy(x), None if jpeg else NOISE
            difference = np.abs(running.run(None, inputs)[0] - restorer(photo, noise=noise).numpy())
            graph, eager = quickest(
                lambda running=running, inputs=inputs: running.run(None, inputs),
                lambda restorer=restorer, photo=photo, noise=noise: restorer(photo, noise=noise),
            )
            print(
                f"{words:26}{1000 * graph:9.0f}{1000 * eager:11.0f}{graph / eager:7.2f}"
                f"{difference.max():12.1e}"
            )


if __name__ == "__main__":
    main()
