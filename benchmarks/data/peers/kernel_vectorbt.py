"""The breakouts of bars in memory with vectorbt: INPUT OUTPUT. Says how long they took."""

from analyse_vectorbt import compute
from kernel_numpy import measured

if __name__ == "__main__":
    measured(compute, compiles=True)
