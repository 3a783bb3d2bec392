"""The aging benchmark: age accuracy, identity preservation and realism, with baselines.

- `benchmark_data`: unseen faces, and the real faces that results are compared with.
- `methods`: the evaluated methods, model and baselines, with one interface.
- `evaluators`: the outputs of held-out evaluators on images.
- `scores`: from evaluator outputs to metric values with confidence intervals.
"""
