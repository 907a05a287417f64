"""When another keyframe would be better for the peer: the sender renders what the peer sees, and
compares it with the camera.

The mirror decodes the stream's own bundles as the peer does. At every *look* it renders one frame from
the keyframe in use and from others: one that the peer already holds, which costs only a few bits in the
next picture's header, and a candidate, a recent picture of the camera that was never sent. A candidate is
sent only when *later* pictures have been rendered better from it for some time: from every keyframe the
moment at which it was taken is rendered well. Where the keyframe in use explains next to nothing, a held
one is tried first; if that is no better, a candidate is sent at once.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from codec.bundle import NO_CAMERA, Bundle
from codec.keyframe import QUALITY, Keyframe, encode_keyframe
from codec.media.types import UInt8
from models.face.detector import BlazeFace
from models.face.landmarks import FaceMesh
from models.runtime.upsampler import Interpolator, KeyframeFeatures, Upsampler
from receiver.shape_track import relative_to_keyframe
from receiver.tick_decoder import FrameInput, TickDecoder
from sender.keyframes.distance import distance
from sender.keyframes.gallery import Held, nearest
from sender.shapes import points_of

CHECK_MS = 1000
"""Milliseconds between looks. Each renders up to three frames: from the keyframe in use, the nearest held, and the candidate."""
SWITCH = 0.06
"""A keyframe that the peer holds is used when it lowers the smoothed distance to the camera's picture
(:mod:`sender.keyframes.distance`) by this share."""
SEND = 0.15
"""The same for a keyframe that has yet to be sent."""
SMOOTH = 0.5
"""Weight of the newest look."""
SEND_LOOKS = 4
"""Looks in which a candidate must be judged before it is sent."""
DOUBT = 0.5
"""At this doubt (:func:`models.networks.face_upsampler.doubt`) or more, the keyframe in use explains so little that
a candidate is sent without a comparison: another person has come, or the face is seen from another side."""
LIFE = 8
"""Looks after which a candidate that was not sent is replaced by a newer one."""
IDENTITIES = 6
"""Keyframes whose features are kept: 3.5 MB each."""


@dataclass(frozen=True)
class Advice:
    """Use the keyframe in ``slot``, which the peer holds; or send ``keyframe``, and use it once the
    peer has it."""

    slot: int | None = None
    keyframe: Keyframe | None = None


@dataclass
class Candidate:
    """A keyframe that may be better than the one in use; ``saving``: smoothed share of distance
    that it saves."""

    keyframe: Keyframe
    saving: float = 0.0
    looks: int = 0

    def judged(self, current: float, own: float) -> None:
        share = 1 - own / max(current, 1e-6)
        self.saving = share if not self.looks else self.saving + SMOOTH * (share - self.saving)
        self.looks += 1


@dataclass
class RefreshCount:
    """Looks taken, switches to a keyframe that was held, new keyframes sent; and the distance at each look."""

    looks: int = 0
    switched: int = 0
    sent: int = 0
    distance: list[float] = field(default_factory=list)


class Refresh:
    """Pass it every bundle in order, with the crop it was made from. Call it from one thread only."""

    def __init__(
        self, upsampler: Upsampler, interpolator: Interpolator, quality: int = QUALITY, check_ms: int = CHECK_MS,
        shape: bool = True,
    ) -> None:  # fmt: skip
        """``quality``: of new keyframes. ``check_ms``: time between two looks. ``shape``: new keyframes
        carry their face's points."""
        self._upsampler, self._decoder = upsampler, TickDecoder(interpolator)
        self._quality, self._check_ms = quality, check_ms
        self._detector, self._mesh = BlazeFace(), FaceMesh() if shape else None
        self._known: dict[int, Keyframe] = {}
        self._identities: OrderedDict[bytes, KeyframeFeatures] = OrderedDict()
        self._held_candidates: dict[int, Candidate] = {}
        self._new_candidate: Candidate | None = None
        self._current: bytes | None = None
        self._next_look = 0
        self.count = RefreshCount()

    def tick(self, at_ms: int, tick_ms: int, bundle: Bundle | None, crop: UInt8 | None, held: Held) -> Advice | None:
        """A tick as sent (``bundle`` None: left out in silence), and its last picture as the camera
        has it (256, 256, 3).

        Times in ms since the stream began. Returns advice when another keyframe has proved better.
        """
        for slot, keyframe in held.keyframes.items():
            if self._known.get(slot) is not keyframe:
                self._known[slot] = keyframe
                self._held_candidates.pop(slot, None)
                self._decoder.set_keyframe(slot, keyframe.thumbnail, keyframe.points)
        if bundle is not None:
            self._decoder.arrived(bundle)
        looked = bundle is not None and bundle.picture is not None and crop is not None and at_ms >= self._next_look
        output = self._decoder.tick(at_ms, tick_ms, bundle, seen=looked)
        if bundle is not None and bundle.face in NO_CAMERA:  # what was seen before must not be sent afterwards
            self._new_candidate = None
            self._held_candidates.clear()
        if crop is None or not looked or not output.frames:
            return None
        frame = output.frames[-1]
        if frame.slot != held.current or frame.slot not in held.keyframes:
            return None  # the stream has switched since
        self._next_look = at_ms + self._check_ms
        return self._look(frame, crop, held)

    def _distance_of(self, keyframe: Keyframe, frame: FrameInput, crop: UInt8) -> float:
        """Distance between the frame rendered from this keyframe and the camera's picture."""
        identity = self._identities.pop(keyframe.digest, None) or self._upsampler.identity(keyframe.rgb)
        self._identities[keyframe.digest] = identity
        while len(self._identities) > IDENTITIES:
            self._identities.popitem(last=False)
        self._upsampler.use(identity)
        shape = relative_to_keyframe(frame.shape, keyframe.points)
        return distance(self._upsampler.step(frame.pictures, frame.speech, frame.detail, shape), crop)

    def _look(self, frame: FrameInput, crop: UInt8, held: Held) -> Advice | None:
        using = held.keyframes[frame.slot]
        if self._current != using.digest:  # savings are relative to the keyframe in use
            self._current = using.digest
            self._held_candidates.clear()
            if self._new_candidate:
                self._new_candidate = None
        current = self._distance_of(using, frame, crop)
        doubted = self._upsampler.doubt >= DOUBT
        self.count.looks += 1
        self.count.distance.append(current)
        other = self._nearest(crop, held)
        if other is not None:
            if doubted:  # its earlier results mean nothing now
                self._held_candidates.pop(other, None)
            candidate = self._held_candidates.setdefault(other, Candidate(held.keyframes[other]))
            candidate.judged(current, self._distance_of(candidate.keyframe, frame, crop))
            if (candidate.looks > 1 or doubted) and candidate.saving > SWITCH:
                self.count.switched += 1
                return Advice(slot=other)
        return self._challenge(frame, crop, current, doubted) if held.may_send else None

    def _nearest(self, crop: UInt8, held: Held) -> int | None:
        """The slot, of those held and not in use, whose 8×8 picture is most like this crop's."""
        others = {s: held.keyframes[s] for s in held.slots if s != held.current and s in held.keyframes}
        found = nearest(crop, others)
        return found[0] if found else None

    def _challenge(self, frame: FrameInput, crop: UInt8, current: float, doubted: bool) -> Advice | None:
        candidate = self._new_candidate
        if candidate is None or doubted:
            if doubted and not self._detector.detect(crop):
                return None  # nobody is visible: an empty room must not become the keyframe
            points = points_of(crop, self._detector, self._mesh) if self._mesh else None
            self._new_candidate = Candidate(encode_keyframe(crop, self._quality, points=points))
            return self._send(self._new_candidate) if doubted else None
        candidate.judged(current, self._distance_of(candidate.keyframe, frame, crop))
        if candidate.looks >= SEND_LOOKS and candidate.saving > SEND:
            return self._send(candidate)
        if candidate.looks >= LIFE or (candidate.looks >= 2 and candidate.saving < SEND / 2):
            self._new_candidate = None
        return None

    def _send(self, candidate: Candidate) -> Advice:
        self._new_candidate = None
        self.count.sent += 1
        return Advice(keyframe=candidate.keyframe)
