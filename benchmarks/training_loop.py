"""The trainer beside a bare loop, and beside Hugging Face's ViTMAE, timed in turn in one run.

    python benchmarks/training_loop.py [--device cpu] [--precision bf16-mixed] [--rounds 3] [--peer] [--out FILE.json]

The bare loop steps the same network on one standardised batch that lies on the device; the trainer reads simulated
images from disk, crops, turns, standardises, logs and saves. The peer (`pip install transformers`) is ViTMAE with the
same widths, depths, patches and mask ratio, on the same batch.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

CHANNELS = ("dna", "er", "rna", "agp", "mito", "actin")


def bare(network: torch.nn.Module, x: torch.Tensor, steps: int, device: str, half: bool) -> float:
    """Return images per second of a loop that does nothing but step."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    network.train()
    start = 0.0
    for step in range(steps + 2):
        if step == 2:  # the first two warm up
            start = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=half):
            out = network(x)
        loss = out.loss(0.0) if callable(getattr(out, "loss", None)) else out.loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if device == "cuda":
            torch.cuda.synchronize()
    return len(x) * steps / (time.perf_counter() - start)


def trainer(manifest: Any, options: Any, crop: int, batch: int, steps: int, precision: str) -> float:
    """Return images per second of the trainer's steps, from its first to its last."""
    from lightning.pytorch import Callback

    from phenolens.training import DataOptions, OptimiserOptions, RunOptions, train

    times: list[float] = []

    class Clock(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as out:
        train(
            manifest,
            CHANNELS,
            options,
            Path(out),
            data=DataOptions(crop=crop, batch_size=batch),
            optimiser=OptimiserOptions(name="adamw"),
            run=RunOptions(steps=steps + 3, precision=precision, devices=1, save_every=10**6),
            callbacks=[Clock()],
        )
    return batch * steps / (times[-2] - times[1])  # the first two warm up, and the last saves


def peer(size: Any, crop: int) -> torch.nn.Module:
    """Return Hugging Face's masked autoencoder of the same measures."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    return ViTMAEForPreTraining(
        ViTMAEConfig(
            image_size=crop,
            patch_size=size.patch,
            num_channels=len(CHANNELS),
            hidden_size=size.width,
            num_hidden_layers=size.depth,
            num_attention_heads=size.heads,
            intermediate_size=4 * size.width,
            decoder_hidden_size=512,
            decoder_num_hidden_layers=8,
            decoder_num_attention_heads=16,
            decoder_intermediate_size=2048,
            mask_ratio=0.75,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--size", default="small_patch16")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    from pydantic import TypeAdapter

    from phenolens.datasets import read_manifest
    from phenolens.images import self_standardise
    from phenolens.nets import SIZES
    from phenolens.simulation import simulate_cells
    from phenolens.training import ModelOptions
    from phenolens.training.train import make_network

    half = arguments.precision != "32-true"
    options = TypeAdapter(ModelOptions).validate_python({"objective": "masked-autoencoder", "size": arguments.size})
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        manifest = read_manifest(
            simulate_cells(Path(folder) / "p", plates=1, wells=48, size=arguments.crop, channels=CHANNELS)
        )
        x = self_standardise(torch.randint(0, 4000, (arguments.batch, 6, arguments.crop, arguments.crop)))
        x = x.to(arguments.device)
        for _ in range(arguments.rounds):
            network, _ = make_network(options, len(CHANNELS))
            row = {
                "bare": bare(network.to(arguments.device), x, arguments.steps, arguments.device, half),
                "trainer": trainer(
                    manifest, options, arguments.crop, arguments.batch, arguments.steps, arguments.precision
                ),
            }
            if arguments.peer:
                own = peer(SIZES[arguments.size], arguments.crop).to(arguments.device)
                row["peer"] = bare(own, x, arguments.steps, arguments.device, half)
            rows.append({name: round(value, 2) for name, value in row.items()})
            print(rows[-1], flush=True)
    result: dict[str, Any] = {
        "case": {key: value for key, value in vars(arguments).items() if key != "out"},
        "images_per_second": rows,
        "trainer_over_bare": round(statistics.median(row["trainer"] / row["bare"] for row in rows), 3),
    }
    if arguments.peer:
        result["bare_over_peer"] = round(statistics.median(row["bare"] / row["peer"] for row in rows), 3)
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
