"""my-plugin for ganzoo."""
