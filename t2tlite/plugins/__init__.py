"""Finds and imports plugins: installed packages, user folders, and those written for T2T."""

from t2tlite.plugins.loading import (
    GROUP,
    load_entry_points,
    load_usr_dir,
    loaded_folders,
    read_command_line,
    searched,
)

__all__ = [
    "GROUP",
    "load_entry_points",
    "load_usr_dir",
    "loaded_folders",
    "read_command_line",
    "searched",
]
