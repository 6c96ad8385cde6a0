"""Finds and imports plugins: installed packages, user folders, and those written for T2T."""

from t2tlite.plugins.loading import GROUP as GROUP
from t2tlite.plugins.loading import is_trusted as is_trusted
from t2tlite.plugins.loading import load_entry_points as load_entry_points
from t2tlite.plugins.loading import load_usr_dir as load_usr_dir
from t2tlite.plugins.loading import loaded_folders as loaded_folders
from t2tlite.plugins.loading import raised as raised
from t2tlite.plugins.loading import read_command_line as read_command_line
from t2tlite.plugins.loading import searched as searched
from t2tlite.plugins.trust import remember as remember
