#!/bin/bash
# Mini-AlexNet on two computers with four processes each, all of which share every batch. Submit it with
#     sbatch docs/slurm.sh
# Once before, where the nodes see the same disk:
#     python3 -m venv .venv && .venv/bin/python -m pip install -e . mpi4py
#     .venv/bin/python -c 'from tinygrad_edu.data import load_cifar10; load_cifar10(source="real")'
# (mpi4py is compiled for the cluster's own MPI: `module load` that one first. The wheel `mpich` is for one computer.)
#SBATCH --job-name=mini-alexnet
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=01:00:00
#SBATCH --signal=TERM@60       # a minute before the time is over: the run saves a checkpoint and ends
#SBATCH --kill-on-bad-exit=1   # one process that fails ends the job

module load openmpi 2>/dev/null || true  # whatever mpi4py was compiled for

# One process for each batch's part: 4 threads each. A batch must have at least as many examples as there are processes.
# A job that ran out of time goes on, with any number of processes, when --resume is added.
srun .venv/bin/python -m models.mini_alexnet --distributed --wait 60 --batch-size 128 --out runs/mini_alexnet
# With a GPU for each process: `#SBATCH --gpus-per-task=1` above, and `--device cuda` here.
