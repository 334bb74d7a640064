# The control plane alone: no Envoy in it, no root, no compiler, no pip. `--target capture` makes another image, which leads
# the connections of a workload through its proxy; `--target proxy` that of proxies in pods, which does this as well.
ARG ENVOY_IMAGE=envoyproxy/envoy:v1.36-latest
FROM python:3.11-slim AS base

FROM base AS build
WORKDIR /source
RUN python -m venv /opt/build && python -m venv --without-pip /opt/meshloom
COPY requirements.txt requirements-build.txt ./
RUN /opt/build/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements-build.txt \
 && /opt/build/bin/pip --python /opt/meshloom/bin/python install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
# Another version than that of the tree, for a build that is to be told apart.
ARG VERSION=
RUN if [ -n "$VERSION" ]; then sed -i "s/^version = .*/version = \"$VERSION\"/" pyproject.toml; fi \
 && /opt/build/bin/hatchling build -t wheel -d /wheels \
 && /opt/build/bin/pip --python /opt/meshloom/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl

# Folders of user 1337 alone, whose owner and mode a new volume takes over: what the control plane has to remember, what
# an Envoy starts with (it runs as 1337, too), and two of sockets, one for Envoys on this machine, one for operators.
FROM base AS runtime
COPY --from=build /opt/meshloom /opt/meshloom
RUN useradd --uid 1337 --no-create-home meshloom \
 && install --directory --owner meshloom --group meshloom --mode 0700 /run/ads /run/meshloom /run/proxy \
      /var/lib/meshloom /var/lib/meshloom/authorities /var/lib/meshloom/tokens
USER 1337:1337
ENV PATH=/opt/meshloom/bin:$PATH MESHLOOM_STATE=/var/lib/meshloom \
    MESHLOOM_OPERATOR_SOCKET=/run/meshloom/operator.sock
HEALTHCHECK --start-period=60s --interval=3s --timeout=5s \
    CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:15014/readyz', timeout=4)"]
ENTRYPOINT ["meshloom"]
CMD ["--help"]

# What `meshloom capture` needs beside it. It is for root with NET_ADMIN, in the network namespace of a workload, and ends.
FROM runtime AS capture
USER 0:0
RUN apt-get update && apt-get install --yes --no-install-recommends iptables && rm -rf /var/lib/apt/lists/*
HEALTHCHECK NONE
CMD ["capture", "apply"]

FROM ${ENVOY_IMAGE} AS envoy

# The proxy of a pod or of a gateway. The same image captures, in a container of its own, which is root and ends.
FROM capture AS proxy
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
USER 1337:1337
CMD ["proxy"]

# The last is the one that is made where no target is named.
FROM runtime
