"""`python -m hyphad` is the same as `hyphad`."""

import sys

from hyphad.cli import main

sys.exit(main())
