"""The version of this distribution."""

from importlib.metadata import version

__version__ = version("streamspan")
"""The version of streamspan that is installed, such as ``1.2.0``."""
