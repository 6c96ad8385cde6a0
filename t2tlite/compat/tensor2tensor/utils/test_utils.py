"""As `tensor2tensor.utils.test_utils`: tests that run in a TF1 graph, and eagerly."""

import functools
from collections.abc import Callable
from typing import Any

from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)

Test = Callable[..., None]


def run_in_graph_and_eager_modes(
    func: Test | None = None, config: Any = None, use_gpu: bool = True
) -> Any:
    """Decorates a method of a tf.test.TestCase that runs eagerly and then in a graph."""
    return _decorated(func, config, use_gpu, eagerly=True)


def run_in_graph_mode_only(
    func: Test | None = None, config: Any = None, use_gpu: bool = True
) -> Any:
    """Decorates a method of a tf.test.TestCase that runs in a graph."""
    return _decorated(func, config, use_gpu, eagerly=False)


def _decorated(func: Test | None, config: Any, use_gpu: bool, eagerly: bool) -> Any:
    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(self: Any, *args: Any, **kwargs: Any) -> None:
            import tensorflow as tf

            if eagerly:
                test(self, *args, **kwargs)
            self.tearDown()
            with tf.Graph().as_default():
                self.setUp()
                with self.test_session(use_gpu=use_gpu, config=config):
                    test(self, *args, **kwargs)

        return run

    return decorate(func) if func else decorate
