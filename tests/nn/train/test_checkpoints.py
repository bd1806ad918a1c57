"""Files keep models to the bit, are replaced whole, and are refused with a reason when they are not whole."""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_lite.files import json_codec
from tinygrad_lite.files.safetensors import DTYPES, from_bytes, read_file, to_bytes
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.nn.optim.optimizers import SGD, Adam
from tinygrad_lite.nn.optim.schedules import StepLR
from tinygrad_lite.nn.train.checkpoints import load, load_run, save
from tinygrad_lite.value import Value

any_float = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


def trained(steps: int = 3, seed: int = 0) -> tuple[MLP, Adam]:
    model = MLP(2, [3, 1], "tanh", seed=seed)
    optimizer = Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        (model([1.0, 2.0]) ** 2).backward()
        optimizer.step()
    return model, optimizer


def numbers(model: Module) -> list[float]:
    return [p.data for p in model.parameters()]


def same(a: Any, b: Any) -> bool:
    """Equal with their types, and to the bit: repr tells all floats apart, -0.0 and 0.0 too."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return isinstance(b, dict) and list(map(repr, a)) == list(map(repr, b)) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


# -------------------------------------------------------------------------------------------- what comes back


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(any_float, min_size=13, max_size=13))
def test_weights_come_back_to_the_bit(tmp_path: Path, data: list[float]) -> None:
    model, other = MLP(2, [3, 1], seed=0), MLP(2, [3, 1], seed=1)
    for p, number in zip(model.parameters(), data, strict=True):
        p.data = number
    save(model, tmp_path / "m.safetensors")
    load(other, tmp_path / "m.safetensors")
    assert np.array(numbers(other)).tobytes() == np.array(data).tobytes()


def test_an_optimiser_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    model, optimizer = trained(3)
    save(model, tmp_path / "m.safetensors", optimizer)
    other, fresh = trained(0, seed=1)
    load(other, tmp_path / "m.safetensors", fresh)
    for m, o in ((model, optimizer), (other, fresh)):
        o.zero_grad()
        (m([0.5, -1.0]) ** 2).backward()
        o.step()
    assert numbers(other) == numbers(model)
    assert fresh.state_dict() == optimizer.state_dict()


def test_buffers_come_back_in_the_containers_that_they_had(tmp_path: Path) -> None:
    class Counting(Module):
        def __init__(self) -> None:
            self.w = Value(1.0)
            self.register_buffer("mean", [0.0, 0.0])
            self.register_buffer("count", 0)

    model, other = Counting(), Counting()
    model.mean, model.count = [1.5, -2.5], 7
    save(model, tmp_path / "m.safetensors")
    load(other, tmp_path / "m.safetensors")
    assert same([other.mean, other.count], [[1.5, -2.5], 7])


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | any_float | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(-3, 3) | st.booleans(), inner, max_size=3)
        | st.lists(any_float, min_size=7, max_size=12)
        | st.lists(st.integers(-(2**70), 2**70), min_size=7, max_size=9).map(tuple)
    ),
    max_leaves=10,
)


@given(tree=plain_data)
def test_plain_data_come_back_the_same_through_a_file(tree: Any) -> None:
    arrays: dict[str, Any] = {}
    text = json_codec.encode(tree, "tree", arrays)
    contents = from_bytes(to_bytes(arrays, {"text": text}))
    assert same(json_codec.decode(contents.metadata["text"], contents.arrays), tree)


def test_extra_data_with_arrays_come_back(tmp_path: Path) -> None:
    extra = {"state": {0: {"step": 3}}, "array": np.arange(6, dtype=np.int32).reshape(2, 3), "nan": math.nan}
    save(MLP(1, [1], seed=0), tmp_path / "m.safetensors", extra={**extra, "numpy number": np.float64(2.5)})
    found = load(MLP(1, [1], seed=0), tmp_path / "m.safetensors")
    assert same(found, {**extra, "numpy number": 2.5})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"model": MLP}, r"extra.model is a type.*: files hold numbers, text, lists"),
        (StepLR(SGD([Value(1.0)]), 2), r"extra is a StepLR, .* numbers only\. Give its state_dict\(\) instead\.$"),
        ([1, {2, 3}], r"extra.1 is a set, \{2, 3\}"),
        ({(1, 2): 3}, r"extra has the key \(1, 2\): files hold dicts whose keys are text"),
        ([Value(1.0)], r"extra.0 is a Value"),
    ],
)
def test_what_is_no_plain_data_is_refused_and_the_file_stays(tmp_path: Path, extra: Any, message: str) -> None:
    path = tmp_path / "m.safetensors"
    save(MLP(1, [1], seed=0), path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match=message):
        save(MLP(1, [1], seed=1), path, extra=extra)
    assert path.read_bytes() == before


# --------------------------------------------------------------------------------------------------- the format


def test_the_safetensors_library_reads_what_is_written(tmp_path: Path) -> None:
    model, optimizer = trained()
    path = tmp_path / "m.safetensors"
    save(model, path, optimizer)
    arrays = safetensors.numpy.load_file(path)
    for name, array in model.state_dict().items():
        assert same(arrays[f"model.{name}"], array)
    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata()["format"] == "tinygrad_lite"
        assert file.metadata()["version"] == "1"


arrays_by_name = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.builds(
        lambda dtype, shape, seed: np.random.default_rng(seed).integers(0, 2, shape).astype(dtype),
        st.sampled_from(sorted(DTYPES.values())),
        st.lists(st.integers(0, 3), max_size=3),
        st.integers(0, 100),
    ),
    max_size=4,
)


@given(arrays=arrays_by_name)
def test_this_library_and_safetensors_read_each_others_files(arrays: dict[str, Any]) -> None:
    here = to_bytes(arrays, {})
    assert same(dict(sorted(safetensors.numpy.load(here).items())), dict(sorted(arrays.items())))
    there = safetensors.numpy.save(arrays)
    assert same(dict(sorted(from_bytes(there).arrays.items())), dict(sorted(arrays.items())))


def test_arrays_of_any_order_in_memory_come_back() -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    for view in (array, array.T, array[:, ::-1, ::2], array.astype(">f8"), np.array(7.0)):
        found = from_bytes(to_bytes({"w": view}, {})).arrays["w"]
        assert found.shape == view.shape
        assert found.tolist() == view.tolist()
        found[...] = 0.0  # it may be written to


def test_the_same_contents_give_the_same_bytes_in_every_process() -> None:
    code = (
        "import numpy; from tinygrad_lite.files.safetensors import to_bytes\n"
        "print(to_bytes({'b': numpy.ones(2), 'a': numpy.zeros(3)}, {c: c for c in 'formatversion'}).hex())"
    )
    command = [sys.executable, "-c", code]
    assert len({subprocess.run(command, capture_output=True, check=True).stdout for _ in range(3)}) == 1


def test_without_the_library_files_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (lambda: to_bytes({}, {}), lambda: from_bytes(b"")):
        with pytest.raises(ImportError, match="pip install safetensors"):
            call()


def test_a_dtype_that_has_no_name_in_the_format_is_refused() -> None:
    with pytest.raises(TypeError, match="w is an array of complex128, which safetensors files have no name for"):
        to_bytes({"w": np.zeros(2, dtype=complex)}, {})
    with pytest.raises(ValueError, match="an array cannot be named '__metadata__'"):
        to_bytes({"__metadata__": np.zeros(2)}, {})


# ------------------------------------------------------------------------------------- what is refused, and how


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model, optimizer = trained()
    save(model, tmp_path / "m.safetensors", optimizer)
    return tmp_path / "m.safetensors"


def refused(path: Path, content: bytes, message: str) -> None:
    """The file is refused with this reason, and model and optimiser stay as they were."""
    path.write_bytes(content)
    model, optimizer = trained(1, seed=2)
    before = numbers(model), optimizer.state_dict()
    with pytest.raises(ValueError, match=message) as caught:
        load(model, path, optimizer)
    assert str(path) in str(caught.value)
    assert (numbers(model), optimizer.state_dict()) == before


def test_a_file_cut_off_anywhere_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for length in [*range(0, len(content), 37), 7, 8, 9, len(content) - 1]:
        refused(saved, content[:length], "truncated|it is no safetensors file")


def test_a_file_with_any_bit_changed_is_refused_or_is_the_same(saved: Path) -> None:
    content = saved.read_bytes()
    expected = trained()[0]
    rng = random.Random(0)
    model = MLP(2, [3, 1], "tanh", seed=0)
    spared = 0
    for place in [*range(12), *rng.sample(range(len(content)), 400)]:
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        saved.write_bytes(changed)
        try:
            load(model, saved)
        except ValueError:
            continue
        assert numbers(model) == numbers(expected)  # blank for blank, behind the header
        spared += 1
    assert spared <= 2


def test_bytes_behind_the_end_are_refused(saved: Path) -> None:
    refused(saved, saved.read_bytes() + b"more", "4 bytes follow the last array")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no safetensors file: it has 0 bytes"),
        (b"PK\x03\x04 a zip archive, as torch.save writes it", "it is no safetensors file: it does not begin with"),
        (b"\x80\x05\x95 a pickle of anything", "it is no safetensors file: it does not begin with"),
        ((2).to_bytes(8, "little") + b"{}", "it is a safetensors file|is a safetensors file of another program"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    refused(tmp_path / "f.safetensors", content, message)


def test_a_safetensors_file_of_another_program_is_refused_with_the_way_on(tmp_path: Path) -> None:
    refused(
        tmp_path / "f.safetensors",
        to_bytes({"weight": np.ones(2)}, {"format": "pt"}),
        r"of another program \(its format is 'pt'\): read its arrays with safetensors.numpy.load_file",
    )


def header_of(header: Any, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def entry(dtype: Any = "F64", shape: Any = (1,), places: Any = (0, 8)) -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": places}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header_of(b'{"w": '), "its header cannot be parsed"),
        (header_of(b'{"w": ' + b"[" * 100_000), "its header cannot be parsed"),
        (header_of(b'{"a": 1, "a": 2}'), "a name is there twice"),
        (header_of(b'{"\xff": 1}'), "its header cannot be parsed"),
        (header_of({"w": 1}), "it is damaged: "),
        (header_of({"w": {"dtype": "F64"}}), "it is damaged: "),
        (header_of({"__metadata__": {"a": 1}}), "it is damaged: "),
        (header_of({"__metadata__": []}), "it is damaged: "),
        (header_of(entry(dtype="F8")), "w has the dtype 'F8'; the known ones are"),
        (header_of(entry(dtype="BF16", places=(0, 2)), b"xy"), "w has the dtype 'BF16'"),
        (header_of(entry(dtype=[]), bytes(8)), "it is damaged: "),
        (header_of(entry(shape=(-1,)), bytes(8)), "it is damaged: "),
        (header_of(entry(shape=(True,)), bytes(8)), "it is damaged: "),
        (header_of(entry(shape=(1.0,)), bytes(8)), "it is damaged: "),
        (header_of(entry(shape=8 * [2**62]), bytes(8)), "it is damaged: "),
        (header_of(entry(shape=100 * [1]), bytes(8)), "it is damaged: "),
        (header_of(entry(places=(0, 8, 16)), bytes(8)), "it is damaged: "),
        (header_of(entry(places=(8, 0))), "it is damaged: "),
        (header_of(entry(shape=(0, 2**62), places=(0, 0))), "it is damaged: "),
        (header_of(entry(places=(8, 16)), bytes(16)), "it is damaged: "),
        (header_of(entry(shape=(2**40,), places=(0, 2**43)), bytes(8)), "it is truncated: w ends at byte"),
        ((2**60).to_bytes(8, "little") + b"{}", "it does not begin with the length of a header"),
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    refused(tmp_path / "f.safetensors", content, message)


def test_a_newer_version_and_a_wrong_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    refused(path, to_bytes({}, {"format": "tinygrad_lite", "version": "2"}), r"has version 2 .* pip install --upgrade")
    refused(path, to_bytes({}, {"format": "tinygrad_lite", "version": "x"}), "its version is 'x'")
    refused(path, to_bytes({}, {"format": "tinygrad_lite"}), "its version is ''")
    refused(path, to_bytes({}, {"format": "tinygrad_lite", "version": "9" * 5000}), "its version is '9{18,19}")


@pytest.mark.parametrize(
    "parts",
    [
        *(None, "{", '{"tuple": 3}', '{"array": "gone"}', '{"a": 1, "b": 2}', '{"float": "x"}', "[1]", '{"x": []}'),
        *('{"float": 1%s}' % ("0" * 400), '{"float": []}', '{"dict": [[7, 1]]}', '{"dict": [[[], 1]]}', "9" * 5000),
    ],
)
def test_parts_that_are_no_plain_data_are_refused(tmp_path: Path, parts: str | None) -> None:
    metadata = {"format": "tinygrad_lite", "version": "1"} | ({} if parts is None else {"parts": parts})
    refused(tmp_path / "f.safetensors", to_bytes({}, metadata), "it is damaged")


_WORDS = st.sampled_from(["dict", "tuple", "float", "array", "list of numbers", "inf", "model.w", "optimizer", "x"])
_ATOMS = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([10**400, 2**70]), st.floats(), _WORDS)
CRAFTED = st.recursive(
    _ATOMS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_WORDS, inner, max_size=2))
)


@given(CRAFTED, st.booleans())
def test_crafted_parts_with_the_right_checksum_are_read_or_refused(parts: Any, named: bool) -> None:
    if named:  # so that what is crafted stands where the state of an optimiser or of a run belongs
        parts = {"dict": [["optimizer", parts], ["extra", {"dict": []}]]}
    metadata = {"format": "tinygrad_lite", "version": "1", "parts": json.dumps(parts)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.safetensors")
        model, optimizer = trained(1, seed=2)
        weights = {f"model.{name}": array for name, array in MLP(2, [3, 1], "tanh", seed=0).state_dict().items()}
        path.write_bytes(to_bytes(weights, metadata))
        before = numbers(model), optimizer.state_dict()
        for read in (lambda: load(model, path, optimizer), lambda: load_run(model, {"optimizer": optimizer}, path)):
            with pytest.raises(ValueError, match=re.escape(str(path))):
                read()
        assert (numbers(model), optimizer.state_dict()) == before


def test_weights_of_another_dtype_are_refused(tmp_path: Path) -> None:
    metadata = {"format": "tinygrad_lite", "version": "1", "parts": '{"dict":[]}'}
    content = to_bytes({"model.w": np.zeros(1, dtype=np.float32)}, metadata)
    refused(tmp_path / "f.safetensors", content, "the weights w are float32, and not float64")


def test_weights_that_do_not_fit_change_nothing(saved: Path) -> None:
    model = MLP(2, [4, 1], seed=0)
    before = numbers(model)
    with pytest.raises(ValueError, match=r"m.safetensors does not fit: .* MLP\(2, \[4, 1\].* Nothing was loaded"):
        load(model, saved)
    assert numbers(model) == before


def test_an_optimiser_that_does_not_fit_changes_nothing_not_even_the_model(saved: Path) -> None:
    model = MLP(2, [3, 1], "tanh", seed=3)
    optimizer = SGD(model.parameters(), lr=0.5)
    before = numbers(model)
    with pytest.raises(ValueError, match=r"m.safetensors does not fit: .*Adam"):
        load(model, saved, optimizer)
    assert numbers(model) == before
    assert optimizer.lr == 0.5


def test_an_optimiser_cannot_come_from_a_file_without_one(tmp_path: Path) -> None:
    model, optimizer = trained()
    save(model, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="holds no optimiser: save"):
        load(model, tmp_path / "m.safetensors", optimizer)


def test_a_missing_file_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no.safetensors"):
        load(MLP(1, [1], seed=0), tmp_path / "no.safetensors")
    with pytest.raises(FileNotFoundError, match="cannot be written: there is no folder"):
        save(MLP(1, [1], seed=0), tmp_path / "no" / "m.safetensors")


def test_nothing_in_a_file_is_run() -> None:
    names = ("nn.train.checkpoints", "files.json_codec", "files.safetensors")
    sources = [Path(sys.modules[f"tinygrad_lite.{name}"].__file__ or "") for name in names]
    for source in sources:
        text = source.read_text(encoding="utf-8")
        assert not any(word in text for word in ("pickle", "eval(", "exec(", "import_module", "__import__"))


def test_read_file_gives_arrays_of_other_programs(tmp_path: Path) -> None:
    (tmp_path / "f.safetensors").write_bytes(to_bytes({"w": np.ones(2)}, {}))
    assert read_file(tmp_path / "f.safetensors").arrays["w"].tolist() == [1.0, 1.0]


# ------------------------------------------------------------------------------------------ written in one step

KILLING = """
import numpy, os, random, signal, sys, time
from tinygrad_lite.nn.train.checkpoints import load, load_run, save
from tinygrad_lite.nn.layers.linear import Linear

path, kills = sys.argv[1], int(sys.argv[2])
models = [Linear(30, 30, generator=0) for _ in range(3)]
for k, model in enumerate(models):
    for p in model.parameters():
        p.data = float(k)
save(models[0], path)
rng, numbers = random.Random(0), numpy.zeros(100_000)
interrupted, seen = 0, set()
for kill in range(10 * kills):
    if kill >= kills and interrupted >= 5 and 2.0 in seen:
        break  # a busy machine needs more of them
    child = os.fork()
    if child == 0:
        sync = os.fsync
        os.fsync = lambda file: (time.sleep(0.001), sync(file))  # a slow disk
        while True:
            for model in models[1:]:
                save(model, path, extra=numbers)
    time.sleep(rng.uniform(0.005, 0.03 + kill / 2000))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    interrupted += any(name.endswith(".tmp") for name in os.listdir(os.path.dirname(path)))
    load(models[0], path)
    found = {p.data for p in models[0].parameters()}
    assert len(found) == 1, found
    seen |= found
save(models[0], path)
print(interrupted, sorted(seen), os.listdir(os.path.dirname(path)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks of a process")
def test_a_kill_at_any_instant_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    done = subprocess.run([sys.executable, "-c", KILLING, path, "50"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    interrupted, rest = done.stdout.split(" ", 1)
    assert int(interrupted) >= 5  # kills that came while a file was being written
    assert "1.0, 2.0]" in rest
    assert "['m.safetensors']" in rest  # the next save removed what the last kill left
