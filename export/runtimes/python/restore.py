"""Restores pictures with an exported file, by ONNX Runtime and numpy alone.

python restore.py MODEL.onnx --check
python restore.py MODEL.onnx IN.png OUT.png --sigma 25
"""

from __future__ import annotations

import sys
from pathlib import Path

import graph_file
import numpy as np
import onnxruntime


class OnnxRuntime:
    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come as exceptions already
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers)
        self.inputs = {each.name: len(each.shape) for each in self.session.get_inputs()}
        self.name = f"onnxruntime {onnxruntime.__version__} ({self.session.get_providers()[0]})"

    def run(self, feeds: graph_file.Arrays) -> np.ndarray:
        return self.session.run(["restored"], feeds)[0]


if __name__ == "__main__":
    sys.exit(graph_file.main(OnnxRuntime))
