"""Checkpoints: saved and restored; damaged ones are skipped, those of another model are errors."""

import contextlib
import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2tlite import files
from t2tlite.checkpoint import averages, checkpoints, tensor_files
from t2tlite.errors import CheckpointError, OutputError


def save(folder, step, model, optimizer, keep):
    with contextlib.closing(checkpoints.Saver(folder, keep)) as saver:
        saver.save(step, model, optimizer)
        saver.wait()


def best(folder):
    return int(checkpoints.find(folder, "best").stem.removeprefix("model.ckpt-"))


def scramble(model, optimizer, seed):
    """Gives every variable, slots and random state included, random values."""
    rng = np.random.default_rng(seed)
    for variable in [*model.weights, *checkpoints._state(model, optimizer).values()]:
        dtype = variable.numpy().dtype
        low, high = (0, 1000) if dtype.kind in "iu" else (-1, 1)
        variable.assign(rng.uniform(low, high, variable.shape).astype(dtype))


def values(model, optimizer):
    variables = [*model.weights, *checkpoints._state(model, optimizer).values()]
    by_path = {variable.path: variable.numpy().copy() for variable in variables}
    # No two variables share a path, though one may be listed twice.
    assert len(by_path) == len({id(variable) for variable in variables})
    return by_path


def same(one, other):
    return all((one[path] == other[path]).all() for path in one)


def test_all_variables_come_back(tmp_path, make_model):
    model, optimizer = make_model()
    scramble(model, optimizer, 1)
    expected = values(model, optimizer)
    # Two slots a weight, the step, the learning rate, the state of the dropout.
    assert len(expected) > 3 * len(model.weights)
    save(tmp_path, 7, model, optimizer, keep=0)
    other, its_optimizer = make_model(seed=5)
    assert not same(values(other, its_optimizer), expected)
    assert checkpoints.restore(tmp_path, other, its_optimizer) == 7
    assert same(values(other, its_optimizer), expected)


@pytest.mark.parametrize(("step", "uncounted"), [(6, 0), (8, -2)])
def test_accumulated_gradients_without_a_token_count(tmp_path, make_model, step, uncounted):
    """As older versions saved them."""
    model, optimizer = make_model(optimizer_multistep_accumulate_steps=3)
    scramble(model, optimizer, 1)
    expected = values(model, optimizer)
    save(tmp_path, step, model, optimizer, keep=0)
    path = checkpoints.optimizer_path(tmp_path, step)
    tensors = tensor_files.read_tensors(path)
    name = optimizer.accumulated_tokens.path
    del tensors[name]
    tensor_files.write_tensors(path, tensors, {"step": str(step)})
    other, its_optimizer = make_model(seed=5, optimizer_multistep_accumulate_steps=3)
    assert checkpoints.restore(tmp_path, other, its_optimizer) == step
    expected[name] = np.float32(uncounted)
    assert same(values(other, its_optimizer), expected)


def test_an_empty_folder(tmp_path, make_model):
    assert checkpoints.restore(tmp_path, *make_model()) == 0
    assert checkpoints.steps(tmp_path) == []
    with pytest.raises(CheckpointError, match="has no checkpoint; train first"):
        checkpoints.find(tmp_path, "")


@pytest.mark.parametrize("value", [None, 1.5, ["best"]])
def test_what_is_no_checkpoint(tmp_path, value):
    with pytest.raises(CheckpointError, match="expected a step, a path or 'best'$"):
        checkpoints.find(tmp_path, value)


@pytest.mark.parametrize(("keep", "left"), [(0, [1, 2, 3, 4]), (2, [3, 4]), (9, [1, 2, 3, 4])])
def test_the_newest_are_kept(tmp_path, make_model, keep, left):
    model, optimizer = make_model()
    for step in (1, 2, 3, 4, 4):
        save(tmp_path, step, model, optimizer, keep)
    assert checkpoints.steps(tmp_path) == left
    assert checkpoints.steps(tmp_path)[-1] == 4
    kept = {f"{kind}.ckpt-{step}.safetensors" for step in left for kind in ("model", "optimizer")}
    assert set(os.listdir(tmp_path)) == {*kept, "checkpoint.json"}


def test_the_best_is_kept_besides_the_newest(tmp_path, make_model):
    with pytest.raises(CheckpointError, match="has no best checkpoint: none was evaluated"):
        checkpoints.find(tmp_path, "best")
    model, optimizer = make_model()
    with contextlib.closing(checkpoints.Saver(tmp_path, keep=2)) as saver:
        for step, best_step in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)]:
            saver.save(step, model, optimizer)
            saver.mark_best(best_step)
        saver.wait()
    assert checkpoints.steps(tmp_path) == [2, 4, 5]
    # The next run reads the best step; a former best is deleted like any other.
    with contextlib.closing(checkpoints.Saver(tmp_path, keep=2)) as saver:
        saver.save(6, model, optimizer)
        saver.wait()
        assert (checkpoints.steps(tmp_path), best(tmp_path)) == ([2, 5, 6], 2)
        saver.save(7, model, optimizer)
        saver.mark_best(7)
    assert (checkpoints.steps(tmp_path), best(tmp_path)) == ([6, 7], 7)
    kept = {f"{kind}.ckpt-{step}.safetensors" for step in (6, 7) for kind in ("model", "optimizer")}
    assert set(os.listdir(tmp_path)) == {*kept, "checkpoint.json"}
    assert checkpoints.steps(tmp_path)[-1] == 7
    checkpoints.weights_path(tmp_path, 6).rename(tmp_path / "model.ckpt-8.safetensors")
    for name, step in {"": 7, "best": 7, 8: 8, "8": 8, str(tmp_path / "model.ckpt-8"): 8}.items():
        assert checkpoints.find(tmp_path, name) == checkpoints.weights_path(tmp_path, step)
    checkpoints.weights_path(tmp_path, 7).unlink()
    with pytest.raises(CheckpointError, match="has no best checkpoint"):
        checkpoints.find(tmp_path, "best")


def test_the_best_may_be_the_weights_rather_than_their_averages(tmp_path, make_model):
    model, optimizer = make_model(ema_decay=0.5)
    path = model.trainable_weights[0].path
    with contextlib.closing(checkpoints.Saver(tmp_path, keep=1)) as saver:
        for step in (1, 2, 3):
            for weight, average in zip(
                model.trainable_weights, optimizer._model_variables_moving_average, strict=True
            ):
                weight.assign(np.full(weight.shape, step))
                average.assign(np.full(weight.shape, step + 0.5))
            saver.save(step, model, optimizer)
            saver.mark_best(min(step, 2), is_raw=step > 1)
        saver.wait()
    raw = tmp_path / "model.ckpt-2-raw.safetensors"
    assert checkpoints.find(tmp_path, "best") == raw
    assert (checkpoints.best(tmp_path), checkpoints.best_is_raw(tmp_path)) == (2, True)
    found = {p: tensor_files.read_tensors(p)[path] for p in tmp_path.glob("model.ckpt-*")}
    values = {p.name.split("-", 1)[1].split(".")[0]: value.mean() for p, value in found.items()}
    assert values == {"2": 2.5, "2-raw": 2.0, "3": 3.5}
    assert checkpoints.steps(tmp_path) == [2, 3]
    # The next run goes on from the weights, and may mark another.
    other, other_optimizer = make_model(ema_decay=0.5)
    assert checkpoints.restore(tmp_path, other, other_optimizer) == 3
    assert checkpoints.weights(other, other_optimizer)[path].mean() == 3.5
    assert np.mean(other.trainable_weights[0].numpy()) == 3.0
    with contextlib.closing(checkpoints.Saver(tmp_path, keep=1)) as saver:
        saver.mark_best(3)
    assert not raw.exists()
    assert checkpoints.find(tmp_path, "best") == checkpoints.weights_path(tmp_path, 3)


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.5), (0.5, 0.0)])
def test_averages_are_turned_on_and_off(tmp_path, make_model, before, after):
    """Training goes on from the weights; new averages begin with them."""
    model, optimizer = make_model(ema_decay=before)
    scramble(model, optimizer, 1)
    trained = {weight.path: weight.numpy().copy() for weight in model.weights}
    save(tmp_path, 3, model, optimizer, keep=0)
    other, other_optimizer = make_model(seed=5, ema_decay=after)
    assert checkpoints.restore(tmp_path, other, other_optimizer) == 3
    assert same({weight.path: weight.numpy() for weight in other.weights}, trained)
    assert same(checkpoints.weights(other, other_optimizer), trained)
    assert int(other_optimizer.iterations) == int(optimizer.iterations)


def test_a_mean_that_begins_late_counts_its_own_updates(tmp_path, make_model):
    """The last half of 10 updates, turned on after 7; and the same after a further resume."""
    how = {"learning_rate_schedule": "constant", "learning_rate_constant": 0.1}
    model, optimizer = make_model(**how)
    optimizer.iterations.assign(7)
    save(tmp_path, 7, model, optimizer, keep=0)
    weights = []
    for step in (7, 8):
        model, optimizer = make_model(seed=5, average_last_share=0.5, **how)
        assert checkpoints.restore(tmp_path, model, optimizer) == step
        for _ in range(step - 6):
            optimizer.apply([np.ones(w.shape, "float32") for w in model.trainable_weights])
            weights.append(model.trainable_weights[0].numpy().copy())
        if step == 7:
            assert not optimizer.averages_differ
            save(tmp_path, 8, model, optimizer, keep=0)
    path = model.trainable_weights[0].path
    found = checkpoints.weights(model, optimizer)[path]
    np.testing.assert_allclose(found, np.mean(weights, axis=0), atol=1e-6)
    assert optimizer.averages_differ and len(weights) == 3
    assert np.abs(found - weights[-1]).max() > 0.05


def test_temporary_files_of_a_killed_save_are_removed(tmp_path, make_model):
    (tmp_path / ".model.ckpt-3.safetensors.4711.tmp").write_bytes(b"half")
    (tmp_path / "notes.tmp").write_text("mine")
    save(tmp_path, 4, *make_model(), keep=1)
    left = {"model.ckpt-4.safetensors", "optimizer.ckpt-4.safetensors", "checkpoint.json"}
    assert set(os.listdir(tmp_path)) == {*left, "notes.tmp"}


@pytest.mark.parametrize("kind", ["weights", "optimizer"])
@pytest.mark.parametrize("damage", ["cut", "gone", "flipped"])
def test_a_damaged_newest_checkpoint_is_skipped(tmp_path, make_model, warned, kind, damage):
    model, optimizer = make_model()
    saved = {}
    for step in (1, 2):
        scramble(model, optimizer, step)
        saved[step] = values(model, optimizer)
        save(tmp_path, step, model, optimizer, 0)
    path = getattr(checkpoints, f"{kind}_path")(tmp_path, 2)
    if damage == "cut":
        os.truncate(path, 100)
    elif damage == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    other = make_model(seed=5)
    assert checkpoints.restore(tmp_path, *other) == 1
    assert same(values(*other), saved[1])
    if (kind, damage) == ("weights", "gone"):
        # A checkpoint without weights isn't listed.
        assert checkpoints.steps(tmp_path) == [1]
    else:
        [line] = warned
        assert f"{path} " in line
        assert line.endswith("trying the previous checkpoint")


def test_all_damaged(tmp_path, make_model):
    model, optimizer = make_model()
    for step in (1, 2):
        save(tmp_path, step, model, optimizer, 0)
        os.truncate(checkpoints.weights_path(tmp_path, step), 10)
    with pytest.raises(CheckpointError, match="model.ckpt-2.safetensors is damaged"):
        checkpoints.restore(tmp_path, model, optimizer)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"steps": ["a"]}', '{"steps": 3}', '{"steps": [3], "best": "x"}'),
        *('{"steps": [-1]}', '{"steps": [1e400]}', '{"steps": [NaN]}', '{"steps": [1.5]}'),
        *('{"steps": [true]}', f'{{"steps": [{"9" * 400}]}}', '"x"', "[" * 100_000),
    ],
)
def test_a_damaged_list(tmp_path, text):
    (tmp_path / "checkpoint.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"\A[^\n]*checkpoint.json is damaged[^\n]*\Z"):
        checkpoints.steps(tmp_path)


@settings(max_examples=100)
@given(
    content=st.binary(max_size=60)
    | st.text('[]{}":,0123456789stepbrNaue', max_size=30).map(str.encode)
)
def test_any_list_gives_steps_or_an_error_of_one_line(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("list")
    (folder / "checkpoint.json").write_bytes(content)
    try:
        assert checkpoints.steps(folder) == []
    except CheckpointError as error:
        assert "\n" not in str(error)


def test_a_missing_list_beside_checkpoints_is_an_error(tmp_path, make_model):
    model, optimizer = make_model()
    for step in (1, 2):
        save(tmp_path, step, model, optimizer, 0)
    (tmp_path / "checkpoint.json").unlink()
    calls = [
        lambda: checkpoints.restore(tmp_path, model, optimizer),
        lambda: checkpoints.steps(tmp_path),
        lambda: checkpoints.find(tmp_path, ""),
        lambda: checkpoints.Saver(tmp_path, 1),
    ]
    for call in calls:
        with pytest.raises(CheckpointError, match=r'is missing .*; write {"steps": \[1, 2\]} into'):
            call()
    # A named checkpoint needs no list, and the advice works.
    assert checkpoints.find(tmp_path, 1) == checkpoints.weights_path(tmp_path, 1)
    (tmp_path / "checkpoint.json").write_text('{"steps": [1, 2]}')
    assert checkpoints.restore(tmp_path, model, optimizer) == 2


def test_listed_checkpoints_whose_files_are_all_gone(tmp_path, make_model):
    save(tmp_path, 1, *make_model(), 0)
    checkpoints.weights_path(tmp_path, 1).unlink()
    with pytest.raises(CheckpointError, match=r"lists the steps \[1\], but none of their files"):
        checkpoints.restore(tmp_path, *make_model())


def test_a_save_that_is_killed_before_the_list_is_written(tmp_path, make_model, monkeypatch):
    def die(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "optimizer_path", die)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, 5, *make_model(), 0)
    assert checkpoints.weights_path(tmp_path, 5).exists()
    assert checkpoints.restore(tmp_path, *make_model()) == 0


def test_one_process_at_a_time_writes(tmp_path):
    expected = "another process is training or writing checkpoints"
    with checkpoints.locked_folder(tmp_path):
        with pytest.raises(OutputError, match=expected), checkpoints.locked_folder(tmp_path):
            pass
        # What is created and stays empty is removed, with the folders above it.
        with checkpoints.locked_folder(tmp_path / "other" / "model"):
            pass
    with checkpoints.locked_folder(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_locks(tmp_path, monkeypatch, warned):
    def flock(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", flock)
    with checkpoints.locked_folder(tmp_path):
        pass
    assert warned == [f"{tmp_path} has no locks: make sure that no other training runs there"]


def test_weights_of_another_shape(tmp_path, make_model):
    save(tmp_path, 1, *make_model(), 0)
    wider, _ = make_model(hidden_size=16)
    before = {one.path: one.numpy() for one in wider.weights}
    with pytest.raises(CheckpointError, match=r"has shape \[11, 8\], the model needs \[11, 16\]; "
                       "check --hparams"):  # fmt: skip
        checkpoints.load_weights(wider, checkpoints.weights_path(tmp_path, 1))
    # Nothing is assigned before all shapes are checked.
    assert all((one.numpy() == before[one.path]).all() for one in wider.weights)
    deeper, _ = make_model(num_hidden_layers=2)
    with pytest.raises(
        CheckpointError, match="has no transformer/.*layer_1.*: it is of another model"
    ):
        checkpoints.load_weights(deeper, checkpoints.weights_path(tmp_path, 1))


def write(path, **tensors):
    tensor_files.write_tensors(path, tensors, {})
    return path


def test_average(tmp_path):
    one = write(tmp_path / "a", x=np.float32([1, 2]), y=np.float32([[3]]))
    two = write(tmp_path / "b", x=np.float32([3, 6]), y=np.float32([[4]]))
    mean = averages.average([one, two])
    assert {name: value.tolist() for name, value in mean.items()} == {"x": [2, 4], "y": [[3.5]]}
    assert mean["x"].dtype == np.float32
    # Exact for equal ones, however many.
    third = write(tmp_path / "c", x=np.float32([0.1, 1 / 3]))
    assert (averages.average([third] * 7)["x"] == np.float32([0.1, 1 / 3])).all()


@pytest.mark.parametrize("other", [{"x": np.zeros(3, "float32")}, {"z": np.zeros(2, "float32")}])
def test_average_of_different_models(tmp_path, other):
    paths = [write(tmp_path / "a", x=np.zeros(2, "float32")), write(tmp_path / "b", **other)]
    with pytest.raises(CheckpointError, match="are of different models"):
        averages.average(paths)


def test_written_weights_are_one_checkpoint(tmp_path):
    checkpoints.write_weights(tmp_path, 3, {"x": np.zeros(1, "float32")})
    assert json.loads((tmp_path / "checkpoint.json").read_text()) == {"steps": [3]}
    assert checkpoints.steps(tmp_path)[-1] == 3


def test_a_folder_that_cant_be_written(tmp_path, make_model):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't write"):
        save(tmp_path / "file", 1, *make_model(), 0)
