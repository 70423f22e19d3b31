ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.txt .
# Only wheels, and only those whose hashes were recorded: nothing is built or run here.
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
    --requirement requirements.txt

FROM python:${PYTHON}-slim
# LightGBM's wheel takes its OpenMP runtime from the system. Debian keeps one version of
# it at a time, so a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY wsgi.py gunicorn.conf.py LICENSE ./
COPY data data
COPY model model
COPY housing_app housing_app
# For the nginx beside it, which has no Python to make its configuration with.
COPY deploy/nginx deploy/nginx
# /var/lib/housing_app: the one folder of the disk that is written to, the journal's.
RUN python -m compileall -q housing_app wsgi.py \
    && install -d -o 10001 -g 10001 -m 700 /var/lib/housing_app
VOLUME /var/lib/housing_app
# All addresses of the container: it starts with AUTH=jwt and a key, or with
# AUTH_OFF_ANYWHERE=true where something else guards the port.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=housing_app \
    INSTANCE_DIR=/var/lib/housing_app \
    BIND=0.0.0.0:8000
# By number, so that Kubernetes can see it is not root.
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s \
    CMD ["flask", "--app", "housing_app", "health", "--url", "http://127.0.0.1:8000"]
# The metrics directory is in memory, empty at every start, and known to the server
# alone: a command run beside it (the health check) must not count into it.
CMD ["sh", "-c", "export PROMETHEUS_MULTIPROC_DIR=/dev/shm/metrics && rm -rf /dev/shm/metrics && mkdir /dev/shm/metrics && exec gunicorn --config gunicorn.conf.py"]
