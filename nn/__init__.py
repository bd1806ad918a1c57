"""Neural networks."""
from tinygrad_lite.nn.layers import MLP, Layer, Neuron
from tinygrad_lite.nn.module import Module, name_parameters
