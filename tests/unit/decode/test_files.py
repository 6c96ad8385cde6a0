"""What is read and written of files, with an engine that reverses lines."""

from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.decode import files
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.engine import Answer
from t2tlite.decode.files import decode_file, default_target
from t2tlite.text_problems import Text2TextProblem, VocabType


class Bytes(Text2TextProblem):
    vocab_type = VocabType.CHARACTER


class Reverser:
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
    assert default_target(decoder, "dev.en") == "dev.en.transformer.bytes.beam8.alpha1.0.decodes"
    decoder = make_decoder("beam_size=8,alpha=1", hparams_set="transformer_base")
    assert decode_file(decoder, source).name == (
        "lines.transformer.transformer_base.bytes.beam8.alpha1.0.decodes"
    )
