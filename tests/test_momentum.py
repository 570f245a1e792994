"""The query and its slow copy: the average, what may not change it, and mixing inside both."""

import copy

import pytest
import timm
import torch
from torch import nn

from longtail_mix import MixInside, MomentumPair
from longtail_mix.functional import patch_mixup


class Cut(nn.Module):
    """A network that a user cuts by hand where the mix is to be."""

    def __init__(self):
        super().__init__()
        self.lower = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.upper = nn.Sequential(nn.Conv2d(6, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images):
        return self.upper(self.lower(images))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(5, 5, bias=False)
        self.head = nn.Linear(5, 5, bias=False)
        self.head.weight = self.embed.weight


def train_a_bit(network, seed=0):
    """Weights moved as a step of an optimiser would move them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight += torch.randn(weight.shape, generator=generator).to(weight)


def test_the_key_starts_equal_and_apart(device):
    query = Cut().to(device)
    pair = MomentumPair(query)
    assert pair.query is query
    for (name, of_query), (same, of_key) in zip(query.state_dict().items(), pair.key.state_dict().items(), strict=True):
        assert name == same
        assert torch.equal(of_query, of_key)
        assert of_query.data_ptr() != of_key.data_ptr()
    assert all(weight.requires_grad for weight in pair.query.parameters())
    assert not any(weight.requires_grad for weight in pair.key.parameters())


def test_the_average_is_that_of_a_loop_in_float64(device):
    pair = MomentumPair(Cut().double().to(device), momentum=0.9)
    expected = [weight.cpu().flatten().tolist() for weight in pair.key.parameters()]
    for step in range(3):
        train_a_bit(pair.query, step)
        pair.update()
        for numbers, weight in zip(expected, pair.query.parameters(), strict=True):
            for at, number in enumerate(weight.cpu().flatten().tolist()):
                numbers[at] = 0.9 * numbers[at] + 0.1 * number
    for weight, numbers in zip(pair.key.parameters(), expected, strict=True):
        by_hand = torch.tensor(numbers, dtype=torch.float64).view_as(weight)
        torch.testing.assert_close(weight.cpu(), by_hand, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("momentum", "moves"), [(0.0, True), (1.0, False)])
def test_the_ends_of_the_momentum(momentum, moves):
    pair = MomentumPair(nn.Linear(3, 2), momentum)
    before = pair.key.weight.clone()
    train_a_bit(pair.query)
    pair.update()
    assert torch.equal(pair.key.weight, pair.query.weight if moves else before)


def test_the_momentum_is_read_at_each_update():
    pair = MomentumPair(nn.Linear(3, 2), 1.0)
    train_a_bit(pair.query)
    pair.momentum = 0.0
    pair.update()
    assert torch.equal(pair.key.weight, pair.query.weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_steps_too_small_for_half_precision_are_not_lost(dtype, device):
    query = nn.Sequential(nn.Linear(2, 2).to(dtype), nn.LayerNorm(2)).to(device)
    nn.init.ones_(query[0].weight)
    pair = MomentumPair(query, momentum=0.999)
    with torch.no_grad():
        query[0].weight.fill_(1.5)
        query[1].weight.fill_(1.5)
    for _ in range(500):
        pair.update()
    exact = 1.5 - 0.5 * 0.999**500
    torch.testing.assert_close(pair.average[0].cpu(), torch.full((2, 2), exact), rtol=0, atol=1e-5)
    assert pair.key[0].weight.dtype == dtype
    assert torch.equal(pair.key[0].weight, pair.average[0].to(dtype))  # rounded once, at the end
    torch.testing.assert_close(pair.key[1].weight.cpu(), torch.full((2,), exact), rtol=0, atol=1e-5)


def test_the_average_beside_the_key_shares_no_memory_with_it():
    # Formats such as safetensors keep a shared tensor once: the average would be missing in the file.
    pair = MomentumPair(nn.Sequential(nn.Linear(2, 2).bfloat16(), nn.LayerNorm(2)))
    kept = [tensor.data_ptr() for tensor in pair.state_dict().values()]
    assert len(set(kept)) == len(kept) == 12


def test_wide_weights_need_no_average_beside_the_key():
    assert len(MomentumPair(nn.Linear(2, 2)).average) == 0


def test_a_cast_after_the_pairing_is_refused_at_the_update():
    with pytest.raises(RuntimeError, match="cast the query, then pair it"):
        MomentumPair(nn.Linear(2, 2)).bfloat16().update()
    with pytest.raises(RuntimeError, match="cast the query, then pair it"):
        MomentumPair(nn.Linear(2, 2).bfloat16()).bfloat16().update()


def test_tied_weights_stay_tied_and_move_once():
    pair = MomentumPair(Tied(), momentum=0.5)
    assert pair.key.head.weight is pair.key.embed.weight
    before = pair.key.embed.weight.clone()
    train_a_bit(pair.query)
    pair.update()
    torch.testing.assert_close(pair.key.head.weight, (before + pair.query.head.weight) / 2)


def test_the_key_keeps_its_own_statistics():
    pair = MomentumPair(Cut(), momentum=0.5)
    first, second = torch.randn(2, 4, 3, 8, 8)
    alone = copy.deepcopy(pair.key)
    pair.query(first)
    pair.key(second + 3)
    pair.update()
    alone(second + 3)
    ours, others = pair.key.lower[1], pair.query.lower[1]
    assert torch.equal(ours.running_mean, alone.lower[1].running_mean)
    assert not torch.allclose(ours.running_mean, others.running_mean)
    assert ours.num_batches_tracked == others.num_batches_tracked == 1


def test_the_mode_is_the_one_asked_for():
    pair = MomentumPair(Cut().eval())
    assert not pair.key.training
    pair.train()
    assert pair.key.training
    pair.key.eval()
    pair.update()
    assert pair.query.training
    assert not pair.key.training


def test_gradients_reach_the_query_only():
    pair = MomentumPair(Cut())
    images = torch.randn(2, 3, 8, 8)
    (pair.query(images) - pair.key(images)).square().sum().backward()
    assert all(weight.grad is not None for weight in pair.query.parameters())
    assert all(weight.grad is None for weight in pair.key.parameters())
    pair.update()
    assert not any(weight.requires_grad for weight in pair.key.parameters())
    assert all(weight.requires_grad for weight in pair.query.parameters())


def small_cnn():
    return timm.create_model("test_resnet", num_classes=0)


def small_vit():
    return timm.models.VisionTransformer(32, 8, num_classes=0, embed_dim=24, depth=2, num_heads=2)


@pytest.mark.parametrize(
    ("make", "layer"), [(small_cnn, "layer1"), (small_vit, "patch_embed"), (small_vit, "blocks.0")]
)
def test_mixed_inside_both_networks_of_timm(make, layer):
    torch.manual_seed(0)
    pair = MomentumPair(make(), momentum=0.9)
    tail, head = torch.randn(2, 2, 3, 32, 32)
    first, second = torch.rand(2, 2, 1, 4, 4)
    pair.eval()
    prefix = int(layer == "blocks.0")
    with MixInside(pair.query, layer, prefix) as mix_query, MixInside(pair.key, layer, prefix) as mix_key:
        queries = mix_query(tail, head, first)
        with torch.no_grad():
            keys, same = mix_key(tail, head, second), mix_key(tail, head, first)
    assert torch.equal(queries, same)  # equal networks, the same place, the same ratio
    assert not torch.allclose(queries, keys)  # each view its own ratio
    queries.square().mean().backward()
    with torch.no_grad():
        for weight in pair.query.parameters():
            weight -= 0.1 * weight.grad
    before = copy.deepcopy(pair.key)
    pair.update()
    names = dict(before.named_parameters())
    for weight_name, weight in pair.key.named_parameters():
        by_hand = 0.9 * names[weight_name] + 0.1 * pair.query.get_parameter(weight_name)
        torch.testing.assert_close(weight, by_hand, rtol=1e-6, atol=1e-7)


def test_mixed_by_hand_where_the_user_cut_it():
    pair = MomentumPair(Cut())
    tail, head = torch.randn(2, 3, 3, 16, 16)
    ratio = torch.rand(3, 1, 8, 8)
    for network in (pair.query, pair.key):
        network.eval()
        by_hand = network.upper(patch_mixup(*network.lower(torch.cat([tail, head])).chunk(2), ratio))
        with MixInside(network, "lower") as mix_inside:
            assert torch.equal(mix_inside(tail, head, ratio), by_hand)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_and_restored(dtype):
    pair = MomentumPair(Cut().to(dtype), momentum=0.99)
    train_a_bit(pair.query)
    pair.update()
    other = MomentumPair(Cut().to(dtype), momentum=0.99)
    other.load_state_dict(pair.state_dict())
    for each in (pair, other):
        train_a_bit(each.query, seed=1)
        each.update()
    for name, kept in pair.state_dict().items():
        assert torch.equal(kept, other.state_dict()[name]), name


def test_compiled_as_one_graph(device):
    pair = MomentumPair(Cut().to(device), momentum=0.9)
    plain = copy.deepcopy(pair)

    def step(pair, images):
        distance = (pair.query(images) - pair.key(images * 2)).square().mean()
        pair.update()
        return distance

    images = torch.randn(2, 3, 8, 8, device=device)
    for each in (pair, plain):
        train_a_bit(each.query)
    compiled = torch.compile(step, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(pair, images), step(plain, images))
    for weight, expected in zip(pair.key.parameters(), plain.key.parameters(), strict=True):
        torch.testing.assert_close(weight, expected)


def test_autocast_does_not_reach_the_average(device):
    pair = MomentumPair(nn.Linear(3, 2).to(device), momentum=0.9)
    before = pair.key.weight.clone()
    train_a_bit(pair.query)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        pair.update()
    torch.testing.assert_close(pair.key.weight, before.lerp(pair.query.weight.detach(), 0.1), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nobody_waits_for_the_device(dtype):
    # Meta tensors have no values: whoever looks at one raises.
    pair = MomentumPair(nn.Linear(3, 2, dtype=dtype, device="meta"))
    pair.update()
    assert pair.key.weight.device.type == "meta"


def test_a_network_without_weights():
    pair = MomentumPair(nn.Flatten())
    pair.update()
    assert pair.key(torch.zeros(2, 3, 4)).shape == (2, 12)


def test_bad_input():
    with pytest.raises(TypeError, match=r"query: expected a torch.nn.Module, got function"):
        MomentumPair(lambda images: images)
    with pytest.raises(TypeError, match="momentum: expected a number, got '0.9'"):
        MomentumPair(nn.Linear(2, 2), "0.9")
    for momentum in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="momentum: expected a number from 0 to 1"):
            MomentumPair(nn.Linear(2, 2), momentum)
    with pytest.raises(ValueError, match="run a lazy one once before"):
        MomentumPair(nn.LazyLinear(2))


def test_a_query_whose_weights_were_exchanged_is_refused():
    pair = MomentumPair(nn.Sequential(nn.Linear(2, 2)))
    pair.query.append(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match=r"got a change in \['1.bias', '1.weight'\]"):
        pair.update()


def test_it_says_what_it_is():
    assert "momentum=0.999" in repr(MomentumPair(nn.Linear(2, 2)))
