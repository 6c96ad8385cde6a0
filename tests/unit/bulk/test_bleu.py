"""BLEU, chrF, exact match and error rates of files."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from t2tlite.bulk.bleu import LAST_STEP, file_bleu, translations_bleu
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.errors import DataError

RIGHT = "the cat sat on the mat\na dog ran in the park\n"
HALF = "the cat sat on the mat\nsomething else\n"


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_what_is_right(write):
    quality = file_bleu(write("ours", RIGHT), write("right", RIGHT))
    assert (quality.bleu, quality.chrf, quality.exact) == pytest.approx((100, 100, 100))
    bleu, chrf, exact, errors = quality.text.splitlines()
    assert bleu.startswith("BLEU = 100.00")
    assert "tok:13a" in bleu
    assert chrf.startswith("chrF2 = 100.00")
    assert exact == "exact match = 100.00 %"
    assert errors == "error rates: sequence = 0.00 %, token = 0.00 %, character = 0.00 %"


def test_what_is_half_right(write):
    quality = file_bleu(write("ours", HALF), write("right", RIGHT))
    assert quality.exact == 50
    assert 20 < quality.bleu < 80
    assert 40 < quality.chrf < 80
    # Blank lines of the source have blank answers, which nobody had to find.
    ours, right = write("ours", f"{HALF}\n\n"), write("right", f"{RIGHT}\n\n")
    assert file_bleu(ours, right).exact == 50
    assert file_bleu(write("ours", f"{HALF}x\n"), write("right", f"{RIGHT}\n")).exact < 34


def test_case_and_several_references(write):
    ours, right, other = write("ours", RIGHT.upper()), write("right", RIGHT), write("other", HALF)
    assert file_bleu(ours, right).bleu < 1
    assert file_bleu(ours, right, lowercase=True).bleu == pytest.approx(100)
    assert file_bleu(right, f"{other},{right}").exact == 100


def test_what_does_not_fit(write):
    ours = write("ours", RIGHT)
    with pytest.raises(DataError, match="ours has 2 lines and .*right has 1; they must agree"):
        file_bleu(ours, write("right", "one\n"))
    with pytest.raises(DataError, match="--tokenize=words is not one of: "):
        file_bleu(ours, ours, "words")
    with pytest.raises(DataError, match="empty is empty"):
        file_bleu(write("empty", ""), write("right", ""))


def test_the_best_answer_of_each_line_counts(write):
    right = write("right", RIGHT + "never decoded\n")
    lines = [f"{line}\t-0.5\tworse\t-0.7" for line in RIGHT.splitlines()]
    ours = write("ours", "\n".join(lines))
    beams = DecodeHParams(return_beams=True, write_beam_scores=True, num_samples=2)
    assert file_bleu(ours, right, decode_hparams=beams).exact == 100
    # Without scores and beams a tab is a part of the answer.
    assert file_bleu(ours, right, decode_hparams=DecodeHParams()).exact == 0
    other = DecodeHParams(delimiter=";")
    ours, right = write("ours", "a b c d;"), write("right", "a b c d;e;")
    assert file_bleu(ours, right, decode_hparams=other).exact == 100
    with pytest.raises(DataError, match="ours has 1 lines and .*right has 0; they must agree"):
        file_bleu(write("ours", "a;"), write("right", ""), decode_hparams=other)


def test_all_translations_of_a_folder(write, tmp_path):
    right = write("right", RIGHT)
    (tmp_path / "out").mkdir()
    write("out/p-200", RIGHT)
    write("out/p-30", HALF)

    def compare(path):
        return [file_bleu(path, right, lowercase=lowercase) for lowercase in (False, True)]

    def run():
        folders = tmp_path / "out", tmp_path / "events"
        rows = translations_bleu(folders[0], compare, event_dir=folders[1], tag_suffix="_x")
        return [(path.name, qualities[0].exact) for path, qualities in rows]

    assert run() == [("p-30", 50), ("p-200", 100)]
    write("out/p-300", HALF)
    # Those whose events are written aren't written again.
    assert run() == [("p-300", 50)]
    with pytest.raises(DataError, match="out has no file NAME-STEP of 301 steps or more"):
        run()
    (tmp_path / "events" / LAST_STEP).write_text("3OO\n")
    with pytest.raises(DataError, match=f"{LAST_STEP} has no number of a step; remove it"):
        run()
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    exact = events.Scalars("exact_match_x")
    assert [(one.step, one.value) for one in exact] == [(30, 50), (200, 100), (300, 50)]
    assert [one.value for one in events.Scalars("sequence_error_rate_x")] == [50, 0, 50]
    assert exact[2].wall_time == (tmp_path / "out/p-300").stat().st_mtime
    for variant in ("cased", "uncased"):
        assert events.Scalars(f"BLEU_{variant}_x")[1].value == pytest.approx(100)


def test_a_byte_order_mark_is_not_text(write):
    ours, right = write("ours", RIGHT), write("right", f"\ufeff{RIGHT}")
    assert (file_bleu(ours, right).exact, file_bleu(right, ours).exact) == (100, 100)
    assert file_bleu(right, ours).bleu == pytest.approx(100)
