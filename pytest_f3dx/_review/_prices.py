"""What an answer would cost by public list prices, from the table inside genai-prices: no network."""

from __future__ import annotations

import importlib.util
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_f3dx._llm._model import Usage

HINT = "estimated cost is left out: pip install 'pytest-f3dx[prices]'"


def is_installed() -> bool:
    """Whether there is a price table; it is not loaded, which takes 0.2 s."""
    return importlib.util.find_spec("genai_prices") is not None


def cost_usd(model: str, usage: Usage | None, url: str, recorded_at: str) -> float | None:
    """Estimate what an answer cost.

    Args:
        model: As the answer or the request names it.
        usage: Tokens as the answer reports them.
        url: Where it was asked for; a host that is no provider's is taken for a gateway to the model's.
        recorded_at: When, ISO 8601: prices change. Empty means now.

    Returns:
        US dollars; None without a table, a price or a count.
    """
    if not model or usage is None or usage.input_tokens is None or not is_installed():
        return None
    from genai_prices import Usage as Counts

    counts = {
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
    }
    given = {name: count for name, count in counts.items() if count is not None}
    when = datetime.fromisoformat(recorded_at) if recorded_at else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _price(Counts(**given), model, url, when)


def _price(counts: Any, model: str, url: str, when: datetime | None) -> float | None:  # noqa: ANN401 (its type)
    from genai_prices import calc_price

    for where in (url, None):
        try:
            found = calc_price(counts, model, provider_api_url=where, genai_request_timestamp=when)
            return float(found.total_price)
        except (LookupError, ValueError):  # no such provider or model; more cached than there is
            continue
    return None
