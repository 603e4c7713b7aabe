"""Parts of networks as "Dive into Deep Learning" has them, for any program: nothing here knows of competitions.

Where the book's chapters are: layers, blocks, parameters, freezing, tying, lazy sizes (`layers.py`, `norm.py`,
`blocks.py`), activations (`activations.py`), initial weights (`init.py`), saving (`save.py`), devices (`devices.py`),
losses (`losses.py`), weight decay, L1, dropout, clipping, K-fold (`members.py`, `fused.py`), reading curves
(`diagnosis.py`).

One network, as in the book:

>>> import torch
>>> from pipeline.core.blocks import Architecture, build, freeze, summary
>>> from pipeline.core.init import initialiser
>>> net = build(Architecture(n_outputs=1, hidden=(8, 8, 8), tied=True), 4)  # 4 columns; its weights are zero
>>> net = net.apply(initialiser("he", torch.Generator().manual_seed(0)))
>>> net(torch.zeros(2, 4)).shape
torch.Size([2, 1])
>>> freeze(net, "blocks.0.*")
['blocks.0.linear.weight', 'blocks.0.linear.bias']
>>> print(summary(net))
blocks.0.linear.weight  (4, 8)  32  frozen
blocks.0.linear.bias  (1, 8)  8  frozen
blocks.1.linear.weight  (8, 8)  64
blocks.1.linear.bias  (1, 8)  8
head.weight  (8, 1)  8
head.bias  (1, 1)  1
total  121

Two folds and two weight decays as one program, each network judged by the rows of its fold; then written and read:

>>> from dataclasses import asdict
>>> from pathlib import Path
>>> from tempfile import mkdtemp
>>> from pipeline.core.devices import try_all_gpus
>>> from pipeline.core.fused import predict, train
>>> from pipeline.core.members import EncodedRows, Member, Program, View
>>> from pipeline.core.save import load, load_into, save
>>> x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
>>> def rows(at):
...     codes = torch.zeros(len(x[at]), 0, dtype=torch.int64)  # no categories
...     return EncodedRows(x[at], codes, x[at].sum(dim=1, keepdim=True))
>>> folds = [View(rows(slice(0, 20)), (rows(slice(20, 40)),)), View(rows(slice(20, 40)), (rows(slice(0, 20)),))]
>>> program = Program(Architecture(n_outputs=1, hidden=(16,)), "squared", epochs=30, batch_size=8, init="he")
>>> members = [Member(fold, seed=0, lr=0.03, weight_decay=wd, dropout=0.1) for wd in (0.0, 0.1) for fold in (0, 1)]
>>> trained = train(program, members, folds, devices=try_all_gpus())
>>> [one.losses.shape for one in trained]  # epochs; of the rows to learn from, and of the fold's
[(30, 2), (30, 2), (30, 2), (30, 2)]
>>> path = Path(mkdtemp()) / "net.safetensors"
>>> save(path, trained[0].state, asdict(program.architecture))
>>> tensors, header = load(path)
>>> net = build(Architecture(**header), 4)
>>> load_into(net, tensors, path)
>>> predict(program.architecture, [tensors], rows(slice(None))).shape  # networks, rows, outputs
torch.Size([1, 40, 1])
"""
