"""Profiles of a model so small that its training takes seconds, on the backend of the tests."""

import re

import keras
import numpy as np
import pytest
from tensorflow.compiler.xla.service import hlo_pb2
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from t2tlite.training import profile


@pytest.fixture
def train(tmp_path, monkeypatch):
    """A function that trains for some steps with a profiler, which records steps 3 to 5."""
    monkeypatch.setattr(profile, "SKIP_STEPS", 2)
    monkeypatch.setattr(profile, "STEPS", 3)

    def run(steps):
        profiler = profile.Profiler(tmp_path)
        model = keras.Sequential([keras.layers.Dense(64), keras.layers.Dropout(0.5)])
        model.compile("adam", "mse", jit_compile=keras.backend.backend() == "jax")
        call = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: profiler.on_step(batch + 1)
        )
        x = np.ones((16 * steps, 64), np.float32)
        try:
            model.fit(x, x, batch_size=16, callbacks=[call], verbose=0)
        finally:
            profiler.close()
        return list(tmp_path.glob("plugins/profile/*/*.xplane.pb"))

    return run


def test_a_run_longer_than_the_recording(train, said):
    (path,) = train(7)
    lines = said()
    assert re.fullmatch(
        r"where a step's time goes: [\d.]+ ms a step \(steps 3 to 5 of this run\)", lines[0]
    )
    kinds = {line.split(maxsplit=2)[2]: line.split()[1] for line in lines[2:-1] if "%  " in line}
    shares = [float(share.rstrip("%")) for kind, share in kinds.items() if kind in profile.KINDS]
    assert {"matrix products", "dropout", "optimizer"} <= set(kinds)
    assert sum(shares) == pytest.approx(100, abs=1)
    assert str(path) in lines[-1]
    assert f"tensorboard --logdir={path.parents[3]}" in lines[-1]


def test_a_run_that_ends_while_recording(train, said):
    assert len(train(4)) == 1
    assert "(steps 3 to 4 of this run)" in said()[0]


def test_a_run_that_ends_before_a_step_is_recorded(train, said):
    for steps in (1, 2):
        train(steps)
        assert said()[-1] == (
            f"no profile: training ended after {steps} steps of this run, and the first 2 aren't "
            f"recorded; train for longer"
        )
    # The profiler of a process is free again.
    train(4)
    assert "(steps 3 to 4 of this run)" in " ".join(said())


def test_only_steps_count(said, tmp_path):
    profiler = profile.Profiler(tmp_path)
    profiler.close()
    profiler.close()
    profiler.on_step(profile.SKIP_STEPS)
    assert len(said()) == 1


def test_the_table(said):
    times = {
        "encoder/MatMul": 6.0,
        "decoder/MatMul": 3.0,
        "adam/Sub": 1.0,
        **{f"small_{i}": 0.0 for i in range(20)},
    }
    profile.show(times, "4.0 ms a step", "a note")
    assert said() == [
        "where a step's time goes: 4.0 ms a step",
        "ms a step  share  operations, of all layers",
        "     9.00  90.0%  matrix products",
        "     6.00  60.0%    encoder/MatMul",
        "     3.00  30.0%    decoder/MatMul",
        "     1.00  10.0%  optimizer",
        "     1.00  10.0%    adam/Sub",
        "     0.00   0.0%  other operations",
        *[f"     0.00   0.0%    small_{i}" for i in range(3)],
        "Threads and streams run in parallel: their times add up to 10.0 ms. a note",
    ]


class Trace:
    """A trace made by hand, with times in milliseconds."""

    def __init__(self):
        self.space = xplane_pb2.XSpace()
        self.ids = {}

    def plane(self, name):
        for plane in self.space.planes:
            if plane.name == name:
                return plane
        return self.space.planes.add(name=name)

    def id(self, table, name):
        number = self.ids.setdefault(name, len(self.ids) + 1)
        table[number].id, table[number].name = number, name
        return number

    def event(self, plane, line, name, begin, end, **stats):
        plane = self.plane(plane)
        lines = [other for other in plane.lines if other.name == line]
        event = (lines or [plane.lines.add(name=line)])[0].events.add(
            metadata_id=self.id(plane.event_metadata, name),
            offset_ps=int(begin * 1e9),
            duration_ps=int((end - begin) * 1e9),
        )
        for key, value in stats.items():
            stat = event.stats.add(metadata_id=self.id(plane.stat_metadata, key))
            if isinstance(value, int):
                stat.int64_value = value
            else:
                stat.ref_value = self.id(plane.stat_metadata, value)

    def program(self, number, op_names):
        """Adds an XLA program whose instructions have these op_names."""
        proto = hlo_pb2.HloProto()
        computation = proto.hlo_module.computations.add()
        for name, op_name in op_names.items():
            computation.instructions.add(name=name).metadata.op_name = op_name
        plane = self.plane("/host:metadata")
        metadata = plane.event_metadata[self.id(plane.event_metadata, f"jit_train({number})")]
        stat = metadata.stats.add(metadata_id=self.id(plane.stat_metadata, "Hlo Proto"))
        stat.bytes_value = proto.SerializeToString()

    def read(self, folder):
        path = folder / "host.xplane.pb"
        path.write_bytes(self.space.SerializeToString())
        return profile.read(path)


def test_a_trace_of_tensorflow_on_threads(tmp_path):
    trace = Trace()
    host, one, two = "/host:CPU", "tf_Compute/1", "tf_Compute/2"
    step = "StatefulPartitionedCall/objective_1/layer_0_1/inner_1/MatMul:MatMul"
    trace.event(host, one, "ExecutorState::Process", 0, 10)
    trace.event(host, one, step, 1, 4)
    trace.event(host, one, "ParallelFor", 2, 3)
    trace.event(host, one, step.replace("layer_0", "layer_1"), 4, 6)
    trace.event(host, two, "StatefulPartitionedCall/adam/Sub_3:Sub", 0, 5)
    trace.event(host, "python", "EagerKernelExecute", 0, 100)
    trace.event(host, "python", "EagerLocalExecute: IteratorGetNext", 0, 3)
    trace.event(host, "tf_data_iterator_get_next/3", "IteratorGetNextOp::DoCompute", 0, 2)
    trace.event(host, "tf_data_private_threadpool/4", "ParseExample:ParseExampleV2", 0, 7)
    assert trace.read(tmp_path) == pytest.approx(
        {"objective/layer/inner/MatMul": 5, "adam/Sub": 5, "IteratorGetNextOp::DoCompute": 2}
    )


def test_a_trace_of_xla_on_the_host(tmp_path):
    trace = Trace()
    trace.program(7, {"a_fusion.1": "jit(train_step)/jvp(encoder)/layer_0/reduce_max"})
    # Another program's instruction of the same name.
    trace.program(8, {"a_fusion.1": ""})
    host, line = "/host:CPU", "tf_XLAEigen/1"
    trace.event(host, line, "ThunkExecutor::Execute", 0, 20)
    trace.event(host, line, "a_fusion.1", 0, 4, hlo_op="a_fusion.1", program_id=7)
    trace.event(host, line, "a_fusion.1", 5, 6, hlo_op="a_fusion.1", program_id=8)
    trace.event(host, line, "dot_general.2", 10, 13, hlo_op="dot_general.2", program_id=9)
    trace.event(host, line, "end: a_fusion.1", 14, 15)
    assert trace.read(tmp_path) == pytest.approx(
        {"jvp(encoder)/layer/reduce_max (a_fusion)": 4, "a_fusion": 1, "dot_general": 3}
    )


def test_in_a_trace_of_a_gpu_its_operations_count_instead_of_the_hosts(tmp_path):
    trace = Trace()
    gpu, stream = "/device:GPU:0", "Stream #13(Compute)"
    trace.event("/host:CPU", "tf_Compute/1", "a/MatMul:MatMul", 0, 50)
    trace.event("/host:CPU", "tf_data_iterator_get_next/3", "IteratorGetNextOp::DoCompute", 0, 2)
    trace.event(gpu, stream, "ampere_sgemm_128x64_nn", 0, 3, tf_op="a/MatMul:MatMul")
    trace.event(gpu, stream, "MemcpyD2H", 3, 4)
    trace.event(gpu, "XLA Modules", "jit_train_step", 0, 4)
    assert trace.read(tmp_path) == pytest.approx(
        {"a/MatMul": 3, "MemcpyD2H": 1, "IteratorGetNextOp::DoCompute": 2}
    )


def test_control_flow_does_not_count_besides_the_operations_in_it(tmp_path):
    trace = Trace()
    line = ("/host:CPU", "tf_XLAEigen/1")
    trace.event(*line, "while.1", 0, 10, hlo_op="while.1", program_id=7)
    trace.event(*line, "dot.2", 0, 6, hlo_op="dot.2", program_id=7)
    trace.event(*line, "add.3", 6, 9, hlo_op="add.3", program_id=7)
    assert trace.read(tmp_path) == pytest.approx({"dot": 6, "add": 3})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("decoder/layer/self_attention (BatchMatMulV2)", "matrix products"),
        ("encoder/dot_general (ynn_fusion)", "matrix products"),
        ("dot_product_attention/add", "other operations"),
        ("layer/dropout/stateless_dropout/Mul", "dropout"),
        ("adam/sub (divide_fusion)", "optimizer"),
        ("all-reduce", "exchange between devices"),
    ],
)
def test_kinds(said, name, kind):
    profile.show({name: 1.0}, "", "")
    assert said()[2].endswith(f"100.0%  {kind}")
