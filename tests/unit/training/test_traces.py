"""Reading traces: own times, kinds and names, from traces made by hand."""

import os

import pytest
from tensorflow.compiler.xla.service import hlo_pb2
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from t2tlite.training import traces
from t2tlite.training.traces import Operation

MATRIX = "matrix products"


class Trace:
    """A trace that grows event by event, of times in milliseconds."""

    def __init__(self):
        self.space = xplane_pb2.XSpace()
        self.numbers = {}

    def plane(self, name):
        for plane in self.space.planes:
            if plane.name == name:
                return plane
        return self.space.planes.add(name=name)

    def number(self, table, name):
        number = self.numbers.setdefault(name, len(self.numbers) + 1)
        table[number].id, table[number].name = number, name
        return number

    def event(self, plane, line, name, begin, end, **stats):
        plane = self.plane(plane)
        lines = [one for one in plane.lines if one.name == line]
        event = (lines or [plane.lines.add(name=line)])[0].events.add(
            metadata_id=self.number(plane.event_metadata, name),
            offset_ps=int(begin * 1e9),
            duration_ps=int((end - begin) * 1e9),
        )
        for key, value in stats.items():
            stat = event.stats.add(metadata_id=self.number(plane.stat_metadata, key))
            if isinstance(value, int):
                stat.int64_value = value
            else:
                stat.ref_value = self.number(plane.stat_metadata, value)

    def program(self, number, module):
        plane = self.plane("/host:metadata")
        name = f"jit_train_step({number})"
        metadata = plane.event_metadata[self.number(plane.event_metadata, name)]
        stat = metadata.stats.add(metadata_id=self.number(plane.stat_metadata, "Hlo Proto"))
        stat.bytes_value = hlo_pb2.HloProto(hlo_module=module).SerializeToString()

    def read(self, folder):
        path = folder / "host.xplane.pb"
        path.write_bytes(self.space.SerializeToString())
        return traces.read(path)


@pytest.fixture
def trace():
    return Trace()


def test_tensorflow_on_threads(trace, tmp_path):
    host, one, two = "/host:CPU", "tf_Compute/1", "tf_Compute/2"
    step = "StatefulPartitionedCall/objective_1/layer_0_1/inner_1/MatMul:MatMul"
    trace.event(host, one, "ExecutorState::Process", 0, 10)
    trace.event(host, one, step, 1, 4)
    # Part of the operation around it, of which there is no more to know.
    trace.event(host, one, "ParallelFor", 2, 3)
    trace.event(host, one, step.replace("layer_0", "layer_1"), 4, 6)
    trace.event(host, two, "StatefulPartitionedCall/adam/Sub_3:Sub", 0, 5)
    trace.event(host, "python", "EagerKernelExecute", 0, 100)
    trace.event(host, "tf_data_iterator_get_next/3", "IteratorGetNextOp::DoCompute", 0, 2)
    trace.event(host, "tf_data_private_threadpool/4", "ParseExample:ParseExampleV2", 0, 7)
    assert trace.read(tmp_path) == {
        Operation(traces.BETWEEN, "ExecutorState::Process"): pytest.approx(5),
        Operation(MATRIX, "objective/layer/inner/MatMul"): pytest.approx(5),
        Operation("optimizer", "adam/Sub"): pytest.approx(5),
        Operation(traces.WAITING, "IteratorGetNextOp::DoCompute"): pytest.approx(2),
        Operation(traces.PREPARING, "ParseExample (ParseExampleV2)"): pytest.approx(7),
    }


def module(*computations):
    """A program: computations of (instruction, opcode, path, called computation)."""
    made = hlo_pb2.HloModuleProto()
    for number, instructions in enumerate(computations):
        computation = made.computations.add(id=number)
        for name, opcode, path, *called in instructions:
            one = computation.instructions.add(
                name=name, opcode=opcode, called_computation_ids=called
            )
            one.metadata.op_name = path
    return made


def test_xla_on_the_host(trace, tmp_path):
    inside = [("p.1", "parameter", ""), ("exp.1", "exponential", ""), ("dot.9", "dot", "")]
    path = "jit(train_step)/jvp(encoder)/layer_0/reduce_max"
    trace.program(7, module(inside, [("a_fusion.1", "fusion", path, 0)]))
    # Another program's instruction of the same name.
    trace.program(8, module([("a_fusion.1", "copy", "")]))
    host, line = "/host:CPU", "tf_XLAEigen/1"
    trace.event(host, line, "ThunkExecutor::Execute", 0, 20)
    trace.event(host, line, "a_fusion.1", 0, 4, hlo_op="a_fusion.1", program_id=7)
    trace.event(host, line, "a_fusion.1", 5, 6, hlo_op="a_fusion.1", program_id=8)
    trace.event(host, line, "dot_general.2", 10, 13, hlo_op="dot_general.2", program_id=9)
    trace.event(host, line, "end: a_fusion.1", 14, 15)
    assert trace.read(tmp_path) == {
        Operation(traces.BETWEEN, "ThunkExecutor::Execute"): pytest.approx(12),
        Operation(MATRIX, "jvp(encoder)/layer/reduce_max (a_fusion)"): pytest.approx(4),
        Operation("transposes and copies", "a_fusion"): pytest.approx(1),
        Operation(MATRIX, "dot_general"): pytest.approx(3),
    }


def test_a_gpu_counts_instead_of_the_host(trace, tmp_path):
    gpu, stream = "/device:GPU:0", "Stream #13(Compute)"
    trace.event("/host:CPU", "tf_Compute/1", "a/MatMul:MatMul", 0, 50)
    trace.event("/host:CPU", "tf_data_iterator_get_next/3", "IteratorGetNextOp::DoCompute", 0, 2)
    trace.event(gpu, stream, "ampere_sgemm_128x64_nn", 0, 3, tf_op="a/MatMul:MatMul")
    trace.event(gpu, stream, "MemcpyD2H", 3, 4)
    trace.event(gpu, "XLA Modules", "jit_train_step", 0, 4)
    assert trace.read(tmp_path) == {
        Operation(MATRIX, "a/MatMul"): pytest.approx(3),
        Operation("transposes and copies", "MemcpyD2H"): pytest.approx(1),
        Operation(traces.WAITING, "IteratorGetNextOp::DoCompute"): pytest.approx(2),
    }


def test_events_that_overlap_are_not_counted_twice(trace, tmp_path):
    line = ("/host:CPU", "tf_Compute/1")
    trace.event(*line, "a:Mul", 0, 10)
    trace.event(*line, "b:Add", 8, 14)
    trace.event(*line, "c:Sub", 14, 15)
    found = {operation.name: time for operation, time in trace.read(tmp_path).items()}
    assert found == pytest.approx({"a (Mul)": 8, "b (Add)": 6, "c (Sub)": 1})


@pytest.mark.parametrize(
    ("path", "words", "kind"),
    [
        ("decoder/layer_0/self_attention", "BatchMatMulV2", MATRIX),
        ("encoder", "dot exponential reduce", MATRIX),
        ("layer_0/dropout_1/stateless_dropout", "Mul", "dropout and random numbers"),
        ("", "StatelessRandomUniformV2", "dropout and random numbers"),
        ("adam", "Sub", "element-wise"),
        ("adam/sub", "divide sqrt subtract", "optimizer"),
        ("embedding", "GatherV2", "gather and scatter"),
        ("", "dynamic-update-slice", "gather and scatter"),
        ("self_attention/Softmax", "Softmax", "softmax, exp and log"),
        ("", "exponential subtract", "softmax, exp and log"),
        ("", "LogicalAnd", "element-wise"),
        ("encoder/finish/norm_1/mul", "Mul", "layer norm and sums"),
        ("", "add reduce", "layer norm and sums"),
        ("", "BiasAddGrad", "layer norm and sums"),
        ("", "Maximum", "element-wise"),
        ("", "Transpose", "transposes and copies"),
        ("", "broadcast copy transpose", "transposes and copies"),
        ("", "broadcast copy multiply", "element-wise"),
        ("", "BiasAdd", "element-wise"),
        ("", "all-reduce", "exchange between devices"),
        ("", "reduce-scatter", "exchange between devices"),
        ("", "infeed", traces.OTHER),
    ],
)
def test_kinds(path, words, kind, trace, tmp_path):
    inside = [(f"word.{i}", word, "") for i, word in enumerate(words.split())]
    trace.program(1, module(inside, [("one.1", "fusion", path, 0)]))
    trace.event("/host:CPU", "tf_XLAEigen/1", "one.1", 0, 1, hlo_op="one.1", program_id=1)
    assert [operation.kind for operation in trace.read(tmp_path)] == [kind]


def test_the_newest_trace(tmp_path):
    for written, second in enumerate(("05", "04")):
        path = tmp_path / f"plugins/profile/2026_01_02_03_{second}/host.xplane.pb"
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (written, written))
    assert traces.newest(tmp_path) == path
