"""The description of the interface says what the server does."""

import dataclasses

from t2tlite.serving import openapi
from t2tlite.serving.limits import Limits
from tests.unit.serving.conftest import SERVED


def test_each_path_exists(echoing):
    status, _, found = echoing.ask("GET", "/openapi.json")
    assert status == 200
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            status = echoing.ask(method.upper(), path, body.get("example"))[0]
            # Loading checkpoints is off.
            assert status == (403 if path.endswith(":reload") else 200), path


def test_parameters_have_the_servers_limits_and_defaults(echoing):
    found = openapi.description(SERVED, Limits(max_beam_size=5))
    schema = found["paths"]["/v1/models/echo:predict"]["post"]["requestBody"]["content"]
    properties = schema["application/json"]["schema"]["properties"]["parameters"]["properties"]
    assert properties["beam_size"] == {
        "type": "integer", "minimum": 1, "maximum": 5, "default": 2
    }  # fmt: skip
    assert properties["sampling_temp"]["minimum"] == 0
    assert properties["sampling_method"]["enum"] == ["", "argmax", "random"]
    # Every limit that is stated is accepted.
    for name, one in properties.items():
        if name not in ("n", "beam_size") and "maximum" in one:
            for limit in ("minimum", "maximum"):
                settings = {"sampling_method": "argmax", name: one[limit]}
                body = {"instances": ["a"], "parameters": settings}
                assert echoing.predict(body)[0] == 200, (name, one[limit])


def test_a_model_without_attention(echoing):
    served = dataclasses.replace(SERVED, has_attention=False)
    assert not any("attention" in path for path in openapi.description(served, Limits())["paths"])


def test_the_page_is_plain(echoing):
    status, headers, page = echoing.ask("GET", "/docs")
    assert (status, headers.get_content_type()) == (200, "text/html")
    text = page.decode()
    assert "<script" not in text
    assert "http" not in text
    for part in ("POST /v1/completions", "parameters.sampling_temp", "max_tokens", "page.css"):
        assert part in text


def test_a_page_escapes_the_models_name():
    served = dataclasses.replace(SERVED, name="<b>")
    assert "<b>" not in openapi.page(openapi.description(served, Limits()))
