"""Runs Supervisor's own client again and again in one process: JSON arguments in, stdout and exit code out."""

import contextlib
import io
import json
import sys
import warnings


def main() -> None:
    warnings.simplefilter("ignore")
    from supervisor import supervisorctl

    for line in sys.stdin:
        request = json.loads(line)
        captured = io.StringIO()
        code: object = 0
        sys.argv = ["supervisorctl"]
        before = sys.stdin
        sys.stdin = io.StringIO(request["stdin"])
        try:
            with contextlib.redirect_stdout(captured):
                supervisorctl.main(request["arguments"])
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdin = before
        print(json.dumps({"stdout": captured.getvalue(), "code": code or 0}), flush=True)


if __name__ == "__main__":
    main()
