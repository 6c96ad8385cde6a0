"""Attention weights on demand, with a small model that has learned to reverse digits."""

import html.parser
import json
from pathlib import Path

import numpy as np
import pytest

from t2tlite.decode.attention import Attention, token_texts
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError, OutputError
from t2tlite.text import ByteTextEncoder

MODEL = Path(__file__).parents[2] / "golden" / "model"


@pytest.fixture(scope="module")
def decoder():
    return Decoder(MODEL, decode_hparams="beam_size=1,extra_length=3")


@pytest.fixture(scope="module")
def found(decoder):
    return decoder.attention("3 1 4 1 5")


def made(tokens, layers=2, heads=3):
    """An Attention over tokens of one's own."""
    rng, size = np.random.default_rng(0), len(tokens)
    weights = rng.dirichlet(np.ones(size), (layers, heads, size)).astype("float32")
    return Attention(tokens, tokens, {"cross": weights, "encoder": weights})


def test_tokens_of_both_sides_and_all_weights(decoder, found):
    assert found.inputs == ["3", "1", "4", "1", "5", "<EOS>"]
    assert found.outputs == [*decoder.decode(["3 1 4 1 5"])[0].split(), "<EOS>"]
    assert list(found.weights) == ["cross", "decoder", "encoder"]
    for weights in found.weights.values():
        assert weights.shape == (1, 4, 6, 6)
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)


def test_padding_to_other_shapes_changes_nothing(decoder, found):
    # One pass without the padding that the engine adds.
    encoder = decoder.encoders["inputs"]
    features = {
        "inputs": np.array([[*encoder.encode("3 1 4 1 5"), 1]], np.int32),
        "targets": np.array([[*encoder.encode(" ".join(found.outputs[:-1])), 1]], np.int32),
    }
    for kind, weights in decoder.network.attention_weights(features).items():
        np.testing.assert_allclose(found.weights[kind], np.array(weights)[0], atol=1e-5)


def test_who_reverses_begins_at_the_end(found):
    assert found.outputs[:2] == ["5", "1"]
    assert found.map("cross").weights[:2].argmax(1).tolist() == [4, 3]


def test_an_answer_may_be_given(decoder, found):
    given = decoder.attention("3 1 4 1 5", "9 9")
    assert given.outputs == ["9", "9", "<EOS>"]
    assert given.weights["cross"].shape == (1, 4, 3, 6)
    best = decoder.n_best(["3 1 4 1 5"])[0][0]
    again = decoder.attention("3 1 4 1 5", best)
    assert again.outputs == found.outputs
    np.testing.assert_array_equal(again.weights["cross"], found.weights["cross"])


def test_it_shows_tokens_and_shapes(found):
    assert repr(found).startswith("Attention(inputs=['3', '1', '4', '1', '5', '<EOS>'], outputs=[")
    assert repr(found).endswith("'encoder': (1, 4, 6, 6)})")
    assert repr(found.map()).startswith("AttentionMap('cross attention, mean of layers and heads'")
    assert "array" not in repr(found.map())


def test_a_blank_line_is_an_error(decoder):
    with pytest.raises(DataError, match="the line is blank"):
        decoder.attention("  ")


def test_a_model_without_weights_is_named(decoder, monkeypatch):
    monkeypatch.setattr(decoder.engine, "has_attention", False)
    assert not decoder.has_attention
    with pytest.raises(DataError, match="model transformer doesn't give its attention weights"):
        decoder.attention("3")


def test_a_map_is_the_mean_of_what_is_not_named(found):
    weights = found.weights["cross"]
    np.testing.assert_allclose(found.map().weights, weights.mean((0, 1)), rtol=1e-6)
    np.testing.assert_array_equal(found.map(layer=0, head=2).weights, weights[0, 2])
    assert found.map(head=2).title == "cross attention, head 2"
    shifted = found.map("decoder")
    assert shifted.columns == ["<start>", *found.outputs[:-1]]
    np.testing.assert_allclose(shifted.weights[0], [1, 0, 0, 0, 0, 0], atol=1e-6)
    for wrong, message in [
        ({"kind": "self"}, "no kind 'self'; choose of cross, decoder, encoder"),
        ({"layer": 1}, "there is no layer 1; choose one of 0 to 0"),
        ({"head": -1}, "there is no head -1; choose one of 0 to 3"),
    ]:
        with pytest.raises(DataError, match=message):
            found.map(**wrong)


def test_a_map_goes_into_json(found):
    read = json.loads(json.dumps(found.map().as_dict()))
    assert read["inputs"] == found.inputs
    assert read["outputs"] == found.outputs
    np.testing.assert_allclose(read["weights"], found.map().weights, atol=1e-4)


class Cells(html.parser.HTMLParser):
    """The texts of a page's elements by tag."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.setdefault(self.tags[-1], []).append(data)


def test_a_notebook_gets_a_table_with_escaped_tokens():
    hostile = ["<script>alert(1)</script>", '"&amp;', "a"]
    page = made(hostile)._repr_html_()
    assert "<script" not in page
    cells = Cells(page)
    assert cells.texts["th"] == hostile * 2
    mean = made(hostile).map().weights
    assert [int(one) for one in cells.texts["td"]] == [round(100 * w) for w in mean.flat]


def test_files_by_their_ending(tmp_path):
    attention = made(["$x^$", "<b>", "1"])
    attention.save(tmp_path / "all.html")
    cells = Cells((tmp_path / "all.html").read_text(encoding="utf-8"))
    assert cells.tags.count("table") == 1 + 2 * 3
    assert "script" not in cells.tags
    assert "b" not in cells.tags
    attention.save(tmp_path / "one.html", "encoder", layer=1, head=2)
    assert (tmp_path / "one.html").read_text().count("<table") == 1

    import matplotlib.image

    sizes = {}
    for name, chosen in [("all", {}), ("row", {"layer": 0}), ("one", {"layer": 0, "head": 0})]:
        attention.save(tmp_path / f"{name}.png", **chosen)
        height, width, _ = matplotlib.image.imread(tmp_path / f"{name}.png").shape
        sizes[name] = height, width
    assert sizes["all"] == (2 * sizes["one"][0], 3 * sizes["one"][1])
    assert sizes["row"] == (sizes["one"][0], 3 * sizes["one"][1])
    with pytest.raises(OutputError, match="map.gif ends in neither .png nor .html"):
        attention.save(tmp_path / "map.gif")


def test_a_terminal_gets_shades_in_columns():
    tokens = ["a", "long-", "語"]
    attention = Attention(tokens, tokens, {"cross": np.eye(3, dtype="float32")[None, None]})
    lines = attention.map().terminal(80).plain.splitlines()
    assert lines == [
        "cross attention, mean of layers and heads",
        "      a l 語",
        "        o",
        "        n",
        "        g",
        "        -",
        "a     ██",
        "long-   ██",
        "語        ██",
        "from ░ 5 %  ▒ 15 %  ▓ 35 %  █ 60 %",
    ]
    # Three columns don't fit beside five letters into ten.
    narrow = attention.map().terminal(10).plain.splitlines()
    assert narrow[6:9] == ["a     ██", "long-   ██", "語"]
    assert narrow[9:13] == ["      語", "a", "long-", "語    ██"]
    assert max(map(len, narrow[1:-1])) <= 10


def test_tokens_are_printable_whatever_they_hold():
    assert token_texts(ByteTextEncoder(), [2 + 27, 2 + 10, 2 + 65, 1]) == [
        "\\x1b",
        "\\n",
        "A",
        "<EOS>",
    ]

    class Own:
        def decode(self, ids):
            return f"word{ids[0]}"

    assert token_texts(Own(), [4, 5]) == ["word4", "word5"]
