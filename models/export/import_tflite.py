"""Rebuild MediaPipe's small face networks (TFLite, Apache-2.0) as ONNX: ``python -m
models.export.import_tflite IN.tflite OUT.onnx``.

Run once to make ``models/weights/blazeface.onnx`` and ``face_landmark.onnx`` from the files in the
PyPI wheel mediapipe 0.10.21; needs ``pip install tflite onnx``. Handles only the operators of these
two. Tensors become NCHW; before a RESHAPE they become NHWC again, so that the flattened order is
TFLite's.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from onnx import helper, numpy_helper

from models.export.graph import halve

_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if not k.startswith("_")}


class Importer:
    """Walks a flatbuffer graph and collects ONNX nodes."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.values: dict[int, np.ndarray] = {}

    def shape(self, tensor: int) -> list[int]:
        return [int(v) for v in self.graph.Tensors(tensor).ShapeAsNumpy()]

    def value(self, tensor: int) -> np.ndarray | None:
        """A constant tensor's array, or None for one that is computed."""
        if tensor in self.values:
            return self.values[tensor]
        info = self.graph.Tensors(tensor)
        raw = self.model.Buffers(info.Buffer()).DataAsNumpy()
        if isinstance(raw, int) or not len(raw):
            return None
        return np.frombuffer(raw.tobytes(), _DTYPES[info.Type()]).reshape(info.ShapeAsNumpy())

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants[name] = np.ascontiguousarray(array)
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    @staticmethod
    def _layout(shape: list[int]) -> list[int]:
        return [shape[0], shape[3], shape[1], shape[2]] if len(shape) == 4 else shape

    def _same(self, size: list[int], kernel: list[int], stride: list[int], padding: int) -> list[int]:
        if padding == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride, strict=True)]
        return [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]

    def _activate(self, kind: int, inner: str, output: str) -> None:
        functions = {tflite.ActivationFunctionType.RELU: "Relu"}
        self.node(functions[kind] if kind else "Identity", [inner], output)

    def convolution(self, operator: Any, depthwise: bool) -> None:
        options = tflite.DepthwiseConv2DOptions() if depthwise else tflite.Conv2DOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        source, weights, bias = (operator.Inputs(i) for i in range(3))
        kernel = self.value(weights).astype(np.float32)  # type: ignore[union-attr]
        # TFLite: (out, h, w, in), depthwise (1, h, w, channels). ONNX: (out, in / group, h, w).
        kernel = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        group = kernel.shape[0] if depthwise else 1
        stride = [options.StrideH(), options.StrideW()]
        pads = self._same(self.shape(source)[1:3], list(kernel.shape[2:]), stride, options.Padding())
        output = f"t{operator.Outputs(0)}"
        inputs = [f"t{source}", self.constant(f"w{weights}", kernel)]
        inputs.append(self.constant(f"b{bias}", self.value(bias).astype(np.float32)))  # type: ignore[union-attr]
        inner = self.node("Conv", inputs, output + "_", strides=stride, pads=pads, group=group)
        self._activate(options.FusedActivationFunction(), inner, output)

    def operator(self, operator: Any) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        ids = [operator.Inputs(i) for i in range(operator.InputsLength())]
        output = f"t{operator.Outputs(0)}"
        if name == "DEQUANTIZE":
            self.values[operator.Outputs(0)] = self.value(ids[0]).astype(np.float32)  # type: ignore[union-attr]
        elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self.convolution(operator, name.startswith("DEPTH"))
        elif name == "RELU":
            self.node("Relu", [f"t{ids[0]}"], output)
        elif name == "PRELU":
            slope = self.value(ids[1]).reshape(-1, 1, 1)  # type: ignore[union-attr]
            self.node("PRelu", [f"t{ids[0]}", self.constant(f"a{ids[1]}", slope)], output)
        elif name == "ADD":
            options = tflite.AddOptions()
            options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
            self._activate(options.FusedActivationFunction(), self.node("Add", [f"t{i}" for i in ids], output + "_"), output)
        elif name == "MAX_POOL_2D":
            options = tflite.Pool2DOptions()
            options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
            kernel, stride = [options.FilterHeight(), options.FilterWidth()], [options.StrideH(), options.StrideW()]
            pads = self._same(self.shape(ids[0])[1:3], kernel, stride, options.Padding())
            self.node("MaxPool", [f"t{ids[0]}"], output, kernel_shape=kernel, strides=stride, pads=pads)
        elif name == "PAD":
            amounts = self.value(ids[1])[[0, 3, 1, 2]].T.reshape(-1).astype(np.int64)  # type: ignore[index]
            self.node("Pad", [f"t{ids[0]}", self.constant(f"p{ids[1]}_{output}", amounts)], output)
        elif name == "RESHAPE":
            flat = self.node("Transpose", [f"t{ids[0]}"], output + "_", perm=[0, 2, 3, 1])
            shape = self.constant(output + "s", np.array(self.shape(operator.Outputs(0)), np.int64))
            self.node("Reshape", [flat, shape], output)
        elif name == "CONCATENATION":
            self.node("Concat", [f"t{i}" for i in ids], output, axis=1)
        else:
            raise NotImplementedError(name)

    def build(self) -> onnx.ModelProto:
        graph = self.graph
        for i in range(graph.OperatorsLength()):
            self.operator(graph.Operators(i))
        n, h, w, c = self.shape(graph.Inputs(0))
        source = helper.make_tensor_value_info(f"t{graph.Inputs(0)}", onnx.TensorProto.FLOAT, [n, c, h, w])
        outputs = [
            helper.make_tensor_value_info(f"t{tensor}", onnx.TensorProto.FLOAT, self._layout(self.shape(tensor)))
            for tensor in (graph.Outputs(i) for i in range(graph.OutputsLength()))
        ]
        constants = [numpy_helper.from_array(v, k) for k, v in self.constants.items()]
        built = helper.make_graph(self.nodes, "imported", [source], outputs, constants)
        model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        return model


if __name__ == "__main__":
    imported = Importer(Path(sys.argv[1]).read_bytes()).build()
    halve(imported, set())  # MediaPipe stores them as fp16, too
    onnx.save(imported, sys.argv[2])
