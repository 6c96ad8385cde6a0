"""The problems of tables, which flags of t2t-datagen describe: docs/data.md."""

from __future__ import annotations

from t2tlite import registry, table_problems

for _name, _class in table_problems.CLASSES.items():
    registry.register_problem(_name)(_class)
