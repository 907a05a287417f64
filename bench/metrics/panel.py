"""All measures of single frames at once; those whose weights or packages are missing are left out and named.

To add one: put it in a file of this folder, call it here, and add its name to
:data:`bench.picture.quality.FIGURES` and :data:`bench.picture.benchmark.METRICS`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from bench.metrics.frechet import embedding, frechet_distance
from bench.metrics.identity import IdentityMetric, likeness
from bench.metrics.landmarks import FoundFace, Landmarks
from bench.metrics.perceptual import DISTS_WEIGHTS, LPIPS_WEIGHTS, Dists, lpips
from bench.metrics.pixel import psnr, region_psnr, ssim, to_tensor
from bench.metrics.pose import PATTERN, HeadPose, pose_error
from bench.metrics.vgg16 import WEIGHTS as VGG_WEIGHTS
from bench.metrics.vgg16 import Vgg16
from codec.errors import reason
from codec.media.types import UInt8

Part = TypeVar("Part")
Row = dict[str, float]

TRUTH = "original"
"""Name under which the original's own figures are stored."""


AT_ONCE = 16
"""Images that are judged in one batch."""


class Panel:
    """Judges frames of several variants against the original's.

    ``notes``: what is left out, and why, a line each; ``judged``, ``faceless``: originals seen, and
    those without a face.
    """

    def __init__(self, losses: Path | None, bf16: bool = False) -> None:
        """``losses``: folder with lpips_alexnet.pth, lpips_vgg16.pth, dists.pt, fsanet-*.onnx, or some of
        them; None: only what needs none of them is measured. ``bf16``: see :class:`Vgg16`.

        Raises ``FileNotFoundError`` if it holds none of them, ``ValueError`` for files with other contents.
        """
        self.notes: list[str] = []
        self.judged = self.faceless = 0
        self._lpips = self._vgg = self._dists = self._pose = None
        self._identity = self._try("identity", IdentityMetric)
        self._landmarks = Landmarks()
        self._features: dict[str, list[np.ndarray]] = {}
        if losses is None:
            self.notes.append("lpips, dists, fd_vgg16 and pose left out: no --losses")
            return
        if not losses.is_dir():
            raise FileNotFoundError(f"{losses} is no folder")
        self._lpips = self._try("lpips", lambda: lpips(losses))
        self._vgg = self._try("fd_vgg16 and dists", lambda: Vgg16(losses / VGG_WEIGHTS, bf16))
        self._dists = self._try("dists", lambda: Dists(losses / DISTS_WEIGHTS)) if self._vgg else None
        self._pose = self._try("pose", lambda: HeadPose(losses))
        if not (self._lpips or self._vgg or self._pose):
            raise FileNotFoundError(f"{losses} holds none of {LPIPS_WEIGHTS}, {VGG_WEIGHTS}, {PATTERN}")

    def _try(self, what: str, make: Callable[[], Part]) -> Part | None:
        try:
            return make()
        except (FileNotFoundError, ImportError) as error:
            name = getattr(error, "filename", None)
            why = f"{Path(name).name} is missing" if name else reason(error)
            self.notes.append(f"{what} left out: {why}")
            return None
        except Exception as error:  # torch, pickle and ONNX Runtime raise their own types for a file they can't read
            raise ValueError(f"weights for {what} cannot be used: {reason(error)[:160]}") from error

    @torch.no_grad()
    def frame(self, truth: UInt8, outputs: dict[str, UInt8], identity: bool = True) -> dict[str, Row]:
        """The original (H, W, 3) and each variant's frame → each variant's figures.

        Measures that need a face are left out where the original shows none. ``identity``: whether to
        compute the slow descriptors.
        """
        self.judged += 1
        names, wanted = list(outputs), to_tensor([truth])
        shown = to_tensor([outputs[n] for n in names])
        measures = {"psnr": psnr, "ssim": ssim} | ({"lpips": self._lpips} if self._lpips else {})
        parts = [(part, wanted.expand_as(part)) for part in shown.split(AT_ONCE)]
        columns = {name: torch.cat([measure(a, b) for a, b in parts]) for name, measure in measures.items()}
        if self._vgg:
            true_stages = self._vgg(wanted)
            self._keep(TRUTH, true_stages)
            scores = []
            for i, name in enumerate(names):  # one at a time: the stages of an image take 32 MB
                stages = self._vgg(shown[i : i + 1])
                self._keep(name, stages)
                if self._dists:
                    scores.append(self._dists(shown[i : i + 1], stages, wanted, true_stages))
            if scores:
                columns["dists"] = torch.cat(scores)
        rows = {name: {k: float(v[i]) for k, v in columns.items()} for i, name in enumerate(names)}
        face = self._landmarks.find(truth)
        if face is None:
            self.faceless += 1
            return rows
        for i, name in enumerate(names):
            rows[name]["psnr_mouth"] = region_psnr(shown[i], wanted[0], face.mouth)
            rows[name] |= self._landmarks.judge(outputs[name], face)
        self._by_face(truth, outputs, face, rows, identity)
        return rows

    def _by_face(self, truth: UInt8, outputs: dict[str, UInt8], face: FoundFace, rows: dict[str, Row], identity: bool) -> None:
        pose = self._pose.pose(truth, face.box) if self._pose else None
        person = self._identity.descriptor(truth, face.box) if self._identity and identity else None
        for name, output in outputs.items():
            if self._pose and pose is not None:
                rows[name] |= pose_error(self._pose.pose(output, face.box), pose)
            if self._identity and person is not None:
                rows[name] |= likeness(self._identity.descriptor(output, face.box), person)

    def _keep(self, name: str, stages: list[torch.Tensor]) -> None:
        self._features.setdefault(name, []).append(embedding(stages))

    def frechet(self) -> dict[str, float]:
        """``fd_vgg16`` of each variant over all frames judged so far; empty without VGG-16 or with
        fewer than two frames."""
        found = {name: np.concatenate(rows) for name, rows in self._features.items()}
        truth = found.pop(TRUTH, np.zeros((0, 1)))
        return {name: frechet_distance(rows, truth) for name, rows in found.items()} if len(truth) > 1 else {}
