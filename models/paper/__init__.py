"""The paper's network, whole, at its own size and at one that trains on a desk; see
:mod:`models.paper.network`."""
