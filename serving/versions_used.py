"""Which versions stood behind a stored result: they go into the trail with everything people see and do on a case."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from serving.records import dumps
from serving.stored_case import StoredResult

_LEXICON = re.compile(r"\blexicon\.([0-9a-f]+)")


def versions_of(stored: StoredResult) -> dict[str, Any]:
    """Revision, pipeline, lexicon, policy, model and certificate of a result, as JSON values; None where there was none.

    ``certificate`` is the SHA-256 of the certificate's canonical JSON, ``lexicon`` the hash that the pipeline's version
    names. Nothing here tells the route, the score, or whether the case was drawn for the blind audit.
    """
    result = json.loads(stored.result)
    policy, model, certificate = result.get("policy"), result.get("model"), result.get("certificate")
    lexicon = _LEXICON.search(result["pipeline_version"])
    return {
        "revision": stored.revision,
        "pipeline_version": result["pipeline_version"],
        "lexicon": lexicon[1] if lexicon else None,
        "policy": {"policy_id": policy["policy_id"], "version": policy["version"]} if policy else None,
        "model": {"name": model["name"], "version": model["version"]} if model else None,
        "certificate": hashlib.sha256(dumps(certificate).encode()).hexdigest() if certificate else None,
    }
