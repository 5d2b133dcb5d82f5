"""What is shown of the output of a cluster: what workers print, and no report of Ray."""

import contextlib

from twigma.core.pools.worker_output import WorkerOutput


def test_workers_are_shown_and_reports_of_ray_are_not(capsys):
    with contextlib.redirect_stdout(WorkerOutput()):
        print("\033[36m(StageActor pid=7, ip=10.0.0.2)\033[0m loading", end="\n")
        print("\033[33m(raylet, ip=10.0.0.2)\033[0m A worker died\nfor a reason")
        print("\033[36m(autoscaler +5s)\033[0m Tip: use `ray status`")
        print("(StageActor pid=7) says (raylet")
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].endswith(" loading")
    assert lines[1:] == ["(StageActor pid=7) says (raylet"]
