"""`python -m tests.simulation`: see command.py."""

import sys

import conftest  # noqa: F401  the stage of the tests, before anything of ours is imported
from tests.simulation.command import main

sys.exit(main())
