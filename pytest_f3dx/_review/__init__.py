"""What changed between two sets of cassettes: sources, pairing, and the report that renderers show."""
