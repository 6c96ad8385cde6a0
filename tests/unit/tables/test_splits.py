from t2tlite.tables.splits import Shares, hash_of, sorted_labels


def test_the_hash_is_that_of_the_inputs_and_the_same_for_ever():
    assert hash_of({"inputs": "a", "targets": "b"}) == hash_of({"inputs": "a", "targets": "c"})
    assert hash_of({"targets": "a"}) == hash_of({"inputs": "a"}) == 0x40F89E395B66422F


def test_shares_are_about_as_asked_for():
    shares = Shares.of(0.1, 0.2)
    splits = [shares.split_of(hash_of({"inputs": str(i)})) for i in range(5000)]
    assert abs(splits.count("eval") - 500) < 100
    assert abs(splits.count("test") - 1000) < 100
    everything = {Shares.of(0.0, 0.0).split_of(number) for number in (0, 2**64 - 1)}
    assert everything == {"train"}
    assert Shares.of(0.0, 0.5).split_of(2**63) == "train"


def test_numbers_are_sorted_by_value():
    assert sorted_labels(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert sorted_labels(["10", "9", "x"]) == ["10", "9", "x"]
