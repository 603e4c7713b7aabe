"""Where the SDK looks for its test environment, which is a fixed port otherwise."""

from __future__ import annotations


def lead_to(port: int) -> None:
    """Have the SDK, in this process, ask a port of this machine when KAGGLE_API_ENVIRONMENT is TEST."""
    from kagglesdk import kaggle_env

    kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.TEST] = f"http://localhost:{port}"
