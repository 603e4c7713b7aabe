"""Saved tensors come back the same, tied ones tied, and what does not fit is listed with both sides."""

from __future__ import annotations

from pathlib import Path

import forked
import kept
import pytest
import torch
from safetensors.torch import save_file

from pipeline.core.blocks import Architecture, build
from pipeline.core.init import initialise
from pipeline.core.save import load, load_into, save

WANTED = Architecture(n_outputs=2, hidden=(5, 5, 5), tied=True)


def trained_net() -> torch.nn.Module:
    net = build(WANTED, 3)
    initialise(net, "xavier", 3, torch.zeros(1, 3), torch.zeros(1, 0, dtype=torch.int64))
    return net


def test_a_new_process_predicts_the_same(tmp_path: Path) -> None:
    net = trained_net()
    save(tmp_path / "net.safetensors", net.state_dict(), vars(WANTED))
    assert forked.call(kept.network_outputs, tmp_path / "net.safetensors") == net(torch.ones(1, 3)).tolist()


def test_tied_tensors_are_written_once_and_come_back_tied(tmp_path: Path) -> None:
    save(tmp_path / "net.safetensors", trained_net().state_dict(), {})
    tensors, _ = load(tmp_path / "net.safetensors")
    assert tensors["blocks.1.linear.weight"].data_ptr() == tensors["blocks.2.linear.weight"].data_ptr()
    assert (tmp_path / "net.safetensors").read_bytes().count(b'"blocks.2.linear.weight":{') == 0


def test_equal_tensors_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / name, trained_net().state_dict(), {"z": 1, "a": [2]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_mismatch_is_listed_with_both_sides() -> None:
    net = build(Architecture(n_outputs=2), 3)
    found = {
        "head.weight": torch.zeros(3, 4),
        "head.bias": torch.zeros(1, 2, dtype=torch.float64),
        "tail": torch.ones(1),
    }
    with pytest.raises(ValueError, match="does not fit") as caught:
        load_into(net, found, "file.safetensors")
    text = str(caught.value)
    assert "head.weight: shape (3, 2) in the network, (3, 4) in file.safetensors" in text
    assert "head.bias: torch.float32 in the network, torch.float64 in file.safetensors" in text
    assert "tail: in file.safetensors, not in the network" in text


def test_a_missing_tensor_is_named() -> None:
    net = build(Architecture(n_outputs=2), 3)
    with pytest.raises(ValueError, match=r"head\.bias: in the network, not in"):
        load_into(net, {"head.weight": torch.zeros(3, 2)})


def test_a_path_may_be_a_string_and_a_file_of_others_is_told(tmp_path: Path) -> None:
    tensors = {"w": torch.ones(2)}
    save(str(tmp_path / "ours"), tensors, {"a": 1})
    assert load(str(tmp_path / "ours"))[1] == {"a": 1}
    save_file(tensors, tmp_path / "theirs")
    with pytest.raises(ValueError, match="theirs has no header"):
        load(tmp_path / "theirs")
