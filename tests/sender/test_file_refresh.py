"""Files with more than one keyframe, chosen by the sender's own mirror."""

from pathlib import Path

import numpy as np
import pytest

from bench.demo import shipped_clip
from bench.picture.crops import write_lossless
from codec.container import StoredKeyframe, read_file
from codec.media.files import file_frames
from models.face.tracker import whole
from receiver.decode_file import decode_file
from sender.encode_file import encode_file
from sender.file_refresh import FileRefresh
from sender.stream import StreamConfig

CONFIG = StreamConfig(crop="none", keyframe="first")
PART = 75


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of three seconds of the clip, the same twice mirrored and darker, and the same unchanged
    again."""
    out = tmp_path_factory.mktemp("refresh") / "changing.mkv"
    frames = [whole(f).cut(f) for f in list(file_frames(shipped_clip()))[:PART]]
    dark = [np.ascontiguousarray(f[:, ::-1] // 2 + 10) for f in frames]
    write_lossless(out, [*frames, *dark, *dark, *frames], None)
    return out


def keyframes(stored: Path) -> list[StoredKeyframe]:
    with stored.open("rb") as file:
        return [r for r in read_file(file) if isinstance(r, StoredKeyframe)]


def test_a_file_contains_the_keyframes_that_render_best(changing, tmp_path):
    stored, watch = tmp_path / "clip.fw", FileRefresh(40, device="cpu-fp32")
    count = encode_file(changing, stored, CONFIG, refresh=watch).count
    found = keyframes(stored)
    assert [k.slot for k in found] == list(range(len(found)))
    assert len(found) == watch.refresh.count.sent + 1 >= 2
    assert watch.refresh.count.switched >= 1  # back to the first keyframe
    assert count.keyframe_bytes == sum(len(k.keyframe.data) for k in found)
    figures = decode_file(stored, tmp_path / "out.mp4", device="cpu-fp32")
    assert figures["frames"] == 4 * PART
    assert figures["errors"] == 0


def test_a_keyframe_that_exceeds_the_rate_is_not_sent(changing, tmp_path):
    stored, watch = tmp_path / "clip.fw", FileRefresh(0.01, device="cpu-fp32")
    encode_file(changing, stored, CONFIG, refresh=watch)
    assert len(keyframes(stored)) == 1
    assert watch.refresh.count.looks > 10
