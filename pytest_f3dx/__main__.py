"""``python -m pytest_f3dx``: the same as the command ``pytest-f3dx``."""

import sys

from pytest_f3dx.cli import main

if __name__ == "__main__":
    sys.exit(main())
