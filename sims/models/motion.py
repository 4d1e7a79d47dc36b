"""A one-dimensional convolutional network for windows of motion, of the size that microcontrollers run."""

from torch import Tensor, nn


class MotionNet(nn.Module):
    """Three convolutions over time and a readout; 6 channels x 128 samples to 7 classes, 7,215 weights.

    The noise enters after `act2`: 24 channels x 64 places, 1,536 neurons.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.act1, self.pool1 = nn.Conv1d(6, 16, 5, padding=2), nn.Tanh(), nn.MaxPool1d(2)
        self.conv2, self.act2, self.pool2 = nn.Conv1d(16, 24, 5, padding=2), nn.Tanh(), nn.MaxPool1d(4)
        self.conv3, self.act3, self.pool3 = nn.Conv1d(24, 32, 5, padding=2), nn.Tanh(), nn.MaxPool1d(4)
        self.flat, self.readout = nn.Flatten(), nn.Linear(128, 7)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (T, 7) of windows (T, 6, 128)."""
        h = self.pool1(self.act1(self.conv1(x)))
        h = self.pool2(self.act2(self.conv2(h)))
        h = self.pool3(self.act3(self.conv3(h)))
        logits: Tensor = self.readout(self.flat(h))
        return logits
