"""A study of few trials, as its file says it."""

STUDY = """name = "tiny"
data = "full"
task = "v1"  # 128 neurons: a dense covariance of more takes seconds
holdout = 100
seeds = 2
base_epochs = 1
epochs = 1
displaced = 100
sources = ["rotate@2"]
goals = ["robust", "bytes", "energy"]
sampler = "grid"
trials = 4

[space]
rule = ["lms", "sign-lms"]
parents = [8, 10]
trace = { values = [1e80], when = { rule = ["sign-lms"] } }  # a gain that no float32 holds
weight_bits = 6
"""
