"""Modalities in the forms of all T2T versions."""

import pytest

from t2tlite.compat.tensor2tensor.layers import modalities
from t2tlite.compat.tensor2tensor.utils.registry import Modalities
from t2tlite.config import ProblemHParams
from t2tlite.errors import DataError
from t2tlite.t2t_names import problem_hparams


def test_tuples_of_input_and_target_modality():
    filled = ProblemHParams()
    filled.input_modality = {"inputs": (Modalities.SYMBOL + ":default", 30)}
    filled.target_modality = (Modalities.CLASS_LABEL, 2)
    problem_hparams.translate(filled)
    assert filled.modality == {"inputs": "symbol", "targets": "class_label"}
    assert filled.vocab_size == {"inputs": 30, "targets": 2}
    assert not hasattr(filled, "target_modality")


def test_target_modality_alone_keeps_the_inputs_of_the_defaults():
    filled = ProblemHParams(modality={"inputs": "symbol"}, vocab_size={"inputs": 9})
    filled.target_modality = (Modalities.CLASS_LABEL, 4)
    problem_hparams.translate(filled)
    assert filled.vocab_size == {"inputs": 9, "targets": 4}


@pytest.mark.parametrize(
    "form",
    [modalities.SymbolModality, modalities.SymbolModality(None, 9), modalities.ModalityType.SYMBOL],
)
def test_classes_objects_and_names(form):
    filled = ProblemHParams(modality={"targets": form})
    problem_hparams.translate(filled)
    assert filled.modality == {"targets": "symbol"}


def test_another_modality_is_refused_for_what_the_model_reads():
    filled = ProblemHParams(modality={"inputs": modalities.ModalityType.IMAGE})
    with pytest.raises(DataError, match="modality of 'inputs' is image; t2tlite has symbol"):
        problem_hparams.translate(filled)
    filled = ProblemHParams(modality={"mask": modalities.ModalityType.IDENTITY})
    problem_hparams.translate(filled)
