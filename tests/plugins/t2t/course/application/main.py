"""An application in front of a served model: encodes a line, asks the server, decodes the answer.

main.py SERVER/v1/models/NAME:predict LINE
"""

import base64
import json
import os
import sys
import urllib.request

import tensorflow as tf

from tensor2tensor import problems as problems_lib
from tensor2tensor.data_generators import text_encoder
from tensor2tensor.utils import registry
from tensor2tensor.utils import usr_dir

problem_name = os.getenv("PROBLEM_NAME", "poetry_line_problem")
t2t_usr_dir = os.getenv("T2T_USR_DIR", "poetry/trainer")
data_dir = os.getenv("DATADIR", "bucket/poetry/data")

fname = input_encoder = output_decoder = None


def init():
    global fname, input_encoder, output_decoder
    tf.logging.set_verbosity(tf.logging.INFO)
    tf.logging.info("importing {}".format(t2t_usr_dir))
    usr_dir.import_usr_dir(t2t_usr_dir)
    problem = registry.problem(problem_name)
    hparams = tf.contrib.training.HParams(data_dir=os.path.expanduser(data_dir))
    problem.get_hparams(hparams)
    fname = "inputs" if problem.has_inputs else "targets"
    input_encoder = problem.feature_info[fname].encoder
    output_decoder = problem.feature_info["targets"].encoder


def encode_as_tfexample(line):
    if input_encoder is None:
        init()
    ids = input_encoder.encode(line)
    ids.append(text_encoder.EOS_ID)
    feature = {fname: tf.train.Feature(int64_list=tf.train.Int64List(value=ids))}
    return tf.train.Example(features=tf.train.Features(feature=feature))


def get_prediction(url, features):
    content = {"signature_name": "serving_default", "instances": [features]}
    request = urllib.request.Request(url, json.dumps(content).encode())
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def predict(url, line):
    example = encode_as_tfexample(line).SerializeToString()
    prediction = get_prediction(url, {"input": {"b64": base64.b64encode(example).decode()}})
    decoded = output_decoder.decode(prediction["predictions"][0]["outputs"])
    return decoded.split("<EOS>")[0]


if __name__ == "__main__":
    print(predict(*sys.argv[1:]))
