"""The time of sensing of an image, as products, tags and names say it."""

import pytest

from pitmap.acquisition import acquisition, read_time


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("strzegom_20230530.tif", "2023-05-30"),
        ("scene-2019-07-01.tif", "2019-07-01"),
        # Sentinel-2 and Landsat name sensing first and processing after it
        ("S2A_MSIL2A_20170105T013442_N0204_R031_T53NMJ_20170108T101010.tif", "2017-01-05T01:34:42Z"),
        ("T33UUU_20170216T102101_B02.jp2", "2017-02-16T10:21:01Z"),
        ("LC08_L1TP_160035_20170301_20200905_02_T1_B4.TIF", "2017-03-01"),
        ("GF2_PMS1_E113.3_N34.5_20171030_L1A0002718585-MSS1.tiff", "2017-10-30"),
        # one date or none: which of two is that of sensing nobody knows
        ("mosaic_20170301_made_20240101.tif", None),
        ("mosaic_20170301_of_20170301.tif", "2017-03-01"),
        ("tile_20231399_x.tif", None),
        ("scene_120230530.tif", None),
        ("scene_20230530123456.tif", None),
        ("scene.tif", None),
    ],
)
def test_names(tmp_path, name, expected):
    found = acquisition(tmp_path / name, {})
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"ACQUISITION_TIME": "2019-07-01T03:04:05Z"}, "2019-07-01T03:04:05Z"),
        ({"ACQUISITIONDATETIME": "2013-08-05 10:42:19"}, "2013-08-05T10:42:19Z"),
        ({"PITMAP_TIME_UTC": "2017-10-30T03:20:15+00:00"}, "2017-10-30T03:20:15Z"),
        ({"PITMAP_TIME_UTC": "2017-10-31T00:30:00+08:00"}, "2017-10-30T16:30:00Z"),
        # GDAL's Sentinel-2: generation is processing
        (
            {"DATATAKE_1_DATATAKE_SENSING_START": "2017-01-05T01:34:42.026Z", "GENERATION_TIME": "2017-01-08"},
            "2017-01-05T01:34:42Z",
        ),
        ({"PRODUCT_START_TIME": "2017-01-05T01:34:42.026Z", "PRODUCT_STOP_TIME": "2017-01-06"}, "2017-01-05T01:34:42Z"),
        ({"DATE_ACQUIRED": "2017-03-01", "SCENE_CENTER_TIME": '"05:43:21.4Z"', "FILE_DATE": "2020-09-05"},
         "2017-03-01T05:43:21Z"),
        ({"EXIF_DateTimeOriginal": "2021:06:07 08:09:10", "EXIF_DateTimeDigitized": "2022:01:01 00:00:00"},
         "2021-06-07T08:09:10Z"),
        ({"IMAGING_DATE": "2013-08-05"}, "2013-08-05"),
        # other times say nothing
        ({"TIFFTAG_DATETIME": "2024:01:01 00:00:00"}, None),
        ({"PROCESSING_DATE": "2024-01-01", "ReceiveTime": "2024-01-01", "date_created": "2024-01-01"}, None),
        ({"AREA_OR_POINT": "Area", "DATE": "unknown"}, None),
    ],
)  # fmt: skip
def test_tags(tmp_path, tags, expected):
    found = acquisition(tmp_path / "a.tif", tags)
    assert (None if found is None else str(found)) == expected


def test_tags_come_before_the_name_and_the_product_between(tmp_path):
    image = tmp_path / "mosaic_20200101.tif"
    assert str(acquisition(image, {"TIFFTAG_DATETIME": "2024:01:01 00:00:00"})) == "2020-01-01"
    xml = "<ProductMetaData><ReceiveTime>2017-10-30 03:20:00</ReceiveTime><CenterTime>2017-10-30 07:05:00</CenterTime>"
    (tmp_path / "mosaic_20200101.xml").write_text(f"{xml}</ProductMetaData>")
    # 07:05 in Beijing is 23:05 of the day before
    assert str(acquisition(image, {})) == "2017-10-29T23:05:00Z"
    assert str(acquisition(image, {"ACQUISITION_DATE": "2017-10-28"})) == "2017-10-28"


@pytest.mark.parametrize("text", ["", "today", "2017-13-01", "20170230", "2017-01-01T25:00:00", "1017-01-01"])
def test_what_is_no_time(text):
    assert read_time(text) is None
