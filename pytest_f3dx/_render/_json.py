"""A report as JSON; docs/diff.schema.json is its schema (tests/test_review_formats.py holds that)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_f3dx._model import Change
    from pytest_f3dx._review._model import Blob, Context, Entry, InteractionChange, Report, Side, TestChange

FORMAT = "f3dx-diff/1"


def render(report: Report, _context: Context) -> str:
    """Return a report as JSON.

    Args:
        report: What changed.
        _context: Nothing of it counts.
    """
    totals = report.totals
    value = {
        "format": FORMAT,
        "old": report.old,
        "new": report.new,
        "summary": {
            **report.counts,
            "unchanged": report.unchanged,
            "differ_in_volatile_places": report.noisy,
            **asdict(totals),
        },
        "tests": [_test(test) for test in report.tests],
        "hints": list(report.hints),
    }
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _test(test: TestChange) -> dict[str, object]:
    return {
        "test": test.test,
        "cassette": test.cassette,
        "status": test.status,
        "renamed_from": test.renamed_from or None,
        "interactions": [_interaction(one) for one in test.interactions],
        "unchanged": test.unchanged,
        "differ_in_volatile_places": test.noisy,
        "settings": [_entry(one) for one in test.settings],
        "problems": list(test.problems),
    }


def _interaction(change: InteractionChange) -> dict[str, object]:
    return {
        "kind": change.kind,
        "method": change.method,
        "url": change.url,
        "note": change.note,
        "old": _side(change.old),
        "new": _side(change.new),
        "request": [_entry(one) for one in change.request],
        "answer": [_entry(one) for one in change.answer],
        "drift": [_change(one) for one in change.drift],
        "ignored": [_change(one) for one in change.ignored],
    }


def _side(side: Side | None) -> dict[str, object] | None:
    return asdict(side) if side else None


def _entry(one: Entry) -> dict[str, object]:
    return {
        "part": one.part,
        "label": one.label,
        "role": one.role or None,
        "kind": one.kind,
        "pieces": [{"kind": piece.kind, "text": piece.text} for piece in one.pieces],
        "old_blobs": [_blob(blob) for blob in one.old_blobs],
        "new_blobs": [_blob(blob) for blob in one.new_blobs],
    }


def _blob(blob: Blob) -> dict[str, object]:
    return {
        "media": blob.media or None,
        "size_bytes": blob.size_bytes,
        "blake3": blob.digest or None,
        "path": blob.path or None,
        "url": blob.url or None,
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "path": change.path,
        "kind": change.kind,
        "old": _finite(change.old),
        "new": _finite(change.new),
        "severity": change.severity,
    }


def _finite(value: object) -> object:
    """Return a value without what JSON has no word for; Python reads NaN and Infinity out of bodies."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return value
