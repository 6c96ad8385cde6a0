import collections
import io
import math
import random
import subprocess
import sys

import pytest
import sentencepiece

from t2tlite.errors import DataError, VocabularyError
from t2tlite.text import (
    ByteTextEncoder,
    SampledSegmentations,
    SentencePieceEncoder,
    TokenTextEncoder,
)

from .conftest import RESERVED, VERSES

TEXTS = [*VERSES[:6], "", f"{RESERVED[0]}I keep \u2581 \x1a"]


def test_other_pieces_of_the_same_text(sentencepiece_encoder):
    sampler = SampledSegmentations(alpha=0.3).encoder(sentencepiece_encoder, seed=7)
    drawn = sampler.encode_batch(TEXTS)
    assert [sentencepiece_encoder.decode(ids) for ids in drawn] == TEXTS
    usual = sentencepiece_encoder.encode_batch(TEXTS)
    assert sum(map(len, drawn)) > 1.2 * sum(map(len, usual))
    # A reserved token stays whole.
    assert drawn[-1][0] == usual[-1][0]


def test_drawn_by_the_seed_alone(sentencepiece_encoder):
    sampling = SampledSegmentations(alpha=0.3)
    first = sampling.encoder(sentencepiece_encoder, 7).encode_batch(TEXTS)
    # Draws elsewhere don't change it.
    assert sampling.encoder(sentencepiece_encoder, 8).encode_batch(TEXTS) != first
    assert sampling.encoder(sentencepiece_encoder, 7).encode_batch(TEXTS) == first


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_share_of_merges_left_out(sentencepiece_encoder, alpha):
    drawn = SampledSegmentations(alpha=alpha).encoder(sentencepiece_encoder, 1).encode_batch(TEXTS)
    if alpha:
        assert len(drawn[1]) == len(TEXTS[1])
    else:
        # Without dropout the merges are SentencePiece's.
        assert drawn == sentencepiece_encoder.encode_batch(TEXTS)


def other_model(tmp_path, kind):
    """Returns the encoder of a SentencePiece model of another type, from elsewhere."""
    words = [
        "".join(random.Random(n).choices("abcdefgh", k=5)) + " " + "".join("abc"[n % 3] * 4)
        for n in range(300)
    ]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words),
        model_writer=model,
        vocab_size=40,
        model_type=kind,
        hard_vocab_limit=False,
        use_all_vocab=kind != "unigram",
        **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "minloglevel": 2},
    )
    path = tmp_path / f"{kind}.model"
    path.write_bytes(model.getvalue())
    return SentencePieceEncoder(path)


@pytest.mark.parametrize("nbest_size", [-1, 200])
def test_unigram_models_draw_by_probability(tmp_path, nbest_size):
    encoder = other_model(tmp_path, "unigram")
    sampling = SampledSegmentations(alpha=0.5, nbest_size=nbest_size).check({"targets": encoder})
    text, count = "aaaab", 4000
    rows = sampling.encoder(encoder, 3).encode_batch([text] * count)
    drawn = collections.Counter(map(tuple, rows))
    processor = encoder._processor
    ways = [tuple(row) for row in processor.nbest_encode_as_ids(text, 200)]
    powers = [math.exp(0.5 * sum(map(processor.get_score, row))) for row in ways]
    assert len(ways) > 5
    assert {*drawn} <= {*ways}
    for row, power in zip(ways, powers, strict=True):
        assert drawn[row] / count == pytest.approx(power / sum(powers), abs=0.03)


def test_a_seed_draws_the_same_everywhere(sentencepiece_file):
    """Also in another process: SentencePiece's own sampling doesn't."""
    rows = SentencePieceEncoder(sentencepiece_file).sample_batch(VERSES[:6], 5, 0.2)
    code = (
        "from t2tlite.text import SentencePieceEncoder as Encoder; import sys;"
        f"print(Encoder(sys.argv[1]).sample_batch({VERSES[:6]!r}, 5, 0.2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, sentencepiece_file], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(rows)


def test_what_cant_be_sampled(tmp_path, sentencepiece_encoder, subword_encoder):
    sampling = SampledSegmentations()
    tokens = TokenTextEncoder(None, vocab_list=["a", "b"])
    for encoder in (ByteTextEncoder(), subword_encoder, tokens):
        with pytest.raises(VocabularyError, match=r"'inputs' \(\w+Encoder\) has one segmentation"):
            sampling.check({"inputs": encoder, "targets": sentencepiece_encoder})
    # Or one of the two.
    targets = SampledSegmentations(features=("targets",))
    targets.check({"inputs": ByteTextEncoder(), "targets": sentencepiece_encoder})
    with pytest.raises(DataError, match="'target' isn't a text of this problem; expected features"):
        SampledSegmentations(features=("target",)).check({"targets": sentencepiece_encoder})
    with pytest.raises(DataError, match="generate_encoded_samples of its own"):
        sampling.check({})
    with pytest.raises(VocabularyError, match="no n-best segmentations; set nbest_size=-1"):
        SampledSegmentations(nbest_size=8).check({"targets": sentencepiece_encoder})
    with pytest.raises(VocabularyError, match="its type isn't bpe or unigram"):
        sampling.check({"targets": other_model(tmp_path, "word")})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"copies": 0}, "copies=0 is outside 1 to 10000"),
        ({"copies": 1.5}, "copies=1.5 is not an integer"),
        ({"copies": "many"}, "copies='many' is not an integer"),
        ({"alpha": 1.5}, "alpha=1.5 is outside 0.0 to 1.0"),
        ({"alpha": math.nan}, "alpha=nan is not a finite number"),
        ({"nbest_size": 1}, "nbest_size=1 is outside 2 to 10000, and not -1"),
        ({"features": "inputs"}, r"features='inputs'; expected a tuple, \('inputs',\)"),
    ],
)
def test_values_out_of_bounds(values, message):
    with pytest.raises(DataError, match=message):
        SampledSegmentations(**values)
