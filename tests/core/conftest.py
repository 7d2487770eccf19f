"""Property tests keep no database and have no deadline: a slow machine is no failure."""

from hypothesis import settings

settings.register_profile("hyphad", database=None, deadline=None)
settings.load_profile("hyphad")
