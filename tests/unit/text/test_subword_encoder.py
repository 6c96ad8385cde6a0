import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite.errors import DataError, VocabularyError
from t2tlite.text import SubwordTextEncoder, tokenizer

EN_DE = "fixtures/t2t/vocab.translate_ende_wmt32k.32768.subwords"
POETRY = "fixtures/t2t/poetry_data/vocab.poetry_line_problem.8192.subwords"


@pytest.fixture(scope="module")
def t2t_cases(shared):
    return json.loads((shared / "fixtures/t2t/subword_encode.json").read_text(encoding="utf-8"))


def test_t2ts_ids_text_and_tokens(shared, t2t_cases) -> None:
    encoder = SubwordTextEncoder(shared / EN_DE)
    assert encoder.vocab_size == 33708
    assert len(t2t_cases) == 220
    for case in t2t_cases:
        assert encoder.encode(case["text"]) == case["ids"]
        assert encoder.decode(case["ids"]) == case["decoded"]
        assert tokenizer.encode(case["text"]) == case["tokens"]


def test_t2ts_poetry_vocabulary_round_trip(shared, t2t_cases) -> None:
    encoder = SubwordTextEncoder(shared / POETRY)
    assert encoder.vocab_size == 8425
    for case in t2t_cases:
        assert encoder.decode(encoder.encode(case["text"])) == case["text"]


def test_a_vocabulary_that_a_program_builds(tmp_path, capsys) -> None:
    encoder = SubwordTextEncoder.build_to_target_size(60, {"woods": 9, "wood": 4, "are": 2}, 1, 9)
    assert encoder.all_subtoken_strings[:3] == ("<pad>_", "<EOS>_", "woods_")
    assert encoder.decode(encoder.encode("The wood, woods!")) == "The wood, woods!"
    assert [encoder.decode([id_]) for id_ in (0, 1)] == ["<pad>", "<EOS>"]
    for quotes in (True, False):
        encoder.store_to_file(tmp_path / "v" / "vocab.any", add_single_quotes=quotes)
        again = SubwordTextEncoder(tmp_path / "v" / "vocab.any")
        assert again.all_subtoken_strings == encoder.all_subtoken_strings
        assert again.encode("the woods") == encoder.encode("the woods")
    assert encoder.filename == str(tmp_path / "v" / "vocab.any")
    encoder.dump()
    assert capsys.readouterr().out.startswith("0 : '<pad>_', 1 : '<EOS>_', 2 : 'woods_'")


def test_an_encoder_that_is_filled_again(subword_file) -> None:
    """It forgets how it split words before."""
    encoder = SubwordTextEncoder(subword_file)
    before = encoder.encode("the woods")
    encoder.build_from_token_counts({"the": 3, "woods": 2}, 1)
    assert encoder.encode("the woods") != before
    assert encoder.decode(encoder.encode("the woods")) == "the woods"


def test_utf8_bytes_are_text(subword_encoder: SubwordTextEncoder) -> None:
    for encode in (subword_encoder.encode, subword_encoder.encode_without_tokenizing):
        assert encode("Ü the".encode()) == encode("Ü the")


def test_longest_subtokens_first(subword_encoder: SubwordTextEncoder) -> None:
    ids = subword_encoder.encode("the woods, the")
    assert subword_encoder.decode_list(ids) == ["the_", "wood", "s_", ", _", "the_"]
    assert ids == [2, 4, 5, 6, 2]


def test_escapes(subword_encoder: SubwordTextEncoder) -> None:
    def subtokens(text: str) -> str:
        return "".join(subword_encoder.decode_list(subword_encoder.encode(text)))

    assert subtokens("th_\\") == "th_\\u\\\\_"
    assert subtokens("x\n") == "\\120;_\\10;_"
    assert subtokens("'") == "'_"


@given(
    st.text(alphabet=st.one_of(st.sampled_from("the woods_\\u;9\n'"), st.characters(codec="utf-8")))
)
def test_lossless(subword_encoder: SubwordTextEncoder, text: str) -> None:
    assert subword_encoder.decode(subword_encoder.encode(text)) == text


def test_reserved_ids_and_ids_out_of_range(subword_encoder: SubwordTextEncoder) -> None:
    assert subword_encoder.decode([2, 1, 0], strip_extraneous=True) == "the"
    assert subword_encoder.decode([2, 1]) == "the<EOS>"
    assert subword_encoder.decode([2, -1, 10**6]) == "the"


@pytest.mark.parametrize("number", ["1114112", "55296", "9" * 5000])
def test_an_escape_that_names_no_character(tmp_path, number: str) -> None:
    path = tmp_path / "vocab.subwords"
    path.write_text(f"'<pad>'\n'<EOS>'\n'\\{number};_'\n", encoding="utf-8")
    assert SubwordTextEncoder(path).decode([2]) == "\u3013"


def test_lines_are_t2ts(tmp_path) -> None:
    """Carriage returns vanish, Unicode's line breaks and spaces in quotes stay, blanks count."""
    path = tmp_path / "vocab.subwords"
    path.write_bytes("'<pad>'\r\n'<EOS>'\n'\r'\n\n'a\u2028\xa0'\nb\n\"'\"\n'c'".encode())
    encoder = SubwordTextEncoder(path)
    assert encoder.decode_list(range(8)) == ["<pad>", "<EOS>", "", "", "a\u2028\xa0", "b", "'", "c"]


def test_of_two_equal_subtokens_the_later_counts(tmp_path) -> None:
    path = tmp_path / "vocab.subwords"
    path.write_text("'<pad>'\n'<EOS>'\n'a_'\n'a_'\n", encoding="utf-8")
    assert SubwordTextEncoder(path).encode("a") == [3]


def test_a_token_of_the_callers_own(subword_encoder: SubwordTextEncoder) -> None:
    ids = subword_encoder.encode_without_tokenizing("the woods")
    assert "".join(subword_encoder.decode_list(ids)) == "the woods_"


def test_a_worker_process_gets_the_same_encoder(subword_encoder: SubwordTextEncoder) -> None:
    copy = pickle.loads(pickle.dumps(subword_encoder))
    assert copy.encode("the woods") == subword_encoder.encode("the woods")


def test_a_lone_surrogate(subword_encoder: SubwordTextEncoder) -> None:
    for encode in (subword_encoder.encode, subword_encoder.encode_without_tokenizing):
        with pytest.raises(DataError, match="character 4 of the text"):
            encode("the \udc80")


def test_an_incomplete_vocabulary(tmp_path) -> None:
    path = tmp_path / "vocab.subwords"
    path.write_text("'<pad>'\n'<EOS>'\n'ab_'\n", encoding="utf-8")
    with pytest.raises(VocabularyError, match=r"has no subtoken for 'b' \(in 'ba'\)"):
        SubwordTextEncoder(path).encode("ba")
