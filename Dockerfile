# hokm as a container: docs/operations/containers.md.
#   docker build -t hokm .
# BASE: a Debian with Python 3.11 or newer as python3. HOKM_COMPILE: always or never; plain Python
# takes about 1.5 times the CPU per play (docs/operations/README.md).
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
ARG HOKM_COMPILE=always
# Of the compiler whatever the base's Debian has: it is not in the image.
# hadolint ignore=DL3008
RUN if [ "${HOKM_COMPILE}" != never ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends gcc libc6-dev \
        && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src
COPY . .
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# twistd keeps what it knows of plugins in dropin.cache, which hokm's user could not write.
RUN python3 -m venv /opt/hokm \
    && HOKM_COMPILE="${HOKM_COMPILE}" /opt/hokm/bin/pip install --quiet . \
    && /opt/hokm/bin/twistd hokm --help >/dev/null \
    && /opt/hokm/bin/pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
# A number, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 hokm \
    && useradd --no-log-init --uid 10001 --gid hokm --no-create-home --home-dir /var/lib/hokm \
        --shell /usr/sbin/nologin hokm \
    && install -d -o hokm -g hokm -m 0700 /var/lib/hokm
COPY --from=build /opt/hokm /opt/hokm
ENV PATH=/opt/hokm/bin:$PATH PYTHONUNBUFFERED=1 HOKM_STATE_DIR=/var/lib/hokm
USER 10001:10001
WORKDIR /var/lib/hokm
VOLUME /var/lib/hokm
# Players; operators, who are let in from inside the container only, unless HOKM_ADMIN says else.
EXPOSE 8765 8764
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD \
    ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8764/health', timeout=4)"]
ENTRYPOINT ["twistd", "-n", "--pidfile=", "hokm"]
