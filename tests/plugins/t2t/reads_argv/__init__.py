from .generators import *  # noqa: F403
