"""The provider ``pitmap`` of QGIS Processing."""

from __future__ import annotations

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import ICON, PitmapAlgorithm
from .descriptions import ALGORITHMS
from .settings import COMMAND

NAME = "pitmap"


class PitmapProvider(QgsProcessingProvider):
    """All algorithms, and the setting that says where pitmap is."""

    def id(self):
        return NAME

    def name(self):
        return NAME

    def longName(self):
        return "pitmap: maps of open-pit mines"

    def icon(self):
        return QIcon(ICON)

    def load(self):
        from processing.core.ProcessingConfig import ProcessingConfig, Setting

        ProcessingConfig.settingIcons[NAME] = self.icon()
        text = "Executable of pitmap, or the Python that has it (empty: found on the PATH)"
        ProcessingConfig.addSetting(Setting(NAME, COMMAND, text, "", valuetype=Setting.FILE))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self):
        from processing.core.ProcessingConfig import ProcessingConfig

        ProcessingConfig.removeSetting(COMMAND)

    def loadAlgorithms(self):
        for description in ALGORITHMS:
            self.addAlgorithm(PitmapAlgorithm(description))
