"""The image, built from the Dockerfile and run as the Compose file says, with Podman and this checkout's servers.

`make image-check` needs root and a container engine, so it is no part of `make test`. `IMAGE_ARGS=--help` says what it
can be told; without a registry: `make image-check IMAGE_ARGS="--build --stand-ins"`.
"""
