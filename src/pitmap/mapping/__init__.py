"""Land-cover maps of whole images, and the mines in them.

    map_image         model and image to a map            prediction
    extract_mines     map to mine polygons                mines

``prediction`` puts the parts together: ``suitability`` checks that the image suits the model, ``tiles`` plans,
``masks`` leaves ground out, ``batches`` reads ahead and maps with one of the ``engines``, ``partial`` keeps what is
finished, and ``assembly`` writes the rasters.
"""
