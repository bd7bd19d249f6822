"""The fields of a row that f3dx names; every row has them, None where its writer left them out."""

from __future__ import annotations

FIELDS = ("input_tokens", "model", "output", "output_tokens", "prompt", "system_prompt", "trace_id")
"""f3dx 0.0.19 answers ``row["model"]`` for every row, though its own writer never writes a model."""

NAMED = dict.fromkeys(FIELDS)
"""A row without any of them; ``{**NAMED, **row}`` fills a row up."""
