"""The plugin pitmap for QGIS: Processing algorithms that call an installed pitmap, and a panel for labelling.

Licence: GPL-2.0-or-later, as QGIS asks of plugins. It imports nothing of pitmap and is not imported by it.

Without Qt and QGIS, so that they are tested anywhere: ``descriptions`` (what each algorithm asks for), ``command`` (the
command line and its environment), ``messages`` (what pitmap answers), ``process`` and ``asking`` (running it),
``stepping`` (the order of labelling), ``study`` (files of a study).
With them: ``algorithm`` and ``provider`` (Processing), ``labelled_layer``, ``views`` and ``panel``, ``plugin``.
"""


def classFactory(iface):
    """What QGIS calls when it loads the plugin."""
    from .plugin import PitmapPlugin

    return PitmapPlugin(iface)
