"""From facts to text; nothing here decides or prints."""
