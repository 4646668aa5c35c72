"""Exports of a version: its parameters as safetensors, its network as an ONNX graph.

Both encoders follow the formats' specifications without their libraries. The same version always gives the same bytes.
"""

from api.exports.export import FORMATS, Export, export, export_of

__all__ = ["FORMATS", "Export", "export", "export_of"]
