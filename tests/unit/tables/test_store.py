"""The samples of a table in a working folder."""

from t2tlite.tables import store
from t2tlite.tables.parts import find, states_of
from t2tlite.tables.splits import hash_of
from t2tlite.tables.table import TEXT2TEXT, Table

FEATURES = ("inputs", "targets")


def stored(table, folder, workers=1):
    found = find(table)
    folder.mkdir(exist_ok=True)
    return store.store_files(table, found, states_of(found), folder, workers)


def write(path, rows):
    path.write_text("inputs,targets\n" + "".join(f"{a},{b}\n" for a, b in rows))
    return str(path)


def samples(folder, split, parts=1):
    return [
        tuple(sample.values())
        for part in range(parts)
        for sample in store.samples_of(folder, part, split, FEATURES)
    ]


def test_parts_in_processes_are_those_of_one_process(tmp_path, monkeypatch):
    files = [
        write(tmp_path / f"{n}.csv", [(i, i * n) for i in range(n, 3000, 2)]) for n in (1, 2, 3)
    ]
    table = Table(TEXT2TEXT, files, dev_share=0.2, drop_duplicates=True)
    alone = stored(table, tmp_path / "alone")
    monkeypatch.setattr(store, "_SMALL_BYTES", 0)
    assert stored(table, tmp_path / "together", workers=2) == alone
    names = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert len(names) == 3 * 5
    for name in names:
        assert (tmp_path / "alone" / name).read_bytes() == (
            tmp_path / "together" / name
        ).read_bytes()


def test_a_part_is_read_again_only_if_it_changed(tmp_path):
    files = [write(tmp_path / "a.csv", [(1, 2)]), write(tmp_path / "b.csv", [(3, 4)])]
    table = Table(TEXT2TEXT, files, dev_files=files)
    folder = tmp_path / "stored"
    stored(table, folder)
    for name in ("00000", "00001"):
        store.samples_path(folder, int(name), "train").write_text('[["kept", "kept"]]\n')
    write(tmp_path / "b.csv", [(5, 6), (7, 8)])
    stored(table, folder)
    assert samples(folder, "train", 2) == [("kept", "kept"), ("5", "6"), ("7", "8")]
    stored(Table(TEXT2TEXT, files, dev_files=files, max_chars=9), folder)
    assert samples(folder, "train", 2) == [("1", "2"), ("5", "6"), ("7", "8")]


def test_duplicates_are_found_across_parts_and_splits_are_apart(tmp_path):
    rows = [(i % 1500, 0) for i in range(4000)]
    files = [write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv", [*rows, (9999, 0)])]
    table = Table(TEXT2TEXT, files, dev_files=files[:1], drop_duplicates=True)
    kept = store.drop_duplicates(tmp_path / "stored", stored(table, tmp_path / "stored"))
    assert kept == {"train": 1501, "eval": 1500}
    found = samples(tmp_path / "stored", "train", 2)
    assert found == [*((str(i), "0") for i in range(1500)), ("9999", "0")]


def test_at_least_one_input_is_held_out(tmp_path):
    rows = [("a", 1), ("b", 2), ("a", 3)]
    files = [write(tmp_path / f"{n}.csv", rows) for n in range(2)]
    table = Table(TEXT2TEXT, files, dev_share=1e-9)
    folder = tmp_path / "stored"
    parts = stored(table, folder)
    assert [one.counts for one in parts] == [{"train": 3}] * 2
    store.hold_out(table, folder, parts)
    lowest = min(["a", "b"], key=lambda text: hash_of({"inputs": text}))
    held_out, rest = samples(folder, "eval", 2), samples(folder, "train", 2)
    assert {inputs for inputs, _ in held_out} == {lowest}
    assert lowest not in {inputs for inputs, _ in rest}
    assert len(held_out) + len(rest) == 6
    assert [one.counts for one in stored(table, folder)] == [one.counts for one in parts]


def test_nothing_of_a_stopped_run_with_other_arguments_is_used(tmp_path):
    files = [write(tmp_path / "a.csv", [(1, 2), (1, 2), (3, 4)])]
    folder = tmp_path / "stored"
    earlier = Table(TEXT2TEXT, files, dev_share=0.999, drop_duplicates=True)
    store.drop_duplicates(folder, stored(earlier, folder))
    assert samples(folder, "eval") == [("1", "2"), ("3", "4")]
    stored(Table(TEXT2TEXT, files, dev_files=files), folder)
    assert samples(folder, "train") == [("1", "2"), ("1", "2"), ("3", "4")]
    stored(Table(TEXT2TEXT, files, dev_share=1e-9), folder)
    assert samples(folder, "eval") == []
