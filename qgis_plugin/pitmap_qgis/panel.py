"""The panel: opens a study, steps through points or a review queue, shows images of two dates and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QPixmap
from qgis.PyQt.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDockWidget,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from .asking import ask
from .command import CommandError
from .labelled_layer import COMMENT, DOUBTFUL, LabelledLayer
from .settings import pitmap_setting
from .stepping import Choice
from .study import StudyFiles, study_files, titled
from .views import ImageView, covering, open_image, source_path

VIEWS = 2
BUTTONS_A_ROW = 4
KEYS = "Keys: 1 to 9 class, ← → previous and next, Space next unlabelled, Del no label, D doubtful"
CHOSEN = "font-weight: bold; border: 2px solid #1a9641;"


class PitmapPanel(QDockWidget):
    """The panel.

    Args:
        parent: QGIS's window.
        open_page: Shows a page; by default the browser.
    """

    def __init__(self, parent: QWidget | None = None, open_page: Callable[[Path], Any] | None = None) -> None:
        super().__init__("pitmap", parent)
        self.setObjectName("pitmap")
        self._open_page = open_page or (lambda path: QDesktopServices.openUrl(QUrl.fromLocalFile(str(path))))
        self._study: StudyFiles | None = None
        self._labelled: LabelledLayer | None = None
        self._images: list[QgsRasterLayer] = []
        self._own_images: list[QgsRasterLayer] = []
        self._shown: list[QgsRasterLayer] = []
        self._buttons: list[QPushButton] = []
        self.setWidget(self._build())
        self.setFocusPolicy(Qt.StrongFocus)
        tree = QgsProject.instance().layerTreeRoot()
        tree.visibilityChanged.connect(self._keep_blind)
        tree.addedChildren.connect(self._keep_blind)
        self._show()

    # what is in it

    def _build(self) -> QWidget:
        body = QWidget()
        layout = QVBoxLayout(body)
        top = QHBoxLayout()
        self._files = QComboBox()
        self._files.setFocusPolicy(Qt.NoFocus)
        self._files.activated.connect(self._file_chosen)
        self._report = _button("Report", self.show_report)
        for widget in (
            _button("Open study…", self._ask_study), self._files, _button("Open points or review…", self._ask_file),
            _button("Add image…", self._ask_image), self._report,
        ):  # fmt: skip
            top.addWidget(widget)
        layout.addLayout(top)
        self._title, self._note = QLabel(), QLabel()
        self._title.setStyleSheet("font-size: 12pt; font-weight: bold;")
        self._note.setWordWrap(True)
        layout.addWidget(self._title)
        layout.addWidget(self._note)
        splitter = QSplitter(Qt.Horizontal)
        self.views = [ImageView(self) for _ in range(VIEWS)]
        for view in self.views:
            splitter.addWidget(view)
            view.moved.connect(self._follow)
        layout.addWidget(splitter, 1)
        self._pictures = QLabel()
        self._pictures.setAlignment(Qt.AlignCenter)
        layout.addWidget(self._pictures)
        self._classes = QGridLayout()
        layout.addLayout(self._classes)
        bottom = QHBoxLayout()
        self._doubtful = QCheckBox("doubtful")
        self._doubtful.setFocusPolicy(Qt.NoFocus)
        self._doubtful.clicked.connect(self._doubt)
        self._comment = QLineEdit()
        self._comment.setPlaceholderText("comment")
        self._comment.editingFinished.connect(self._write_comment)
        self._comment.returnPressed.connect(self.setFocus)  # further keys are meant for the panel
        for widget in (
            _button("◀ Previous", self.previous), _button("Next ▶", self.next),
            _button("Next unlabelled", self.next_open), self._doubtful, self._comment,
        ):  # fmt: skip
            bottom.addWidget(widget)
        layout.addLayout(bottom)
        self._keys = QLabel(KEYS)
        self._keys.setStyleSheet("color: #666;")
        layout.addWidget(self._keys)
        return body

    # opening

    def open_study(self, project_file: str) -> None:
        """Open a study, and the first sample of points or review queue that it has."""
        QApplication.setOverrideCursor(Qt.WaitCursor)
        try:
            study = study_files(ask(pitmap_setting(), "info", project_file))
        except CommandError as error:
            self._say(str(error))
            return
        finally:
            QApplication.restoreOverrideCursor()
        self._study, self._labelled = study, None
        opened = [
            open_image(path, titled(name, study.dates.get(name)), study.bands[name])
            for name, path in sorted(study.images.items(), key=lambda item: study.dates.get(item[0], ""))
        ]
        self._images = [image for image in opened if image is not None]
        self._files.clear()
        for name, path in study.labelling.items():
            self._files.addItem(name, str(path))
        self._say(f"{study.name}: {len(self._images)} images, {self._files.count()} files to label.")
        if self._files.count():
            self._file_chosen(0)
        self._show()

    def open_file(self, path: str) -> None:
        """Open a sample of points or a review queue."""
        try:
            self._labelled = LabelledLayer(path)
        except CommandError as error:
            self._say(str(error))
            return
        self._say("")
        self._keep_blind()
        self._build_buttons()
        self._show()
        self.setFocus()

    def add_image(self, path: str) -> None:
        """Offer one more image, such as one of another date."""
        image = open_image(Path(path), Path(path).stem)
        if image is None:
            self._say(f"{path} cannot be opened as an image.")
            return
        QApplication.setOverrideCursor(Qt.WaitCursor)
        try:
            date = ask(pitmap_setting(), "info", path).get("date")
        except CommandError:
            date = None  # the image shows all the same
        finally:
            QApplication.restoreOverrideCursor()
        image.setName(titled(image.name(), date))
        self._own_images.append(image)
        self._show()

    def show_report(self) -> None:
        """Open the study's page in the browser."""
        if self._study is not None and self._study.report is not None:
            self._open_page(self._study.report)

    def _ask_study(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Study", "", "pitmap study (pitmap.toml *.toml)")
        if path:
            self.open_study(path)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Points or review queue", "", "GeoPackage (*.gpkg)")
        if path:
            self.open_file(path)

    def _ask_image(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Image")
        if path:
            self.add_image(path)

    def _file_chosen(self, place: int) -> None:
        self.open_file(self._files.itemData(place))

    def _keep_blind(self, *_: object) -> None:
        """Hide maps as long as points are without labels, those too that somebody shows again."""
        labelled = self._labelled
        if labelled is None or not labelled.is_sample or labelled.stepping.done == len(labelled.stepping):
            return
        if hidden := self._hide_maps():
            self._say(f"Hidden in the map until all points are labelled: {', '.join(hidden)}.")

    def _hide_maps(self) -> list[str]:
        """Hide layers of QGIS's own map that tell the map's class: an interpreter of points must not see it."""
        maps = set() if self._study is None else {path.resolve() for path in self._study.maps}
        hidden = []
        for node in QgsProject.instance().layerTreeRoot().findLayers():
            layer = node.layer()
            if layer is None or not node.itemVisibilityChecked():
                continue
            coded = isinstance(layer, QgsRasterLayer) and layer.renderer().type() == "paletted"
            if coded or source_path(layer).resolve() in maps:
                node.setItemVisibilityChecked(False)
                hidden.append(layer.name())
        return hidden

    # stepping and labelling

    def next(self) -> None:
        """Show the next feature."""
        self._step(lambda stepping: stepping.next())

    def previous(self) -> None:
        """Show the one before."""
        self._step(lambda stepping: stepping.previous())

    def next_open(self) -> None:
        """Show the next one without a label."""
        self._step(lambda stepping: stepping.next_open())

    def _step(self, move: Callable[[Any], Any]) -> None:
        if self._labelled is not None:
            self._write_comment()
            self.setFocus()
            move(self._labelled.stepping)
            self._show()

    def give(self, choice: Choice | None) -> None:
        """Write an answer for the feature that is shown, and go on; None takes the answer away, and stays."""
        if self._labelled is None:
            return
        try:
            self._labelled.give(choice)
        except CommandError as error:
            self._say(str(error))
            return
        if choice is not None:
            self._labelled.stepping.next_open()
        self._show()

    def _doubt(self) -> None:
        self._write(DOUBTFUL, self._doubtful.isChecked())

    def _write_comment(self) -> None:
        if self._comment.isModified():
            self._comment.setModified(False)
            self._write(COMMENT, self._comment.text())

    def _write(self, name: str, value: Any) -> None:
        if self._labelled is not None and self._labelled.has(name):
            try:
                self._labelled.write(name, value)
            except CommandError as error:
                self._say(str(error))

    def keyPressEvent(self, event):
        if not self.press(event.key(), event.text()):
            super().keyPressEvent(event)

    def press(self, key: int, text: str) -> bool:
        """Do what a key means; False where it means nothing."""
        if self._labelled is None:
            return False
        moves = {
            Qt.Key_Right: self.next, Qt.Key_Left: self.previous, Qt.Key_Space: self.next_open,
            Qt.Key_Delete: lambda: self.give(None), Qt.Key_D: self._doubtful.click,
        }  # fmt: skip
        if key in moves:
            moves[key]()
            return True
        for choice in self._labelled.choices:
            if choice.key and choice.key == text:
                self.give(choice)
                return True
        return False

    # showing

    def _say(self, sentence: str) -> None:
        self._note.setText(sentence)
        self._note.setVisible(bool(sentence))

    def _build_buttons(self) -> None:
        for button in self._buttons:
            self._classes.removeWidget(button)
            button.deleteLater()
        self._buttons = []
        for place, choice in enumerate(self._labelled.choices):
            text = f"{choice.key}  {choice.name}" if choice.key else choice.name
            button = _button(text, lambda _=False, choice=choice: self.give(choice))
            self._classes.addWidget(button, place // BUTTONS_A_ROW, place % BUTTONS_A_ROW)
            self._buttons.append(button)

    def _show(self) -> None:
        self._report.setEnabled(self._study is not None and self._study.report is not None)
        labelled = self._labelled
        for widget in (self._doubtful, self._comment, self._keys, self._title):
            widget.setVisible(labelled is not None)
        self._pictures.clear()
        if labelled is None:
            return
        answer, stepping = labelled.answer(), labelled.stepping
        said = "not labelled" if answer is None else answer.name
        self._title.setText(
            f"{labelled.title()} · {stepping.place} of {len(stepping)} · {stepping.done} labelled · {said}"
        )
        for button, choice in zip(self._buttons, labelled.choices):
            button.setStyleSheet(CHOSEN if choice == answer else "")
        self._doubtful.setVisible(labelled.has(DOUBTFUL))
        self._comment.setVisible(labelled.has(COMMENT))
        self._doubtful.setChecked(bool(labelled.value(DOUBTFUL)))
        self._comment.setText(labelled.value(COMMENT) or "")
        self._comment.setModified(False)
        self._show_images()

    def _show_images(self) -> None:
        geometry, crs = self._labelled.geometry(), self._labelled.crs
        images = covering([*self._images, *self._own_images], geometry, crs)
        if images != self._shown:
            self._shown = images
            for place, view in enumerate(self.views):
                view.set_images(images, place)
        for place, view in enumerate(self.views):
            view.setVisible(place < len(images))
            view.show_feature(geometry, crs)
        if not images and (pictures := self._labelled.pictures()):
            self._pictures.setPixmap(QPixmap(str(pictures[0])))
        self._pictures.setVisible(not images)

    def _follow(self, view: ImageView) -> None:
        for other in self.views:
            if other is not view and other.image is not None:
                other.follow(view)


def _button(text: str, pressed: Callable[[], Any]) -> QPushButton:
    """A button that leaves the keys to the panel."""
    button = QPushButton(text)
    button.setFocusPolicy(Qt.NoFocus)
    button.clicked.connect(lambda *_: pressed())
    return button
