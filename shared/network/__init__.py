"""A neural network written from scratch in NumPy: dense layers, trained by mini-batches to tell images apart.

It knows arrays and nothing else: no files, no jobs, no HTTP.

    configuration = preset("fast", epochs=3)
    network = Network(image_shape=(28, 28), classes=10, configuration=configuration)
    training = Training(network, images, labels)
    for progress in training:
        print(progress.epoch, progress.train_loss)
    network.evaluate(training.parameters, test_images, test_labels).accuracy
"""

from shared.network.arrays import Parameters
from shared.network.augmentation import Augmentation
from shared.network.calibration import Calibration
from shared.network.configuration import Configuration
from shared.network.early_stopping import EarlyStopping
from shared.network.errors import ConfigurationError, TrainingDiverged
from shared.network.evaluation import Evaluation
from shared.network.network import Network
from shared.network.presets import PRESETS, preset
from shared.network.reports import EpochReport, Progress
from shared.network.training import State, Training

__all__ = [
    "PRESETS",
    "Augmentation",
    "Calibration",
    "Configuration",
    "ConfigurationError",
    "EarlyStopping",
    "EpochReport",
    "Evaluation",
    "Network",
    "Parameters",
    "Progress",
    "State",
    "Training",
    "TrainingDiverged",
    "preset",
]
