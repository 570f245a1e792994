import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from torchvision.datasets import FakeData, ImageFolder

from longtail_mix.sampling import ClassSampler, balanced_probabilities, dataset_labels


class Told(Dataset):
    """A data set that says its labels and would rather not be read."""

    def __init__(self, target_transform=None, **labels):
        self.__dict__ |= labels
        self.target_transform = target_transform
        self.size = len(next(iter(labels.values())))

    def __len__(self):
        return self.size

    def __getitem__(self, row):
        raise AssertionError("an image was loaded")


def test_reads_what_data_sets_tell_through_subset_and_concat():
    targets = Told(targets=[3, 1, 2])
    labels = Told(labels=torch.tensor([5, 4], dtype=torch.int32))
    tensors = TensorDataset(torch.rand(3, 2), torch.tensor([7, 8, 9]))
    joined = ConcatDataset([targets, Subset(tensors, [2, 0]), labels])
    assert dataset_labels(joined).tolist() == [3, 1, 2, 9, 7, 5, 4]
    assert dataset_labels(Subset(joined, torch.tensor([6, 3, 0]))).tolist() == [4, 9, 3]
    assert dataset_labels(Subset(Subset(joined, [6, 3, 0]), [1])).tolist() == [9]
    assert dataset_labels(joined).dtype == torch.int64
    part, _ = random_split(joined, [4, 3], torch.Generator().manual_seed(0))
    assert dataset_labels(part).tolist() == [dataset_labels(joined)[i].item() for i in part.indices]


def test_the_rows_a_sampler_draws_are_those_of_the_joined_data_set():
    joined = ConcatDataset(
        [TensorDataset(torch.zeros(n, 1), torch.full((n,), label)) for label, n in enumerate([9, 3])]
    )
    labels = dataset_labels(joined)
    for row in ClassSampler(labels, balanced_probabilities(labels.bincount())):
        assert joined[row][1] == labels[row]


def test_a_target_transform_is_applied():
    assert dataset_labels(Told(targets=[0, 1], target_transform=lambda label: 10 - label)).tolist() == [10, 9]


def test_an_image_folder(tmp_path):
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()  # never opened
    assert dataset_labels(ImageFolder(tmp_path)).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (FakeData(4), "dataset: expected one with targets or labels, .* got FakeData"),
        (TensorDataset(torch.rand(3, 2)), "dataset: expected one with targets or labels, .* got TensorDataset"),
        (TensorDataset(torch.rand(3, 2), torch.rand(3)), "labels of the data set: expected integer labels"),
        (Told(targets=["nevus", "melanoma"]), "labels of the data set: expected whole numbers, got 'nevus'"),
        (
            Told(targets=[0, 1], target_transform=lambda label: torch.eye(2)[label]),
            "labels of the data set: expected one class for each image .B., got several",
        ),
        (
            TensorDataset(torch.rand(2, 2), torch.tensor([0, -1])),
            "labels of the data set: expected labels of at least 0",
        ),
    ],
)
def test_bad_input(dataset, message):
    with pytest.raises((TypeError, ValueError), match=message):
        dataset_labels(dataset)


def test_rows_that_are_dictionaries_as_monai_has_them():
    rows = [{"image": f"{i}.png", "label": label, "site": site} for i, (label, site) in enumerate([(2, 0), (0, 1)])]
    assert dataset_labels(rows).tolist() == [2, 0]
    assert dataset_labels(rows, key="site").tolist() == [0, 1]
    unread = Told(data=rows)  # a data set of MONAI
    assert dataset_labels(Subset(unread, [1])).tolist() == [0]
    with pytest.raises(ValueError, match=r"key: expected grade among \['image', 'label', 'site'\]"):
        dataset_labels(rows, key="grade")
    with pytest.raises(ValueError, match="key: expected one of label, labels, target, targets among"):
        dataset_labels([{"image": 0}])


def test_data_sets_of_timm(tmp_path):
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()  # never opened
    from timm.data import ImageDataset

    assert dataset_labels(ImageDataset(str(tmp_path))).tolist() == [0, 1, 1]


def test_data_sets_of_datasets():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Value("string"), "labels": datasets.ClassLabel(names=["a", "b"])})
    dataset = datasets.Dataset.from_dict({"image": ["x", "y", "z"], "labels": ["b", "a", "b"]}, features=features)
    dataset.set_transform(lambda _: pytest.fail("an image was loaded"))
    assert dataset_labels(dataset).tolist() == [1, 0, 1]
    assert dataset_labels(dataset.select([1, 2])).tolist() == [0, 1]


def test_not_one_label_a_image():
    dataset = Told(targets=[0, 1])
    dataset.size = 3
    with pytest.raises(ValueError, match="expected one for each of its images, got 2"):
        dataset_labels(dataset)
