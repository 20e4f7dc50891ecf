"""`pipekit demo`, beyond what the tutorials say of it."""


def test_the_first_run_does_not_wait_for_files_that_the_demo_has_just_made(project):
    """With this setting it would wait for an hour."""
    done = project.pipekit("demo", "made", env={"PIPEKIT_PIPELINE__QUIET_SECONDS": "1h"})
    assert done.code == 0
    assert "29 files, 8 written, 1 rejected" in done.out
