"""The parts of the plugin that only some runs need; ``plugin.py`` loads each when it is asked for."""
