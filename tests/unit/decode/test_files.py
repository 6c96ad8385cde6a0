"""What is read and written of files; a stand-in for the model answers a line by its reverse."""

from types import SimpleNamespace

import pytest

from t2tlite.decode import files
from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.files import decode_file, default_target


class Reverser:
    """Answers blocks of lines, the longest first, and remembers how many lines they had."""

    def __init__(self, folder, text=""):
        (folder / "run.json").write_text("{}")
        (folder / "weights").write_bytes(b"")
        self.output_dir, self.weights = str(folder), folder / "weights"
        self.decode_hparams = DecodeHParams().override(text)
        self.problem = SimpleNamespace(decode_hooks=[])
        self.run = SimpleNamespace(model="transformer", problem="p", hparams_set="")
        self.device = SimpleNamespace(backend="none")
        self.classifies = False
        self.blocks = []

    def batches(self, lines, prefixes=None, known=(), first=None):
        self.blocks.append((first, len(lines)))
        begins = prefixes or [""] * len(lines)
        for i in sorted(range(len(lines)), key=lambda i: -len(lines[i])):
            if lines[i].strip() and i not in known:
                text = begins[i] + lines[i][::-1]
                yield [i], [[Hypothesis(text, -0.5, [4]), Hypothesis(text.upper(), -1.25, [5])]]


@pytest.fixture
def source(tmp_path):
    (tmp_path / "lines").write_text("ab\n\nc d\n \nefgh\n")
    return tmp_path / "lines"


def decoded(source, text=""):
    reverser = Reverser(source.parent, text)
    return decode_file(reverser, source, source.parent / "out").read_bytes().decode(), reverser


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
def test_what_is_written(source, where, text, lines):
    out, _ = decoded(source, f"beam_size=2,{where}{',' if text else ''}{text}")
    assert out == "".join(f"{line}\n" for line in lines)


def test_an_answer_stays_in_its_line_and_field(tmp_path):
    (tmp_path / "lines").write_bytes(b"a\tb;c\nd;")
    assert decoded(tmp_path / "lines", "delimiter=;")[0] == "b\ta;d\nc;"
    assert decoded(tmp_path / "lines", "delimiter=;,write_beam_scores=true")[0] == (
        "b a\t-0.500000;d\nc\t-0.500000;"
    )


def test_an_empty_file(tmp_path):
    (tmp_path / "lines").write_text("")
    assert decoded(tmp_path / "lines")[0] == ""


def test_blocks_have_so_many_lines_and_characters(source, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_LINES", 2)
    whole, reverser = decoded(source)
    assert reverser.blocks == [(0, 2), (2, 2), (4, 1)]
    monkeypatch.setattr(files, "BLOCK_CHARACTERS", 2)
    out, reverser = decoded(source)
    assert reverser.blocks == [(0, 1), (1, 2), (3, 2)]
    assert out == whole


def test_the_name_of_the_output(source):
    reverser = Reverser(source.parent, "beam_size=8,alpha=1")
    assert default_target(reverser, "dev.en") == "dev.en.transformer.p.beam8.alpha1.0.decodes"
    reverser.run.hparams_set = "transformer_base"
    assert decode_file(reverser, source).name == (
        "lines.transformer.transformer_base.p.beam8.alpha1.0.decodes"
    )
