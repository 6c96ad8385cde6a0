"""A client of TensorFlow Serving's REST interface, which t2t-server also has."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any

from t2tlite.config import EOS_ID, HParams
from t2tlite.data.records import serialized
from t2tlite.errors import ServingError
from t2tlite.text.encoder import text_ids


class _RefusedError(ServingError):
    """The server answered with a status other than 200."""


@dataclass(frozen=True)
class Client:
    """Queries one model of a server.

    Attributes:
      server: host:port.
      servable_name: the model's name; "": the server's only model.
      timeout_secs: of each socket operation.
    """

    server: str
    servable_name: str = ""
    timeout_secs: float = 10.0

    def predict(self, line: str) -> tuple[Any, Any]:
        """Returns the outputs and scores of a line, both as the model's signature for text gives.

        Raises:
          ServingError: there is no such server or model, it takes only ids, or refuses the line.
        """
        name = self.servable_name or self._only_name()
        return self._predict(name, {"signature_name": self._text_signature(name)}, line)

    def _text_signature(self, name: str) -> str:
        """Returns the name of the model's signature with text out."""
        content = self._request("GET", f"/v1/models/{name}/metadata")
        try:
            signatures = content["metadata"]["signature_def"]["signature_def"]
            dtypes = {each: signatures[each]["outputs"]["outputs"]["dtype"] for each in signatures}
        except (KeyError, TypeError):
            dtypes = {}
        texts = [each for each, dtype in dtypes.items() if dtype == "DT_STRING"]
        if not texts:
            raise ServingError(
                f"{name} of {self.server} takes token ids only; give --problem and --data_dir, "
                f"whose vocabulary encodes the lines"
            )
        return texts[0]

    def _predict(self, name: str, content: dict[str, Any], instance: Any) -> tuple[Any, Any]:
        path = f"/v1/models/{name}:predict"
        content = self._request("POST", path, {**content, "instances": [instance]})
        try:
            (prediction,) = content["predictions"]
            return prediction["outputs"], prediction["scores"]
        except (KeyError, TypeError, ValueError):
            raise ServingError(
                f"{self.server}{path} answered {str(content)[:200]}, without outputs and scores; "
                f"is {name} a text model?"
            ) from None

    def predict_ids(self, line: str, problem: Any, data_dir: str) -> tuple[Any, Any]:
        """Like `predict`, for a model with ids in and ids out, such as T2T's exports.

        The vocabulary of `problem` in `data_dir` encodes the line and decodes the outputs.

        Raises:
          ServingError: as `predict`.
          VocabularyError: the vocabulary is missing.
        """
        problem_hparams = problem.get_hparams(HParams(), data_dir)
        encoders = problem_hparams.vocabulary
        feature = "inputs" if problem.has_inputs else "targets"
        ids = [*encoders[feature].encode(line), *([EOS_ID] if problem.has_inputs else [])]
        example = base64.b64encode(serialized({feature: ids})).decode()
        name = self.servable_name or self._only_name()
        outputs, scores = self._predict(name, {}, {"input": {"b64": example}})

        def text(ids: list[int]) -> str:
            # Exports pad the outputs of a batch after EOS; the id of a class label may equal EOS.
            if problem_hparams.modality["targets"] != "class_label":
                ids = text_ids(ids[: ids.index(EOS_ID)] if EOS_ID in ids else ids)
            return str(encoders["targets"].decode(ids))

        if isinstance(outputs, list) and outputs and isinstance(outputs[0], list):
            return [text(ids) for ids in outputs], scores
        return text(outputs), scores

    def _only_name(self) -> str:
        try:
            (model,) = self._request("GET", "/v1/models")["models"]
            return str(model["name"])
        except (KeyError, TypeError, ValueError, _RefusedError):
            raise ServingError(
                f"{self.server} doesn't list a single model; give --servable_name"
            ) from None

    def _request(self, method: str, path: str, content: Any = None) -> Any:
        connection = http.client.HTTPConnection(self.server, timeout=self.timeout_secs)
        try:
            body = None if content is None else json.dumps(content)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except TimeoutError:
            raise ServingError(
                f"{self.server} didn't answer within {self.timeout_secs:g} s; raise --timeout_secs"
            ) from None
        except (http.client.HTTPException, ConnectionResetError, ValueError):
            raise ServingError(
                f"{self.server} didn't answer with JSON over HTTP; is it a gRPC port? Give the "
                f"REST port, 8501 by default"
            ) from None
        except OSError as error:
            raise ServingError(
                f"can't connect to {self.server} ({error}); check --server and that it is running"
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            message = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise _RefusedError(f"{self.server} refused ({response.status}): {str(message)[:300]}")
        return answer
