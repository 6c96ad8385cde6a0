"""Safetensors files: whatever happens to their bytes is noticed, and older ones still load."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from t2tlite.checkpoint import tensor_files
from t2tlite.errors import CheckpointError

TENSORS = {
    "a/kernel": np.arange(12, dtype="float32").reshape(3, 4),
    "step": np.int64(7),
    "empty": np.zeros((0, 2), "float16"),
    "mask": np.array([True, False]),
}
QUICK = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def path(tmp_path):
    tensor_files.write_tensors(tmp_path / "x.safetensors", TENSORS, {"step": "7"})
    return tmp_path / "x.safetensors"


def assert_same(tensors):
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert (tensors[name].dtype, tensors[name].shape) == (value.dtype, value.shape)
        assert (tensors[name] == value).all()


def test_tensors_come_back(path):
    assert_same(tensor_files.read_tensors(path))


def test_a_file_without_a_checksum_loads(tmp_path):
    save_file({"x": np.ones(2, "float32")}, tmp_path / "x", {"step": "7"})
    assert tensor_files.read_tensors(tmp_path / "x")["x"].tolist() == [1, 1]


def test_a_flipped_bit_anywhere_is_noticed(path):
    content = path.read_bytes()
    silent = 0
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            tensors = tensor_files.read_tensors(path)
        except CheckpointError as error:
            assert "\n" not in str(error)
            assert f"{path} is damaged (" in str(error)
            continue
        # In the metadata, such as the name of the checksum.
        silent += 1
        assert_same(tensors)
    assert silent < 40


@QUICK
@given(content=st.binary(max_size=200))
def test_any_bytes_are_an_error_of_one_line(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"\A[^\n]*is damaged[^\n]*\Z"):
        tensor_files.read_tensors(path)


@QUICK
@given(header=st.text(max_size=100) | st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(["F32", "F8_E4M3", "BF16"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "x"]), inner, max_size=4
    ),
    max_leaves=8,
).map(str).map(lambda text: text.replace("'", '"').replace("None", "null")))  # fmt: skip
def test_any_header_is_an_error_or_no_tensors(tmp_path, header):
    path = tmp_path / "x.safetensors"
    encoded = header.encode("utf-8", "replace")
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + bytes(8))
    try:
        tensor_files.read_tensors(path)
    except CheckpointError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "BF16", "F64", "U16"])
def test_a_type_of_any_name(tmp_path, dtype):
    header = f'{{"x": {{"dtype": "{dtype}", "shape": [1], "data_offsets": [0, 2]}}}}'.encode()
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    try:
        tensors = tensor_files.read_tensors(tmp_path / "x")
    except CheckpointError as error:
        assert "is damaged" in str(error)
    else:
        assert list(tensors) == ["x"]


def test_a_folder_and_a_path_that_is_too_long(tmp_path):
    with pytest.raises(CheckpointError, match="is damaged"):
        tensor_files.read_tensors(tmp_path)
    with pytest.raises(CheckpointError, match="doesn't exist"):
        tensor_files.read_tensors(tmp_path / ("x" * 300))
