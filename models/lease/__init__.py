"""Training on a GPU machine that is lent for about 15 minutes: it has PyTorch, but no network and no PyAV.

:mod:`models.lease.pack` lays clips, speech and points into pieces small enough to be carried;
there :mod:`models.lease.footage` decodes them into the GPU's memory, :mod:`models.lease.draw` and
:mod:`models.lease.deform` make batches of them on the GPU, :mod:`models.lease.train` trains for the
minutes given, and :mod:`models.lease.rates` measures how many calls' frames a second the GPU draws.
``python -m models.lease`` runs each of them (docs/training.md).
"""
