# The control plane alone: no Envoy in it, no root, no compiler.
FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/meshloom && python -m venv /opt/build \
 && /opt/meshloom/bin/pip install --no-cache-dir --require-hashes -r requirements.txt \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt
COPY . .
RUN /opt/build/bin/hatchling build -t wheel -d /wheels \
 && /opt/meshloom/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl

FROM python:3.13-slim
COPY --from=build /opt/meshloom /opt/meshloom
RUN useradd --uid 1337 --no-create-home meshloom && mkdir /run/meshloom && chown meshloom /run/meshloom
USER 1337
ENV PATH=/opt/meshloom/bin:$PATH MESHLOOM_OPERATOR_SOCKET=/run/meshloom/operator.sock
ENTRYPOINT ["meshloom"]
CMD ["--help"]
