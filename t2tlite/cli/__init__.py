"""The commands: flags, then one call into `t2tlite.training`."""
