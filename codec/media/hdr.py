"""HDR pictures → SDR: from BT.2020 colours with PQ or HLG to BT.709 as screens show it.

The conversion is computed once for a grid of colours; libavfilter's ``lut3d`` looks up every pixel
in it. References: ITU-R BT.2100 (PQ, HLG, its OOTF), BT.2408 (HDR's reference white is 203 cd/m²),
BT.2087 (BT.2020 to BT.709), BT.1886 (SDR screens).
"""

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from codec.media.scaler import Scaler
from codec.media.types import Float64

PQ = 16
"""Transfer characteristics of SMPTE ST 2084 (ITU-T H.273)."""
HLG = 18
"""Transfer characteristics of ARIB STD-B67 (ITU-T H.273)."""
WIDE = 9
"""Colour primaries of BT.2020 (ITU-T H.273)."""
WHITE = 203.0
"""cd/m² that would become SDR's white if there were no knee."""
PEAK = 1000.0
"""cd/m² above which brighter light is not distinguished: the peak of HLG's nominal screen, and of
most PQ material."""
KNEE = 0.7
"""Share of SDR's white up to which light stays unchanged; brighter light, up to :data:`PEAK`, is
compressed to fit below white."""
NODES = 33
"""Colours on each axis of the grid."""
_LUMA = np.array([0.2627, 0.6780, 0.0593])
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])


def _pq(signal: Float64) -> Float64:
    """PQ's EOTF: signal in [0, 1] → cd/m²."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg(signal: Float64) -> Float64:
    """HLG's inverse OETF and OOTF: signals (..., 3) in [0, 1] → cd/m² on a screen of :data:`PEAK`."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = np.maximum(scene @ _LUMA, 1e-9)[..., None]
    return np.asarray(PEAK * luminance**0.2 * scene)


def to_sdr(signal: Float64, transfer: int) -> Float64:
    """BT.2020 R'G'B' (..., 3) in [0, 1] with ``transfer`` → BT.709 R'G'B' in [0, 1].

    Any transfer other than :data:`PQ` and :data:`HLG` is taken as SDR's own: then only the primaries change.
    """
    if transfer in (PQ, HLG):
        light = (_pq(signal) if transfer == PQ else _hlg(signal)) / WHITE
        brightest = np.clip(light.max(-1, keepdims=True), 1e-9, PEAK / WHITE)
        over, room = np.maximum(brightest - KNEE, 0), 1 - KNEE
        # Slope 1 at the knee, 1 at the peak; all three channels by the same factor, which keeps the hue.
        most = PEAK / WHITE - KNEE
        bent = room * over / (over + room) * (most + room) / most
        light = light * np.where(brightest > KNEE, (KNEE + bent) / brightest, 1)
    else:
        light = signal**2.4
    return np.asarray(np.clip(np.clip(light, 0, 1) @ _TO_709.T, 0, 1) ** (1 / 2.4))


def _cube(transfer: int) -> str:
    axis = np.linspace(0, 1, NODES)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red changes fastest in the file
    out = to_sdr(np.stack([red, green, blue], -1).reshape(-1, 3), transfer)
    return f"LUT_3D_SIZE {NODES}\n" + "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in out) + "\n"


class ToSdr:
    """Converts the pictures of one stream to SDR. Not thread-safe."""

    def __init__(self, transfer: int) -> None:
        self._transfer = transfer
        self._deep, self._size = Scaler("rgb48le"), (0, 0)
        self._graph: av.filter.Graph | None = None

    def _make(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        with tempfile.TemporaryDirectory(prefix="facewire-") as folder:
            path = Path(folder) / "sdr.cube"
            path.write_text(_cube(self._transfer))
            escaped = path.as_posix().replace(":", "\\:")  # libavfilter's escaping: a Windows drive has a colon
            source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
            lut, sink = graph.add("lut3d", f"file={escaped}:interp=tetrahedral"), graph.add("buffersink")
            graph.link_nodes(source, lut, sink)
            graph.configure()  # reads the file
        return graph

    def frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Any frame in BT.2020 → R'G'B' in BT.709, 16 bits a channel."""
        deep = self._deep.frame(frame)
        if self._graph is None or self._size != (deep.width, deep.height):
            self._graph, self._size = self._make(deep), (deep.width, deep.height)
        self._graph.vpush(deep)
        return self._graph.vpull()
