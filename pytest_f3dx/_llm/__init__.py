"""What the bodies of LLM APIs mean: answers and their streams read as messages."""
