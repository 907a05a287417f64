"""The paper's network: its size, training at both widths, and its losses compared with independently
computed values."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from models.lipsync.syncnet import EPSILON, SyncNet, cosine, sync_loss
from models.paper.audio import AudioEncoder
from models.paper.equivariance import RandomDeformation, equivariance_loss
from models.paper.fomm import Keypoints, inverse2x2
from models.paper.network import PaperConfig, PaperNetwork, parameter_counts, parameter_table
from models.paper.paper_losses import LossWeights, PaperLoss, backbone_loss, patches, region_loss
from models.training.losses import PerceptualDistance


def batch(times: int):
    generator = torch.Generator().manual_seed(3)
    truth = torch.rand(times, 3, 256, 256, generator=generator)
    pictures = torch.nn.functional.avg_pool2d(truth, 32)[None]
    return truth[:1], pictures, torch.randn(1, 4 * times, 80, generator=generator) * 0.3, truth


def weights_of(network):
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def test_the_full_size_is_that_of_the_paper():
    with torch.device("meta"):
        network = PaperNetwork(PaperConfig.full())
    counts = parameter_counts(network)
    assert 130e6 < counts["total"] < 156e6
    assert sum(counts.values()) == 2 * counts["total"]  # the parts add up to the total
    assert network.structure.stages[0].enter[0].in_channels == 1024
    assert f"{counts['total'] / 1e6:.2f} M" in parameter_table(network)


def test_the_reduced_size_is_small_enough_to_train_here():
    with torch.device("meta"):
        assert 8e6 < parameter_counts(PaperNetwork(PaperConfig.reduced()))["total"] < 12e6


def test_one_step_at_reduced_width_with_every_loss(perceptual_weights):
    torch.manual_seed(0)
    network, sync = PaperNetwork(PaperConfig.reduced()), SyncNet(width=4)
    objective = PaperLoss(PerceptualDistance(perceptual_weights / "lpips_vgg16.pth", "vgg16", 2), sync)
    keyframe, pictures, mel, truth = batch(5)
    boxes = torch.tensor([[90, 170, 166, 210], [110, 110, 146, 160], [70, 80, 186, 110], [0, 0, 0, 0]]).expand(5, 4, 4)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    before = weights_of(network)

    output = network(keyframe, pictures, mel)
    assert output.f_int.shape == output.f_hr.shape == (5, 3, 256, 256)
    assert output.driving.place.shape == (5, 10, 2)
    assert output.identity.jacobian.shape == (1, 10, 2, 2)
    assert output.motion.grid.shape == (5, 64, 64, 2)
    total, parts = objective(network, output, truth, mel, boxes)
    assert set(parts) == {"rec", "place", "jacobian", "perceptual", "region", "sync"}
    w = LossWeights()
    assert float(total.detach()) == pytest.approx(sum(getattr(w, k) * v for k, v in parts.items()), rel=1e-4)

    total.backward()
    optimiser.step()
    still = [name for name, p in network.named_parameters() if torch.equal(p, before[name])]
    assert still == []  # every part of the network gets a gradient
    assert all(torch.isfinite(p).all() for p in network.parameters())
    assert all(p.grad is None for p in sync.parameters())


def _free_gb() -> float:
    """Available memory in GB; 1000 on systems without Linux's /proc/meminfo."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) / 1e6
    except (OSError, KeyError, ValueError):
        return 1000.0


@pytest.mark.skipif(_free_gb() < 8, reason="less than 8 GB of memory are free")
def test_one_step_at_full_size():
    """The paper's widths: forward, backward and Adam, on two pictures, because a single one has no variance to normalise by."""
    torch.manual_seed(0)
    network = PaperNetwork(PaperConfig.full())
    keyframe, pictures, mel, truth = batch(2)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    before = network.structure.head.weight.detach().clone()
    total, parts = PaperLoss()(network, network(keyframe, pictures, mel), truth)
    assert set(parts) == {"rec", "place", "jacobian"}
    total.backward()
    optimiser.step()
    assert not torch.equal(network.structure.head.weight, before)
    assert all(p.grad is not None for p in network.parameters())
    assert torch.isfinite(network.detector.heat.weight).all()


def test_backbone_pretraining_does_not_train_the_animation():
    torch.manual_seed(0)
    network = PaperNetwork(PaperConfig.reduced())
    _, pictures, mel, truth = batch(2)
    backbone_loss(network.backbone(pictures, mel), truth).backward()
    reached = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert reached == {"visual", "audio", "structure"}


def test_speech_and_pictures_must_span_the_same_time():
    network = PaperNetwork(PaperConfig.reduced()).eval()
    _, pictures, mel, _ = batch(5)
    with pytest.raises(ValueError, match="5 pictures"):
        network.backbone(pictures, mel[:, :16])
    with pytest.raises(ValueError, match="18"):
        AudioEncoder((8, 8, 8))(mel[:, :18])


def test_inverse2x2():
    m = torch.randn(7, 3, 2, 2, generator=torch.Generator().manual_seed(1)) + 2 * torch.eye(2)
    assert torch.allclose(inverse2x2(m) @ m, torch.eye(2).expand_as(m), atol=1e-4)
    assert torch.isfinite(inverse2x2(torch.zeros(1, 2, 2))).all()


def test_deformation_jacobian_is_its_derivative():
    deformation = RandomDeformation(2, 0.1, 0.05, generator=torch.Generator().manual_seed(4))
    place = torch.rand(2, 6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5)) * 1.6 - 0.8
    step = 1e-6
    for axis in range(2):
        nudge = torch.zeros(2, dtype=torch.float64)
        nudge[axis] = step
        slope = (deformation.move(place + nudge) - deformation.move(place - nudge)) / (2 * step)
        assert torch.allclose(deformation.jacobian(place)[..., axis], slope, atol=1e-4)


def test_equivariance_is_zero_for_a_detector_that_follows():
    """A detector whose points follow the deformation has no loss; one whose points stay in place has a loss."""
    deformation = RandomDeformation(1, bend=0.0, generator=torch.Generator().manual_seed(6))
    found = Keypoints(torch.tensor([[[0.3, -0.2], [-0.5, 0.1]]]), torch.eye(2).expand(1, 2, 2, 2))
    a, b = deformation.affine[:, :, :2], deformation.affine[:, :, 2]
    back = torch.linalg.inv(a)
    right = Keypoints((found.place - b[:, None]) @ back.transpose(1, 2), back[:, None].expand(1, 2, 2, 2))
    image = torch.rand(1, 3, 64, 64)
    assert all(float(v) < 1e-5 for v in equivariance_loss(lambda _: right, image, found, deformation))
    assert all(float(v) > 1e-3 for v in equivariance_loss(lambda _: found, image, found, deformation))


def test_the_deformed_image_is_sampled_at_the_positions_of_move():
    deformation = RandomDeformation(1, bend=0.0, affine=0.0)
    deformation.affine = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])  # half a half-side to the right
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert deformation.image(ramp)[0, 0, 0, :6].tolist() == pytest.approx([2, 3, 4, 5, 6, 7])


def test_patches_are_the_pixels_in_the_box():
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(7))
    box = torch.tensor([[[8, 20, 40, 52]], [[0, 0, 32, 32]]])
    cut = patches(image, box)
    assert torch.allclose(cut[0, 0], image[0, :, 20:52, 8:40], atol=1e-4)
    assert torch.allclose(cut[1, 0], image[1, :, :32, :32], atol=1e-4)


def test_region_loss_counts_only_found_regions():
    a, b = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    b[..., :32, :32] = 0.5
    inside, outside, none = [0, 0, 32, 32], [32, 32, 64, 64], [5, 5, 5, 5]
    assert float(region_loss(a, b, torch.tensor([[inside, none]]))) == pytest.approx(0.25)
    assert float(region_loss(a, b, torch.tensor([[inside, outside]]))) == pytest.approx(0.125)
    assert float(region_loss(a, b, torch.tensor([[none]]))) == 0
    assert float(region_loss(a, b, torch.tensor([[inside]]), torch.tensor([[outside]]))) == pytest.approx(0.25)


def test_sync_loss_by_hand():
    face, sound = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert cosine(face, sound).tolist() == pytest.approx([1.0, 2**-0.5])
    assert float(sync_loss(face, sound)) == pytest.approx(0.5 * 0.5 * torch.log(torch.tensor(2.0)).item(), rel=1e-4)
    assert torch.isfinite(sync_loss(torch.zeros(1, 2), sound[:1]))


def test_lip_sync_expert_learns_to_tell_pairs_apart():
    torch.manual_seed(8)
    net = SyncNet(width=2)
    tone = torch.tensor([0.0, 1.0, 0.0, 1.0])
    frames = tone.reshape(4, 1, 1, 1, 1).expand(4, 5, 3, 64, 64) * 0.8
    mel = torch.cat([tone[:2], 1 - tone[2:]]).reshape(4, 1, 1).expand(4, 20, 80) * 2 - 1
    match = torch.tensor([1.0, 1.0, 0.0, 0.0])
    optimiser, losses = torch.optim.Adam(net.parameters(), 1e-2), []
    for _ in range(40):
        loss = F.binary_cross_entropy(cosine(*net(frames, mel)).clamp(EPSILON, 1 - EPSILON), match)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[-5:]) < 0.5 * losses[0]
    with pytest.raises(ValueError, match="5 frames"):
        net(frames[:, :4], mel)
