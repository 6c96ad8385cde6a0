"""Several problems learned by one model: `Mixture`, its members' shares, tags and vocabulary."""

from t2tlite.mixtures.mixture import Mixture as Mixture
