"""Raw talking videos → shards of face clips that training reads::

    video ─► video: 25 FPS grid ─► cuts ─► faces, tracks: one face, no cut ─► clips: fixed 256×256 crop, 2 to 10 s, log-mel
                                                                                  │
    manifest.jsonl, SPLIT-000000.tar, … ◄─ store ◄─ people: who, which split ◄─ sync: do lips and sound fit? (optional)

:mod:`job` does this for one video, :mod:`command` for a folder in many processes. It uses the detector
and the crop tracker of :mod:`models.face`, so that a face moves in a training clip as in a call; nothing that
runs in a call imports this package.
"""
