"""The content-addressed cache for calls that are not HTTP, or not ours to intercept."""
