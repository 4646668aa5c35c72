"""A neural network written from scratch in NumPy: dense layers, trained on mini-batches to classify images.

The package works on arrays only, without files, jobs or HTTP.

    configuration = preset("fast", epochs=3)
    network = Network(image_shape=(28, 28), classes=10, configuration=configuration)
    training = Training(network, images, labels)
    for progress in training:
        print(progress.epoch, progress.train_loss)
    network.evaluate(training.parameters, test_images, test_labels).accuracy
"""

from shared.network.arrays import Parameters
from shared.network.augmentation.ranges import Augmentation
from shared.network.configuration import Configuration
from shared.network.errors import ConfigurationError, TrainingDiverged
from shared.network.evaluation.calibration import Calibration
from shared.network.evaluation.evaluation import Evaluation
from shared.network.evaluation.reports import EpochReport, Progress
from shared.network.network import Network
from shared.network.optimization.early_stopping import EarlyStopping
from shared.network.selection.auto_training import AutoTraining
from shared.network.selection.candidates import Facts, candidates
from shared.network.selection.presets import PRESETS, preset
from shared.network.training.training import State, Training

__all__ = [
    "PRESETS",
    "Augmentation",
    "AutoTraining",
    "Calibration",
    "Configuration",
    "ConfigurationError",
    "EarlyStopping",
    "EpochReport",
    "Evaluation",
    "Facts",
    "Network",
    "Parameters",
    "Progress",
    "State",
    "Training",
    "TrainingDiverged",
    "candidates",
    "preset",
]
