"""The viewer: images, maps and mines of results in a browser, served to this machine only (extra ``pitmap[view]``).

scenes      what there is to see in a results folder
tiles       pictures of rasters, tile by tile
server      requests and answers, on the loopback interface
page.html   the page, with view.js and view.css
"""
