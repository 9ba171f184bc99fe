"""`python -m bench.node_agent CONFIG.json`: one node, until SIGTERM."""

import asyncio
import signal
import sys
import traceback
from pathlib import Path

from bench.config import read_config
from bench.node_agent.agent import be_a_node


def main(config_path: str) -> int:
    """Run one node to its end; its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the harness's to handle
    try:
        asyncio.run(be_a_node(read_config(Path(config_path))))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
