"""What the build does beyond `setup.cfg`: it takes the JavaScript client along, if npm is there.

The client is other people's work and not in this repository. Without npm, without a network, or
with a package that has another checksum the build goes on; `hyphad assets install` gets it later.
"""

import importlib.util
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PATIENCE = 60.0


class BuildWithClient(build_py):
    def run(self):
        super().run()
        if self.editable_mode:
            return
        place = Path(__file__).parent / "hyphad" / "jsclient.py"
        spec = importlib.util.spec_from_file_location("jsclient", place)
        jsclient = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(jsclient)
        try:
            jsclient.install(Path(self.build_lib, "hyphad", "static", "client"), None, PATIENCE)
        except (jsclient.NotInstalled, OSError) as error:
            self.warn(f"built without the JavaScript client: {error}")


setup(cmdclass={"build_py": BuildWithClient})
