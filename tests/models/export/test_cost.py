"""The computing cost of a frame, compared with a count by hand."""

import pytest

torch = pytest.importorskip("torch")

from models.export.cost import call_gflop, gflop, paper_gflop
from models.paper.__main__ import main
from models.paper.network import PaperConfig


def test_a_convolution_by_hand():
    with torch.device("meta"):
        layer = torch.nn.Conv2d(3, 16, 5, padding=2)
    assert gflop(layer, (2, 3, 64, 64)) == pytest.approx(2 * 2 * 3 * 16 * 25 * 64 * 64 / 1e9)


def test_call_costs_a_fraction_of_the_papers_network():
    assert call_gflop() < 3
    assert paper_gflop(PaperConfig.reduced()) > 4 * call_gflop()


def test_the_size_of_the_papers_network_is_printed_next_to_ours(capsys):
    main()
    said = capsys.readouterr().out
    assert "full: 141.5 M parameters beside the paper's 143 M" in said
    assert "reduced: 11.7 M parameters" in said
    assert said.count("GFLOP a frame") == 2
