"""Names of the signatures of a served model: of a SavedModel, and of t2t-server.

T2T's exports have one signature, with ids in and ids out: serialized tf.Examples as "input", and
"outputs" and "scores".
"""

# What a client gets that names no signature, so it is T2T's.
EXAMPLES = "serving_default"
# Another name of it.
EXAMPLES_ALIAS = "serialized_examples"
# Text in, "inputs", and text out, "outputs" and "scores".
TEXT = "text"
