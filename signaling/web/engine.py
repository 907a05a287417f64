"""What the page of a call needs (:class:`signaling.web.local_page.PageEngine`), taken from a running
:class:`signaling.call.call.Call`."""

import time

import numpy as np
import numpy.typing as npt
from aiortc import MediaStreamTrack

from receiver.outputs.page_audio import AudioBroadcast
from receiver.outputs.page_tracks import FaceTrack, PageOutput
from signaling.call.call import Call

RATE_WINDOW = 5.0
"""Seconds over which the page's kbit/s are averaged."""


class CallEngine:
    """Tracks, numbers and buttons of one call."""

    def __init__(self, output: PageOutput, preview: FaceTrack) -> None:
        self.output, self.preview = output, preview
        self.call: Call | None = None
        self._wire: list[tuple[float, int, int]] = []

    def video_track(self) -> MediaStreamTrack:
        return self.output.video

    def preview_track(self) -> MediaStreamTrack:
        return self.preview

    def voice(self) -> AudioBroadcast:
        return self.output.voice

    def _rates(self, call: Call) -> tuple[float, float]:
        """(out, in) in kbit/s over the last seconds, all headers included."""
        now = time.monotonic()
        out, into, _ = call.link.wire_total()
        self._wire = [w for w in self._wire if now - w[0] <= RATE_WINDOW] + [(now, out, into)]
        then = self._wire[0]
        seconds = max(now - then[0], 1e-3)
        return (out - then[1]) * 8e-3 / seconds, (into - then[2]) * 8e-3 / seconds

    def stats(self) -> dict[str, float | str | bool | None]:
        """Live numbers; None for what does not apply."""
        call = self.call
        if call is None:
            return {"state": "starting"}
        player, stream = call.player, call.stream
        out, into = self._rates(call)
        connected = call.connected.is_set()
        stats: dict[str, float | str | bool | None] = {
            "state": "ended" if call.over.is_set() else "connected" if connected else "waiting",
            "peer_present": connected,
            "wire_kbps_out": out,
            "wire_kbps_in": into,
            "safety_code": " ".join(call.safety.words) if connected else "",
        }
        if player:
            stats |= {
                "bpp_video": player.bits.bpp_video,
                "fps": player.presenter.fps,
                "drawn_fps": player.presenter.drawn_fps,
                "delay_ms": (player.local_delay + call.link.round_trip() / 2) * 1000 if player.clock.started else None,
                "loss": player.loss,
                "face": player.face.name.lower(),
                "remote_muted": player.muted,
                "consistency_db": player.presenter.consistency.now_db,
                "consistency_worst_db": player.presenter.consistency.worst_db,
            }
        if stream:
            stats |= {
                "local_face": stream.face.name.lower(),
                "local_enlarged": round(stream.framing.enlarged, 1),
                "muted": stream.muted,
                "camera": not stream.framing.camera_off,
                "away": stream.framing.away,
            }
            if not player:
                stats["bpp_video"] = stream.count.bpp_video
        return stats

    def small(self) -> npt.NDArray[np.uint8] | None:
        """The sent picture that the current frame was rendered from, RGB (8, 8, 3); None before the first."""
        player = self.call.player if self.call else None
        return player.presenter.small if player else None

    def command(self, name: str, value: bool) -> None:
        """Do what a button of the page says: mute, camera, away, hangup."""
        call = self.call
        if call is None:
            return
        if name == "hangup":
            call.hang_up()
        elif name == "mute" and call.stream:
            call.stream.muted = value
        elif name == "camera" and call.stream:
            call.stream.framing.camera_off = not value
        elif name == "away" and call.stream:
            call.stream.framing.away = value
