"""The parser of `karyaksham` and its dispatch. Nothing heavy is imported here: each command loads what it needs.

`run` and `convert` shall start as soon as the engine can: for them the parsers of the other commands are not made, and
neither pathlib nor typing is imported (together a quarter of the time to their first useful instruction).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

_ENGINE_ALONE = ("run", "convert")

_EPILOG = """environment: KARYAKSHAM_URL and KARYAKSHAM_TOKEN stand in for a stored log-in; KARYAKSHAM_DATA_DIR is the
data directory of `up`. Exit code 0 means that the output is complete; errors go to stderr with a code and a hint."""


def program_version() -> str:
    """Return the version that is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("karyaksham")
    except PackageNotFoundError:
        from engine import __version__

        return __version__


class _Version(argparse.Action):
    """Prints the version; asks for it only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"karyaksham {program_version()}")
        parser.exit()


class _Formatter(argparse.HelpFormatter):
    """Knows the terminal's width without shutil: argparse asks it for each option, its archivers cost 3 ms."""

    def __init__(self, prog: str) -> None:
        try:
            columns = int(os.environ.get("COLUMNS", "")) or 80
        except ValueError:
            try:
                columns = os.get_terminal_size(1).columns or 80
            except OSError:
                columns = 80
        super().__init__(prog, width=columns - 2)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError("must lie between 0 and 65535")
    return number


def build_parser(*, engine_alone: bool = False) -> argparse.ArgumentParser:
    """Return the parser of the whole command, or of the commands that need only the engine."""
    parser = argparse.ArgumentParser(
        prog="karyaksham",
        description="Pipelines for files too big for a laptop: on this machine alone, or as a service.",
        epilog=_EPILOG,
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    if not engine_alone:
        _service_commands(commands)
    _local_commands(commands)
    if not engine_alone:
        _server_commands(commands)
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: str, text: str
) -> argparse.ArgumentParser:
    """Add a command that `module.main(options)` runs."""
    summary = text.split(". ", maxsplit=1)[0].rstrip(".")
    command = commands.add_parser(
        name, help=summary[0].lower() + summary[1:], description=text, formatter_class=_Formatter
    )
    command.set_defaults(module=module)
    return command


def _service_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from pathlib import Path

    up = _add(
        commands,
        "up",
        "ops.cli.up",
        "Run the whole service here: PostgreSQL, Valkey, SeaweedFS, API, web app, Flight, workers. A part is left out "
        "when the environment names another (DATABASE_URL, REDIS_URL, S3_ENDPOINT_URL). Ctrl-C stops all.",
    )
    _data_dir(up)
    up.add_argument("--port", type=_port, metavar="P", help="port of API and web app; 0 for any (default: 8000)")
    up.add_argument("--flight-port", type=_port, metavar="P", help="port of Arrow Flight; 0 for any (default: 8815)")
    up.add_argument("--workers", type=_positive, default=1, metavar="N", help="worker processes (default: 1)")
    up.add_argument("--ready-file", type=Path, metavar="F", help="write URLs and log-in as JSON when all answers")
    doctor = _add(
        commands,
        "doctor",
        "ops.cli.doctor",
        "Say what is wrong here, and how to mend it. In the deployment that the environment names (DATABASE_URL …), "
        "else on this machine and in the stack of the data directory; with --url in what clients see of a service.",
    )
    _data_dir(doctor)
    doctor.add_argument("--url", metavar="URL", help="look at the service at this address, from outside alone")
    doctor.add_argument("--flight-url", metavar="URL", help="and at Flight: grpc+tls://host:443")
    doctor.add_argument("--backups", type=Path, metavar="FOLDER", help="look for a backup of the last day here")
    doctor.add_argument("--json", action="store_true", help="print findings as JSON")
    backup = _add(
        commands,
        "backup",
        "ops.cli.backup:backup",
        "Back a deployment up into a new folder: the database, and a list of the objects that it points to. Of the one "
        "that the environment names (DATABASE_URL …), else of the stack in the data directory, running or not.",
    )
    backup.add_argument("--objects", action="store_true", help="copy the objects too")
    restore = _add(
        commands,
        "restore",
        "ops.cli.backup:restore",
        "Restore a backup into an empty database, and its objects into the bucket; say what is missing there. While no "
        "API and no worker runs.",
    )
    for command in (backup, restore):
        command.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of the backup")
        _data_dir(command)
        command.add_argument("--json", action="store_true", help="print the outcome as JSON")
    for name, text in (
        ("api", "Run the API and the web app alone, with settings from the environment."),
        ("worker", "Run one worker alone, with settings from the environment."),
        ("flight", "Run the Arrow Flight server alone, with settings from the environment."),
        ("migrate", "Bring the database up to date, with settings from the environment."),
    ):
        part = _add(commands, name, f"ops.cli.parts:{name}", text)
        if name in {"worker", "migrate"}:
            part.add_argument(
                "--wait", type=float, default=30, metavar="S", help="seconds to wait for backends (default: 30)"
            )
        if name == "migrate":
            part.add_argument(
                "--patience",
                type=float,
                default=300,
                metavar="S",
                help="seconds to try again while others' transactions hold a table (default: 300)",
            )


def _local_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = _add(commands, "run", "ops.cli.run:run", "Run a pipeline on this machine, without a server.")
    run.add_argument("spec", metavar="SPEC", help="the pipeline, a JSON file (- for standard input)")
    run.add_argument(
        "--input",
        action="append",
        required=True,
        metavar="[NAME=]FILE_OR_URL",
        help="an input: a file or s3://bucket/key; the first without a name is `input`; may be repeated",
    )
    run.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="where the result goes; its ending names the format where the spec does not; a folder if the spec has "
        "partitionBy or maxFileBytes",
    )
    _engine_options(run)
    convert = _add(
        commands, "convert", "ops.cli.run:convert", "Convert a file to another format, named by the ending of OUT."
    )
    convert.add_argument("input", metavar="IN", help="a file or s3://bucket/key; its format is detected")
    convert.add_argument("output", metavar="OUT", help="where the result goes: .csv .tsv .ndjson .parquet .arrow .txt")
    _engine_options(convert)

    profile = _add(
        commands,
        "profile",
        "ops.cli.profile",
        "Say what each column of a file holds: nulls, distinct values, extremes, quantiles, frequent values. One pass.",
    )
    profile.add_argument("file", metavar="FILE", help="a file or s3://bucket/key; its format is detected")
    profile.add_argument("--column", action="append", metavar="C", help="only this column; may be repeated")
    profile.add_argument("--threads", type=_positive, metavar="N", help="engine threads (default: one per core)")
    profile.add_argument("--json", action="store_true", help="print everything as JSON")


def _server_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from pathlib import Path

    login = _add(commands, "login", "ops.cli.login:login", "Log in to a server and keep a token for other commands.")
    login.add_argument("url", metavar="URL", help="the server, as the browser shows it")
    login.add_argument("--email", metavar="E", help="account; asked for when left out")
    login.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    login.add_argument("--code", metavar="C", help="code of the authenticator app, or a recovery code, if needed")
    login.add_argument("--token-stdin", action="store_true", help="read an API token from standard input instead")
    upload = _add(commands, "upload", "ops.cli.upload:upload", "Upload a file in parallel parts; resumes by itself.")
    upload.add_argument("file", metavar="FILE", type=Path, help="the file")
    upload.add_argument("--name", metavar="N", help="name of the data set (default: the file's)")
    upload.add_argument("--parallel", type=_positive, default=4, metavar="N", help="parts at once (default: 4)")
    job = _add(commands, "run-job", "ops.cli.jobs:run_job", "Run a pipeline as a job on the server.")
    job.add_argument("spec", metavar="SPEC", help="the pipeline, a JSON file (- for standard input)")
    job.add_argument(
        "--input",
        action="append",
        required=True,
        metavar="[NAME=]DATASET",
        help="an input: the id of a data set; the first without a name is `input`; may be repeated",
    )
    watch = job.add_mutually_exclusive_group()
    watch.add_argument("--wait", action="store_true", help="return when the job has ended")
    watch.add_argument("--follow", action="store_true", help="the same, with progress and log shown live")
    job.add_argument("--idempotency-key", metavar="K", help="the same key never makes a second job")
    logs = _add(commands, "logs", "ops.cli.jobs:logs", "Print the log of a job.")
    logs.add_argument("job", metavar="JOB", help="the job's id")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the job has ended")
    get = _add(commands, "get", "ops.cli.jobs:get", "Download the result of a job.")
    get.add_argument("job", metavar="JOB", help="the job's id")
    get.add_argument("-o", "--output", type=Path, metavar="FILE", help="file, or folder (default: the result's name)")
    get.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    export = _add(
        commands,
        "audit",
        "ops.cli.audit:export",
        "Write entries of the audit log, oldest first; for administrators. The export is an entry of it itself.",
    )
    export.add_argument("what", metavar="export", choices=("export",), help="what to do: export")
    export.add_argument("--format", choices=("ndjson", "csv"), default="ndjson", help="(default: ndjson)")
    export.add_argument("--since", metavar="T", help="from this time on, included (2026-11-01, 2026-11-01T12:00Z)")
    export.add_argument("--until", metavar="T", help="to this time, not included (default: now)")
    export.add_argument("--actor", metavar="A", help="what this account did: its id or e-mail address")
    export.add_argument("--only", metavar="A", help="an action (job.run), or a group with its dot (job.)")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="file (default: standard output)")
    for command in (login, upload, job, logs, get):
        command.add_argument("--json", action="store_true", help="print the outcome as JSON")


def _data_dir(command: argparse.ArgumentParser) -> None:
    from pathlib import Path

    command.add_argument("--data-dir", type=Path, metavar="D", help="where everything is kept (default: ~/.karyaksham)")


def _engine_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--memory-limit", metavar="SIZE", help="512MB, 2GiB …: memory of the engine (default: a share)"
    )
    command.add_argument("--spill-limit", metavar="SIZE", help="disk space for what does not fit into memory")
    command.add_argument("--threads", type=_positive, metavar="N", help="engine threads (default: one per core)")
    command.add_argument("--stats", metavar="FILE", help="write rows, bytes, seconds, peak memory as JSON")
    command.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    command.add_argument("--json", action="store_true", help="print the outcome as JSON")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 failed, 2 wrong usage or settings, 130 stopped by Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = build_parser(engine_alone=bool(arguments) and arguments[0] in _ENGINE_ALONE).parse_args(arguments)
    module, _, function = str(options.module).partition(":")
    from ops.cli.errors import report

    try:
        run: Callable[[argparse.Namespace], int] = getattr(import_module(module), function or "main")
        return run(options)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001  # every failure leaves as code, message and hint
        return report(error, as_json=bool(getattr(options, "json", False)))


def command() -> int:
    """Run the command as a process; the engine's commands end it here.

    By then the result is published and the engine has stopped; nothing else waits for the interpreter to be taken
    apart, which would cost 5 ms.
    """
    code = main()
    if sys.argv[1:2] and sys.argv[1] in _ENGINE_ALONE:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(command())
