"""``python -m models.gpu_training pack DATA CACHE LOSSES START OUT | train PIECES OUT | rates``."""

import argparse
import tarfile
from pathlib import Path


def say(line: str) -> None:
    print(line, flush=True)


def _pack(given: argparse.Namespace) -> None:
    from models.gpu_training.pack import pack

    first, most = (round(megabytes * 1e6) for megabytes in (given.first, given.most))
    for piece in pack(given.data, given.cache, given.losses, given.start, given.out, first, most):
        say(f"{piece}: {piece.stat().st_size / 1e6:.1f} MB")


def _train(given: argparse.Namespace) -> None:
    import torch

    from models.gpu_training.train import GpuTrainConfig, run

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    runs = [GpuTrainConfig("call", given.minutes, given.batch)]
    if given.small_minutes:
        runs.append(GpuTrainConfig("small", given.small_minutes, given.batch, rate=8e-4, warp=8.0))
    run(given.pieces, given.out, runs, say, device)


def _rates(given: argparse.Namespace) -> None:
    from models.gpu_training.rates import measure

    for row in measure(given.network, given.seconds):
        each = f"{row.milliseconds:7.2f} ms a batch  {row.frames:8.0f} frames a second"
        say(f"{row.calls:3d} calls  {each}  {row.live:5.1f} times 25 FPS for each")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m models.gpu_training", description="Training on a GPU that is available only for minutes."
    )
    commands = parser.add_subparsers(required=True)
    pack = commands.add_parser("pack", help="pack all that training needs into pieces small enough to copy")
    for name, text in (
        ("data", "folder of clips with clips.tsv"), ("cache", "cache that facewire train has prepared from it"),
        ("losses", "folder with lpips_vgg16.pth"), ("start", "checkpoint or folder of ONNX files to start from"),
        ("out", "folder for the pieces"),
    ):  # fmt: skip
        pack.add_argument(name, type=Path, help=text)
    pack.add_argument("--first", type=float, default=60, help="largest size of the first piece, in megabytes")
    pack.add_argument("--most", type=float, default=60, help="largest size of the others, in megabytes")
    pack.set_defaults(run=_pack)
    train = commands.add_parser("train", help="train for the minutes given; writes call.pt (fp16) and call.jsonl")
    train.add_argument("pieces", type=Path, help="folder with the pieces that are available")
    train.add_argument("out", type=Path, help="folder for weights and log")
    train.add_argument("--minutes", type=float, default=8, help="minutes of training, without loading")
    train.add_argument(
        "--small-minutes", type=float, default=0, help="minutes of training the small network, a part of call, afterwards"
    )
    train.add_argument("--batch", type=int, default=64)
    train.set_defaults(run=_train)
    rates = commands.add_parser("rates", help="frames a second that a CUDA GPU renders for 1 to 64 calls at once")
    rates.add_argument("--network", choices=("call", "small"), default="call")
    rates.add_argument("--seconds", type=float, default=1, help="duration for each number of calls")
    rates.set_defaults(run=_rates)
    given = parser.parse_args()
    try:
        given.run(given)
    except (OSError, ValueError, tarfile.TarError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
