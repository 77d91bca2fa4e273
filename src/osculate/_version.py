"""The version of the package, read by the build and by `osculate --version`."""

__version__ = "0.1.0"
