import pytest

from t2tlite.sources.cleaning import clean_en_xx_pairs


@pytest.mark.parametrize(
    "text",
    [
        "The cat sat.",
        "He said “no” twice.",
        "It's the dogs' bowl.",
        "The U.S. Army came (in May) and left.",
    ],
)
def test_what_stays(text: str) -> None:
    assert list(clean_en_xx_pairs([(text, "Etwas.")])) == [(text, "Etwas.")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the cat sat.",
        "The cat sat",
        "The cat sat ...",
        "Note: the cat sat.",
        "Table 1 2 is this.",
        'He said "no.',
        '"Who are you?"',
        "“One” and “two” are numbers.",
        "Rock 'n roll 'n so 'n on.",
        "He said ' ' to me.",
        "The cat , it sat.",
        "© The cat sat.",
        "Copyright is what it is.",
        "The cat (it sat.",
        "The cat) sat.",
        "LONDON BRIDGE - It fell.",
        "MAX_SIZE is a name.",
    ],
)
def test_what_goes(text: str) -> None:
    assert list(clean_en_xx_pairs([(text, "Etwas.")])) == []


def test_several_sentences() -> None:
    pairs = [
        ("The cat sat. The dog ran. no", "Eins. Zwei. nein"),
        ("The cat sat. The dog ran.", "Die Katze saß. Der Hund lief."),
        ("The cat sat. The dog ran.", "Die Katze saß, der Hund lief."),
        ("The cat sat. Page 1 2 is this.", "Eins. Zwei."),
    ]
    assert list(clean_en_xx_pairs(pairs)) == [
        ("The cat sat.", "Die Katze saß."),
        ("The dog ran.", "Der Hund lief."),
    ]


def test_an_initial_ends_no_sentence() -> None:
    pair = ("Mr J. Smith came.", "Herr J Smith kam.")
    assert list(clean_en_xx_pairs([pair])) == [pair]
