"""A simulated accelerator; see :mod:`tests.simulated_device.device`."""

from tests.simulated_device.device import KINDS, NAME, Counts, SimulatedDevice, simulated_device

__all__ = ["KINDS", "NAME", "Counts", "SimulatedDevice", "simulated_device"]
