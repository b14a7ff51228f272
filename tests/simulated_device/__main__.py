"""Print what each method costs: ``python -m tests.simulated_device [--lines] [METHOD ...]``."""

from __future__ import annotations

import argparse

import torch

from tests.simulated_device.costs import measure, network_methods


def main() -> None:
    parser = argparse.ArgumentParser(description="Costs of methods on the simulated device.")
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="all when none is given")
    parser.add_argument("--lines", action="store_true", help="where waits and copies come from")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| | launches a step | waits | copies | waits an epoch | copies |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for text in chosen.methods or network_methods():
        costs = measure(text)
        if costs is None:
            print(f"| {text} | no steps | | | | |")
            continue
        print(
            f"| {text} | {costs.launches:g} | {costs.waits:g} | {costs.copies:g} "
            f"| {costs.epoch_waits} | {costs.epoch_copies} |"
        )
        if chosen.lines:
            print(costs.counts.lines("waits", "copies"))


if __name__ == "__main__":
    main()
