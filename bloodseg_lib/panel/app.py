"""The panel as a page of its own: ``notebooks/app.ipynb``, served by Voila."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "app.ipynb"

_MESSAGE_BYTES = 10 * 2**20  # above the pieces of an upload; a larger message ends the connection
_UNUSED_S = 3600


def options(port: int) -> list[str]:
    """The options of Voila: a kernel stands by, so that the page opens at once; one that nobody
    uses for an hour ends; only this machine reaches the page.

    Examples:
        >>> options(8866)[:2]
        ['--port=8866', '--Voila.ip=127.0.0.1']
    """
    return [
        f"--port={port}",
        "--Voila.ip=127.0.0.1",
        "--preheat_kernel=True",
        "--pool_size=1",
        f"--MappingKernelManager.cull_idle_timeout={_UNUSED_S}",
        "--MappingKernelManager.cull_interval=300",
        f"--Voila.tornado_settings={{'websocket_max_message_size': {_MESSAGE_BYTES}}}",
    ]


def serve(port: int = 8866, notebook: Path = NOTEBOOK) -> None:
    """Serve the app until it is stopped.

    Raises:
        FileNotFoundError: no such notebook; the package was installed without it.
        ImportError: Voila is not installed.
    """
    if not notebook.is_file():
        raise FileNotFoundError(
            f"{notebook}: expected the notebook of the app, there is none. "
            "Run this in a clone of the project."
        )
    if find_spec("voila") is None:
        raise ImportError(
            "Expected Voila, received none. Install it: pip install 'bloodseg-lib[notebooks]'."
        )
    from voila.app import Voila

    # in this process: a signal that ends it leaves no server behind
    Voila.launch_instance([str(notebook), *options(port)])
