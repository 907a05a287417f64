"""The trained networks as a call runs them: ONNX Runtime or OpenVINO, no torch.

Every package after models in the import order may import it.
"""
