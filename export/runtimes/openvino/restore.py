"""Restores pictures with an exported file, by OpenVINO, which reads the .onnx as it is.

python restore.py MODEL.onnx --check
python restore.py MODEL.onnx IN.png OUT.png --sigma 25
"""

import sys
from pathlib import Path

import openvino

# graph_file.py is shared with the ONNX Runtime consumer; copy it beside this file if you move it
sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))

import graph_file


class OpenVino:
    def __init__(self, path):
        core = openvino.Core()
        # the CPU plug-in would choose bfloat16 where the processor has it: 1e-3 off
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        model = core.read_model(path)
        # before it is compiled, which may give an input further names
        self.inputs = {each.any_name: each.partial_shape.rank.get_length() for each in model.inputs}
        self.compiled = core.compile_model(model, "CPU", settings)
        self.name = f"openvino {openvino.__version__.split('-')[0]} (CPU)"

    def run(self, feeds):
        return self.compiled(feeds)["restored"]


if __name__ == "__main__":
    sys.exit(graph_file.main(OpenVino))
