"""Bundles of traces: read them row by row, ask a target what it says now, and tell what differs."""
