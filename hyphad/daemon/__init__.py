"""The composition root: the only room that knows all parts.

sys.exit(run(settings))

`foundation`, `identity`, `services` and `site` build the parts, each from those before it; `life`
starts and stops them, `upkeep` looks after them in between, `process` is what systemd sees.
"""

from hyphad.daemon.process import EXIT_FAILED, run

__all__ = ["EXIT_FAILED", "run"]
