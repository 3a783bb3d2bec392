"""Faces at other ages for ganzoo: the command `age`, the aging benchmark, verification metrics."""
