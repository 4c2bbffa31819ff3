"""Training speed on a GPU: images per second, memory and model-FLOPs utilisation over batch sizes.

    python benchmarks/gpu_training.py [--out FILE.json] [--minutes 8]

The joint MAE ViT-L/8 and the channel-agnostic MAE ViT-S/16 of the recipe, 256 pixels, six channels, bf16, on random
pixels that lie on the device. Operations are counted, not guessed; the peak is that of the data sheet. Stops in time,
and writes what it has. The trainer beside a bare loop: benchmarks/training_loop.py, which takes --device cuda.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0}  # 10^12 dense bf16 operations per second
CASES = {
    "MAE ViT-L/8": {"objective": "masked-autoencoder", "size": "large_patch8", "fourier_weight": 0.01},
    "CA-MAE ViT-S/16, a decoder per channel": {
        "objective": "masked-autoencoder",
        "size": "small_patch16",
        "decoding": "per-channel",
        "fourier_weight": 0.01,
    },
    "CA-MAE ViT-S/16, one decoder": {
        "objective": "masked-autoencoder",
        "size": "small_patch16",
        "decoding": "shared",
        "fourier_weight": 0.01,
    },
}
CHANNELS, SIDE = 6, 256


def measure(name: str, options: dict[str, Any], deadline: float) -> list[dict[str, Any]]:
    """Return one row per batch size, doubled until memory or time is spent."""
    from pydantic import TypeAdapter

    from phenolens.images import self_standardise
    from phenolens.training import DataOptions, ModelOptions, estimate
    from phenolens.training.train import make_network

    model_options = TypeAdapter(ModelOptions).validate_python(options)
    flops = estimate(model_options, CHANNELS, data=DataOptions(crop=SIDE, batch_size=1)).flops_per_step
    peak = next((value for key, value in PEAKS.items() if key in torch.cuda.get_device_name()), float("nan"))
    rows: list[dict[str, Any]] = []
    batch = 32
    while time.monotonic() < deadline:
        network, _ = make_network(model_options, CHANNELS)
        network = network.cuda()
        compiled = torch.compile(network)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
        pixels = torch.randint(0, 255, (batch, CHANNELS, SIDE, SIDE), dtype=torch.uint8, device="cuda")
        torch.cuda.reset_peak_memory_stats()

        def step(x: torch.Tensor, network: Any = compiled, optimiser: Any = optimiser) -> None:
            with torch.autocast("cuda", torch.bfloat16):
                loss = network(self_standardise(x)).loss(options["fourier_weight"])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        try:
            for _ in range(4):
                step(pixels)
            torch.cuda.synchronize()
            start, n = time.perf_counter(), 0
            while time.perf_counter() - start < 6:
                step(pixels)
                torch.cuda.synchronize()
                n += 1
            seconds = (time.perf_counter() - start) / n
        except torch.cuda.OutOfMemoryError:
            break
        finally:
            del network, compiled, optimiser
            torch.cuda.empty_cache()
        rows.append(
            {
                "model": name,
                "batch": batch,
                "images_per_second": round(batch / seconds, 1),
                "memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1),
                "mfu": round(flops * batch / seconds / (peak * 1e12), 3),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
        batch *= 2
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    result: dict[str, Any] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": []}
    for index, (name, options) in enumerate(CASES.items()):
        share = (deadline - time.monotonic()) / (len(CASES) - index)
        result["rows"] += measure(name, options, time.monotonic() + share)
        if arguments.out:
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
