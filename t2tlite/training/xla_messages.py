"""Messages of XLA and its profiler, as far as they are read here; TensorFlow isn't needed.

They are Protocol Buffers of `xplane.proto` (a trace) and `hlo.proto` (a compiled program). Fields
that aren't listed are skipped.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

# NAME=NUMBER:TYPE of each field by message, where a type is a scalar of Protocol Buffers or another
# message; * marks a repeated field, % a map from int64, | a part of the only oneof, "value".
_FIELDS = {
    "XSpace": "planes=1:*XPlane",
    "XPlane": "name=2:string lines=3:*XLine event_metadata=4:%XEventMetadata "
    "stat_metadata=5:%XStatMetadata",
    "XLine": "name=2:string events=4:*XEvent",
    "XEvent": "metadata_id=1:int64 duration_ps=3:int64 stats=4:*XStat",
    "XStat": "metadata_id=1:int64 double_value=2:|double uint64_value=3:|uint64 "
    "int64_value=4:|int64 str_value=5:|string bytes_value=6:|bytes ref_value=7:|uint64",
    "XEventMetadata": "name=2:string display_name=4:string stats=5:*XStat",
    "XStatMetadata": "name=2:string",
    "HloProto": "hlo_module=1:HloModuleProto",
    "HloModuleProto": "computations=3:*HloComputationProto entry_computation_id=6:int64",
    "HloComputationProto": "instructions=2:*HloInstructionProto id=5:int64",
    "HloInstructionProto": "name=1:string opcode=2:string shape=3:ShapeProto metadata=7:OpMetadata "
    "literal=8:LiteralProto window=15:Window "
    "convolution_dimension_numbers=16:ConvolutionDimensionNumbers channel_id=26:int64 id=35:int64 "
    "operand_ids=36:*int64 called_computation_ids=38:*int64 feature_group_count=50:int64 "
    "batch_group_count=58:int64 comparison_direction=63:string",
    "OpMetadata": "op_name=2:string",
    "ShapeProto": "element_type=2:int32 dimensions=3:*int64 tuple_shapes=4:*ShapeProto",
    "LiteralProto": "s32s=4:*int32 s64s=5:*int64",
    "Window": "dimensions=1:*WindowDimension",
    "WindowDimension": "size=1:int64 stride=2:int64 padding_low=3:int64 window_dilation=5:int64 "
    "base_dilation=6:int64",
    "ConvolutionDimensionNumbers": "kernel_output_feature_dimension=4:int64 "
    "input_batch_dimension=7:int64 input_feature_dimension=8:int64 "
    "input_spatial_dimensions=11:*int64 output_spatial_dimensions=12:*int64",
}
_PACKAGE = "t2tlite.xla"


def _define() -> Any:
    """Returns the classes of all messages by their full names."""
    file = descriptor_pb2.FileDescriptorProto(
        name="t2tlite/xla.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            field_name, _, rest = text.partition("=")
            number, _, kind = rest.partition(":")
            if kind.startswith("|") and not message.oneof_decl:
                message.oneof_decl.add(name="value")
            if kind.startswith("%"):
                _add_entry(message, field_name, kind[1:])
                kind = f"*{name}.{_entry_name(field_name)}"
            _add_field(message, field_name, int(number), kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles([file.name], pool)


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    scalar = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind.strip('*|').upper()}", None)
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
    if kind.startswith("|"):
        field.oneof_index = 0
    if scalar is None:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind.strip('*')}"
    else:
        field.type = scalar


def _add_entry(message: Any, name: str, kind: str) -> None:
    """Adds the message of a map's entries."""
    entry = message.nested_type.add(name=_entry_name(name))
    entry.options.map_entry = True
    _add_field(entry, "key", 1, "int64")
    _add_field(entry, "value", 2, kind)


def _entry_name(field: str) -> str:
    return "".join(part.capitalize() for part in field.split("_")) + "Entry"


_classes = _define()
XSpace: Any = _classes[f"{_PACKAGE}.XSpace"]
HloProto: Any = _classes[f"{_PACKAGE}.HloProto"]
HloModuleProto: Any = _classes[f"{_PACKAGE}.HloModuleProto"]
