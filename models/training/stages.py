"""The stages of training ``call``, in order, and their settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """Settings of one stage of ``call``: ``side`` of the picture and of the ``crop`` that LPIPS-VGG sees, in pixels,
    ``perceptual`` its weight in the loss, ``face`` the share of the crops around lips or eyes. Each stage starts from
    the weights of the one before. A step's gradient is the mean over ``batches`` batches of ``batch``; ``deformed``:
    batches are drawn as in training on a GPU (:mod:`models.gpu_training.draw`)."""

    name: str
    side: int
    steps: int
    batch: int
    rate: float
    perceptual: float
    crop: int
    face: float = 2 / 3
    batches: int = 1
    deformed: bool = False


STAGES = {
    "coarse": Stage("coarse", 64, 4300, 24, 6e-4, 0.6, 64),
    "medium": Stage("medium", 128, 1900, 24, 4e-4, 0.6, 64),
    "full": Stage("full", 256, 4300, 8, 3e-4, 6.0, 112),
    "finish": Stage("finish", 256, 350, 8, 1.5e-4, 14.0, 128, 1 / 3),
    "speech": Stage("speech", 256, 2350, 2, 1.4e-4, 14.0, 128, 1 / 3),
}
"""``speech``, whose batch counts runs of five frames, needs a lip-sync expert, and is left out
without one. The steps are about those of the shipped weights' training on CPUs, which was in
sessions with pauses (models/weights/README.md)."""
FURTHER = Stage("further", 256, 600, 16, 1.5e-4, 14.0, 128, 0.5, batches=4, deformed=True)
"""Not part of the recipe: continues the training of weights made with a GPU's large batches. Small batches would
unlearn what those taught."""


def before(stage: str) -> str | None:
    """The stage from whose weights ``stage`` starts; None for the first, and for :data:`FURTHER`."""
    names = list(STAGES)
    at = names.index(stage) if stage in STAGES else 0
    return names[at - 1] if at else None
