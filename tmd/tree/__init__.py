"""Text to located tree: every value knows the file, line and column it came from.

`node` the tree · `problems` what is wrong and where · `ini`, `yaml`, `toml` one format each · `shape` what the
sections of an INI file mean in our own dialect · `files` the one reader of files: limits, includes, permissions.
What an option means is not known here.
"""
