"""``train --reproduce``: from clips to ONNX files, with each stage resumed where it stopped."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import av
import numpy as np

from models.export import int8
from models.lipsync.syncnet import SyncNet
from models.runtime.upsampler import Upsampler
from models.training import recipe
from models.training.command import run
from models.training.runs import TrainRequest, run_call


@pytest.fixture
def data(tmp_path):
    """A folder with ``clips.tsv``, a training clip and a validation clip of 1.2 s each, cut from the shipped one."""
    folder, lines = tmp_path / "data", ["clip\tsplit\tidentity\tframes\tseconds\taudio"]
    with av.open(str(resources.files("bench").joinpath("clips/astronaut.mp4"))) as source:
        frames = [f.to_ndarray(format="rgb24") for f, _ in zip(source.decode(video=0), range(60), strict=False)]
    for split, part in (("train", frames[:30]), ("dev", frames[30:])):
        (folder / split).mkdir(parents=True)
        with av.open(str(folder / split / "a.mp4"), "w") as out:
            stream = out.add_stream("libx264", rate=25)
            stream.width = stream.height = 256
            for frame in part:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:256, :256]))))
            out.mux(stream.encode(None))
        lines.append(f"a.mp4\t{split}\t{split}\t30\t1.2\t0")
    (folder / "clips.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_recipe_from_clips_to_onnx(data, perceptual_weights, tmp_path, monkeypatch):
    small = {n: replace(s, steps=1, batch=2) for n, s in recipe.STAGES.items()}
    monkeypatch.setattr(recipe, "STAGES", small)
    monkeypatch.setattr(recipe, "INTERPOLATOR_STEPS", 1)
    monkeypatch.setattr(int8, "SAMPLES", 8)
    torch.save({"model": SyncNet(4).state_dict(), "width": 4, "times": 5}, tmp_path / "sync.pt")
    wanted, said = TrainRequest(data, perceptual_weights, tmp_path / "run", sync=tmp_path / "sync.pt", threads=1), []
    figures = run(wanted, True, said.append)
    assert figures["coarse"]["step"] == figures["full"]["step"] == figures["speech"]["step"] == 1
    assert any("mixing: 0.6 of the speech stage" in line for line in said)
    mixed, last = (torch.load(tmp_path / "run" / name, weights_only=True)["ema"] for name in ("call.pt", "speech.pt"))
    assert mixed.keys() == last.keys()
    assert not torch.equal(mixed["predictor.flow64.weight"], last["predictor.flow64.weight"])
    assert {"identity.onnx", "step.onnx", "step-int8.onnx", "interpolator.onnx"} <= set(figures["weights"])
    upsampler = Upsampler(tmp_path / "run" / "weights", "cpu", 1)
    upsampler.set_identity(np.full((256, 256, 3), 90, np.uint8))
    frame = upsampler.step(np.full((5, 3, 8, 8), 0.5, np.float32), np.full((20, 80), -1, np.float32))
    assert frame.shape == (256, 256, 3)
    # Weights to start from apply only to the first stage.
    started: list[Path | None] = []

    def note(one, say):
        started.append(one.start)
        return {}

    monkeypatch.setattr("models.training.runs.run_call", note)
    monkeypatch.setattr(recipe, "_rest", lambda *_: {})
    run(replace(wanted, start=tmp_path / "run" / "call.pt"), True, said.append)
    assert started == [tmp_path / "run" / "call.pt", *[None] * (len(small) - 1)]
    monkeypatch.undo()
    before = (tmp_path / "run" / "coarse.pt").stat().st_mtime_ns
    again: list[str] = []
    run(replace(wanted, stage="coarse", steps=2, batch=2), False, again.append)
    assert "going on from step 1" in again
    assert (tmp_path / "run" / "coarse.pt").stat().st_mtime_ns > before


@pytest.mark.parametrize(("change", "reproduce", "reason"), [
    ({"network": "none"}, False, "'none' is not call, paper or paper-reduced"),
    ({"stage": "speech"}, False, "the speech stage needs a trained lip-sync expert: --sync"),
    ({"stage": "middle"}, False, "'middle' is not coarse, medium, full, finish, speech or further"),
    ({"stage": "further"}, False, "the stage further needs weights to begin with: --from"),
    ({"stage": "full"}, False, "medium.pt"), ({"stage": "finish"}, False, "full.pt"), ({"stage": "medium"}, False, "coarse.pt"),
    ({"sync": Path("none.pt")}, False, "none.pt"),
    ({"steps": 3}, True, "--reproduce brings its own"),
    ({"network": "paper"}, True, "--reproduce brings its own"),
    ({"network": "paper", "start": Path("a.pt")}, False, "--from begins the training of call"),
])  # fmt: skip
def test_wrong_requests_are_refused(tmp_path, change, reproduce, reason):
    for name in ("clips.tsv", "lpips_vgg16.pth", "lpips_alexnet.pth"):
        (tmp_path / name).write_text("")
    with pytest.raises((ValueError, FileNotFoundError), match=reason):
        run(replace(TrainRequest(tmp_path, tmp_path, tmp_path / "run", threads=1), **change), reproduce, print)


def test_a_stage_that_needs_clips_refuses_shards(tmp_path):
    (tmp_path / "manifest.jsonl").write_text("")
    for name in ("lpips_vgg16.pth", "lpips_alexnet.pth"):
        (tmp_path / name).write_text("")
    wanted = TrainRequest(tmp_path, tmp_path, tmp_path / "run", threads=1, stage="further", start=tmp_path)
    with pytest.raises(ValueError, match="not shards"):
        run_call(wanted, print)
