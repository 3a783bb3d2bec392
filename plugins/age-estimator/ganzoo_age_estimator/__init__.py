"""Age estimators for ganzoo: a distribution over the ages 0 to 100."""
