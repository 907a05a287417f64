"""Training on a GPU machine that is available for about 15 minutes: it has PyTorch, but no network and no PyAV.

:mod:`models.gpu_training.pack` packs clips, speech and points into pieces small enough to be copied to it. There
:mod:`models.gpu_training.footage` decodes them into the GPU's memory, :mod:`models.gpu_training.draw` and
:mod:`models.gpu_training.deform` make batches of them on the GPU, :mod:`models.gpu_training.train` trains for the
minutes given, and :mod:`models.gpu_training.rates` measures how many calls' frames a second the GPU renders.
``python -m models.gpu_training`` runs each of them (docs/training.md).
"""
