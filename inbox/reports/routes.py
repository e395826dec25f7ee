"""Reports over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response, request

from inbox.auth.access import Permission
from inbox.reports import service
from inbox.reports.schemas import ReportQuery, ReportRow
from inbox.web import access, answer, conditional, contract, requires, runtime

bp = Blueprint("reports", __name__)
_CSV = "text/csv"


@bp.get("/reports")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("reports", {200: ReportRow}, described={"responses": {"200": {"content": {_CSV: {}}}}})
def get_report(query: ReportQuery) -> Response:
    """How long customers of a number waited for the first reply, and until it was done: medians and the 90th
    percentile by day and person, the bot apart. At most 92 days. `format=csv`, or Accept, gives a table.
    """
    made = service.report(runtime().db, access(), query)
    wanted = query.format or ("csv" if request.accept_mimetypes.best_match(["application/json", _CSV]) == _CSV else "")
    if wanted != "csv":
        response = answer(made)
    else:
        response = Response(service.as_csv(made), mimetype=_CSV)
        response.headers["Content-Disposition"] = f'attachment; filename="report-{made.first}-{made.last}.csv"'
        response = conditional(response)
    response.vary.add("Accept")
    return response
