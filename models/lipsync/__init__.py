"""The lip-sync expert (SyncNet, paper section 3.2): its network, data, training and scores.

For training and bench.
"""
