"""The fields that are read of XLA's messages have TensorFlow's numbers and types."""

from google.protobuf.descriptor import FieldDescriptor
from tensorflow.compiler.xla.service import hlo_pb2
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from t2tlite.training import xla_messages

ENUM, INT32 = FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_INT32


def check(ours, theirs, seen):
    if ours.full_name in seen:
        return
    seen.add(ours.full_name)
    for field in ours.fields:
        other = theirs.fields_by_number[field.number]
        assert field.name == other.name
        assert field.type == (INT32 if other.type == ENUM else other.type), field.full_name
        assert field.is_repeated == other.is_repeated, field.full_name
        if field.message_type:
            check(field.message_type, other.message_type, seen)


def test_fields():
    seen = set()
    check(xla_messages.XSpace.DESCRIPTOR, xplane_pb2.XSpace.DESCRIPTOR, seen)
    check(xla_messages.HloProto.DESCRIPTOR, hlo_pb2.HloProto.DESCRIPTOR, seen)
    assert len(seen) >= len(xla_messages._FIELDS)
