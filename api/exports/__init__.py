"""A version's network as other programs read it: its parameters as safetensors, the whole of it as an ONNX graph.

Both are written from the formats' specifications, without their libraries, and from the version alone: the same version
gives the same bytes.
"""

from api.exports.export import FORMATS, Export, export

__all__ = ["FORMATS", "Export", "export"]
