"""Old answer against new: `_compare` offers ``compare``; a module for each mode."""
