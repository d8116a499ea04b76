"""The registered model as MLflow loads it: whole requests in, routes and results out. MLflow executes this file.

It is kept as source ("models from code"), so nothing has to be unpickled: the artifact beside it is the bundle, whose
skops file is audited when it is read. ``mlflow models serve`` and ``mlflow.pyfunc.spark_udf`` both call ``predict``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from models.bundle import Bundle

COLUMNS = ("external_id", "route", "approval_score", "threshold", "result", "error")


class RequestModel(PythonModel):
    """Triage of requests by the bundle in the artifact ``bundle``. Stores nothing, draws nothing for an audit."""

    _bundle: Bundle

    def load_context(self, context: Any) -> None:
        """Read and audit the bundle. Raises BundleError in one line where it is broken."""
        from models.bundle import load_bundle

        self._bundle = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """One row a request: a column ``request`` of JSON text in, :data:`COLUMNS` out, as a data frame.

        ``result`` is the whole result as JSON. A request that is refused is no error of the batch: its row says
        ``nurse_review`` and, in ``error``, which field is wrong; no value of it is repeated.
        """
        rows = [_answer(text, self._bundle) for text in model_input["request"].tolist()]
        return pd.DataFrame(rows, columns=list(COLUMNS))


def _answer(text: str, bundle: Bundle) -> tuple[str, str, float | None, float | None, str, str]:
    from features.errors import RequestRefusedError
    from features.request import parse_request
    from models.result import result_to_json
    from models.triage import triage

    try:
        request = parse_request(json.loads(text))
    except RequestRefusedError as error:
        return "", "nurse_review", None, None, "", str(error)
    except (ValueError, TypeError):
        return "", "nurse_review", None, None, "", "request: must be JSON"
    result = triage(request, bundle=bundle)
    answer = json.dumps(result_to_json(result))
    return result.external_id, result.route.value, result.approval_score, result.threshold, answer, ""


mlflow.models.set_model(RequestModel())
