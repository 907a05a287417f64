"""The rivals' settings: for low delay, as a call needs, and for the best quality, as a recording allows.
One keyframe, then none.

Qualities are the codec's own constant-quality numbers, from good to its floor. What isn't picture data
(settings written into the stream, time marks) is removed, so that no rival pays for it.
"""

from dataclasses import dataclass

MODES = ("low-delay", "best")
FOREVER = "100000"


@dataclass(frozen=True)
class Codec:
    """``encoder`` and arguments for ffmpeg, ``{q}`` standing for the quality; ``muxer``: the bare
    stream's format; ``packets``: a bitstream filter for counting its packets."""

    name: str
    encoder: str
    low_delay: str
    best: str
    qualities: tuple[int, ...]
    muxer: str
    pixels: str = "yuv420p"
    filters: str = ""
    packets: str = ""

    def arguments(self, mode: str, quality: int) -> list[str]:
        """ffmpeg's arguments. Raises ``ValueError`` for an unknown mode."""
        if mode not in MODES:
            raise ValueError(f"mode {mode!r} is not {' or '.join(MODES)}")
        text = self.low_delay if mode == "low-delay" else self.best
        out = ["-pix_fmt", self.pixels, "-c:v", self.encoder, *text.format(q=quality).split()]
        return [*out, "-bsf:v", self.filters] if self.filters else out


_X265 = "-x265-params keyint=-1:info=0:log-level=none"

CODECS = {
    c.name: c
    for c in (
        Codec(
            "h264", "libx264", f"-preset medium -tune zerolatency -g {FOREVER} -crf {{q}}",
            f"-preset veryslow -g {FOREVER} -crf {{q}}", (23, 36, 43, 51), "h264", filters="filter_units=remove_types=6",
        ),
        Codec(
            "h265", "libx265", f"-preset medium -tune zerolatency -crf {{q}} {_X265}", f"-preset veryslow -crf {{q}} {_X265}",
            (28, 38, 45, 51), "hevc",
        ),
        Codec(
            "av1", "libsvtav1", f"-preset 8 -g {FOREVER} -crf {{q}} -svtav1-params pred-struct=1",
            f"-preset 2 -g {FOREVER} -crf {{q}}", (35, 45, 55, 63), "ivf", packets="av1_metadata=td=remove",
        ),
        Codec(
            "h266", "libvvenc",
            "-preset faster -qp {q} -period 1000 -vvenc-params picreordering=0:gopsize=8:refreshtype=none",
            "-preset medium -qp {q} -period 1000", (32, 42, 50, 63), "vvc", pixels="yuv420p10le",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Format:
    """How the video is reduced before it is coded: to ``side`` pixels, and to every ``every``-th frame
    of 25 a second."""

    side: int
    every: int

    @property
    def fps(self) -> float:
        return 25 / self.every

    def __str__(self) -> str:
        return f"{self.side}px@{self.fps:g}"


FORMATS = tuple(Format(side, every) for side in (256, 128, 64) for every in (1, 2, 5))


def parse_format(text: str) -> Format:
    """``128px@12.5`` → Format. Raises ``ValueError``."""
    for known in FORMATS:
        if str(known) == text:
            return known
    raise ValueError(f"format {text!r} is none of {', '.join(map(str, FORMATS))}")
