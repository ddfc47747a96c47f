# mtcnn-fast in a container: docker build -t mtcnn-fast . && docker run --rm -v "$PWD:/data" mtcnn-fast detect photo.jpg
# The first stage compiles, the second has neither compiler nor sources.
FROM python:3.13-slim-trixie AS build
# Any compiler of Debian's release will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim-trixie
# The only wheels there are those of the first stage.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-compile --no-index --find-links=/wheels mtcnn-fast \
    && useradd --uid 1000 --create-home app
USER 1000
WORKDIR /data
ENTRYPOINT ["mtcnn-fast"]
CMD ["info"]
