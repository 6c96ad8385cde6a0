"""TensorFlow and JAX as installed."""

import logging
import os
import sys

import pytest

from t2tlite import libraries
from t2tlite.errors import DeviceError


def test_what_is_installed(tmp_path, monkeypatch):
    (tmp_path / "remains").mkdir()
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert libraries.is_installed("whole")
    assert not libraries.is_installed("remains")
    assert not libraries.is_installed("no_such_package")


def test_tensorflow_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(DeviceError, match="^a SavedModel needs TensorFlow, which isn't installed:"):
        libraries.require_tensorflow("a SavedModel")
    assert libraries.tensorflow_errors("OpError") == ()


def test_standard_error_is_discarded(capfd):
    with libraries.hidden_standard_error():
        os.write(2, b"from C++\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_tensorflows_messages_are_hidden_once(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    logger = logging.getLogger("tensorflow")
    libraries.hide_tensorflow_messages()
    filters = list(logger.filters)
    libraries.hide_tensorflow_messages()
    assert logger.filters == filters
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    record = logging.LogRecord("tensorflow", 30, "", 0, "5 calls triggered retracing", None, None)
    assert not logger.filter(record)
