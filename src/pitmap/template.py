"""The commented project file that ``pitmap init`` writes."""

TEMPLATE = """\
# A pitmap study. Every command reads this file; every field has a default that works, so that the shortest file is one
# [[sites]] table with name, image and labels. Paths are relative to this file.

[project]
name = "my study"
results = "results"                  # folder for samples, models, maps, accuracy and report
seed = 0                             # every random choice comes from it

# Land-cover classes. Leave out for the seven of Chen et al. (2022):
# OPM open-pit mine, WAT water, BUI building, BAS bare soil, ROA road, VEG vegetation, WDA waste-dump area.
# [[classes]]
# code = 1                           # 1, 2, 3, ... without gaps; 0 is always "unlabelled"
# key = "OPM"
# name = "open-pit mine"
# colour = "#d7191c"

[[sites]]
name = "site1"
image = "site1.tif"                  # path, or a glob such as "scenes/*.tif"
# bands = [1, 2, 3, 4]               # by number or name; all sites in the same order. Default: all
# scale = 0.0001                     # reflectance = DN x scale + offset. Default: the file's own tags
# offset = 0.0
# nodata = 0                         # a pixel is invalid where any band has this value. Default: the file's own
labels = "landuse.gpkg"              # vector layer or label raster; "{stem}" stands for the image's name
# label_layer = "landuse"            # where a vector file has several layers
label_field = "class"                # field with the class, text or number
# label_values = { "quarry" = "OPM", "lake" = "WAT", "meadow" = "VEG", "unknown" = "" }   # "" leaves unlabelled
# label_layers = { pits = "OPM", lakes = "WAT" }   # instead, where each layer is one class
# all_touched = false                # whether polygons take every pixel that they touch
# extent = "study_area.gpkg"         # bounds the study area
# exclude = ["clouds.gpkg"]          # clouds, shadows: left out everywhere
# corrections = "review.gpkg"        # a queue of `pitmap review`, filled in: more labels for the training ground
# group = "north"                    # for split = "groups"

[samples]
# patch = 512                        # pixels; default 512, or less (64 at least) where the sites are small
# stride = 256                       # default half a patch
split = "blocks"                     # squares of ground; or "sites", "groups" (images without CRS), "random" (leaks!)
# block_m = 1000                     # default: about 60 blocks on the labelled ground
# buffer_m = 10                      # kept free between splits; default one pixel
# validation = 0.2                   # share that chooses the epoch
# test = 0.2                         # share that every reported figure comes from

[training]
recipe = "robust"                    # or "paper": exactly as Chen et al. (2022) state it
network = "unetplus"
# options = { fusion = "concat" }    # of the network
# width = 16                         # channels of the first stage; default 16 on a processor, 64 on a GPU
# epochs = 40                        # this and any other single field of the recipe wins over it: batch, learning_rate,
                                     # loss, class_weights, augmentation, jitter, early_stopping, precision, ...

[mapping]
# test_time_augmentation = false     # eight times the time
# probabilities = false              # write the class probabilities too
# mines = ["OPM"]                    # classes that become mine polygons
minimum_mapping_unit_m2 = 1000

[accuracy]
# reference = "points.gpkg"          # points of `pitmap design`, labelled: hectares and accuracy with intervals
"""
