"""As `tensor2tensor.serving.serving_utils`: text to a served model and back."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from t2tlite.compat.tensor2tensor.data_generators.generator_utils import to_example
from t2tlite.config import EOS_ID
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


def predict(
    inputs_list: Sequence[str],
    problem: Any,
    request_fn: Callable[[list[Any]], Sequence[dict[str, Any]]],
) -> list[tuple[str, Any]]:
    """Returns the answer and the score of each text; of a beam, lists of them.

    Args:
      inputs_list: the texts.
      problem: whose `get_hparams` has read the vocabulary.
      request_fn: sends tf.train.Examples to a server, and returns a dict of outputs and scores for
        each.
    """
    name = "inputs" if problem.has_inputs else "targets"
    encoder = problem.feature_info[name].encoder
    end = [EOS_ID] if problem.has_inputs else []
    predictions = request_fn([to_example({name: encoder.encode(x) + end}) for x in inputs_list])
    decoder = problem.feature_info["targets"].encoder

    def decode(ids: Any) -> Any:
        if len(ids) and not isinstance(ids[0], numbers.Integral):
            return [decode(each) for each in ids]
        return decoder.decode(ids, strip_extraneous=True)

    return [(decode(one["outputs"]), one["scores"]) for one in predictions]
