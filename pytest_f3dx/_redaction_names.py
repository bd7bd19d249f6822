"""Which names mean a credential, and which values under such a name are one.

A name is split into words first (``client_secret``, ``clientSecret`` and ``client-secret`` are the
same three spellings of two words); the last words decide. Pure; nothing here is ever stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_KEBAB_BYTES = 48
_NO_LETTER = "-0123456789"

# The last word alone means a credential.
_TAILS = frozenset(
    "password passwords passwd passphrase passcode pwd secret secrets credential credentials authorization "
    "jwt cookie cookies csrf xsrf otp totp apikey apikeys accesskey secretkey privatekey authkey sessionkey "
    "accesstoken authtoken refreshtoken idtoken apitoken sessiontoken csrftoken xsrftoken clientsecret "
    "authenticitytoken csrfmiddlewaretoken phpsessid jsessionid sessionid assertion".split()
)
# `key` is too common a word (cache_key, sort_key, public_key): these go before it.
_KEY_OWNERS = frozenset(
    "api access secret private signing encryption auth account shared subscription master service license "
    "session client webhook admin app application storage deploy ssh openai anthropic azure gemini google "
    "cohere mistral groq huggingface hf aws stripe sendgrid twilio slack github gitlab deepseek "
    "openrouter".split()
)
# `x_token` is a credential, except where the token is a piece of text, a position or a count.
_TEXT_TOKENS = frozenset(
    "page next previous prev continuation continue cursor pagination start end first last begin sync delta "
    "skip "
    "eos bos pad unk sep cls mask special stop bad max min total count prompt completion input output text "
    "reasoning cached audio image video boi eoi thinking idempotency of per by".split()
)
_CODES = frozenset(
    "verification security otp mfa totp recovery backup sms auth authorization device pin".split()
)
_AFTER_PASSWORD = frozenset(
    "hash digest confirmation confirm again repeat value text plain plaintext".split()
)
_ENDINGS = (
    ("access", "key", "id"),
    ("code", "verifier"),
    ("connection", "string"),
    ("saml", "response"),
    ("amz", "signature"),
    ("goog", "signature"),
    ("secret", "value"),
    ("secret", "string"),
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name says about its value.

    Attributes:
        name: The name in kebab case, as it stands in the placeholder.
        least: 0: any value is a secret; else only an opaque one of so many characters.
    """

    name: str
    least: int = 0


def words_of(name: str) -> tuple[str, ...]:
    """Split a snake, camel or kebab case name into lower-case words, without a number at its end."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    return tuple(words)


def kebab(words: tuple[str, ...]) -> str:
    """Join words for a placeholder; it starts with a letter and never ends in a number."""
    return "-".join(words).strip(_NO_LETTER)[:_KEBAB_BYTES].rstrip(_NO_LETTER)


@lru_cache(maxsize=4096)
def field_meaning(name: str) -> Meaning | None:
    """Say what a JSON field's name means, or None if it is no credential.

    ``{"token": "Hello", "logprob": …}`` is a piece of text, so a bare ``token`` is only *perhaps*
    a credential; ``signature`` and ``key`` are none (Anthropic's thinking blocks, key-value pairs).
    """
    words = words_of(name)
    if not words:
        return None
    if words in {("token",), ("auth",), ("pass",), ("user", "pass"), ("db", "pass")}:
        return Meaning(kebab(words), least=6)
    return Meaning(kebab(words)) if _means_credential(words) else None


@lru_cache(maxsize=4096)
def parameter_meaning(name: str) -> Meaning | None:
    """Say what the name of a query parameter or form field means, or None if it is no credential.

    More names count than in JSON: signed URLs have ``sig``, OAuth has ``code``, old APIs ``key``.
    """
    words = words_of(name)
    if not words:
        return None
    if words[-1] in {"token", "auth", "pass"} and len(words) == 1:
        return Meaning(kebab(words))
    if words[-1] in {"sig", "signature", "hmac"}:
        return Meaning(kebab(words), least=8)
    if words in {("key",), ("code",), ("appid",), ("app", "id"), ("sid",)}:
        return Meaning(kebab(words), least=16)
    return field_meaning(name)


def _means_credential(words: tuple[str, ...]) -> bool:
    """Decide by the last one to three words."""
    last = words[-1]
    before = words[-2] if len(words) > 1 else ""
    if last in _TAILS or any(words[-len(ending) :] == ending for ending in _ENDINGS):
        return True
    if last in {"token", "tokens"}:
        # `tokens` alone, or of anything countable, is a list of text or a number; access_tokens are not.
        return before not in _TEXT_TOKENS and (last == "token" or before in _PLURAL_OWNERS)
    if last in {"key", "keys"}:
        return before in _KEY_OWNERS
    return (last == "code" and before in _CODES) or (last in _AFTER_PASSWORD and before == "password")


_PLURAL_OWNERS = frozenset("access refresh api auth bearer session id bot user personal device".split())

# What stands where a secret would, in examples, schemas and cassettes that others have cleaned.
_NOTHING = re.compile(
    r"""(?:(?:basic|bearer|token)\s+)?(?:
        (?:[*xX.\-_#]|…|\xe2\x80\xa6)*              # masked, or empty; an ellipsis in bytes too
      | <[A-Za-z][A-Za-z _-]*>                       # <token>, </s>
      | </?[a-z]+>
      | \$\{[^{}]*\} | \$[A-Z]+(?:_[A-Z0-9]+)+       # ${TOKEN}, $API_TOKEN
      | \{+[A-Za-z_][\w. ]*\}+ | %\(\w+\)s           # {token}, {{ token }}, %(token)s
      | [\[(*<]*(?:REDACTED|FILTERED|MASKED|SCRUBBED|HIDDEN)[\])*>]*
      | string|str|number|integer|int|boolean|bool|object|null|none|nil|true|false|undefined|required|optional
      )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
PLACEHOLDER = re.compile(
    r"(?:\[|%5B)redacted(?::|%3A)([a-z][a-z0-9-]*?)(?:-([0-9]+))?(?:\]|%5D)", re.IGNORECASE
)
_WORDLIKE = re.compile(r"[A-Za-z]?[a-z]{0,19}(?:[-_/. ][A-Za-z]?[a-z]{1,19})*", re.ASCII)


def is_placeholder(value: str) -> bool:
    """Tell whether a value is nothing but a placeholder, percent-encoded or not."""
    return PLACEHOLDER.fullmatch(value) is not None


def is_opaque(value: str, least: int) -> bool:
    """Tell a random string from words: it is long enough, in one piece and does not read as words.

    ``authentication-mechanisms`` and ``internationalization`` are words; ``hunter2`` is not.
    """
    if len(value) < least or re.search(r"\s", value) or not value.isascii():
        return False
    return _WORDLIKE.fullmatch(value) is None


def is_value(value: str) -> bool:
    """Tell a value from nothing, a mask, an example and a placeholder."""
    return not is_placeholder(value) and _NOTHING.fullmatch(value) is None


def is_secret(value: str, meaning: Meaning) -> bool:
    """Tell whether a value below a name that may be a credential's is one."""
    if not is_value(value):
        return False
    if meaning.name == "key" and re.search("[/.]", value):  # the path of an object in a store
        return False
    return not meaning.least or is_opaque(value, meaning.least)
