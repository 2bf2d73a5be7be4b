# The page, on the CPU, without root:
#   docker build -t facevae . && docker run --rm -p 7860:7860 facevae
# It runs on a read-only root, too: docker run --rm --read-only --tmpfs /tmp -p 7860:7860 facevae
FROM python:3.11-slim AS wheel
WORKDIR /src
COPY pyproject.toml requirements.txt README.md LICENSE ./
COPY facevae facevae
COPY train train
COPY assets assets
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
COPY requirements.txt /tmp/requirements.txt
# The CPU build of torch: the one on PyPI brings several gigabytes for GPUs with it.
RUN grep -E '^torch(vision)?>' /tmp/requirements.txt > /tmp/torch.txt \
    && pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu -r /tmp/torch.txt \
    && pip install --no-cache-dir -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt /tmp/torch.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl \
    && useradd --create-home --uid 1000 visitor

USER 1000
WORKDIR /home/visitor
ENV GRADIO_ANALYTICS_ENABLED=False HF_HUB_DISABLE_TELEMETRY=1 PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/config', timeout=9)"]
CMD ["facevae", "app", "--host", "0.0.0.0", "--port", "7860"]
