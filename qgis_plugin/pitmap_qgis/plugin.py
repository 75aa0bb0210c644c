"""What QGIS loads: the Processing provider, and in its window the panel."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtGui import QIcon

from .algorithm import ICON
from .provider import PitmapProvider


class PitmapPlugin:
    """The plugin.

    Args:
        iface: QGIS's window; None where there is none (``qgis_process``).
    """

    def __init__(self, iface) -> None:
        self._iface = iface
        self._provider = self._panel = self._action = None

    def initProcessing(self) -> None:
        """Add the algorithms; all that ``qgis_process`` asks for."""
        self._provider = PitmapProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the algorithms and the panel, which the menu and the toolbar of plugins show and hide."""
        from qgis.PyQt.QtCore import Qt

        from .panel import PitmapPanel

        self.initProcessing()
        self._panel = PitmapPanel(self._iface.mainWindow())
        self._iface.addDockWidget(Qt.RightDockWidgetArea, self._panel)
        self._panel.hide()
        self._action = self._panel.toggleViewAction()
        self._action.setIcon(QIcon(ICON))
        self._iface.addPluginToMenu("pitmap", self._action)
        self._iface.addToolBarIcon(self._action)

    def unload(self) -> None:
        """Take them away."""
        if self._panel is not None:
            self._iface.removePluginMenu("pitmap", self._action)
            self._iface.removeToolBarIcon(self._action)
            self._iface.removeDockWidget(self._panel)
            self._panel.deleteLater()
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
