"""Where the arrays of a program live on several devices: samples are divided among them, everything else is on each.

A program's own sum or mean over the samples then becomes a sum on each device and an all-reduce between them, which XLA
puts in by itself from the shardings of arguments and results. This is data parallelism: each device holds all
parameters. It asks that the number of samples can be divided by the number of devices; it does not pad.

On several processes (``jax.distributed.initialize`` was called) the mesh has the devices of all of them. A NumPy array
with samples is then what this process has of them, and all processes have equally many; without samples, it is the same
in all processes. JAX arrays are taken as they are: they are global.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.engines.jax_library import import_jax
from tinygrad_lite.lift.ir.groups import Groups

if TYPE_CHECKING:
    from jax.sharding import Mesh, NamedSharding

#: The name of the mesh's axis that samples are divided along, where the engine makes the mesh.
SAMPLES: Final = "samples"


def make_mesh(devices: int | Mesh | None) -> Mesh | None:
    """Make the mesh of devices that a program runs on; None for JAX's default device.

    Args:
        devices: How many devices, of all processes together; or a mesh, over all of whose axes samples are divided.

    Raises:
        LiftError: There are not as many devices, a process has none of them, or it is neither a number nor a mesh.
    """
    jax = import_jax()
    if devices is None or isinstance(devices, jax.sharding.Mesh):
        return devices
    if isinstance(devices, bool) or not isinstance(devices, int) or devices < 1:
        raise LiftError(f"devices is a number of devices, a jax.sharding.Mesh or None, not {devices!r:.80}")
    found = jax.devices()
    if devices > len(found):
        raise LiftError(
            f"devices={devices}: JAX sees {len(found)}, {found[0].platform}. It takes a CPU for several with "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={devices} in the environment when it is imported."
        )
    idle = {device.process_index for device in found} - {device.process_index for device in found[:devices]}
    if idle:
        raise LiftError(
            f"devices={devices} leaves process {min(idle)} without a device: give devices={len(found)}, those of all "
            "processes, or a mesh with devices of each"
        )
    mesh: Mesh = jax.sharding.Mesh(np.array(found[:devices]), (SAMPLES,))
    return mesh


def make_sharding(mesh: Mesh, axis: int | None) -> NamedSharding:
    """Make the sharding of an array whose samples run along that axis; None: of one that is whole on each device."""
    sharding = import_jax().sharding
    axes = () if axis is None else (*[None] * axis, tuple(mesh.axis_names))
    found: NamedSharding = sharding.NamedSharding(mesh, sharding.PartitionSpec(*axes))
    return found


def find_sample_axes(program: Groups, axes: Sequence[int | None] | None = None) -> list[int | None]:
    """Find for each input the axis of its samples, from the first; None where it has none.

    Args:
        program: The program.
        axes: The same, where they are not the last; negative ones count from there.
    """
    groups = [program.groups[number] for number in program.inputs]
    given = axes or [-1] * len(groups)
    return [
        (-1 if axis is None else axis) % (len(group.shape) + 1) if group.batched else None
        for group, axis in zip(groups, given, strict=True)
    ]


class Placement:
    """Puts the arguments of a program on the devices of a mesh.

    Attributes:
        mesh: The devices.
        inputs: The sharding of each input.
        outputs: The sharding of each result.
    """

    def __init__(self, program: Groups, mesh: Mesh, axes: Sequence[int | None]) -> None:
        self.mesh = mesh
        self.inputs = [make_sharding(mesh, axis) for axis in axes]
        self.outputs = [make_sharding(mesh, 0 if output.batched else None) for output in program.outputs]
        self._batched = [
            (place, axis, program.groups[program.inputs[place]].path)
            for place, axis in enumerate(axes)
            if axis is not None
        ]
        self._several = mesh.is_multi_process
        self._share = mesh.size // len({device.process_index for device in mesh.devices.flat})
        self._on_device = import_jax().Array
        self._global = import_jax().make_array_from_process_local_data

    def place(self, arrays: Sequence[Any]) -> list[Any]:
        """Put arrays in place: those with samples are divided where several processes each have some of them.

        Raises:
            LiftError: The samples cannot be divided equally.
        """
        found = list(arrays)
        for place, axis, path in self._batched:
            array = found[place]
            local = self._several and not isinstance(array, self._on_device)
            _check_divides(array.shape[axis], self._share if local else self.mesh.size, path, local)
            if local:
                found[place] = self._global(self.inputs[place], np.ascontiguousarray(array))
        return found


def _check_divides(samples: int, devices: int, path: str, local: bool) -> None:
    if samples % devices:
        where = "devices of this process" if local else "devices"
        raise LiftError(
            f"{path or 'an argument'} has {samples} samples, which {devices} {where} cannot share equally: give a "
            f"multiple of {devices}, {samples - samples % devices} or {samples + devices - samples % devices}"
        )
