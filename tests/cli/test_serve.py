import sys


def test_a_folder_without_a_run_is_told_in_one_line(run, tmp_path):
    code, _, err = run("serve", tmp_path, "--port", 0)
    assert (code, err) == (2, f"recsys-nn: {tmp_path} is not a run folder: it has no manifest.json\n")


def test_limits_are_checked(run, tmp_path):
    code, _, err = run("serve", tmp_path, "--time-limit", 0)
    assert (code, err) == (2, "recsys-nn: seconds must be greater than 0, not 0.0\n")


def test_what_must_be_installed_is_told(run, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "recsys_nn.serving.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, err = run("serve", tmp_path)
    assert (code, err) == (2, "recsys-nn: uvicorn is not installed: pip install 'recsys-nn[serve]'\n")
