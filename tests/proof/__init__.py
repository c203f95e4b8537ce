"""What `make proof` runs: one module a section of docs/proof.md, each of them a command, `python -m proof.NAME`."""
