"""Files of lines: their format with an engine that reverses lines, resuming with a real model."""

import dataclasses
from pathlib import Path

import pytest

from t2tlite import decode_file, registry
from t2tlite.bulk import files
from t2tlite.bulk.files import default_target
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.engine import Answer, Engine
from t2tlite.decode.keras_engine import KerasEngine
from t2tlite.errors import DataError, HParamsError, OutputError
from t2tlite.files import locked
from t2tlite.text_problems import Text2TextProblem, VocabType

MODEL = Path(__file__).parents[2] / "golden" / "model"
LINES = ["3 1 4", "2 7 1 8 2 8", "", "9", "5 5", "1 2 3 4 5"]


class Bytes(Text2TextProblem):
    vocab_type = VocabType.CHARACTER


class Reverser(Engine):
    """An engine with two answers to each row: its reverse, and the same in upper case."""

    backend, row_shares = "reverser", 1

    def __init__(self, folder):
        self.weights = Path(folder.path, "run.json")

    def search(self, rows, decode_hparams, seed=None):
        reversed_ids = [[*row.prefix, *row.ids[-2::-1]] for row in rows]
        return [[Answer(ids, -0.5), Answer(list(map(upper, ids)), -1.25)] for ids in reversed_ids]


def upper(id_):
    """Ids are bytes and 2."""
    return id_ - 32 if id_ >= ord("a") + 2 else id_


@pytest.fixture
def make_decoder(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "problem", lambda _: Bytes())

    def make(decode_hparams="", hparams_set=""):
        run = RunRecord.describe("bytes", "transformer", HParams(), [])
        run.hparams_set = hparams_set
        run.write(tmp_path, tmp_path)
        return Decoder(tmp_path, decode_hparams=decode_hparams, make_engine=Reverser)

    return make


@pytest.fixture
def source(tmp_path):
    (tmp_path / "lines").write_text("ab\n\nc d\n \nefgh\n")
    return tmp_path / "lines"


@pytest.fixture
def decoded(make_decoder, source):
    def decoded(decode_hparams=""):
        decoder = make_decoder(decode_hparams)
        return decode_file(decoder, source, source.parent / "out").read_bytes().decode()

    return decoded


@pytest.mark.parametrize("where", ["decode_in_memory=true", "decode_in_memory=false"])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["ba", "", "d c", "", "hgfe"]),
        ("num_samples=3", ["ba", "", "d c"]),
        ("num_samples=9", ["ba", "", "d c", "", "hgfe"]),
        ("num_samples=0", []),
        ("return_beams=true", ["ba\tBA", "", "d c\tD C", "", "hgfe\tHGFE"]),
        ("write_beam_scores=true,num_samples=1", ["ba\t-0.500000"]),
        (
            "return_beams=true,write_beam_scores=true,num_samples=2",
            ["ba\t-0.500000\tBA\t-1.250000", ""],
        ),
    ],
)
def test_what_is_written(decoded, where, text, lines):
    out = decoded(f"beam_size=2,{where}{',' if text else ''}{text}")
    assert out == "".join(f"{line}\n" for line in lines)


def test_an_answer_stays_in_its_line_and_field(source, decoded):
    source.write_bytes(b"a\tb;c\nd;")
    assert decoded("delimiter=;") == "b\ta;d\nc;"
    assert decoded("delimiter=;,write_beam_scores=true") == "b a\t-0.500000;d\nc\t-0.500000;"


def test_an_empty_file(source, decoded):
    source.write_text("")
    assert decoded() == ""


def test_blocks_have_so_many_lines_and_characters(source, decoded, monkeypatch):
    whole, blocks = decoded(), []
    make_batches = Decoder.make_batches

    def counting(self, lines, *args, first, **kwargs):
        blocks.append((first, len(lines)))
        return make_batches(self, lines, *args, first=first, **kwargs)

    monkeypatch.setattr(Decoder, "make_batches", counting)
    monkeypatch.setattr(files, "BLOCK_LINES", 2)
    assert decoded() == whole
    assert blocks == [(0, 2), (2, 2), (4, 1)]
    blocks.clear()
    monkeypatch.setattr(files, "BLOCK_CHARACTERS", 2)
    assert decoded() == whole
    assert blocks == [(0, 1), (1, 2), (3, 2)]


def test_the_name_of_the_output(make_decoder, source):
    decoder = make_decoder("beam_size=8,alpha=1")
    settings = decoder.run, decoder.decode_hparams
    assert default_target(*settings, "dev.en") == "dev.en.transformer.bytes.beam8.alpha1.0.decodes"
    decoder = make_decoder("beam_size=8,alpha=1", hparams_set="transformer_base")
    assert decode_file(decoder, source).name == (
        "lines.transformer.transformer_base.bytes.beam8.alpha1.0.decodes"
    )


# ---- with a model


@pytest.fixture(scope="module")
def decoder():
    """A small model that has learned to reverse digits."""
    return Decoder(MODEL, decode_hparams="beam_size=2,extra_length=3")


def how(decoder, text):
    return dataclasses.replace(decoder.decode_hparams).override(text)


class Interrupted(Exception):
    pass


@pytest.fixture
def interrupt(monkeypatch):
    """A function that stops decoding after some batches, if not None; returns their seeds."""
    search = KerasEngine.search
    seeds = []

    def interrupt(after=None):
        seeds.clear()

        def stopping(self, rows, decode_hparams, seed=None):
            if len(seeds) == after:
                raise Interrupted
            seeds.append(seed)
            return search(self, rows, decode_hparams, seed)

        monkeypatch.setattr(KerasEngine, "search", stopping)
        return seeds

    return interrupt


@pytest.fixture
def digits(tmp_path):
    (tmp_path / "lines").write_text("\n".join(LINES * 3) + "\n")
    return tmp_path / "lines"


def test_line_n_answers_line_n(decoder, digits, tmp_path):
    target = decode_file(decoder, digits, tmp_path / "out")
    assert target.read_text().splitlines() == decoder.decode(LINES) * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines", "out"]


@pytest.mark.parametrize("text", ["beam_size=2", "beam_size=1,sampling_method=random"])
def test_an_interrupted_decode_resumes(decoder, digits, tmp_path, interrupt, monkeypatch, text):
    monkeypatch.setattr(decoder, "decode_hparams", how(decoder, f"{text},batch_size=4"))
    # Two blocks, of several batches each.
    monkeypatch.setattr(files, "BLOCK_LINES", 12)
    seeds = interrupt()
    decode_file(decoder, digits, tmp_path / "whole")
    all_seeds = list(seeds)
    assert len(all_seeds) == len(set(all_seeds)) == 5

    interrupt(after=3)
    with pytest.raises(Interrupted):
        decode_file(decoder, digits, tmp_path / "out")
    part = tmp_path / ".out.part"
    assert not (tmp_path / "out").exists()
    # A kill may leave half a line.
    with open(part, "ab") as file:
        file.write(b'[[["4 ')
    seeds = interrupt()
    decode_file(decoder, digits, tmp_path / "out")
    assert seeds == all_seeds[3:]
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines", "out", "whole"]


def test_other_lines_are_decoded_from_the_start(decoder, digits, tmp_path, interrupt, monkeypatch):
    monkeypatch.setattr(decoder, "decode_hparams", how(decoder, "batch_size=4"))
    interrupt(after=2)
    with pytest.raises(Interrupted):
        decode_file(decoder, digits, tmp_path / "out")
    digits.write_text("9\n")
    seeds = interrupt()
    decode_file(decoder, digits, tmp_path / "out")
    assert len(seeds) == 1
    assert (tmp_path / "out").read_text() == "9\n"


def test_in_memory_an_interrupted_decode_starts_over(
    decoder, digits, tmp_path, interrupt, monkeypatch
):
    monkeypatch.setattr(
        decoder, "decode_hparams", how(decoder, "batch_size=4,decode_in_memory=true")
    )
    interrupt(after=2)
    with pytest.raises(Interrupted):
        decode_file(decoder, digits, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["lines"]
    interrupt()
    decode_file(decoder, digits, tmp_path / "out")
    assert (tmp_path / "out").read_text().splitlines() == decoder.decode(LINES) * 3


def test_two_processes_do_not_write_one_file(decoder, digits, tmp_path):
    with (
        locked(tmp_path / ".out.part"),
        pytest.raises(OutputError, match="out is being written by another process"),
    ):
        decode_file(decoder, digits, tmp_path / "out")


def test_hooks_get_every_answer(decoder, digits, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(type(decoder.problem), "decode_hooks", [calls.append])
    decode_file(decoder, digits, tmp_path / "out")
    assert calls[0].inputs == LINES * 3
    answers = [[one.text for one in row] for row in calls[0].hypotheses]
    assert answers == [[one.text for one in row] for row in decoder.n_best(LINES * 3)]


def test_a_prefix_file(decoder, digits, tmp_path):
    (tmp_path / "begin").write_text("7\n" * 18)
    target = decode_file(decoder, digits, tmp_path / "out", tmp_path / "begin")
    for line, answer in zip(LINES * 3, target.read_text().splitlines(), strict=True):
        assert answer.startswith("7") == bool(line)
    (tmp_path / "begin").write_text("7\n")
    with pytest.raises(DataError, match="lines has 18 lines and .*begin has 1; they must agree"):
        decode_file(decoder, digits, tmp_path / "out", tmp_path / "begin")


def test_a_line_that_is_too_long_has_a_blank_answer_and_a_warning(
    make_decoder, tmp_path, monkeypatch, warned
):
    monkeypatch.setattr(files, "BLOCK_LINES", 2)
    (tmp_path / "lines").write_text("1 2\n\n3\n" + "x" * 100_000 + "\n4 5\n")
    decoder = make_decoder("batch_size=4,return_beams=true")
    monkeypatch.setattr(Reverser, "max_tokens", lambda *_: 99)
    target = decode_file(decoder, tmp_path / "lines")
    assert target.read_text() == "2 1\t2 1\n\n3\t3\n\n5 4\t5 4\n"
    assert warned == [
        "line 4 has 100,001 tokens, and at most 99 fit; split it, or cut lines by the decode "
        "hparam max_input_size; its answer is blank"
    ]


def test_lines_that_dont_fit_together_are_decoded_alone(make_decoder, monkeypatch):
    decoder, sizes = make_decoder("batch_size=8"), []
    expected = decoder.decode(LINES)
    search = Reverser.search

    def out_of_memory(self, rows, *args):
        sizes.append(len(rows))
        if len(rows) > 2:
            raise MemoryError
        return search(self, rows, *args)

    monkeypatch.setattr(Reverser, "search", out_of_memory)
    assert decoder.decode(LINES) == expected
    assert sizes == [5, 2, 3, 1, 2]
    monkeypatch.setattr(Reverser, "max_tokens", lambda self, rows, _: 100 if rows == 1 else 0)
    sizes.clear()
    assert decoder.decode(LINES) == expected
    assert sizes == [1] * 5


def test_a_target_that_cant_be_written_is_noticed_early(tmp_path):
    (tmp_path / "source").touch()
    (tmp_path / "link").symlink_to("source")
    files.check_target(tmp_path / "new" / "target", tmp_path / "source", "")
    assert (tmp_path / "new").is_dir()
    for target, message in {
        "new": "is a folder",
        "source": "is read by this command",
        "link": "is read by this command",
        "x" * 240: "File name too long",
        "source/target": "File exists",
    }.items():
        with pytest.raises(OutputError, match=rf"\Acan't write [^\n]*{message}[^\n]*\Z"):
            files.check_target(tmp_path / target, tmp_path / "source")


def test_a_comma_separates_texts(make_decoder, tmp_path):
    (tmp_path / "a,b").write_text("1 2,3,,4")
    decoder = make_decoder("beam_size=2,delimiter=,")
    assert decode_file(decoder, tmp_path / "a,b", tmp_path / "out").read_text() == "2 1,3,,4,"


@pytest.mark.parametrize("text", ["delimiter=", "delimiter=,beam_size=2", "delimiter= "])
def test_an_empty_delimiter_is_an_error(make_decoder, text):
    with pytest.raises(HParamsError, match="delimiter= is not a text of one character or more"):
        make_decoder(text)
