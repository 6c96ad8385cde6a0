"""T2T's numbers of languages."""

from __future__ import annotations


class SpaceID:
    """T2T's numbers of languages: indices into a learned table of the encoder."""

    GENERIC, IMAGE_LABEL, EN_CHR, EN_TOK, EN_BPE_TOK = range(5)
    FR_CHR, FR_TOK, DE_CHR, DE_TOK, DE_BPE_TOK = range(5, 10)
    DIGIT_0, DIGIT_1, AUDIO_WAV, AUDIO_SPECTRAL, PARSE_CHR, PARSE_TOK = range(10, 16)
    ZH_TOK, ICE_CHAR, ICE_TOK, ICE_PARSE_TOK, MK_TOK, CS_TOK, CS_CHR = range(16, 23)
    DNA, REAL, IMAGE, PEPTIDE, PY_TOK, CPP_TOK, STROKES, PICKLED_PYTHON = range(23, 31)
