"""Trained weights → ONNX files: export, graph passes, int8 quantisation, cost.

For training and bench.
"""
