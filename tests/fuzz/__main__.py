"""`python -m tests.fuzz NAME`: gives a method of the contract, or a decoder, a million bad inputs.

Ends with a status other than 0 when something was found, and writes its input below `var/fuzz/NAME`; to
see it again: `python -m tests.fuzz NAME --input FILE`.
"""

import argparse
import sys
from pathlib import Path

from tests.fuzz import decoding

FOUND = Path("var/fuzz")


def main() -> int:
    """Runs what the command line names; returns the process's status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    decoders = ", ".join(decoding.TARGETS)
    parser.add_argument("name", nargs="?", help=f"a method of the contract, or {decoders}; none lists all")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="stop after so many; 0: when all are through")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--network", action="store_true", help="call a method over loopback")
    parser.add_argument("--input", type=Path, help="give it this file alone")
    parser.add_argument("--found", type=Path, help="folder for what is found")
    parser.add_argument("--seeds", action="store_true", help="write a decoder's seeds to its corpus, and end")
    options = parser.parse_args()
    if options.name not in decoding.TARGETS:
        # Not above: a decoder's modules must not be loaded before atheris watches them.
        from tests.fuzz import methods
        from tests.fuzz.served import METHODS

        if options.name is None:
            print(*METHODS, *decoding.TARGETS, sep="\n")
            return 0
        return methods.run(options, options.found or FOUND / options.name)
    found = options.found or FOUND / options.name
    if options.seeds:
        decoding.write_seeds(options.name)
        return 0
    if options.input:
        with decoding.opened(decoding.load_target(options.name)) as check:
            check(options.input.read_bytes())
        return 0
    return decoding.fuzz(options.name, options.inputs, options.seconds, options.seed, found)


if __name__ == "__main__":
    sys.exit(main())
