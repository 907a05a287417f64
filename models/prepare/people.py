"""Who is in a video, and which split that person belongs to."""

import re
from hashlib import blake2b
from pathlib import Path

_VOXCELEB = re.compile(r"id\d{5,}")
_YOUTUBE = re.compile(r"([A-Za-z0-9_-]{11})(?:[_.-].*)?")
WAYS = ("folder", "file")


def identity_of(source: Path, way: str) -> str:
    """The person in the video at ``source``, a path below the folder of raw videos.

    ``folder``: VoxCeleb2's ``…/id00012/VIDEO/00001.mp4`` gives ``id00012``, any other layout its
    first folder. ``file``: the YouTube id that the name begins with (AVSpeech's
    ``ID_START_END.mp4``), else the whole name without its suffix. Raises ``ValueError`` when
    ``folder`` is requested and there is none.
    """
    if way == "folder":
        folders = source.parts[:-1]
        if not folders:
            raise ValueError(f"{source} is in no folder that names its person (--identity-from file?)")
        return next((f for f in folders if _VOXCELEB.fullmatch(f)), folders[0])
    found = _YOUTUBE.fullmatch(source.stem)
    return found[1] if found else source.stem


def split_of(identity: str, dev_share: float) -> str:
    """``dev`` for the share ``dev_share`` in [0, 1] of all people, else ``train``.

    Only a hash of the name decides, so a person is never in both and new data moves nobody.
    """
    number = int.from_bytes(blake2b(identity.encode(), digest_size=8).digest()) / 2.0**64
    return "dev" if number < dev_share else "train"
