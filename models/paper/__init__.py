"""The paper's complete network, at its own size and at one that can be trained on a desktop computer;
see :mod:`models.paper.network`."""
