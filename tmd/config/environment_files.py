"""What is said of the environment files that programs name when a configuration is read.

A program gets them when it is started, as they are then: what is wrong with one concerns nothing else, and may be
mended by then. So it is a problem only for a host that wants to know it all beforehand.
"""

from tmd.config.reader import Setup
from tmd.tree.problems import Problem


def check_environment_files(setup: Setup) -> None:
    """Note what is wrong with the files, each thing once: all there is if the host looks into them, else what it sees.

    That is what is not there or a directory, and it is warned of.
    """
    host, findings = setup.host, setup.findings
    told: set[str] = set()
    for (file, uid), place in findings.environment_files.items():
        if host.environment_file_problems is not None:
            for reason in host.environment_file_problems(file, uid):
                if reason not in told:
                    told.add(reason)
                    findings.problem(*place, reason, more=True)
        elif host.directory_exists(file.path):
            findings.warn(str(Problem(*place, f"{file.path!r} is a directory")))
        elif not file.optional and not host.file_exists(file.path):
            reason, hint = f"there is no file {file.path!r}", f"-{file.path} if it may be missing"
            findings.warn(str(Problem(*place, reason, hint)))
