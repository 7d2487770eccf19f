"""hyphad: the Hypha server for one machine, in one process."""

__version__ = "0.1.0"
# What clients see as `hypha_version`: the reference release whose wire this server speaks.
HYPHA_VERSION = "0.21.137"
