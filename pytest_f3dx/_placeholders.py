"""Values for the environment variables without which the SDKs of known providers refuse to make a client.

In record mode `none` nothing is sent, so no real key is needed, yet most SDKs ask for one. A variable
that is set, or one of its alternatives, is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

# Words, not the shape of a key: redaction does not take it for a secret (tests/test_placeholders.py).
VALUE = "no-key-needed-in-replay"
# Each variable, and those that make it needless.
KNOWN = {
    "OPENAI_API_KEY": (),
    "AZURE_OPENAI_API_KEY": (),
    "ANTHROPIC_API_KEY": ("ANTHROPIC_AUTH_TOKEN",),
    "GOOGLE_API_KEY": ("GEMINI_API_KEY",),
    "MISTRAL_API_KEY": (),
    "COHERE_API_KEY": (),
    "CO_API_KEY": (),  # cohere's own SDK
    "GROQ_API_KEY": (),
    "TOGETHER_API_KEY": (),
    "FIREWORKS_API_KEY": (),
    "DEEPSEEK_API_KEY": (),
    "OPENROUTER_API_KEY": (),
    "PERPLEXITYAI_API_KEY": (),
    "REPLICATE_API_TOKEN": (),
    "VOYAGE_API_KEY": (),
    "XAI_API_KEY": (),
    "AWS_ACCESS_KEY_ID": ("AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"),
    "AWS_SECRET_ACCESS_KEY": ("AWS_PROFILE", "AWS_ACCESS_KEY_ID"),
}


def missing(environ: MutableMapping[str, str], names: Iterable[str]) -> list[str]:
    """Return those of the variables for which a placeholder is wanted: unset, and no alternative set.

    Args:
        environ: Such as ``os.environ``.
        names: Variables to look at; one that is not `KNOWN` has no alternatives.
    """
    return [name for name in names if not any(other in environ for other in (name, *KNOWN.get(name, ())))]


class Placeholders:
    """The placeholders of one process, put in place and taken away again."""

    def __init__(self, environ: MutableMapping[str, str], names: Iterable[str]) -> None:
        """Note where to put them; nothing is set yet.

        Args:
            environ: Such as ``os.environ``.
            names: The variables.
        """
        self._environ, self._names = environ, tuple(names)
        self._set: list[str] = []
        self._is_put = False

    def put(self) -> list[str]:
        """Set what is missing, unless it is in place already; returns what was set now."""
        if self._is_put:
            return []
        self._is_put = True
        self._set = missing(self._environ, self._names)
        self._environ.update(dict.fromkeys(self._set, VALUE))
        return self._set

    def take(self) -> None:
        """Unset what was set, unless somebody has put something else there."""
        for name in self._set:
            if self._environ.get(name) == VALUE:
                del self._environ[name]
        self._set, self._is_put = [], False
