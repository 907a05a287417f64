"""``facewire train``, ``train prepare`` and ``export``."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Json, Threads, say, show

train_app = typer.Typer(help="Data to weights; 'train prepare' makes data of raw videos.", invoke_without_command=True)


@train_app.callback()
def train(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Folder with clips.tsv, train/ and dev/; or of shards.")] = None,
    losses: Annotated[Path | None, typer.Option(help="Folder with lpips_vgg16.pth and lpips_alexnet.pth.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and logs; a run in it goes on.")] = Path("runs/call"),
    network: Annotated[str, typer.Option(help="call (ours), paper or paper-reduced.")] = "call",
    stage: Annotated[str | None, typer.Option(
        help="call: coarse, medium, full, finish, speech; further. paper: backbone, then finetune.",
    )] = None,
    steps: Annotated[int | None, typer.Option(min=1)] = None, batch: Annotated[int | None, typer.Option(min=1)] = None,
    rate: Annotated[float | None, typer.Option(min=1e-9, help="Learning rate.")] = None,
    sync: Annotated[Path | None, typer.Option(help="A lip-sync expert, for call's audio encoder and for L_sync.")] = None,
    reproduce: Annotated[bool, typer.Option("--reproduce", help="All stages that the shipped weights are made with.")] = False,
    loaders: Annotated[int, typer.Option(min=0, help="Processes that read shards.")] = 8,
    start: Annotated[Path | None, typer.Option(
        "--from", help="Begin with a checkpoint, or with a folder of ONNX weights such as models/weights.",
    )] = None,
    threads: Threads = 2, json: Json = False,
) -> None:  # fmt: skip
    """Data to weights."""
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
    out: Annotated[Path, typer.Argument(help="Folder for the shards; videos that are done aren't done again.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core by default.")] = None,
    identity_from: Annotated[str, typer.Option(help="folder (VoxCeleb2's id00012/) or file (AVSpeech).")] = "file",
    sync: Annotated[Path | None, typer.Option(help="A lip-sync expert; clips whose sound isn't the face's are dropped.")] = None,
    dev_share: Annotated[float, typer.Option(help="Share of the people held back for judging.")] = 0.02,
    json: Json = False,
) -> None:  # fmt: skip
    """Raw talking videos to face clips in shards."""
    from models.prepare.command import run_prepare

    show(run_prepare(raw, out, workers, identity_from, sync, dev_share, say), json)


def export(
    checkpoint: Path, interpolator: Path,
    out: Annotated[Path, typer.Option(help="Folder for identity.onnx, step.onnx, interpolator.onnx.")] = Path("models/weights"),
    json: Json = False,
) -> None:  # fmt: skip
    """Weights to ONNX."""
    from models.training.runs import run_export

    show(run_export(checkpoint, interpolator, out, say), json)
