"""t2t-make-tf-configs: prints the TF_CONFIG of each machine of a training on several machines.

  t2t-make-tf-configs --masters="server1:2222,server2:2222"

On each machine, put its line before the command; the command is the same on all of them:

  TF_CONFIG='{...}' t2t-trainer --problem=... --output_dir=SHARED_FOLDER

The first machine writes the checkpoints and evaluates. If a machine is lost, start its command
again: the others wait for it, and training resumes from the newest checkpoint.
"""

from __future__ import annotations

import json

from absl import flags

from t2tlite.cli import app

FLAGS = flags.FLAGS

flags.DEFINE_list("masters", [], "The machines, as host:port.")
flags.DEFINE_list("ps", [], "Not supported: add parameter servers to --masters.")


def main() -> None:
    """Prints one line for each machine."""
    app.require("masters")
    if FLAGS.ps:
        raise app.UsageError("--ps: there are no parameter servers; name all machines in --masters")
    for machine in FLAGS.masters:
        host, _, port = machine.rpartition(":")
        if not host or not port.isdigit():
            raise app.UsageError(f"--masters: {machine} is not host:port")
    if len(set(FLAGS.masters)) < len(FLAGS.masters):
        raise app.UsageError("--masters names a machine twice; each needs its own host:port")
    for index in range(len(FLAGS.masters)):
        task = {"type": "worker", "index": index}
        print(f"TF_CONFIG='{json.dumps({'cluster': {'worker': FLAGS.masters}, 'task': task})}'")


run = app.command(main)
