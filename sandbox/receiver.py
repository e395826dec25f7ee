"""Somebody's own system, which takes webhooks of the inbox: it checks nothing and answers 200."""

from sandbox.protocol import Answer, Request, json_answer

PATH = "receiver"


class Receiver:
    """Every path below /receiver is one. What came stands among the recorded requests."""

    name = "receiver"

    @staticmethod
    def owns(first_segment: str) -> bool:
        return first_segment == PATH

    @staticmethod
    def latency(_request: Request) -> float:
        return 0.0

    def answer(self, request: Request) -> Answer:
        if request.method != "POST":
            return self.error_answer(405)
        return json_answer(200, {})

    def error_answer(self, status: int) -> Answer:
        return json_answer(status, {"error": f"Sandbox: HTTP {status}"})

    def faulty_answer(self, fault: str, *_details: object) -> Answer:
        raise LookupError(fault)
