# pitmap for processors. Build: docker build --tag pitmap .   Use: docs/install.md
# Without a network: --build-context wheels=FOLDER --build-arg PIP_OPTIONS="--no-index --find-links /wheels", and with
# --build-arg BASE=... an image of Python 3.11 that has libexpat.
ARG BASE=python:3.11-slim

FROM scratch AS wheels

FROM ${BASE} AS build
ARG PIP_OPTIONS=""
ARG EXTRAS="[cluster,stac,view]"
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m venv /opt/pitmap
RUN --mount=type=bind,from=wheels,target=/wheels \
    /opt/pitmap/bin/pip install $PIP_OPTIONS --constraint constraints.txt ".$EXTRAS"

FROM ${BASE}
# GDAL in the wheels of rasterio needs libexpat of the system, which slim images of Python lack.
RUN ldconfig -p | grep -q libexpat.so.1 || \
    (apt-get update && apt-get install --yes --no-install-recommends libexpat1 && rm -rf /var/lib/apt/lists/*)
COPY --from=build /opt/pitmap /opt/pitmap
RUN useradd --create-home --uid 1000 pitmap && mkdir /data && chown pitmap /data
ENV PATH=/opt/pitmap/bin:$PATH PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib
USER pitmap
WORKDIR /data
RUN pitmap --version && python -c "import rasterio, torch"
ENTRYPOINT ["pitmap"]
CMD ["--help"]
