"""One worker process: reads a line with a job, analyses the file, writes a line with the outcome.

``python -m clipwarden_local.analysis.worker CACHE_FOLDER``. It ends when its input does.
"""

import json
import logging
import math
import os
import resource
import signal
import sys
from pathlib import Path

import av.logging

from clipwarden_local.analysis.frames import UnreadableVideo, Video
from clipwarden_local.analysis.mapping import MODEL_VERSION, observations
from clipwarden_local.analysis.models import Models
from clipwarden_local.analysis.outcome import Analysis, Failure, Outcome, encode

#: Ample for the models and an 8K picture; a forged file that asks for more gets none.
_MEMORY_BYTES = 3 * 1024**3

_log = logging.getLogger(__name__)


def main(arguments: list[str]) -> None:
    """Work until the input ends."""
    # A terminal's ctrl-C reaches the whole group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries that print must not write into the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    av.logging.set_level(None)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    models = Models(Path(arguments[0]))
    for line in sys.stdin:
        job = json.loads(line)
        _limit_cpu(job["seconds"])
        answers.write(encode(_outcome(Path(job["path"]), models)) + "\n")
        answers.flush()


def _outcome(path: Path, models: Models) -> Outcome:
    try:
        return analyse(path, models)
    except UnreadableVideo as error:
        return Failure(status_message=str(error))
    except Exception:  # noqa: BLE001 - one bad file must not end the worker
        _log.exception("a video could not be analysed")
        return Failure(status_message="Internal error while analysing the video.")


def analyse(path: Path, models: Models) -> Analysis:
    """Return what the models see in a file; raises UnreadableVideo."""
    with Video(path) as video:
        samples = [models.score(frame) for frame in video.frames()]
        metadata = video.metadata()
    return Analysis(
        observations=observations(samples, frame_height=metadata.frame_height),
        metadata=metadata,
        model_version=MODEL_VERSION,
    )


def _limit_cpu(seconds: float) -> None:
    """Let the kernel end this process when a job takes more CPU than it may take time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
