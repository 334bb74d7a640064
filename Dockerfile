# The control plane alone: no Envoy in it, no root, no compiler, no pip.
FROM python:3.11-slim AS base

FROM base AS build
WORKDIR /source
RUN python -m venv /opt/build && python -m venv --without-pip /opt/meshloom
COPY requirements.txt requirements-build.txt ./
RUN /opt/build/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements-build.txt \
 && /opt/build/bin/pip --python /opt/meshloom/bin/python install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
RUN /opt/build/bin/hatchling build -t wheel -d /wheels \
 && /opt/build/bin/pip --python /opt/meshloom/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl

# Only user 1337 enters the two folders of sockets: in one Envoys ask (they run as 1337, too), in the other operators.
FROM base
COPY --from=build /opt/meshloom /opt/meshloom
RUN useradd --uid 1337 --no-create-home meshloom \
 && install --directory --owner meshloom --group meshloom --mode 0700 /run/ads /run/meshloom
USER 1337:1337
ENV PATH=/opt/meshloom/bin:$PATH MESHLOOM_OPERATOR_SOCKET=/run/meshloom/operator.sock
HEALTHCHECK --interval=3s --timeout=5s \
    CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:15014/readyz', timeout=4)"]
ENTRYPOINT ["meshloom"]
CMD ["--help"]
