"""OpenAI's completions, asked for by OpenAI's own client."""

import dataclasses
import json

import pytest

from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.serving import completions
from t2tlite.serving.limits import Limits
from t2tlite.serving.served_model import BatchDecoder
from tests.unit.conftest import Letters, Mood
from tests.unit.serving.conftest import SERVED, echo, reversed_text, text_of

openai = pytest.importorskip("openai", reason="needs t2tlite[dev]")
PATH = "/v1/completions"


def client_of(server):
    return openai.OpenAI(base_url=f"http://{server.address}/v1", api_key="none", max_retries=0)


def continued(content, size=None):
    """The answer of a language model: the line, then its reversed text, of which `size` letters."""
    line, rest = text_of(content), reversed_text(content).text
    text = (line + rest)[: None if size is None else len(line) + size]
    return Hypothesis(text, -0.1 * len(text), list(map(ord, text)))


def continue_lines(kind, contents, first=0):
    return [[continued(line) for _ in range(kind.beam_size)] for line in contents]


def continue_letters(kind, content):
    for size in range(len(text_of(content)) + 1):
        yield continued(content, size)


continue_lines.stream = continue_letters
LANGUAGE_MODEL = dataclasses.replace(
    SERVED, feature="targets", vocab_size=200, encode=lambda text, tag: [*map(ord, text)]
)


@pytest.fixture
def continuing(start):
    return start(continue_lines, LANGUAGE_MODEL, max_extra_length=200)


# ---- the client library


def test_a_model_answers_the_client(model_server):
    client = client_of(model_server)
    (model,) = client.models.list().data
    assert model.id == client.models.retrieve(model.id).id == "reverse_digits"
    found = client.completions.create(model=model.id, prompt=["3 1 4", "9"], n=2)
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    assert found.choices[0].text == "4 1 3"
    assert found.choices[2].text == "9"
    assert found.choices[0].finish_reason == "stop"
    # The model reads EOS, too.
    assert (found.usage.prompt_tokens, found.model) == (4 + 2, "reverse_digits")
    with pytest.raises(openai.BadRequestError, match="'one'"):
        client.completions.create(model=model.id, prompt="one")


def test_the_client_streams(model_server):
    client = client_of(model_server)
    chunks = list(
        client.completions.create(
            model="reverse_digits",
            prompt="3 1 4",
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    texts = [choice.text for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "4 1 3"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 3
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_client_samples(model_server):
    client = client_of(model_server)
    ask = {"model": "reverse_digits", "prompt": "1 2 3", "temperature": 100}
    first, again, other = (
        [choice.text for choice in client.completions.create(**ask, n=4, seed=seed).choices]
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(set(first)) > 1
    best = client.completions.create(**ask, n=1, best_of=4, seed=1).choices[0].text
    assert best in first
    cut = client.completions.create(**ask, seed=1, max_tokens=2)
    assert (cut.usage.completion_tokens, cut.choices[0].finish_reason) == (2, "length")


def test_the_client_gets_openais_errors(echoing):
    client = client_of(echoing)
    with pytest.raises(openai.NotFoundError) as caught:
        client.completions.create(model="other", prompt="a")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="echo", prompt="a", logprobs=2)
    assert caught.value.body["message"] == "logprobs isn't supported; leave it out"
    assert caught.value.type == "invalid_request_error"


# ---- what the text is


def complete(server, **content):
    status, _, answer = server.ask("POST", PATH, {"model": "echo", **content})
    assert status == 200, answer
    return answer


def texts(answer):
    return [choice["text"] for choice in answer["choices"]]


def test_a_language_model_continues_its_prompt(continuing):
    found = complete(continuing, prompt=["abc", [100, 101]])
    assert texts(found) == ["cba", "ed"]
    assert found["usage"] == {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    assert texts(complete(continuing, prompt="abc", echo=True)) == ["abccba"]
    cut = complete(continuing, prompt="abc", echo=True, max_tokens=2)["choices"][0]
    assert (cut["text"], cut["finish_reason"]) == ("abccb", "length")


def test_a_completion_ends_before_a_stop(continuing, echoing):
    for server in (continuing, echoing):
        found = complete(server, prompt="abcdef", stop=["cb", "d"])["choices"][0]
        assert (found["text"], found["finish_reason"]) == ("fe", "stop")
    assert texts(complete(continuing, prompt="abc", stop="x")) == ["cba"]


@pytest.mark.parametrize(
    ("content", "expected", "reason"),
    [
        ({}, "fedcba", "stop"),
        ({"stop": "cb"}, "fed", "stop"),
        ({"stop": ["dcx", "bz"]}, "fedcba", "stop"),
        ({"max_tokens": 2}, "fe", "length"),
        ({"echo": True, "max_tokens": 2}, "abcdeffe", "length"),
    ],
)
def test_streamed_text_equals_the_whole(continuing, content, expected, reason):
    content = {"model": "echo", "prompt": "abcdef", "temperature": 0, **content}
    whole = complete(continuing, **content)["choices"][0]
    events = continuing.events(PATH, {**content, "stream": True})
    assert events.pop() == ("", "[DONE]")
    choices = [chunk["choices"][0] for _, chunk in events]
    assert "".join(choice["text"] for choice in choices) == expected == whole["text"]
    assert choices[-1]["finish_reason"] == whole["finish_reason"] == reason
    assert {choice["finish_reason"] for choice in choices[:-1]} == {None}


def test_a_character_of_several_tokens_is_sent_whole(start):
    def stream(kind, content):
        for size in range(1, 5):
            ids = list("aé!".encode()[:size])
            yield Hypothesis(bytes(ids).decode(errors="replace"), -1.0, ids)

    def decode(kind, contents, first=0):
        return echo(kind, contents)

    decode.stream = stream
    body = {"model": "echo", "prompt": "x", "stream": True, "temperature": 0}
    events = start(decode).events(PATH, body)
    assert "".join(chunk["choices"][0]["text"] for _, chunk in events[:-1]) == "aé!"


def test_a_model_continues_bytes(start, new_decoder):
    settings = "beam_size=1,extra_length=6"
    server = start(lambda: BatchDecoder(new_decoder(Letters, decode_hparams=settings)), None)
    (model,) = server.ask("GET", "/v1/models")[2]["models"]
    body = {"model": model["name"], "prompt": "aé", "temperature": 0}
    whole = server.ask("POST", PATH, {**body, "max_tokens": 5})[2]
    assert whole["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    (choice,) = whole["choices"]
    assert choice["finish_reason"] == "length"
    echoed = server.ask("POST", PATH, {**body, "max_tokens": 5, "echo": True})[2]
    assert echoed["choices"][0]["text"] == "aé" + choice["text"]
    events = server.events(PATH, {**body, "max_tokens": 5, "stream": True})
    parts = [chunk["choices"][0]["text"] for _, chunk in events[:-1]]
    assert "".join(parts) == choice["text"]


def test_a_classifier_answers_with_a_label(start, new_decoder):
    server = start(lambda: BatchDecoder(new_decoder(Mood, "transformer_encoder")), None)
    (model,) = server.ask("GET", "/v1/models")[2]["models"]
    body = {"model": model["name"], "prompt": "a day", "max_tokens": 1}
    (choice,) = server.ask("POST", PATH, body)[2]["choices"]
    assert choice["text"] in ("glad", "sad", "none")
    assert choice["finish_reason"] == "stop"
    events = server.events(PATH, {**body, "stream": True})
    assert events[0][1]["choices"][0]["text"] == choice["text"]


def test_blank_prompts(echoing):
    assert texts(complete(echoing, prompt=["", " "])) == ["", " "[::-1]]


# ---- what is refused


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ({"model": "x", "prompt": "a"}, 404, "no model 'x'; expected echo"),
        ({"prompt": "a"}, 404, "no model None; expected echo"),
        ({"model": "echo"}, 400, "prompt must be"),
        ({"model": "echo", "prompt": []}, 400, "prompt must be"),
        ({"model": "echo", "prompt": [["a"]]}, 400, "prompt 1 is ['a']; expected"),
        ({"model": "echo", "prompt": [1, 200]}, 400, "prompt 1 has ids outside 0 to 99"),
        ({"model": "echo", "prompt": "\ud800"}, 400, "unpaired surrogate"),
        ({"model": "echo", "prompt": "a" * 21}, 413, "prompt 1 has 21 characters"),
        ({"model": "echo", "prompt": ["a"] * 5}, 413, "5 lines are more than 4"),
        ({"model": "echo", "prompt": "a", "n": 5, "temperature": 1}, 413, "1 lines with 5 answers"),
        ({"model": "echo", "prompt": "a", "n": 17}, 400, '"n" is outside 1 to 16'),
        ({"model": "echo", "prompt": "a", "n": 3, "best_of": 2}, 400, '"best_of" is outside 3'),
        ({"model": "echo", "prompt": "a", "max_tokens": 257}, 400, "outside 1 to 256"),
        ({"model": "echo", "prompt": "a", "temperature": -1}, 400, "expected a number from 0"),
        ({"model": "echo", "prompt": "a", "temperature": "1"}, 400, "expected a number from 0"),
        ({"model": "echo", "prompt": "a", "top_p": 1.5}, 400, "expected a number from 0 to 1"),
        ({"model": "echo", "prompt": "a", "seed": -1}, 400, "random_seed=-1"),
        ({"model": "echo", "prompt": "a", "stop": [""]}, 400, "stop must be"),
        ({"model": "echo", "prompt": "a", "stop": ["a"] * 5}, 400, "at most 4 texts"),
        ({"model": "echo", "prompt": "a", "echo": True}, 400, "echo isn't supported"),
        ({"model": "echo", "prompt": "a", "suffix": "b"}, 400, "suffix isn't supported"),
        ({"model": "echo", "prompt": "a", "logit_bias": {"3": 1}}, 400, "logit_bias isn't"),
        ({"model": "echo", "prompt": "a", "presence_penalty": 1}, 400, "presence_penalty isn't"),
        ({"model": "echo", "prompt": "a", "messages": []}, 400, "unknown key 'messages'"),
        ({"model": "echo", "prompt": ["a", "b"], "stream": True}, 400, "one prompt"),
        ({"model": "echo", "prompt": "a", "stream": True, "n": 2}, 400, "can't be streamed"),
        ({"model": "echo", "prompt": "a", "stream_options": {"x": 1}}, 400, "stream_options"),
        (b"[]", 400, "isn't a JSON object"),
        (b"{", 400, "the body isn't JSON"),
    ],
)
def test_a_malformed_request(echoing, content, status, message):
    found, _, answer = echoing.ask("POST", PATH, content)
    assert found == status
    assert list(answer) == ["error"]
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert message in answer["error"]["message"]
    assert "\n" not in answer["error"]["message"]


def test_what_changes_nothing_is_accepted(echoing):
    neutral = {"suffix": None, "logprobs": None, "presence_penalty": 0, "frequency_penalty": 0.0}
    found = complete(echoing, prompt="ab", logit_bias={}, user="me", **neutral)
    assert texts(found) == ["ba"]
    assert echoing.ask("GET", PATH)[0] == 405


def test_a_tag_chooses_the_problem_of_a_mixture():
    body = json.dumps({"model": "echo", "prompt": "ab", "decode_tag": "<2de>"}).encode()
    parsed = completions.parse_completion(body, SERVED, Limits())
    assert parsed.parameters.settings.decode_tag == "<2de>"
