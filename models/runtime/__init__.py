"""The trained networks as a call runs them: ONNX Runtime or OpenVINO, no torch.

Every package behind models may import it.
"""
