"""The ageing protocol: how old, how much the same person, how real; baselines always beside.

- `faces`: unseen faces, and the real ones that results are held against.
- `contenders`: who is measured, the model and the baselines, all through one interface.
- `reading`: what held-out judges see in pictures.
- `figures`: from what they saw to figures with intervals.
"""
