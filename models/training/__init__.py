"""Training runs: the loop, stages, losses, schedules, checkpoints, the recipe, and the ``train`` command.

For commands and bench.
"""
