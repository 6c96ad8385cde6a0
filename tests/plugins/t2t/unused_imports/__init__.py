"""Trap 11: modules that are imported and not used, or used in a model that nobody trains."""

import tensorflow as tf
from tensorflow.contrib import slim

import tensor2tensor.problems
from tensor2tensor import models
from tensor2tensor.data_generators import librispeech, problem, text_problems, wiki_lm, wsj_parsing
from tensor2tensor.layers import common_attention, common_layers
from tensor2tensor.layers.common_layers import shape_list
from tensor2tensor.models import lstm
from tensor2tensor.models.research import universal_transformer
from tensor2tensor.models.research.universal_transformer import UniversalTransformer
from tensor2tensor.models.transformer import *  # noqa: F403
from tensor2tensor.utils import (
    beam_search,
    expert_utils,
    mlperf_log,
    registry,
    t2t_model,
    trainer_lib,
)
from tensor2tensor.utils.t2t_model import T2TModel


@registry.register_model
class TrapModel(t2t_model.T2TModel):
    def body(self, features):
        return common_layers.dense(tf.contrib.layers.flatten(features), shape_list(features)[0])


class TrapUniversal(UniversalTransformer, object):
    pass


@registry.register_hparams
def trap_universal():
    return universal_transformer.universal_transformer_base()


@registry.register_hparams
def trap_star():
    hparams = transformer_base_single_gpu()  # noqa: F405
    hparams.num_hidden_layers = 1
    return hparams


@registry.register_problem
class TrapUnusedImports(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        mlperf_log.transformer_print(key=mlperf_log.PREPROC_TOKENIZE_TRAINING)
        for i in range(20):
            yield {"inputs": str(i), "targets": str(i + 1)}
