"""``python -m models.paper``: how the 143 M parameters are distributed, at both widths, and what a frame costs."""

import torch

from models.export.cost import paper_gflop
from models.paper.network import PaperConfig, PaperNetwork, parameter_counts, parameter_table

PAPER_MILLIONS = 143


def main() -> None:
    print(
        f"The paper gives {PAPER_MILLIONS} M parameters in all and 50 frames/s on an RTX 2080 Ti, not the layer widths. FOMM's\n"
        "parts have their authors' own widths; the other widths are chosen to reach that total. A GFLOP is 10⁹ additions and\n"
        "multiplications, of convolutions and matrix products, for one more frame with the same keyframe.\n"
    )
    for name, config in (("full", PaperConfig.full()), ("reduced", PaperConfig.reduced())):
        with torch.device("meta"):
            network = PaperNetwork(config)
        total = parameter_counts(network)["total"] / 1e6
        print(f"{name}: {total:.1f} M parameters beside the paper's {PAPER_MILLIONS} M, {paper_gflop(config):.1f} GFLOP a frame")
        print(f"{parameter_table(network)}\n")


if __name__ == "__main__":
    main()
