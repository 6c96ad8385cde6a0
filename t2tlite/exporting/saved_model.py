"""Exports a model as a SavedModel that answers T2T's clients, and text with text.

    EXPORT_DIR/1764892800/          a version: TensorFlow Serving loads the highest number
        saved_model.pb, variables/  the graph, tokenizer included, and the weights
        assets/                     the vocabulary file, for other programs

Signatures:

    serving_default  "input", string [B], each a tf.Example with the int64 feature "inputs"
                     ("targets" for a language model) -> "outputs", int32 [B, T]; "scores",
                     float32 [B]: the only signature of T2T's exports
    text             "inputs", string [B] -> "outputs", string [B]; "scores", float32 [B]

`serialized_examples` is another name of `serving_default`. If a vocabulary is a class of the user's
own, which only Python can run, there is no signature `text`.

With `return_beams` outputs are [B, K] and [B, K, T] and scores [B, K]: the K best answers to each
text, best first, as in `Decoder.n_best`. A blank text gets blank answers with score 0. K is fixed,
so where the search finds fewer answers, blank ones with score -10000000 fill the rest. Scores that
are NaN or infinite, as of damaged weights, are an error.

Shapes: B texts, L ids of the longest text, K beams (of a classifier: labels), T ids of an answer,
N = B K.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from t2tlite.decode.decoder import Decoder
from t2tlite.decode.engine import not_finite_error
from t2tlite.decode.keras_engine import LENGTH_STEP
from t2tlite.decode.keras_search import make_search
from t2tlite.errors import DeviceError, OutputError, VocabularyError
from t2tlite.exporting.export_folder import PREFIX, content, replace, working_folder
from t2tlite.exporting.graph_encoders import graph_encoder
from t2tlite.exporting.graph_strings import is_blank, well_formed
from t2tlite.files import BYTE_ORDER_MARK
from t2tlite.t2t_names.signatures import EXAMPLES, EXAMPLES_ALIAS, TEXT
from t2tlite.text import EOS_ID, PAD_ID

log = logging.getLogger(__name__)


def export(decoder: Decoder, export_dir: str | os.PathLike[str]) -> Path:
    """Writes a new version of the model in `export_dir`, whole or not at all; returns its folder.

    Raises:
      DeviceError: the decoder doesn't run on TensorFlow.
      OutputError: `export_dir` holds other things than exports, or can't be written.
    """
    check_export_dir(export_dir)
    module = TextModel(decoder)
    # TensorFlow Serving ignores the working folder, as its name isn't a number.
    with working_folder(export_dir) as folder:
        try:
            tf.saved_model.save(module, str(folder), signatures=module.signatures)
        except tf.errors.OpError as error:
            message = f"{error.message}; free some space or choose another folder"
            raise OutputError(f"can't write {export_dir}: {message}") from error
        # The next free number, so that the newest version has the highest.
        version = int(time.time())
        while (target := folder.with_name(str(version))).exists():
            version += 1
        replace(folder, target)
        return target


def check_export_dir(export_dir: str | os.PathLike[str]) -> None:
    """Raises OutputError if `export_dir` exists and isn't a folder of exports alone."""
    folder = Path(export_dir)
    for entry in content(folder):
        is_version = entry.name.isdigit() and (entry / "saved_model.pb").exists()
        if not is_version and not entry.name.startswith(PREFIX):
            raise OutputError(
                f"{folder} isn't a folder of exports: it holds {entry.name}, expected only folders "
                f"with a number as name and a saved_model.pb in them; choose another --export_dir"
            )


class TextModel(tf.Module):
    """A `Decoder`'s encoders and search as TensorFlow functions: the signatures above."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        if not (decoder.folder.generates or decoder.classifies):
            raise OutputError(
                "a SavedModel answers with texts or labels, and this model predicts numbers; serve "
                "it with t2t-server"
            )
        if decoder.engine.backend != "tensorflow":
            raise DeviceError(
                f"export needs Keras on TensorFlow, found {decoder.engine.backend}; unset "
                f"KERAS_BACKEND"
            )
        if decoder.decode_hparams.mbr:
            raise OutputError(
                f"a SavedModel can't choose answers by mbr={decoder.decode_hparams.mbr}; leave it "
                f"out, or serve the model with t2t-server"
            )
        self._decoder = decoder
        self._decode_hparams = decoder.decode_hparams
        self._feature = "inputs" if decoder.problem.has_inputs else "targets"
        tag = self._decode_hparams.decode_tag
        begin = decoder.folder.tags.beginning("", tag, "a line of the export")
        self._prefix, self._tag = begin.text, list(begin.ids)
        if begin.answer_ids:
            raise OutputError(
                f"a SavedModel can't begin its answers with the tag of {tag}; serve the model with "
                f"t2t-server"
            )
        self._add_encoders()
        search = make_search(
            decoder.network, decoder.problem_hparams, decoder.hparams, self._decode_hparams
        )
        # A function of plain variables, so that loading it needs no Keras.
        self._search = tf.function(lambda features: search(features, training=False))
        self.weights = [variable.value for variable in search.variables]
        self.assets = [
            tf.saved_model.Asset(str(Path(decoder.output_dir) / name))
            for name in decoder.run.vocabularies
        ]

    @property
    def signatures(self) -> dict[str, Any]:
        """The functions by the names of their signatures."""
        examples = dict.fromkeys([EXAMPLES, EXAMPLES_ALIAS], self.answer_examples)
        return {**examples, **({TEXT: self.answer_texts} if self.answer_texts else {})}

    def _add_encoders(self) -> None:
        """Sets the encoders of the signature text, or removes it if one is Python code."""
        encoders = self._decoder.encoders
        try:
            self.encoder = graph_encoder(encoders[self._feature])
            self.target_encoder = graph_encoder(encoders["targets"])
        except VocabularyError as error:
            log.warning("the export takes ids, not text: %s", error)
            # Saving a module traces all its functions.
            self.answer_texts = None

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def answer_texts(self, inputs: Any) -> dict[str, Any]:
        """The signature text."""
        texts_B = tf.strings.regex_replace(well_formed(inputs), f"^{BYTE_ORDER_MARK}", "")
        blank_B = is_blank(texts_B)
        rows = self.encoder.encode(tf.strings.join([self._prefix, texts_B]))
        if self._tag:
            tags = tf.tile(tf.constant([self._tag], rows.dtype), [rows.nrows(), 1])
            rows = tf.concat([tags, rows], axis=1)
        if self._decoder.problem.has_inputs:
            if self._decode_hparams.max_input_size > 0:
                rows = rows[:, : self._decode_hparams.max_input_size - 1]
            rows = tf.concat([rows, tf.fill([rows.nrows(), 1], EOS_ID)], axis=1)
        answers = self._search_rows(rows, blank_B)
        texts_BK = tf.where(blank_B[:, None], "", self._decode_answers(answers["ids"]))
        return self._best(texts_BK, tf.where(blank_B[:, None], 0.0, answers["scores"]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="input")])
    def answer_examples(self, input: Any) -> dict[str, Any]:
        """The signature serving_default.

        The ids of an example end with EOS, except for a language model; those of an answer always.
        """
        spec = {self._feature: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)}
        rows = tf.cast(tf.io.parse_example(input, spec)[self._feature], tf.int32)
        answers = self._search_rows(rows, rows.row_lengths() == 0)
        return self._best(self._ended(answers["ids"]), answers["scores"])

    def _ended(self, ids_BKT: Any) -> Any:
        """Ends answers that were cut off with EOS, too; removes what pads even the longest."""
        if self._decoder.classifies:
            return ids_BKT
        ids_BKT = tf.pad(ids_BKT, [[0, 0], [0, 0], [0, 1]])
        position_T = tf.range(tf.shape(ids_BKT)[2])
        length_BK = tf.reduce_max(tf.where(ids_BKT != PAD_ID, position_T + 1, 0), axis=2)
        ended_BK = tf.reduce_any(ids_BKT == EOS_ID, axis=2)
        is_end_BKT = (position_T == length_BK[:, :, None]) & ~ended_BK[:, :, None]
        length_BK += tf.cast(~ended_BK, tf.int32)
        longest = tf.reduce_max(tf.concat([[0], tf.reshape(length_BK, [-1])], axis=0))
        return tf.where(is_end_BKT, EOS_ID, ids_BKT)[:, :, :longest]

    def _best(self, outputs_BK: Any, scores_BK: Any) -> dict[str, Any]:
        """The outputs of a signature: all answers with return_beams, otherwise the best."""
        if self._decode_hparams.return_beams:
            return {"outputs": outputs_BK, "scores": scores_BK}
        return {"outputs": outputs_BK[:, 0], "scores": scores_BK[:, 0]}

    def _search_rows(self, rows: Any, blank_B: Any) -> dict[str, Any]:
        """Searches for answers to ragged rows of ids; a blank row takes no step."""
        longest = tf.maximum(1, tf.cast(rows.bounding_shape(1), tf.int32))
        width = (longest + LENGTH_STEP - 1) // LENGTH_STEP * LENGTH_STEP
        ids_BL = rows.to_tensor(PAD_ID)
        missing = width - tf.shape(ids_BL)[1]
        ids_BL = tf.pad(ids_BL, [[0, 0], [0, missing]], constant_values=PAD_ID)
        lengths_B = tf.where(blank_B, 0, tf.cast(rows.row_lengths(), tf.int32))
        answers = self._search({"ids": ids_BL, "lengths": lengths_B})
        message = str(not_finite_error(self._decoder.weights))
        scores_BK = tf.debugging.assert_all_finite(answers["scores"], message)
        with tf.control_dependencies([scores_BK]):
            return {"ids": tf.identity(answers["ids"]), "scores": scores_BK}

    def _decode_answers(self, ids_BKT: Any) -> Any:
        shape = tf.shape(ids_BKT)
        ids_NT = tf.reshape(ids_BKT, [-1, shape[2]])
        text_NT = tf.ones_like(ids_NT, tf.bool)
        if not self._decoder.classifies:
            ended_NT = tf.cumsum(tf.cast(ids_NT == EOS_ID, tf.int32), axis=1) > 0
            text_NT = ~ended_NT & (ids_NT != PAD_ID)
        texts_N = self.target_encoder.decode(tf.ragged.boolean_mask(ids_NT, text_NT))
        return tf.reshape(texts_N, shape[:2])
