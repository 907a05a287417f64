"""The WebRTC connection between two peers: negotiation, data channels, renewal, wire bytes.

For the call.
"""
