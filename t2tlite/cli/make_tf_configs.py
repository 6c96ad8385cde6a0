"""t2t-make-tf-configs: prints the TF_CONFIG of each machine of a training on several machines.

  t2t-make-tf-configs --masters="server1:2222,server2:2222"

On each machine, put its line before the command; the command is the same on all of them:

  TF_CONFIG='{...}' t2t-trainer --problem=... --output_dir=SHARED_FOLDER

The first machine writes the checkpoints and evaluates. If a machine is lost, start its command
again: the others wait for it, and training resumes from the newest checkpoint.
"""

from __future__ import annotations

import logging

from absl import flags

from t2tlite.cli import app
from t2tlite.devices import cluster

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

flags.DEFINE_list("masters", [], "The machines, as host:port.")
flags.DEFINE_list("ps", [], "T2T's: the other machines that train if there is only one master.")


def main() -> None:
    """Prints one line for each machine that trains."""
    app.require("masters")
    for machine in [*FLAGS.masters, *FLAGS.ps]:
        host, _, port = machine.rpartition(":")
        if not host or not port.isdigit():
            raise app.UsageError(f"--masters: {machine} is not host:port")
    if len({*FLAGS.masters, *FLAGS.ps}) < len(FLAGS.masters + FLAGS.ps):
        raise app.UsageError("--masters names a machine twice; each needs its own host:port")
    machines = cluster.arrange(
        {"master" if len(FLAGS.masters) == 1 else "worker": FLAGS.masters, "ps": FLAGS.ps}
    )
    if machines.parameter_servers:
        log.warning(
            "no training here needs parameter servers: start nothing on %s; the %d machines of "
            "--masters train synchronously",
            *(", ".join(FLAGS.ps), machines.workers),
        )
    elif FLAGS.ps:
        log.info("T2T's --ps of a single master train, too: give all machines the same command")
    for worker in range(machines.workers):
        print(f"TF_CONFIG='{machines.tf_config(worker)}'")


run = app.command(main)
