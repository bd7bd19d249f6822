"""The verbs of the command ``pytest-f3dx``, a module each; these and ``cli`` alone print.

A module offers ``add(verbs)``, which declares the verb's arguments and says with
``set_defaults(run=…)`` what runs it: a function of the parsed options that returns an exit code. What a
verb needs is imported when it runs, so that every other verb starts at once.
"""

from __future__ import annotations

OK, FOUND, USAGE = 0, 1, 2
"""Exit codes: nothing to say; something was found; wrong usage, or a file that cannot be read."""
