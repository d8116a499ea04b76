"""What passwords and keys cost to guess."""

from __future__ import annotations

import subprocess
import sys


def test_a_secret_is_hashed_at_the_cost_of_rfc_9106_for_little_memory() -> None:
    # In a process of its own: in this one secrets are hashed cheaply.
    code = "from serving.secret_hasher import secret_hasher as made; print(made().hash('a secret'))"
    hashed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
