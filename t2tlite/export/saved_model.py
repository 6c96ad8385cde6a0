"""Export: a trained model as a SavedModel with text in and text out.

    EXPORT_DIR/1764892800/          a version: TensorFlow Serving takes the highest number
        saved_model.pb, variables/  the graph with its tokenizer, the weights
        assets/                     the vocabulary, for people and other programs

Two signatures:

    serving_default      "inputs", string [B] -> "outputs", string [B]; "scores", float32 [B]
    serialized_examples  "input", string [B], each a tf.Example with the int64 feature "inputs"
                         (of a language model "targets") -> "outputs", int32 [B, T]; "scores",
                         float32 [B]: what T2T's clients send and expect

With `return_beams` the outputs are [B, K] and [B, K, T] and the scores [B, K], the K answers to a
text best first, as in `Decoder.n_best`. A blank text gets blank answers of score 0.

Shapes: B texts, L ids of the longest, K beams (of a classifier: labels), T ids of an answer.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from t2tlite.decode.decoder import LENGTH_STEP, Decoder
from t2tlite.decode.search_model import make_search
from t2tlite.errors import DeviceError, OutputError
from t2tlite.export.export_folder import PREFIX, flush, refuse_file, working_folder
from t2tlite.export.graph_encoders import graph_encoder
from t2tlite.export.graph_strings import is_blank, well_formed
from t2tlite.text import EOS_ID, PAD_ID

log = logging.getLogger(__name__)


def export(decoder: Decoder, export_dir: str | os.PathLike[str]) -> Path:
    """Writes a new version of the model below `export_dir`, whole or not at all.

    Args:
      decoder: the model and how to decode, on TensorFlow.
      export_dir: folder of the versions; made if need be.

    Returns:
      The version's folder.

    Raises:
      VocabularyError: the vocabulary is a class of the user's own.
      DeviceError: the decoder runs on another backend than TensorFlow.
      OutputError: `export_dir` holds other things than exports, or can't be written.
    """
    check_export_dir(export_dir)
    module = TextModel(decoder)
    # TensorFlow Serving looks at numbers only, so a working folder is nothing to it.
    with working_folder(export_dir) as folder:
        try:
            tf.saved_model.save(
                module,
                str(folder),
                signatures={
                    "serving_default": module.answer_texts,
                    "serialized_examples": module.answer_examples,
                },
            )
        except tf.errors.OpError as error:
            raise OutputError(
                f"can't write {export_dir}: {error.message}; free some space or choose another "
                f"folder"
            ) from error
        return _publish(folder)


def check_export_dir(export_dir: str | os.PathLike[str]) -> None:
    """Makes sure that a folder, if it exists, holds exports alone.

    Raises:
      OutputError: it is a file, or holds something else.
    """
    folder = Path(export_dir)
    refuse_file(folder)
    for entry in sorted(folder.iterdir()) if folder.exists() else []:
        is_version = entry.name.isdigit() and (entry / "saved_model.pb").exists()
        if not is_version and not entry.name.startswith(PREFIX):
            raise OutputError(
                f"{folder} is no folder of exports: it holds {entry.name}, expected only folders "
                f"with a number as their name and a saved_model.pb; choose another --export_dir"
            )


class TextModel(tf.Module):
    """The search of a `Decoder` between its vocabularies, as TensorFlow functions.

    Raises:
      VocabularyError: a vocabulary is a class of the user's own.
      DeviceError: the decoder runs on another backend than TensorFlow.
    """

    def __init__(self, decoder: Decoder):
        super().__init__()
        if decoder._device.backend != "tensorflow":
            raise DeviceError(
                f"export needs Keras on TensorFlow, found {decoder._device.backend}; unset "
                f"KERAS_BACKEND"
            )
        self._decoder = decoder
        self._how = decoder.decode_hparams
        self._source = "inputs" if decoder.problem.has_inputs else "targets"
        # A language model's lines get no prefix.
        self._before = decoder.sides[0] if decoder.problem.has_inputs else ""
        self.encoder = graph_encoder(decoder.encoders[self._source])
        self.answers = graph_encoder(decoder.encoders["targets"])
        search = make_search(decoder.network, decoder.problem_hparams, decoder.hparams, self._how)
        # A function of plain variables: whoever loads it has no need of Keras.
        self._search = tf.function(lambda features: search(features, training=False))
        self.weights = [one.value for one in search.variables]
        self.assets = [
            tf.saved_model.Asset(str(Path(decoder.output_dir) / name))
            for name in decoder.run.vocabularies
        ]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def answer_texts(self, inputs: Any) -> dict[str, Any]:
        """Answers texts."""
        texts_B = well_formed(inputs)
        blank_B = is_blank(texts_B)
        rows = self.encoder.encode(tf.strings.join([self._before, texts_B]))
        if self._decoder.problem.has_inputs:
            if self._how.max_input_size > 0:
                rows = rows[:, : self._how.max_input_size - 1]
            rows = tf.concat([rows, tf.fill([rows.nrows(), 1], EOS_ID)], axis=1)
        found = self._found(rows, blank_B)
        texts_BK = self._texts(found["ids"])
        return self._best(
            tf.where(blank_B[:, None], "", texts_BK),
            tf.where(blank_B[:, None], 0.0, found["scores"]),
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="input")])
    def answer_examples(self, input: Any) -> dict[str, Any]:
        """Answers serialized tf.Examples of ids, which end with EOS but for a language model."""
        feature = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
        rows = tf.cast(tf.io.parse_example(input, {self._source: feature})[self._source], tf.int32)
        found = self._found(rows, rows.row_lengths() == 0)
        return self._best(found["ids"], found["scores"])

    def _best(self, outputs_BK: Any, scores_BK: Any) -> dict[str, Any]:
        """All answers with return_beams, otherwise the best."""
        if self._how.return_beams:
            return {"outputs": outputs_BK, "scores": scores_BK}
        return {"outputs": outputs_BK[:, 0], "scores": scores_BK[:, 0]}

    def _found(self, rows: Any, blank_B: Any) -> dict[str, Any]:
        """The search's answers to ragged rows of ids; a blank row costs no step."""
        longest = tf.maximum(1, tf.cast(rows.bounding_shape(1), tf.int32))
        width = (longest + LENGTH_STEP - 1) // LENGTH_STEP * LENGTH_STEP
        ids_BL = rows.to_tensor(PAD_ID)
        missing = width - tf.shape(ids_BL)[1]
        ids_BL = tf.pad(ids_BL, [[0, 0], [0, missing]], constant_values=PAD_ID)
        lengths_B = tf.where(blank_B, 0, tf.cast(rows.row_lengths(), tf.int32))
        return self._search({"ids": ids_BL, "lengths": lengths_B})

    def _texts(self, ids_BKT: Any) -> Any:
        shape = tf.shape(ids_BKT)
        ids_NT = tf.reshape(ids_BKT, [-1, shape[2]])
        kept_NT = tf.ones_like(ids_NT, tf.bool)
        if not self._decoder.classifies:
            ended_NT = tf.cumsum(tf.cast(ids_NT == EOS_ID, tf.int32), axis=1) > 0
            kept_NT = ~ended_NT & (ids_NT != PAD_ID)
        texts_N = self.answers.decode(tf.ragged.boolean_mask(ids_NT, kept_NT))
        return tf.reshape(texts_N, shape[:2])


def _publish(folder: Path) -> Path:
    """Gives a finished export its name, the time in seconds or the next number that is free."""
    flush(folder)
    version = int(time.time())
    while True:
        target = folder.with_name(str(version))
        try:
            if not target.exists():
                os.rename(folder, target)
                return target
        except OSError:
            # Another export took the name in this moment.
            if not target.exists():
                raise
        version += 1
