"""What git is told about cassettes: how two branches are merged, and how a repository is set up for it."""
