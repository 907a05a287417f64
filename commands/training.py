"""``facewire train``, ``train prepare`` and ``export``."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Json, Threads, say, show

train_app = typer.Typer(help="Train weights; 'train prepare' makes the data from raw videos.", invoke_without_command=True)


@train_app.callback()
def train(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Folder with clips.tsv, train/ and dev/; or a folder of shards.")] = None,
    losses: Annotated[Path | None, typer.Option(help="Folder with lpips_vgg16.pth and lpips_alexnet.pth.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and logs; a run found in it is resumed.")] = Path("runs/call"),
    network: Annotated[str, typer.Option(help="call (ours), paper or paper-reduced.")] = "call",
    stage: Annotated[str | None, typer.Option(
        help="call: coarse, medium, full, finish, speech, or further. paper: backbone, then finetune.",
    )] = None,
    steps: Annotated[int | None, typer.Option(min=1)] = None, batch: Annotated[int | None, typer.Option(min=1)] = None,
    rate: Annotated[float | None, typer.Option(min=1e-9, help="Learning rate.")] = None,
    sync: Annotated[Path | None, typer.Option(help="Lip-sync expert, for call's audio encoder and for the loss L_sync.")] = None,
    reproduce: Annotated[bool, typer.Option("--reproduce", help="All stages of the recipe that run on a CPU, in order.")] = False,
    loaders: Annotated[int, typer.Option(min=0, help="Processes that read shards.")] = 8,
    start: Annotated[Path | None, typer.Option(
        "--from", help="Start from a checkpoint, or from a folder of ONNX weights such as models/weights.",
    )] = None,
    threads: Threads = 2, json: Json = False,
) -> None:  # fmt: skip
    """Train weights from data."""
    if context.invoked_subcommand:
        return
    from models.training.command import run
    from models.training.runs import TrainRequest

    if data is None or losses is None:
        raise typer.BadParameter("needed to train", param_hint="--data and --losses")
    wanted = TrainRequest(data, losses, out, network, stage, steps, batch, rate, sync, threads, loaders, start)
    if figures := run(wanted, reproduce, say):
        show(figures, json)


@train_app.command()
def prepare(
    raw: Annotated[Path, typer.Argument(help="Folder of raw videos.")],
    out: Annotated[Path, typer.Argument(help="Folder for the shards; finished videos aren't processed again.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each core.")] = None,
    identity_from: Annotated[str, typer.Option(help="Person by folder (VoxCeleb2's id00012/) or file (AVSpeech).")] = "file",
    sync: Annotated[Path | None, typer.Option(help="Lip-sync expert; clips whose sound isn't the face's are dropped.")] = None,
    dev_share: Annotated[float, typer.Option(help="Share of the people held back for evaluation.")] = 0.02,
    json: Json = False,
) -> None:  # fmt: skip
    """Make shards of face clips from raw videos of people who talk."""
    from models.prepare.command import run_prepare

    show(run_prepare(raw, out, workers, identity_from, sync, dev_share, say), json)


def export(
    checkpoint: Path, interpolator: Path,
    out: Annotated[Path, typer.Option(help="Folder for identity.onnx, step.onnx, interpolator.onnx.")] = Path("models/weights"),
    json: Json = False,
) -> None:  # fmt: skip
    """Export weights to ONNX."""
    from models.training.runs import run_export

    show(run_export(checkpoint, interpolator, out, say), json)
