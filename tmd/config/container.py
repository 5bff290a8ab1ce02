"""A configuration as the main program of a container means it: what programs write is what the container writes.

Logs that nobody placed go to the daemon's standard output and standard error, each line with the name of its program.
A log with a path of its own stays as it is, also when that is /dev/stdout, and so does a format that was chosen.
"""

from msgspec.structs import replace

from tmd.config.settings import AUTO, GroupSpec, ProcessSpec, Settings

STDOUT, STDERR = "/dev/stdout", "/dev/stderr"


def in_container(settings: Settings) -> Settings:
    """Return the settings as they are in a container."""
    return replace(
        settings,
        groups=tuple(_group(group) for group in settings.groups),
        shadowed=tuple(_group(group) for group in settings.shadowed),
    )


def _group(group: GroupSpec) -> GroupSpec:
    return replace(group, processes=tuple(in_container_too(spec) for spec in group.processes))


def in_container_too(spec: ProcessSpec) -> ProcessSpec:
    """Return one process as it is in a container."""
    placed = {
        stream: path
        for stream, path, is_auto in (
            # What a listener says on stdout is a protocol, and of no use to people.
            ("stdout", STDOUT, spec.stdout_logfile == AUTO and spec.kind != "eventlistener"),
            ("stderr", STDERR, spec.stderr_logfile == AUTO and not spec.redirect_stderr),
        )
        if is_auto
    }
    if spec.kind == "eventlistener" and spec.stdout_logfile == AUTO:
        spec = replace(spec, stdout_logfile=None)
    if not placed:
        return spec
    changes = {f"{stream}_logfile": path for stream, path in placed.items()}
    limits = {f"{stream}_logfile_maxbytes": 0 for stream in placed}
    return replace(spec, **changes, **limits, prefixed=tuple(placed))
