"""The trained networks as a call runs them: ONNX Runtime or OpenVINO, no torch.

Every room behind models may import it.
"""
