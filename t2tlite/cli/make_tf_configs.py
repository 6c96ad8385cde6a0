"""t2t-make-tf-configs: prints the TF_CONFIG of each machine that shall train one model.

  t2t-make-tf-configs --masters="server1:2222,server2:2222"

On the machine of line N, put line N before the command, the same on all of them:

  TF_CONFIG='{...}' t2t-trainer --problem=... --output_dir=FOLDER_THAT_ALL_SEE

The first machine writes the checkpoints and evaluates. When a machine is lost, start its command
again: the others wait for it, and training goes on from the newest checkpoint.
"""

from __future__ import annotations

import json

from absl import flags

from t2tlite.cli import app

FLAGS = flags.FLAGS

flags.DEFINE_list("masters", [], "The machines, as host:port.")
flags.DEFINE_list("ps", [], "Parameter servers, which are no longer there: add them to --masters.")


def main() -> None:
    """Prints a line for each machine."""
    app.require("masters")
    if FLAGS.ps:
        raise app.UsageError(
            "--ps: training has no parameter servers any more; name all machines in --masters"
        )
    for machine in FLAGS.masters:
        host, _, port = machine.rpartition(":")
        if not host or not port.isdigit():
            raise app.UsageError(f"--masters={machine} is not host:port")
    if len(set(FLAGS.masters)) < len(FLAGS.masters):
        raise app.UsageError("--masters names a machine twice; each needs a host:port of its own")
    for index in range(len(FLAGS.masters)):
        task = {"type": "worker", "index": index}
        print(f"TF_CONFIG='{json.dumps({'cluster': {'worker': FLAGS.masters}, 'task': task})}'")


run = app.command(main)
