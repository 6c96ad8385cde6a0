"""As packages for T2T's cloud jobs had one; importing it would run setup()."""

from setuptools import find_packages, setup

setup(
    name="poetry",
    version="0.1",
    install_requires=["tensor2tensor"],
    packages=find_packages(),
)
