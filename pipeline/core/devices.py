"""Where tensors live: the first GPU that really works, else the CPU."""

from __future__ import annotations

import torch

MOST_JOBS = 4
SMALL = 2**26  # numbers that may be there in a few copies
EVEN = 0.9  # share of their time for which groups must be busy if every network takes equally long


def try_gpu(number: int = 0) -> torch.device:
    """Return GPU `number` if it runs a kernel, else the CPU: an old card may be listed and yet be useless."""
    device = torch.device(f"cuda:{number}")
    return device if number < torch.cuda.device_count() and _works(device) else torch.device("cpu")


def try_all_gpus() -> list[torch.device]:
    """Return every GPU that runs a kernel, or the CPU alone if there is none."""
    devices = [torch.device(f"cuda:{number}") for number in range(torch.cuda.device_count())]
    return [device for device in devices if _works(device)] or [torch.device("cpu")]


def cpu_jobs(n_members: int) -> int:
    """Return in how many groups networks train side by side on the CPU, each with its share of the threads.

    Threads that share one operation wait for each other at its end, thousands of times a second, and for long where
    other processes want the cores as well; groups never wait. They must be nearly equal, though, and beyond a few
    their Python gets in each other's way.
    """
    threads = torch.get_num_threads()
    groups = [n for n in range(1, MOST_JOBS + 1) if threads % n == 0]
    return max(n for n in groups if n_members >= EVEN * n * -(-n_members // n))


def trainings_at_once(n: int, n_values: int) -> int:
    """Return how many of n trainings run side by side on the CPU, each with an equal share of the threads.

    n_values: in the rows of all views. One after the other where there are many, of which each training might have
    copies, and on GPUs.
    """
    if n_values > SMALL or try_all_gpus() != [torch.device("cpu")]:
        return 1
    threads = torch.get_num_threads()
    return max(jobs for jobs in range(1, min(n, MOST_JOBS) + 1) if threads % jobs == 0)


def use_threads(n: int) -> None:
    """Have this thread compute in n threads, whatever others say meanwhile.

    A thread's number is also that of all threads that have not asked for theirs: so it asks before it says.
    """
    torch.get_num_threads()
    torch.set_num_threads(n)


def keep_freed_memory() -> None:
    """Have the C library keep freed blocks of up to 32 MiB for the next step, not give each back to the system.

    glibc raises its limits to the largest block that was ever freed (mallopt(3), M_MMAP_THRESHOLD); elsewhere this
    does nothing. Without it every step's gradients are mapped, filled with zeros and unmapped again.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _works(device: torch.device) -> bool:
    try:
        ones = torch.ones(2, 2, device=device)
        return bool((ones @ ones).sum().item() == 8)
    except (RuntimeError, AssertionError):
        return False
