import io
import json
import shutil
import tarfile
import zipfile

import pytest

from analytic_ground import grid, smooth
from pitmap.errors import PitmapError, ProductError
from pitmap.imagery.gaofen import open_product, recognise
from pitmap.imagery.gaofen_metadata import parse_metadata, parse_xml
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.prepare import prepare
from pitmap.simulate.product import ProductOptions, write_product


@pytest.fixture(scope="module")
def delivery(tmp_path_factory):
    """A folder with both images, and its scene name."""
    made = write_product(tmp_path_factory.mktemp("delivery"), smooth(60, 70), ProductOptions(archive=False))
    return made.path, made.name


@pytest.fixture
def folder(delivery, tmp_path):
    """A copy that a test may damage."""
    path = tmp_path / "delivery"
    shutil.copytree(delivery[0], path)
    return path


def edit(path, *changes):
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def member(folder, part, kind):
    return next(folder.glob(f"*-{part}1.{kind}"))


def test_a_folder_an_archive_and_a_tiff_are_one_product(delivery, tmp_path):
    folder, name = delivery
    with tarfile.open(tmp_path / "any.tar.gz", "w:gz") as archive:
        archive.add(folder, arcname="one/more/level")
    from_archive = open_product(tmp_path / "any.tar.gz", tmp_path / "work")
    from_folder = open_product(folder)
    from_tiff = open_product(member(folder, "MSS", "tiff"))
    assert from_archive.name == from_folder.name == from_tiff.name == name
    assert from_archive.images["pan"].rpc == from_folder.images["pan"].rpc
    assert from_archive.images["mss"].tiff.read_bytes() == member(folder, "MSS", "tiff").read_bytes()
    assert set(from_tiff.images) == {"mss"}
    assert "the panchromatic image (PAN)" in from_tiff.missing
    assert recognise(folder)
    assert recognise(tmp_path / "any.tar.gz")
    assert recognise(member(folder, "PAN", "tiff"))
    (tmp_path / "empty").mkdir()
    assert not recognise(tmp_path / "empty")


def test_info_on_an_archive_writes_nothing(delivery, tmp_path):
    folder, _ = delivery
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(folder, arcname=".")
    described = open_product(tmp_path / "a.tar").to_json()
    json.dumps(described)
    assert described["images"]["mss"]["size_from"] == "metadata"
    assert described["images"]["mss"]["coefficients"]["source"] == "CRESDA 2018, GF2 PMS1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar"]


def test_members_in_capitals_are_found(folder):
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.upper()))
    assert set(open_product(folder).images) == {"mss", "pan"}


def test_what_is_missing_is_named(folder):
    member(folder, "PAN", "tiff").unlink()
    assert any(name.endswith("-PAN1.tiff") for name in open_product(folder).missing)
    for kind in ("xml", "rpb"):
        member(folder, "PAN", kind).unlink()
    product = open_product(folder)
    assert set(product.images) == {"mss"}
    assert product.missing == ("the panchromatic image (PAN)",)


def test_an_rpb_without_end_and_in_another_dialect_is_read(folder):
    path = member(folder, "MSS", "rpb")
    rpc = open_product(folder).images["mss"].rpc
    text = path.read_text().replace("END_GROUP = IMAGE\nEND;\n", "").replace(";", "").replace("E-", "e-")
    text = "\r\n".join(line for line in text.splitlines() if "err" not in line)
    path.write_text(text.replace("lineOffset", "LINEOFFSET"))
    assert open_product(folder).images["mss"].rpc == rpc


@pytest.mark.parametrize("how", ["empty", "gone", "cut", "nan", "word", "short", "zero scale"])
def test_an_rpb_that_cannot_be_used_is_an_error(folder, how):
    path = member(folder, "MSS", "rpb")
    text = path.read_text()
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_text("")
    elif how == "cut":
        path.write_text(text[: len(text) // 2])
    elif how == "short":
        path.write_text(text.replace("lineDenCoef = (\n", "lineDenCoef = (1.0);\n x = ("))
    else:
        value = text.split("latScale = ")[1].split(";")[0]
        new = {"nan": "nan", "word": "hello", "zero scale": "0.0"}[how]
        path.write_text(text.replace(value, new))
    with pytest.raises(ProductError):
        open_product(folder)


def test_nan_among_the_coefficients_is_an_error(folder):
    path = member(folder, "MSS", "rpb")
    head, tail = path.read_text().split("sampNumCoef = (\n\t\t\t", 1)
    path.write_text(head + "sampNumCoef = (\n\t\t\tNaN" + tail[tail.index(",") :])
    with pytest.raises(ProductError, match="sampNumCoef"):
        open_product(folder)


def swap(folder, kind):
    a, b, spare = member(folder, "MSS", kind), member(folder, "PAN", kind), folder / "spare"
    a.rename(spare)
    b.rename(a)
    spare.rename(b)


@pytest.mark.parametrize("kind", ["tiff", "xml", "rpb"])
def test_swapped_files_are_noticed(folder, kind):
    swap(folder, kind)
    with pytest.raises(ProductError, match=r" has "):
        open_product(folder)


def test_an_rpb_of_another_place_is_noticed(folder):
    path = member(folder, "MSS", "rpb")
    value = path.read_text().split("latOffset = ")[1].split(";")[0]
    edit(path, (f"latOffset = {value}", f"latOffset = {float(value) + 1}"))
    with pytest.raises(ProductError, match="km from that of the XML"):
        open_product(folder)


def test_two_scenes_in_a_folder_are_refused(folder):
    for path in list(folder.glob("*MSS1*")):
        shutil.copy(path, path.with_name(path.name.replace("L1A0009", "L1A0008")))
    with pytest.raises(ProductError, match="2 scenes"):
        open_product(folder)


@pytest.mark.parametrize("name", ["nothing", "empty.tar.gz", "text.tar.gz"])
def test_what_is_no_product_is_refused(tmp_path, name):
    if name == "empty.tar.gz":
        with tarfile.open(tmp_path / name, "w:gz"):
            pass
    elif name == "text.tar.gz":
        (tmp_path / name).write_text("this is no archive, however long it goes on " * 50)
    with pytest.raises(ProductError):
        open_product(tmp_path / name)


def test_times_are_beijing_and_utc(folder):
    path = member(folder, "MSS", "xml")
    image = open_product(folder).images["mss"]
    beijing = path.read_text().split("<CenterTime>")[1].split("<")[0]
    assert image.metadata.time.strftime("%Y-%m-%d %H") != beijing[:13]
    assert image.sun()[2] == []
    # the year of the coefficients is that of the UTC date: new year's morning in Beijing is last year's
    text = path.read_text()
    for tag, value in (("CenterTime", "2019-01-01 03:30:17"), ("ReceiveTime", "2018-12-31 19:30:17")):
        old = text.split(f"<{tag}>")[1].split("<")[0]
        text = text.replace(f"<{tag}>{old}", f"<{tag}>{value}")
    path.write_text(text)
    metadata = parse_metadata(path.read_bytes(), path.name)
    assert metadata.time.strftime("%Y-%m-%d %H:%M") == "2018-12-31 19:30"
    assert metadata.time.year == 2018


def test_a_sun_that_does_not_fit_date_and_place_is_said(folder):
    path = member(folder, "MSS", "xml")
    printed = path.read_text().split("<SolarZenith>")[1].split("<")[0]
    edit(path, (f"<SolarZenith>{printed}", "<SolarZenith>35.5"))
    zenith, _, warnings = open_product(folder).images["mss"].sun()
    assert zenith == 35.5
    assert "date and place put the sun at 28" in warnings[0]
    edit(path, ("<SolarZenith>35.5", f"<SolarZenith>{90 - float(printed)}"))
    zenith, _, warnings = open_product(folder).images["mss"].sun()
    assert zenith == pytest.approx(float(printed))
    assert "elevation" in warnings[0]
    edit(path, (f"<SolarZenith>{90 - float(printed)}</SolarZenith>", "<SolarZenith />"))
    zenith, _, warnings = open_product(folder).images["mss"].sun()
    assert zenith == pytest.approx(float(printed), abs=0.02)
    assert "missing" in warnings[0]


def test_missing_elements_are_lived_with(folder):
    path = member(folder, "MSS", "xml")
    text = path.read_text()
    kept = ("CenterTime", "SatelliteID", "SensorID", "ProductMetaData", "?xml")
    path.write_text("\n".join(line for line in text.splitlines() if any(word in line for word in kept)))
    product = open_product(folder)
    assert product.images["mss"].metadata.bands is None
    described = open_product(folder).to_json()["images"]["mss"]
    assert described["view"]["incidence"] is None
    assert described["view"]["incidence_from_rpc"] == pytest.approx(16.5, abs=0.1)
    path.write_text('<?xml version="1.0"?><ProductMetaData></ProductMetaData>')
    # satellite, camera and date stand in the name of the file
    image = open_product(folder).images["mss"]
    assert (image.metadata.satellite, image.metadata.camera) == ("GF2", "PMS1")
    assert image.metadata.time.strftime("%Y-%m-%d") == "2018-04-16"
    assert "date of the file name" in image.metadata.warnings[0]


@pytest.mark.parametrize(
    ("satellite", "camera", "parts", "source"),
    [
        ("GF6", "PMS", ("MUX", "PAN"), "CRESDA 2018, GF6 PMS"),
        ("GF7", "DLC", ("BWDMUX", "BWDPAN"), "CRESDA 2020, GF7 BWD"),
        ("GF1", "PMS2", ("MSS2", "PAN2"), "CRESDA 2018, GF1 PMS2"),
    ],
)
def test_other_satellites_have_their_own_names_and_coefficients(folder, satellite, camera, parts, source):
    for path in list(folder.iterdir()):
        for old, new in zip(("MSS1", "PAN1"), parts, strict=True):
            if old in path.name:
                renamed = path.name.replace("GF2_PMS1", f"{satellite}_{camera}").replace(old, new)
                path.rename(path.with_name(renamed))
    for path in folder.glob("*.xml"):
        edit(path, (">GF2<", f">{satellite}<"), (">PMS1<", f">{camera}<"))
    product = open_product(folder)
    assert set(product.images) == {"mss", "pan"}
    assert product.images["mss"].coefficients().source == source


def test_a_delivery_of_pan_alone_is_prepared(delivery, tmp_path):
    folder, _ = delivery
    path = tmp_path / "pan.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for source in folder.glob("*PAN1*"):
            archive.add(source, arcname=source.name)
    extent = (630_080.0, 3_829_840.0, 630_120.0, 3_829_880.0)
    report = prepare(path, tmp_path / "out.tif", PrepareOptions(height=280.0, extent=extent))
    assert report.source.sensor == "GF2 PMS1 PAN"
    assert report.valid_share == 1.0
    assert any("panchromatic one is prepared" in w for w in report.warnings)
    assert report.grid.pixel_size == 0.81


def test_gains_in_the_xml_come_first(folder):
    path = member(folder, "MSS", "xml")
    edit(path, ("<GainMode>", "<AbsCeof>0.1,0.2,0.3,0.4</AbsCeof>\n<GainMode>"))
    used = open_product(folder).images["mss"].coefficients()
    assert used.gain == (0.1, 0.2, 0.3, 0.4)
    assert "AbsCeof" in used.source
    edit(path, ("<AbsCeof>0.1,0.2,0.3,0.4", "<AbsCeof>0.1,0.2"))
    with pytest.raises(ProductError, match="2 gains"):
        open_product(folder).images["mss"].coefficients()


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("SolarZenith", "NaN"), ("SolarZenith", "twelve"), ("SatelliteZenith", "1e999"), ("WidthInPixels", "-5"),
        ("WidthInPixels", "99999999999"), ("HeightInPixels", "12.5"), ("CenterTime", "yesterday"),
        ("TopLeftLatitude", "123"), ("ImageGSD", "inf"), ("SolarZenith", "400"),
    ],
)  # fmt: skip
def test_broken_numbers_are_errors(folder, tag, value):
    path = member(folder, "MSS", "xml")
    old = path.read_text().split(f"<{tag}>")[1].split("<")[0]
    edit(path, (f"<{tag}>{old}<", f"<{tag}>{value}<"))
    with pytest.raises(ProductError, match=tag):
        open_product(folder)


@pytest.mark.parametrize("gains", ["nan,1,1,1", "0,1,1,1", "-0.1,0.1,0.1,0.1", "a,b,c,d"])
def test_broken_gains_are_errors(folder, gains):
    path = member(folder, "MSS", "xml")
    edit(path, ("<GainMode>", f"<AbsCeof>{gains}</AbsCeof>\n<GainMode>"))
    with pytest.raises(ProductError, match="AbsCeof"):
        open_product(folder)


BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<ProductMetaData><SatelliteID>&c;</SatelliteID></ProductMetaData>"""
OTHER_FILE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<ProductMetaData><SatelliteID>&e;</SatelliteID></ProductMetaData>"""
OTHER_TYPE = '<!DOCTYPE x SYSTEM "http://example.org/x.dtd"><ProductMetaData/>'


@pytest.mark.parametrize("text", [BILLION_LAUGHS, OTHER_FILE, OTHER_TYPE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_and_entities_are_refused(text, encoding):
    with pytest.raises(ProductError, match="document type"):
        parse_xml(text.encode(encoding), "x.xml")


@pytest.mark.parametrize(
    "content",
    [b"", b"no xml", b"<a><b></a>", b"<a>" * 100_000, b"\xff\xfe\x00", b"<?xml version='1.0' encoding='EBCDIC'?><a/>"],
)  # fmt: skip
def test_broken_xml_is_an_error(content):
    with pytest.raises(ProductError):
        parse_xml(content, "x.xml")


def test_chinese_encodings_are_read():
    text = '<?xml version="1.0" encoding="GB2312"?><a><Station>密云</Station><SatelliteID>GF2</SatelliteID></a>'
    assert parse_xml(text.encode("gb2312"), "x.xml") == {"Station": "密云", "SatelliteID": "GF2"}


def add(archive, name, content=b"x", **attributes):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in attributes.items():
        setattr(entry, key, value)
    archive.addfile(entry, io.BytesIO(content))


SCENE = "GF2_PMS1_E112.4_N34.6_20180416_L1A0009000001-MSS1"
HOSTILE = {
    "parent": lambda a: add(a, f"../{SCENE}.tiff"),
    "absolute": lambda a: add(a, f"/tmp/{SCENE}.tiff"),
    "drive": lambda a: add(a, f"C:\\{SCENE}.tiff"),
    "backslash": lambda a: add(a, f"a\\..\\..\\{SCENE}.tiff"),
    "link": lambda a: add(a, f"{SCENE}.tiff", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": lambda a: add(a, f"{SCENE}.tiff", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "device": lambda a: add(a, f"{SCENE}.tiff", b"", type=tarfile.CHRTYPE),
    "pipe": lambda a: add(a, f"{SCENE}.tiff", b"", type=tarfile.FIFOTYPE),
    "twice": lambda a: (add(a, f"{SCENE}.tiff"), add(a, f"b/{SCENE}.tiff")),
    "many": lambda a: [add(a, f"file-{i}") for i in range(1001)],
    "long text": lambda a: add(a, f"{SCENE}.xml", b" " * (4 * 2**20 + 1)),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_hostile_archives_are_refused_and_write_nothing(tmp_path, how):
    path = tmp_path / "in" / "hostile.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        HOSTILE[how](archive)
    out = tmp_path / "out" / "image.tif"
    for call in (lambda: open_product(path), lambda: prepare(path, out, PrepareOptions(height=0.0))):
        with pytest.raises(ProductError, match="This is no delivery"):
            call()
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["hostile.tar.gz", "in", "out"]


def test_a_declared_size_beyond_all_products_is_refused(tmp_path):
    path = tmp_path / "huge.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(f"{SCENE}.tiff")
        entry.size = 2**42
        archive.fileobj.write(entry.tobuf(format=tarfile.GNU_FORMAT))
    with pytest.raises(ProductError, match=r"size of 4398046511104 bytes"):
        open_product(path, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_small_archive_that_unpacks_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "bomb.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        add(archive, f"{SCENE}.xml", b"<a/>")
        entry = tarfile.TarInfo(f"{SCENE}.tiff")
        entry.size = 2**31
        archive.fileobj.write(entry.tobuf(format=tarfile.GNU_FORMAT))
    with pytest.raises(ProductError, match=r"2\.0 GiB in an archive of 0\.0 MiB"):
        open_product(path, tmp_path / "work")


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path):
    path = tmp_path / "header.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2**33
        archive.fileobj.write(entry.tobuf(format=tarfile.GNU_FORMAT))
        archive.fileobj.write(b"a" * 10_000)
    with pytest.raises(ProductError, match="cannot be read"):
        open_product(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_archive_cut_short_is_an_error_and_leaves_no_half_file(delivery, tmp_path, share):
    folder, _ = delivery
    whole = tmp_path / "whole.tar.gz"
    with tarfile.open(whole, "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    with pytest.raises(PitmapError):
        open_product(cut, tmp_path / "work")
    with pytest.raises(PitmapError):
        prepare(cut, tmp_path / "out" / "a.tif", PrepareOptions(height=0.0))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_tiff_cut_short_is_an_error(folder, tmp_path):
    path = member(folder, "MSS", "tiff")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(PitmapError):
        prepare(folder, tmp_path / "out" / "a.tif", PrepareOptions(height=270.0, extent=grid(60, 70).bounds))
    assert list((tmp_path / "out").iterdir()) == []


def litter(folder):
    """Leave what GDAL, QGIS, ArcGIS and macOS leave beside a product."""
    mss, pan = member(folder, "MSS", "tiff").name, member(folder, "PAN", "tiff").name
    scene = mss.split("-MSS1")[0]
    names = [
        f"{mss}.aux.xml", f"{pan}.aux.xml", f"{mss}.xml", f"{mss}.ovr", f"{mss[:-5]}.tfw", f"{mss[:-5]}.cpg",
        f"{mss[:-5]}.qmd", f"{mss[:-5]}.qml", f"{mss[:-5]}.aux.xml", f"{mss[:-5]}_thumb.jpg", f"{mss[:-5]}.jpg",
        f"{mss[:-5]}_thumb.jpg.aux.xml", f"{mss[:-5]}.jpg.aux.xml", f"{mss[:-5]}.jpg.xml", f"{mss[:-5]}.rpb.aux",
        f"{scene}.xml", f"{scene}_meta.xml", f"{mss[:-5]}_ortho.tiff", "order.xml", "Thumbs.db", ".DS_Store",
        f"._{mss}", f"._{mss[:-5]}.xml", f"__MACOSX/._{mss[:-5]}.xml", f"{scene}-FWDPAN.tiff", f"{scene}-FWDPAN.xml",
    ]  # fmt: skip
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("<PAMDataset><Metadata/></PAMDataset>")


def test_side_files_of_other_programs_do_not_disturb(folder, tmp_path):
    clean, tiff = open_product(folder), member(folder, "MSS", "tiff")
    litter(folder)
    assert len(list(folder.rglob("*.xml"))) > 12
    for given in (folder, tiff):
        product = open_product(given)
        assert product.name == clean.name
        assert product.images["mss"] == clean.images["mss"]
    assert set(open_product(folder).images) == {"mss", "pan"}
    assert open_product(folder).warnings == clean.warnings
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(folder, arcname=".")
    packed = open_product(tmp_path / "a.tar.gz", tmp_path / "work")
    assert packed.name == clean.name
    assert packed.images["mss"].metadata == clean.images["mss"].metadata


def test_a_third_xml_above_the_folder_of_the_members_does_not_hide_them(folder, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / f"{member(folder, 'MSS', 'xml').name.split('-MSS1')[0]}.xml").write_text("<a/>")
    shutil.move(folder, outer / "inner")
    assert set(open_product(outer).images) == {"mss", "pan"}


def packed(folder, path, how):
    if how == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member_path in sorted(folder.iterdir()):
                archive.write(member_path, f"delivery/{member_path.name}")
    else:
        with tarfile.open(path, f"w:{how}") as archive:
            archive.add(folder, arcname="delivery")
    return path


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.zip", "zip"), ("a.tar.bz2", "bz2"), ("a.tar.xz", "xz"), ("a.tar", ""), ("a.tar.gz", "zip"), ("a.zip", "gz"),
        ("a.tar.gz", "bz2"), ("delivery", "zip"), ("delivery.bin", "xz"),
    ],
)  # fmt: skip
def test_the_kind_of_an_archive_is_decided_by_its_content(delivery, tmp_path, name, how):
    folder, scene = delivery
    path = packed(folder, tmp_path / name, how)
    assert recognise(path)
    product = open_product(path, tmp_path / "work")
    assert product.name == scene
    assert product.images["mss"].tiff.read_bytes() == member(folder, "MSS", "tiff").read_bytes()
    assert open_product(path).images["pan"].rpc == open_product(folder).images["pan"].rpc


@pytest.mark.parametrize("how", ["zip", "bz2", "xz"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_archive_is_an_error(delivery, tmp_path, how, damage):
    content = packed(delivery[0], tmp_path / "whole", how).read_bytes()
    middle = len(content) // 2
    path = tmp_path / "a.tar"
    path.write_bytes(content[:middle] if damage == "cut" else content[:middle] + b"\0" * 99 + content[middle + 99 :])
    with pytest.raises(ProductError, match=r"cannot be read|no Gaofen scene"):
        open_product(path, tmp_path / "work")


def zipped(path, name, content=b"x", **attributes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        for key, value in attributes.items():
            setattr(entry, key, value)
        archive.writestr(entry, content, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("name", "content", "attributes"),
    [
        (f"../{SCENE}.tiff", b"x", {}), (f"/tmp/{SCENE}.tiff", b"x", {}), (f"C:\\{SCENE}.tiff", b"x", {}),
        (f"a\\..\\..\\{SCENE}.tiff", b"x", {}), (f"{SCENE}.tiff", b"/etc/passwd", {"external_attr": 0o120777 << 16}),
        (f"{SCENE}.xml", b" " * (4 * 2**20 + 1), {}), (f"{SCENE}.tiff", bytes(400 * 2**20), {}),
    ],
    ids=["parent", "absolute", "drive", "backslash", "link", "long text", "bomb"],
)  # fmt: skip
def test_hostile_zips_are_refused_and_write_nothing(tmp_path, name, content, attributes):
    zipped(tmp_path / "a.zip", name, content, **attributes)
    with pytest.raises(ProductError, match="This is no delivery"):
        open_product(tmp_path / "a.zip", tmp_path / "work")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_an_encrypted_zip_says_so(tmp_path):
    zipped(tmp_path / "a.zip", f"{SCENE}.xml")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ProductError, match="encrypted"):
        open_product(tmp_path / "a.zip")


def test_images_of_two_cameras_or_two_hours_are_refused(folder):
    path = member(folder, "PAN", "xml")
    text = path.read_text()
    path.write_text(text.replace(">PMS1<", ">PMS2<"))
    with pytest.raises(ProductError, match="PMS2"):
        open_product(folder)
    for tag in ("CenterTime", "ReceiveTime"):
        old = text.split(f"<{tag}>")[1].split("<")[0]
        moved = f"{old[:11]}{int(old[11:13]) + 2:02d}{old[13:]}"
        text = text.replace(f"<{tag}>{old}", f"<{tag}>{moved}")
    path.write_text(text)
    with pytest.raises(ProductError, match="Both images of one acquisition"):
        open_product(folder)


@pytest.mark.parametrize(("rows", "fits"), [(1, True), (-1, True), (2, False), (-2, False)])
def test_a_tiff_may_be_one_row_from_its_xml_and_not_two(folder, rows, fits):
    path = member(folder, "MSS", "xml")
    height = open_product(folder).images["mss"].shape[0]
    edit(path, (f"<HeightInPixels>{height}<", f"<HeightInPixels>{height + rows}<"))
    if fits:
        assert open_product(folder).images["mss"].shape[0] == height
    else:
        with pytest.raises(ProductError, match=f"{height + rows} x"):
            open_product(folder)


def test_an_rpb_of_the_next_frame_is_noticed(folder):
    path = member(folder, "MSS", "rpb")
    rows = open_product(folder).images["mss"].shape[0]
    value = path.read_text().split("latOffset = ")[1].split(";")[0]
    edit(path, (f"latOffset = {value}", f"latOffset = {float(value) - rows * 3.24 / 111_000}"))
    with pytest.raises(ProductError, match="from that of the XML"):
        open_product(folder)
