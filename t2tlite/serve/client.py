"""Asks a server that speaks TensorFlow Serving's REST form."""

from __future__ import annotations

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any

from t2tlite.config import HParams
from t2tlite.data.records import serialized
from t2tlite.errors import ServingError
from t2tlite.text import EOS_ID


class _RefusedError(ServingError):
    """An answer with a status that isn't 200."""


@dataclass(frozen=True)
class Client:
    """A served model.

    Attributes:
      server: host:port.
      servable_name: its name; "": that of the only model there.
      timeout_secs: for a whole answer.
    """

    server: str
    servable_name: str = ""
    timeout_secs: float = 10.0

    def predict(self, instance: Any) -> tuple[Any, Any]:
        """Returns the outputs and scores of one line: text, or what else the model takes.

        Raises:
          ServingError: there is no such server or model, or it refuses the line.
        """
        name = self.servable_name or self._only_name()
        path = f"/v1/models/{name}:predict"
        content = self._ask("POST", path, {"instances": [instance]})
        try:
            (prediction,) = content["predictions"]
            return prediction["outputs"], prediction["scores"]
        except (KeyError, TypeError, ValueError):
            raise ServingError(
                f"{self.server}{path} answers {str(content)[:200]}, without outputs and scores; "
                f"is {name} a model of text?"
            ) from None

    def predict_ids(self, line: str, problem: Any, data_dir: str) -> tuple[Any, Any]:
        """As `predict`, for a model that takes ids and answers ids, as T2T's exports do.

        Args:
          line: text.
          problem: a `Problem`.
          data_dir: the folder of its vocabulary.
        """
        told = problem.get_hparams(HParams(), data_dir)
        encoders = told.vocabulary
        feature = "inputs" if problem.has_inputs else "targets"
        ids = [*encoders[feature].encode(line), *([EOS_ID] if problem.has_inputs else [])]
        example = base64.b64encode(serialized({feature: ids})).decode()
        outputs, scores = self.predict({"input": {"b64": example}})

        def text(ids: list[int]) -> str:
            # An export pads its batch's answers after their EOS, but a label's number may be EOS's.
            if EOS_ID in ids and told.modality["targets"] != "class_label":
                ids = ids[: ids.index(EOS_ID)]
            return str(encoders["targets"].decode(ids))

        if isinstance(outputs, list) and outputs and isinstance(outputs[0], list):
            return [text(one) for one in outputs], scores
        return text(outputs), scores

    def _only_name(self) -> str:
        try:
            (model,) = self._ask("GET", "/v1/models")["models"]
            return str(model["name"])
        except (KeyError, TypeError, ValueError, _RefusedError):
            raise ServingError(
                f"{self.server} doesn't tell which model it serves; give --servable_name"
            ) from None

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
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
                f"{self.server} answers, but no JSON over HTTP; is it a gRPC port? Give the REST "
                f"port, of TensorFlow Serving mostly 8501"
            ) from None
        except OSError as error:
            raise ServingError(
                f"{self.server} isn't reached ({error}); check --server and that it runs"
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            told = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise _RefusedError(f"{self.server} refuses ({response.status}): {str(told)[:300]}")
        return answer
