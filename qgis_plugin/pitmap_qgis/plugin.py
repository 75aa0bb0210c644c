"""What QGIS loads: the Processing provider, and in its window the panel."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import PitmapProvider


class PitmapPlugin:
    """The plugin.

    Args:
        iface: QGIS's window; None where there is none (``qgis_process``).
    """

    def __init__(self, iface) -> None:
        self._iface = iface
        self._provider = None

    def initProcessing(self) -> None:
        """Add the algorithms; all that ``qgis_process`` asks for."""
        self._provider = PitmapProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the algorithms and the panel."""
        self.initProcessing()

    def unload(self) -> None:
        """Take them away."""
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
