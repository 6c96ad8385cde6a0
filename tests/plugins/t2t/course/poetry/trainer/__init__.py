from . import problem
