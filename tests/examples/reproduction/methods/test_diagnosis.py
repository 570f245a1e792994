"""The weighting study's networks and loss against loops, and what reaches the attention of the hierarchical one."""

import pytest
import torch
import torch.nn.functional as F

from longtail_mix import ClassBalancedWeights, WeightedCrossEntropy
from longtail_mix.data import CLASSES
from reproduction.criteria.weightings import ClassBalanced, HardFirst
from reproduction.methods.diagnosis import Flat, Hierarchical
from reproduction.methods.sampling import Natural
from reproduction.networks.network import Backbone
from reproduction.networks.study import (
    DROPOUT,
    MALIGNANT,
    MELANOCYTIC,
    DynamicAttention,
    FeatureMaps,
    FlatHead,
    HierarchicalHead,
    LevelLoss,
)
from reproduction.training.batch import Needs
from tests.examples.reproduction.methods.small import CNN, COUNTS, batch_for, built, step, weights


def test_the_levels_of_both_networks():
    for method, levels in ((Flat(), [7]), (Hierarchical(), [2, 2, 7])):
        learner = built(method, CNN)
        assert learner.needs == Needs(Natural())
        batch = batch_for(learner.needs)
        out = learner.network(batch.labelled.views[0])
        assert [level.shape for level in out] == [(8, k) for k in levels]
        before = weights(learner)
        step(learner, batch)
        changed = [not torch.equal(before[n], v) for n, v in learner.named_parameters() if n.startswith("network.head")]
        assert all(changed)
        images = batch.labelled.views[0]
        learner.eval()
        torch.testing.assert_close(learner.predict(images), learner.network(images)[-1])


def test_who_is_melanocytic_and_who_malignant():
    kinds = dict(zip(CLASSES, zip(MELANOCYTIC, MALIGNANT, strict=True), strict=True))
    assert {name for name, (melanocytic, _) in kinds.items() if melanocytic} == {"MEL", "NV"}
    assert {name for name, (melanocytic, bad) in kinds.items() if bad and not melanocytic} == {"BCC", "AKIEC"}


def test_the_loss_of_the_levels_equals_its_loop():
    labels = torch.arange(7)
    levels = tuple(torch.randn(7, k, generator=torch.Generator().manual_seed(k)) for k in (2, 2, 7))
    counts = [9, 30, 5, 4, 8, 1, 2]
    expected = []
    for i in range(7):
        loss = F.cross_entropy(levels[2][i], labels[i])
        loss = loss + F.cross_entropy(levels[0][i], torch.tensor(MELANOCYTIC[i]))
        if not MELANOCYTIC[i]:
            loss = loss + F.cross_entropy(levels[1][i], torch.tensor(MALIGNANT[i]))
        expected.append(sum(counts) / counts[i] * loss)
    criterion = LevelLoss(WeightedCrossEntropy(reduction="none"), ClassBalancedWeights(counts))
    torch.testing.assert_close(criterion(levels, labels), torch.stack(expected).mean())
    flat = LevelLoss(WeightedCrossEntropy(reduction="none"), None)
    torch.testing.assert_close(flat((levels[2],), labels), F.cross_entropy(levels[2], labels))


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.5])
def test_gamma_and_weights_reach_the_loss(gamma):
    learner = built(Flat(gamma, ClassBalanced()), CNN).eval()
    batch = batch_for(learner.needs)
    labels = batch.labelled.labels
    logits = learner.predict(batch.labelled.views[0])
    p = logits.softmax(1)[torch.arange(8), labels]
    counts = torch.tensor(COUNTS, dtype=torch.float32)
    weight = counts.sum() / counts
    weight = weight / (weight * counts / counts.sum()).sum()
    torch.testing.assert_close(learner(batch), (weight[labels] * -((1 - p) ** gamma) * p.log()).mean())


def test_curricula_hear_of_the_epochs():
    learner = built(Flat(0.0, HardFirst()), CNN, epochs=10).eval()
    losses = torch.arange(8.0)
    seen = []
    for epoch in (0, 9):
        learner.set_epoch(epoch, 10)
        seen.append(int((learner.criterion.weighting(losses, torch.zeros(8, dtype=torch.int64)) > 0).sum()))
    assert seen == [4, 8]


def test_attention_is_cbams_and_what_the_context_adds():
    torch.manual_seed(0)
    attention, features = DynamicAttention(16, 5).eval(), torch.rand(2, 16, 6, 6)
    with torch.no_grad():
        for layer in (attention.channel, attention.place):
            layer.weight.zero_()
            layer.bias.zero_()
        torch.testing.assert_close(attention(features, torch.rand(2, 5)).of(features), attention.still(features))
        attention.channel.bias.fill_(50.0)  # every channel whole
        attention.place.bias.copy_(torch.linspace(-1, 1, 16))
        stats = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], 1)
        wanted = (torch.linspace(-1, 1, 16)[:, None, None] * features).sum(1, keepdim=True) / 4
        expected = features * (attention.still.spatial.conv(stats) + wanted).sigmoid()
        torch.testing.assert_close(attention(features, torch.rand(2, 5)).of(features), expected)


def test_each_look_follows_the_state_and_the_decisions_before():
    torch.manual_seed(0)
    head = HierarchicalHead(16, 7, width=10).eval()
    contexts = []
    head.attention.register_forward_hook(lambda _, inputs, __: contexts.append(inputs[1]))
    levels = head(torch.rand(3, 16, 4, 4))
    assert [tuple(context.shape) for context in contexts] == [(3, 14)] * 3
    assert not contexts[0].any()
    assert contexts[1][:, :10].abs().sum() > 0
    torch.testing.assert_close(contexts[1][:, 10:12], levels[0].softmax(1))
    assert not contexts[1][:, 12:].any()
    torch.testing.assert_close(contexts[2][:, 10:12], levels[0].softmax(1))
    torch.testing.assert_close(contexts[2][:, 12:], levels[1].softmax(1))
    assert not torch.equal(contexts[1][:, :10], contexts[2][:, :10])


def test_options_and_dropout():
    assert (Flat().gamma, Flat().share, Hierarchical().share, Hierarchical().width) == (0.0, 0.6, 1.0, 64)
    assert built(Hierarchical(width=9), CNN).network.head.memory.hidden_size == 9
    assert DROPOUT == 0.5
    assert FlatHead(8, 7).classifier[0].p == HierarchicalHead(8, 7).dropout.p == 0.5
    with pytest.raises(ValueError, match="gamma: expected at least 0, got -1"):
        Flat(-1)
    with pytest.raises(ValueError, match="share: expected above 0"):
        Flat(share=0)
    with pytest.raises(ValueError, match="data: expected the seven classes of ISIC 2018, of known hierarchy, got 3"):
        Hierarchical().head(8, 3)


def test_vgg16_is_taken_behind_its_last_pooling_and_without_its_linear_layers():
    with torch.device("meta"):
        maps = FeatureMaps(Backbone("vgg16", "none").empty(64), 64)
    assert maps.channels == 512
    assert sum(p.numel() for p in maps.parameters()) == 14_714_688  # the thirteen convolutions
    torch.testing.assert_close(tuple(maps.encoder.pretrained_cfg["mean"]), (0.485, 0.456, 0.406))


def test_the_flat_network_s_attention_is_cbam_s():
    torch.manual_seed(0)
    head, features = FlatHead(16, 7).eval(), torch.rand(2, 16, 6, 6)
    (logits,), attention = head.look(features)
    torch.testing.assert_close(attention.of(features), head.attention(features))
    torch.testing.assert_close(logits, head.classifier(head.attention(features).mean((2, 3))))


@pytest.mark.parametrize("method", [Flat(), Hierarchical()], ids=lambda method: type(method).__name__)
def test_what_is_told_of_the_last_decision(method):
    learner = built(method, Backbone("test_resnet", "none", output_stride=8)).eval()
    images = batch_for(learner.needs).labelled.views[0]
    looks = []
    if isinstance(method, Hierarchical):
        learner.network.head.attention.register_forward_hook(lambda _, __, out: looks.append(out))
    with torch.no_grad():
        told = learner.examine(images, None)
        torch.testing.assert_close(told["logits"], learner.predict(images))
        features = learner.network.backbone(images)
        _, attention = learner.network.head.look(features)
    if looks:
        assert torch.equal(told["place"], looks[2].place)  # the third look
        assert not torch.equal(told["place"], looks[0].place)
    assert torch.equal(told["place"], attention.place)
    assert told["place"].shape == told["channel"].shape == (8, 1, 4, 4)
    for i in range(8):
        weights_of = attention.channel[i, :, 0, 0].tolist()
        assert torch.equal(told["channel"][i, 0], features[i, weights_of.index(max(weights_of))])
